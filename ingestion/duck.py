"""DuckDB connections with extensions that come from wheels, so that nothing is downloaded at run time."""

from __future__ import annotations

import importlib.resources as resources
from collections.abc import Iterable

import duckdb


def load_extensions(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions (httpfs, avro, iceberg, postgres_scanner) from their wheels by path."""
    for name in names:
        root = resources.files(f"duckdb_extension_{name}")
        connection.execute(f"load '{root / 'extensions' / f'v{duckdb.__version__}' / f'{name}.duckdb_extension'}'")


def connect(path: str = ":memory:", *, memory_limit: str = "3GB", threads: int = 2, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection that never reaches for the network."""
    connection = duckdb.connect(
        path,
        read_only=read_only,
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": memory_limit,
            "threads": threads,
            "preserve_insertion_order": True,
        },
    )
    connection.execute("set enable_progress_bar = false")
    return connection
