"""The DAG files: what they promise to whoever watches the grid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.airflow import environment
from infra.airflow.timetable import FAMILIES
from infra.settings import ROOT, load_settings
from ingestion import load

DESCRIBE = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
def described(dag):
    tasks = {
        t.task_id: {
            "retries": t.retries,
            "pool": t.pool,
            "mapped": t.is_mapped,
            "rule": str(getattr(t.trigger_rule, "value", t.trigger_rule)),
            "names": getattr(t, "map_index_template", None),
            "outlets": [a.uri for a in t.outlets],
            "downstream": sorted(t.downstream_task_ids),
        }
        for t in dag.tasks
    }
    condition = getattr(dag.timetable, "asset_condition", None)
    schedule = getattr(dag.timetable, "expression", None)
    assets = {"kind": type(condition).__name__, "uris": sorted(a.uri for a in condition.objects)} if condition else None
    return {"owner": dag.owner, "runs": dag.max_active_runs, "catchup": dag.catchup, "schedule": schedule, "assets": assets, "tasks": tasks}
print(json.dumps({"errors": bag.import_errors, "dags": {name: described(dag) for name, dag in bag.dags.items()}}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    variables = {**os.environ, "LAKEHOUSE_KEY_FILE": str(home / "keys" / "vault.key")}
    environment.apply(load_settings(home=home / "home", key_file=home / "keys" / "vault.key"), variables)
    done = subprocess.run([sys.executable, "-c", DESCRIBE], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_dag_file_is_read_without_error(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert set(found["dags"]) == {*(f"ingest_{f.name}" for f in FAMILIES), "build"}


def test_there_is_a_family_for_every_source_of_the_landing_layout() -> None:
    assert tuple(f.name for f in FAMILIES) == load.FAMILIES


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_organisations_of_a_family_are_loaded_in_tasks_of_their_own_that_carry_their_names(found: dict[str, Any], family: Any) -> None:
    dag = found["dags"][family.dag_id]
    load = dag["tasks"]["load"]
    assert load["mapped"] and "organisation" in load["names"]
    assert load["retries"] == 2
    assert load["pool"] == "loads", "as many at a time as the memory allows"
    assert dag["runs"] == 1 and not dag["catchup"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_family_tells_the_build_also_when_an_organisation_failed_and_then_is_red(found: dict[str, Any], family: Any) -> None:
    tasks = found["dags"][family.dag_id]["tasks"]
    assert tasks["close"]["rule"] == "all_done"
    assert tasks["close"]["outlets"] == [family.lake_uri]
    assert tasks["name_failures"]["rule"] == "all_done"
    assert tasks["name_failures"]["downstream"] == [], "a leaf, so that its failure is the DAG's"


def test_the_build_starts_on_any_family_one_run_at_a_time(found: dict[str, Any]) -> None:
    dag = found["dags"]["build"]
    assert dag["assets"] == {"kind": "AssetAny", "uris": sorted(f.lake_uri for f in FAMILIES)}
    assert dag["runs"] == 1


def test_whoever_writes_the_build_file_waits_for_the_one_slot(found: dict[str, Any]) -> None:
    tasks = found["dags"]["build"]["tasks"]
    texts = {"structure_texts", "code_texts"}
    writers = {"link_identities", "export_metadata", *texts, "gate_lake", "dbt_build", "gate_features", "gate_marts", "publish"}
    assert {t for t in writers if tasks[t]["pool"] != "warehouse"} == set()
    assert tasks["dbt_node"]["pool"] == "default_pool", "hundreds of nodes must not stand in the way of the build"


def test_nothing_is_published_past_a_gate_and_the_report_comes_in_any_case(found: dict[str, Any]) -> None:
    tasks = found["dags"]["build"]["tasks"]
    line = [
        "anything_new",
        "link_identities",
        "export_metadata",
        "structure_texts",
        "code_texts",
        "gate_lake",
        "dbt_build",
        "dbt_verdict",
        "gate_features",
        "gate_marts",
        "publish",
    ]
    for one, following in zip(line, line[1:], strict=False):
        assert following in tasks[one]["downstream"]
        assert tasks[following]["rule"] == "all_success"
    for told in ("check_deliveries", "return_defects"):
        assert tasks[told]["rule"] == "all_done", "organisations are told also when a gate stops the build"
        assert tasks[told]["pool"] == "warehouse"
    assert "dbt_build" in tasks["return_defects"]["downstream"], "what was returned is published with the rest"
    assert tasks["report"]["rule"] == "all_done"
    assert tasks["published"]["downstream"] == [], "a leaf, so that a stopped publication is a red DAG"


def test_gates_and_verdicts_are_not_tried_again_and_work_is(found: dict[str, Any]) -> None:
    tasks = found["dags"]["build"]["tasks"]
    assert {t for t in tasks if tasks[t]["retries"] == 0} >= {"gate_lake", "gate_features", "gate_marts", "dbt_verdict", "dbt_node"}
    work = ("link_identities", "export_metadata", "structure_texts", "code_texts", "dbt_build", "publish", "report")
    assert all(tasks[t]["retries"] >= 1 for t in work)


def test_every_model_and_test_is_a_named_task(found: dict[str, Any]) -> None:
    node = found["dags"]["build"]["tasks"]["dbt_node"]
    assert node["mapped"] and "name" in node["names"]


def test_the_timetable_in_the_readme_is_the_one_that_runs(found: dict[str, Any]) -> None:
    text = (ROOT / "dags" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|any ingest finished) \| ([\w-]+) \|", text, flags=re.MULTILINE)
    table = {name: (cron or None, owner) for name, cron, owner in rows}
    assert table == {name: (dag["schedule"], dag["owner"]) for name, dag in found["dags"].items()}


def test_dag_files_hold_wiring_only() -> None:
    for path in sorted((ROOT / "dags").glob("*.py")):
        imports = re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        allowed = ("__future__", "pendulum", "airflow", "infra")
        assert [i for i in imports if i.split(".")[0] not in allowed] == [], path.name


def test_airflow_binds_loopback_and_keeps_to_its_home(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    variables = environment.environment(settings)
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert variables["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert variables["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"):
        assert Path(variables[name]).is_relative_to(settings.home)
    assert variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith(f"sqlite:///{settings.home}/")
