"""A DuckDB dialect for Great Expectations: it answers to the name "postgresql", has no transactions and opens nothing itself.

A gate prepares a DuckDB database (a read-only warehouse file, or views over pinned Iceberg tables with their extensions loaded
by path), lends it here under a name, and gives Great Expectations the address. Every statement runs on a cursor of its own:
on a shared one the next statement would empty a result that is still being read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import duckdb_engine
from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL

_lent: dict[str, duckdb.DuckDBPyConnection] = {}


class _Connection(duckdb_engine.ConnectionWrapper):
    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        super().__init__(database)
        self._database = database

    def cursor(self) -> duckdb_engine.CursorWrapper:
        return duckdb_engine.CursorWrapper(self._database.cursor(), self)

    def close(self) -> None:
        """The lender closes the database."""


class Dialect(duckdb_engine.Dialect):
    """DuckDB under the name by which Great Expectations picks regular expressions, types and aggregate functions."""

    name = "postgresql"
    supports_statement_cache = False

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.NullPool

    def create_connect_args(self, url: URL) -> tuple[tuple[str | None], dict[str, Any]]:
        return (url.database,), {}

    def connect(self, *args: Any, **kwargs: Any) -> _Connection:
        try:
            return _Connection(_lent[args[0]])
        except KeyError:
            raise LookupError(f"no DuckDB database is lent under the name {args[0]!r}") from None

    def do_begin(self, dbapi_connection: Any) -> None:
        """Gates only read: there is no transaction to begin."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Gates only read: there is nothing to undo."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Gates only read: there is nothing to keep."""


@contextmanager
def lend(name: str, database: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Lend a database for the time of the block; yields its SQLAlchemy address."""
    registry.register("duckdb.gx", __name__, "Dialect")
    _lent[name] = database
    try:
        yield f"duckdb+gx:///{name}"
    finally:
        del _lent[name]
