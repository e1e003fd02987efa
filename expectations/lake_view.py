"""What the lake gates look at: a DuckDB database in memory with views over the pinned Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from infra.settings import Settings
from ingestion import duck, lake

PERSONS = """
create or replace view current_person as
select identity_id, arg_max(person_id, change_no) as person_id, arg_max(method, change_no) as method
from lake.identity_map
group by identity_id
"""


def _allow_s3(connection: duckdb.DuckDBPyConnection, catalogue: dict[str, str]) -> None:
    scheme, _, endpoint = catalogue["s3.endpoint"].partition("://")
    values = {
        "key_id": catalogue.get("s3.access-key-id", ""),
        "secret": catalogue.get("s3.secret-access-key", ""),
        "endpoint": endpoint.rstrip("/"),
        "region": catalogue.get("s3.region", "us-east-1"),
    }
    options = ", ".join(f"{name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items())
    connection.execute(f"create or replace secret lake (type s3, {options}, url_style 'path', use_ssl {str(scheme == 'https').lower()})")


@contextmanager
def open_lake(settings: Settings, *, only: set[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database whose schema `lake` shows the Iceberg tables as they are now; views belong to the database, so every cursor has them.

    `only` names the tables wanted; all of them by default. With identity_map comes `current_person` (identity_id, person_id, method).
    """
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        on_s3 = "s3.endpoint" in settings.catalogue
        duck.load_extensions(connection, (*(("httpfs",) if on_s3 else ()), "avro", "iceberg"))
        if on_s3:
            _allow_s3(connection, settings.catalogue)
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
