"""What the lake gates look at: a DuckDB database in memory with views over the pinned Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from infra.settings import Settings
from ingestion import duck, lake

PERSONS = """
create or replace table current_person as
select identity_id, arg_max(person_id, change_no) as person_id, arg_max(method, change_no) as method
from lake.identity_map
group by identity_id
"""


@contextmanager
def open_lake(settings: Settings, *, only: set[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database whose schema `lake` shows the Iceberg tables as they are now; views belong to the database, so every cursor has them.

    `only` names the tables wanted; all of them by default. With identity_map comes `current_person` (identity_id, person_id, method).
    """
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        duck.load_extensions(connection, ("httpfs", "avro", "iceberg"))
        connection.execute("create schema lake")
        for name, schema in lake.lake_tables().items():
            if only is not None and name not in only:
                continue
            table = lake.table(settings, lake.LAKE, name, schema)
            if table.current_snapshot() is None:
                connection.register("_schema", schema.empty_table())
                connection.execute(f'create table lake."{name}" as from _schema')
                connection.unregister("_schema")
            else:
                connection.execute(f"create view lake.\"{name}\" as from iceberg_scan('{table.metadata_location}')")
        if only is None or "identity_map" in only:
            connection.execute(PERSONS)
        yield connection
    finally:
        connection.close()
