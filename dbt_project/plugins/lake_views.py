"""dbt-duckdb plugin: the lake as an attached in-memory database, so that nothing about it enters the build file.

One view per Iceberg table, pinned to the snapshot it had when the run began, and one table per small input made from contracts
and operations store: the same names that `infra.postgres` loads into PostgreSQL.
"""

from __future__ import annotations

import os
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from infra.settings import Settings, load_settings
from ingestion import sources
from ingestion.duck import load_extensions


class Plugin(BasePlugin):
    """Attaches database `lake`; LAKEHOUSE_SETTINGS holds the run's settings as JSON, else the environment is read.

    By hand (sqlfluff, `dbt compile`) no lake is made where there is none: the database is then empty.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        given = os.environ.get("LAKEHOUSE_SETTINGS")
        settings = Settings.model_validate_json(given) if given else load_settings()
        exists = bool(given) or (settings.home / "lake").exists()
        self.iceberg = sources.iceberg_inputs(settings) if exists else {}
        self.arrow = sources.arrow_inputs(settings) if exists else {}

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        load_extensions(conn, ("httpfs", "avro", "iceberg"))
        conn.execute("attach if not exists ':memory:' as lake")
        conn.execute("create schema if not exists lake.lake")
        for name, metadata in self.iceberg.items():
            conn.execute(f"create or replace view lake.lake.{name} as from iceberg_scan('{metadata}')")
        for name, rows in self.arrow.items():
            conn.register("_input", rows)
            conn.execute(f"create or replace table lake.lake.{name} as from _input")
            conn.unregister("_input")
