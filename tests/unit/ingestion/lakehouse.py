"""Reading helpers for tests: load everything landed, and ask the lake in SQL."""

from __future__ import annotations

from typing import Any

from infra.settings import Settings
from ingestion import duck, export, load
from ingestion.identity.linking import link
from ingestion.sources import arrow_inputs, iceberg_inputs


def load_all(settings: Settings, run_id: str = "test") -> dict[str, Any]:
    """Load all organisations, link and export; returns the books per organisation."""
    books = {}
    for family in load.FAMILIES:
        for organisation in load.organisations(settings, family):
            books[organisation] = load.load_organisation(settings, family, organisation, run_id)["feeds"]
    link(settings)
    export.export(settings)
    return books


def ask(settings: Settings, query: str) -> list[tuple]:
    """Rows of a query over lake tables and operations tables."""
    connection = duck.connect()
    duck.load_extensions(connection, ["avro", "httpfs", "iceberg"])
    for name, location in iceberg_inputs(settings).items():
        connection.execute(f"create view {name} as from iceberg_scan('{location}')")
    for name, table in arrow_inputs(settings).items():
        connection.register(name, table)
    return connection.execute(query).fetchall()
