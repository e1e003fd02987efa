"""A source system that is a relational database: its tables as they stand, in one SQLite file beside the landing folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from ingestion.mappings import FeedMapping
from ingestion.mappings.pulls import DatabasePull

FOLDER = "systems"


def database_file(landing: Path, organisation: str) -> Path:
    """The database of an organisation whose landing folder this is."""
    return landing.parent / FOLDER / f"{organisation}.db"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def put_rows(path: Path, feed: FeedMapping, table: pa.Table) -> None:
    """Write rows into the table that the mapping pulls, all columns as text; a row with the key of an earlier one replaces it."""
    if not isinstance(feed.pull, DatabasePull) or feed.pull.table is None:
        raise ValueError("the mapping pulls no table of a database")
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f"{_name(c)} text" for c in table.column_names)
    keys = ", ".join(map(_name, feed.pull.order_by))
    places = ", ".join("?" * table.num_columns)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("pragma synchronous = off")
        connection.execute(f"create table if not exists {_name(feed.pull.table)} ({columns}, primary key ({keys}))")
        for batch in table.to_batches(max_chunksize=50_000):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            connection.executemany(f"insert or replace into {_name(feed.pull.table)} values ({places})", rows)
