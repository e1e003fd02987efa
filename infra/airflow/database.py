"""Airflow's own database: made or migrated once per Airflow version, with the one-slot pool of the warehouse."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from infra.airflow.environment import airflow_home
from infra.airflow.timetable import WAREHOUSE_POOL
from infra.settings import Settings


def _marker(settings: Settings) -> Path:
    return airflow_home(settings) / f".prepared-{version('apache-airflow')}"


def is_prepared(settings: Settings) -> bool:
    """Whether this Airflow version has prepared the database of this LAKEHOUSE_HOME."""
    return _marker(settings).exists() and (airflow_home(settings) / "airflow.db").exists()


def prepare(settings: Settings) -> bool:
    """Create or migrate the database and its pool; returns False when there was nothing to do.

    The environment of `infra.airflow.environment` must be in place. The marker is written last, so a killed call is done again.
    """
    if is_prepared(settings):
        return False
    airflow_home(settings).mkdir(mode=0o700, parents=True, exist_ok=True)
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    initdb()
    Pool.create_or_update_pool(WAREHOUSE_POOL, slots=1, description="one writer of the build database", include_deferred=False)
    _marker(settings).touch()
    return True
