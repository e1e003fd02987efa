"""dbt-duckdb plugin: the lake as an attached in-memory database, so that nothing about it enters the build file.

One view per Iceberg table, pinned to the snapshot it had when the run began, and one table per small input made from contracts
and operations store: the same names that `infra.postgres` loads into PostgreSQL. A small Iceberg table is read once and held: every
model that names a view on Iceberg reads its manifests again, which costs more than the rows.
"""

from __future__ import annotations

import os
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from infra.settings import Settings, load_settings
from ingestion import lake, sources
from ingestion.duck import load_extensions

# Cells of a table that is held in memory: 50 feeds of this size take some 200 MB at worst.
HELD_CELLS = 500_000


def _pinned(settings: Settings) -> dict[str, tuple[str, bool]]:
    """Metadata file of every lake table, and whether it is small enough to be held."""
    found = {}
    for name, schema in lake.lake_tables().items():
        table = lake.table(settings, lake.LAKE, name, schema)
        snapshot = table.current_snapshot()
        summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
        rows = int(summary.get("total-records", 0 if snapshot is None else HELD_CELLS))
        found[name] = (table.metadata_location, rows * len(schema) <= HELD_CELLS)
    return found


class Plugin(BasePlugin):
    """Attaches database `lake`; LAKEHOUSE_SETTINGS holds the run's settings as JSON, else the environment is read.

    By hand (sqlfluff, `dbt compile`) no lake is made where there is none: the database is then empty.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        given = os.environ.get("LAKEHOUSE_SETTINGS")
        settings = Settings.model_validate_json(given) if given else load_settings()
        exists = bool(given) or (settings.home / "lake").exists()
        self.iceberg = _pinned(settings) if exists else {}
        self.arrow = sources.arrow_inputs(settings) if exists else {}

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        load_extensions(conn, ("httpfs", "avro", "iceberg"))
        conn.execute("attach if not exists ':memory:' as lake")
        conn.execute("create schema if not exists lake.lake")
        for name, (metadata, is_small) in self.iceberg.items():
            kind = "table" if is_small else "view"
            conn.execute(f"create or replace {kind} lake.lake.{name} as from iceberg_scan('{metadata}')")
        for name, rows in self.arrow.items():
            conn.register("_input", rows)
            conn.execute(f"create or replace table lake.lake.{name} as from _input")
            conn.unregister("_input")
