"""Airflow as this project runs it: configuration from the settings, its own database, start and stop."""
