"""The DuckDB dialect that Great Expectations is given."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine, text

from expectations.gx_duckdb import lend


def test_a_statement_does_not_empty_the_result_of_another_on_the_same_connection() -> None:
    with duckdb.connect() as database, lend("example", database) as address, create_engine(address).connect() as connection:
        first = connection.execute(text("select i from range(5) t(i) order by i"))
        assert first.fetchone() == (0,)
        assert connection.execute(text("select 42")).scalar_one() == 42
        assert [row.i for row in first] == [1, 2, 3, 4]


def test_every_cursor_sees_the_views_of_the_lent_database() -> None:
    with duckdb.connect() as database, lend("example", database) as address:
        database.execute("create schema lake")
        database.execute("create view lake.things as select 1 as thing")
        with create_engine(address).connect() as one, create_engine(address).connect() as other:
            assert one.execute(text("select thing from lake.things")).all() == other.execute(text("select thing from lake.things")).all()


def test_a_read_only_file_cannot_be_written_through_the_dialect(tmp_path: Path) -> None:
    path = str(tmp_path / "build.duckdb")
    duckdb.connect(path).close()
    with (
        duckdb.connect(path, read_only=True) as database,
        lend("build", database) as address,
        create_engine(address).connect() as connection,
        pytest.raises(Exception, match="read-only"),
    ):
        connection.execute(text("create table written (i integer)"))


def test_a_database_is_lent_for_the_time_of_the_block_only() -> None:
    with duckdb.connect() as database, lend("example", database) as address:
        pass
    with pytest.raises(LookupError, match="example"):
        create_engine(address).connect()
