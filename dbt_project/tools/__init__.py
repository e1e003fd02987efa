"""Tools that keep the dbt project in step with the data contracts."""
