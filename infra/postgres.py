"""Load what dbt reads into PostgreSQL, schema `lake`: the same tables, under the same names, that the DuckDB plugin shows.

DuckDB reads the pinned Iceberg snapshots and copies them over in bulk; no row passes through Python.
"""

from __future__ import annotations

import duckdb
from sqlalchemy import make_url

from infra.settings import Settings
from ingestion import sources
from ingestion.duck import connect, load_extensions

SCHEMA = "lake"


def connection_string(url: str) -> str:
    """A SQLAlchemy or libpq URL as the key=value words that DuckDB's PostgreSQL extension takes."""
    parsed = make_url(url)
    words = {
        "host": parsed.host or parsed.query.get("host"),
        "port": parsed.port,
        "user": parsed.username,
        "password": parsed.password,
        "dbname": parsed.database,
    }
    return " ".join(f"{k}={_quoted(str(v))}" for k, v in words.items() if v)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def attach(connection: duckdb.DuckDBPyConnection, url: str, name: str, *, read_only: bool = False) -> None:
    """Show a PostgreSQL database in a DuckDB connection that has the extension loaded."""
    escaped = connection_string(url).replace("'", "''")
    connection.execute(f"attach '{escaped}' as {name} (type postgres{', read_only' if read_only else ''})")


def load_lake(settings: Settings, url: str | None = None) -> dict[str, int]:
    """Replace the tables of schema `lake` by the current inputs, in one transaction; returns the rows per table.

    A table whose columns did not change is emptied and filled, so that views on it stay; a changed one is dropped with the views
    that dbt will build again. Raises ValueError when the settings name no PostgreSQL.
    """
    target = url or settings.warehouse.url
    if not target:
        raise ValueError(f"profile {settings.profile} names no PostgreSQL URL for its warehouse")
    with connect(memory_limit=settings.memory_limit, threads=settings.threads) as connection:
        load_extensions(connection, ("httpfs", "avro", "iceberg", "postgres_scanner"))
        attach(connection, target, "warehouse")
        iceberg, arrow = sources.iceberg_inputs(settings), sources.arrow_inputs(settings)
        for name, metadata in iceberg.items():
            connection.execute(f"create view {name} as from iceberg_scan('{metadata}')")
        for name, rows in arrow.items():
            connection.register("_input", rows)
            connection.execute(f"create table {name} as from _input")
            connection.unregister("_input")
        connection.execute("begin")
        connection.execute(f"create schema if not exists warehouse.{SCHEMA}")
        there = _columns(connection, f"table_catalog = 'warehouse' and table_schema = '{SCHEMA}'")
        wanted = _columns(connection, "table_catalog = 'memory' and table_schema = 'main'")
        counts = {name: _copy(connection, name, there.get(name), wanted[name]) for name in (*iceberg, *arrow)}
        connection.execute("commit")
    return counts


def _columns(connection: duckdb.DuckDBPyConnection, where: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    query = f"select table_name, column_name from information_schema.columns where {where} order by table_name, ordinal_position"
    for table, column in connection.execute(query).fetchall():
        found.setdefault(table, []).append(column)
    return found


def _copy(connection: duckdb.DuckDBPyConnection, name: str, there: list[str] | None, wanted: list[str]) -> int:
    target = f"warehouse.{SCHEMA}.{name}"
    if there == wanted:
        connection.execute(f"delete from {target}")
        connection.execute(f"insert into {target} from {name}")
    else:
        connection.execute(f"drop table if exists {target} cascade")
        connection.execute(f"create table {target} as from {name}")
    return connection.execute(f"select count(*) from {name}").fetchone()[0]
