"""Airflow's own database: made or migrated once per Airflow version, with the pools of loads and warehouse."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from infra.airflow.environment import airflow_home
from infra.airflow.timetable import LOAD_POOL, WAREHOUSE_POOL
from infra.settings import Settings


def _marker(settings: Settings) -> Path:
    return airflow_home(settings) / f".prepared-{version('apache-airflow')}"


def is_prepared(settings: Settings) -> bool:
    """Whether this Airflow version has prepared the database of this LAKEHOUSE_HOME."""
    return _marker(settings).exists() and (airflow_home(settings) / "airflow.db").exists()


def prepare(settings: Settings) -> None:
    """Create or migrate the database where that is not done, and give the pools their slots.

    The environment of `infra.airflow.environment` must be in place. The marker is written last, so a killed call is done again.
    """
    airflow_home(settings).mkdir(mode=0o700, parents=True, exist_ok=True)
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    if not is_prepared(settings):
        initdb()
        _marker(settings).touch()
    for name, slots, description in (
        (WAREHOUSE_POOL, 1, "one writer of the build database"),
        (LOAD_POOL, settings.threads, "loads at the same time, each with its share of the memory"),
    ):
        Pool.create_or_update_pool(name, slots=slots, description=description, include_deferred=False)
