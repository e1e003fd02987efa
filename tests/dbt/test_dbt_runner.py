"""Running dbt in process: what comes back, what is kept, and that the build file is let go."""

from __future__ import annotations

import os
from types import SimpleNamespace

import duckdb
import pytest

from infra.dbt_runner import DbtFailed, NodeResult, _keep_tests, dbt_environment, run_dbt
from infra.postgres import connection_string
from infra.settings import Settings, Warehouse
from ingestion import ops
from tests.dbt.people import AS_OF


def test_a_build_returns_every_node_with_seconds_and_the_rows_of_its_table(nodes: list[NodeResult]):
    found = {n.name: n for n in nodes}
    assert found["feat_resident"].rows == 10
    assert found["meta_form_response"].rows is None, "a view is not counted"
    assert {"model", "seed", "test"} <= {n.resource_type for n in nodes}
    assert all(n.seconds >= 0 for n in nodes)


def test_after_a_run_another_process_may_open_the_build_file_and_the_environment_is_as_before(lake: Settings, warehouse: duckdb.DuckDBPyConnection):
    assert "LAKEHOUSE_SETTINGS" not in os.environ
    assert warehouse.execute("select count(*) from feat_resident").fetchone() == (10,)


def test_data_tests_are_kept_with_the_number_examined(lake: Settings, nodes: list[NodeResult]):
    kept = {r["rule"]: r for r in ops.rows(lake.ops_url, ops.check_result) if r["checkpoint"] == "dbt"}
    assert len(kept) == sum(n.resource_type == "test" for n in nodes)
    row = kept["unique_key_feat_resident_person_id"]
    assert (row["examined"], row["failed"], row["verdict"], row["scope"]) == (10, 0, "pass", "province")
    assert row["description_zh"] == "feat_resident 中 person_id 唯一且不为空"


def test_a_run_of_the_whole_project_forgets_tests_that_are_there_no_more(settings: Settings):
    def result(name: str) -> SimpleNamespace:
        said = SimpleNamespace(severity="ERROR", meta={"description_zh": "唯一"})
        return SimpleNamespace(node=SimpleNamespace(resource_type="test", name=name, config=said), status="pass", failures=0)

    def kept() -> list[str]:
        return sorted(r["rule"] for r in ops.rows(settings.ops_url, ops.check_result))

    _keep_tests(settings, [result("old"), result("stays")], {}, whole=True)
    _keep_tests(settings, [result("selected")], {})
    assert kept() == ["old", "selected", "stays"]
    _keep_tests(settings, [result("stays")], {}, whole=True)
    assert kept() == ["stays"]


def test_a_command_that_dbt_does_not_know_is_an_error_that_names_it(lake: Settings):
    with pytest.raises(DbtFailed, match="buidl"):
        run_dbt(lake, "buidl", as_of=AS_OF)


def test_a_postgresql_address_reaches_dbt_and_duckdb_whether_by_host_or_by_socket(lake: Settings):
    by_socket = "postgresql://postgres:@/lakehouse?host=/run/pg"
    settings = lake.model_copy(update={"warehouse": Warehouse(target="server", url="postgresql://etl:a%20'b@db.example:5433/warehouse")})
    found = dbt_environment(settings)
    assert (found["LAKEHOUSE_PG_HOST"], found["LAKEHOUSE_PG_PORT"], found["DBT_ENV_SECRET_PG_PASSWORD"]) == ("db.example", "5433", "a 'b")
    assert connection_string(settings.warehouse.url) == "host='db.example' port='5433' user='etl' password='a \\'b' dbname='warehouse'"
    assert connection_string(by_socket) == "host='/run/pg' user='postgres' dbname='lakehouse'"
