"""How `make run` ends: what it names, what it publishes, with which exit code."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import province, steps
from infra.run import verdict
from infra.settings import ROOT, Settings
from infra.summary import Failure, Outcome

WHOLE = {
    "reference": {"REF": {"r1": 4}},
    "national_platform": {"NP": {"n1": 100}},
    "hospital": {"H1": {"b1": 10}, "H2": {"b2": 20}},
    "checkup": {"T1": {"t1": 5}},
    "screening_centre": {"S1": {"s1": 6}},
}
ONE_FAILS = {**WHOLE, "hospital": {**WHOLE["hospital"], "H9": {"broken": 9}}}
MORE = {**WHOLE, "checkup": {"T1": {"t1": 5, "t2": 7}}}
STILL_MORE = {**WHOLE, "checkup": {"T1": {"t1": 5, "t2": 7, "t3": 9}}}
BUILD = [
    "link identities", "export metadata", "structure texts", "code texts", "gate lake", "check deliveries", "return defects", "dbt build",
    "gate features", "gate marts", "publish", "report",
]  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code, terminal, summary, whether it wrote the report."""

    code: int
    terminal: str
    summary: dict[str, Any]
    has_report: bool

    @property
    def steps(self) -> list[str]:
        return [s["name"] for s in self.summary["steps"]]


@dataclass(frozen=True)
class Story:
    """A run of a lakehouse that was killed while it loaded H2, and six that followed."""

    home: Path
    killed: int
    one_fails_one_held: Ended
    nothing_new: Ended
    gate_stops: Ended
    test_fails: Ended
    mended: Ended
    lake_gate_stops: Ended


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("story")
    runs = [
        {"FAKE_LANDING": json.dumps(ONE_FAILS), "FAKE_HELD": "b2"},
        {"FAKE_LANDING": json.dumps(WHOLE)},
        {"FAKE_LANDING": json.dumps(MORE), "FAKE_GATE_STOPS": "features"},
        {"FAKE_LANDING": json.dumps(MORE), "FAKE_BROKEN_NODE": "unique_feat_resident"},
        {"FAKE_LANDING": json.dumps(MORE)},
        {"FAKE_LANDING": json.dumps(STILL_MORE), "FAKE_GATE_STOPS": "lake"},
    ]
    places = {"LAKEHOUSE_HOME": root / "home", "LAKEHOUSE_KEY_FILE": root / "keys" / "vault.key", "EXTRACTS": root / "landing"}
    variables = {**os.environ, **{k: str(v) for k, v in places.items()}, "LAKEHOUSE_RETRY_SECONDS": "0"}
    for name in ("AS_OF", "STRICT", "PROFILE"):
        variables.pop(name, None)
    command = [sys.executable, "-m", "tests.flow.standins", str(root)]
    killed = subprocess.run([*command, json.dumps({**runs[0], "FAKE_KILL": "H2"})], cwd=ROOT, env=variables, timeout=300)
    done = subprocess.run([*command, *map(json.dumps, runs)], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    ends = []
    for number in range(len(runs)):
        told = json.loads((root / f"{number}.json").read_text(encoding="utf-8"))
        ends.append(Ended(told["code"], (root / f"{number}.txt").read_text(encoding="utf-8"), told["summary"], told["has_report"]))
    return Story(root / "home", killed.returncode, *ends)


def airflow_rows(story: Story, query: str) -> list[tuple]:
    """Ask Airflow's database, and let go of it at once: SQLite removes its side files when the last reader has gone."""
    with closing(sqlite3.connect(story.home / "airflow" / "airflow.db")) as connection:
        return connection.execute(query).fetchall()


def test_an_organisation_that_fails_is_named_and_the_others_are_published(story: Story) -> None:
    ended = story.one_fails_one_held
    assert ended.code == 0, ended.terminal
    assert ended.summary["failed_organisations"] == ["H9"]
    assert [t["task"] for t in ended.summary["failed_tasks"]] == ["load"]
    assert "failed ingest_hospital load H9" in ended.terminal
    assert ended.summary["published"] and ended.has_report
    assert ended.summary["feeds"]["patient"]["rows_read"] == 145


def test_what_a_killed_run_left_open_is_closed_and_loaded_by_the_next(story: Story) -> None:
    assert story.killed == -signal.SIGKILL
    assert story.one_fails_one_held.steps.count("load hospital H2") == 1
    assert airflow_rows(story, "select dag_id, state from dag_run where state not in ('success', 'failed')") == []
    assert airflow_rows(story, "select task_id, state from task_instance where state is null or state = 'running'") == []


def test_a_failed_load_is_tried_three_times_and_the_others_once(story: Story) -> None:
    tries = airflow_rows(
        story,
        "select rendered_map_index, max(try_number) from task_instance "
        "where dag_id = 'ingest_hospital' and task_id = 'load' and rendered_map_index is not null group by 1",
    )
    assert dict(tries) == {"H1": 1, "H2": 1, "H9": 3}


def test_the_error_of_a_failed_load_never_quotes_a_record(story: Story) -> None:
    written = [p for p in story.home.rglob("*") if p.is_file()]
    assert any(p.suffix == ".log" for p in written)
    assert [p for p in written if "王小明".encode() in p.read_bytes()] == []


def test_what_is_held_is_named_last(story: Story) -> None:
    ended = story.one_fails_one_held
    assert [(h["organisation"], h["batch_id"], h["rule"]) for h in ended.summary["held"]] == [("H2", "b2", "patient.row_count")]
    assert ended.terminal.strip().splitlines()[-1].strip() == "H2 patient of 2026-06-30: patient.row_count"


def test_the_summary_tells_steps_feeds_and_memory(story: Story) -> None:
    summary = story.one_fails_one_held.summary
    assert summary["as_of_date"] == "2026-06-30"
    states = {s["name"]: (s["rows"], s["state"]) for s in summary["steps"]}
    assert states["load national_platform NP"] == (0, "done"), "the killed run had loaded it"
    assert states["load screening_centre S1"] == (6, "done")
    assert states["load hospital H9"] == (None, "failed")
    assert states["publish"] == (14, "done")
    assert [s["name"] for s in summary["steps"]][-len(BUILD) :] == BUILD
    patient = summary["feeds"]["patient"]
    assert (patient["files"], patient["rows_accepted"], patient["rows_quarantined"]) == (6, 139, 6)
    assert summary["peak_memory_mb"] > 50


def test_missing_deliveries_and_defects_are_told_by_organisation_and_stop_nothing(story: Story) -> None:
    ended = story.one_fails_one_held
    assert ended.code == 0 and ended.summary["published"]
    told = ended.summary["deliveries"]
    assert (told["due"], told["in_time"], told["late"]) == (2, 1, []) and [d["organisation"] for d in told["missing"]] == ["H2"]
    assert "missing H2: patient, up to 12 days" in ended.terminal
    assert ended.summary["defects"] == [{"organisation": "H1", "open": 3, "overdue": 1, "closed": 2, "withdrawn": 0, "file": "returns/H1/x.xlsx"}]
    gates = {g["checkpoint"]: g for g in ended.summary["gates"]}
    assert gates["delivery"]["ok"] and gates["delivery"]["failed"]["warning"] == 1


def test_organisations_are_told_also_when_a_gate_stops_the_build(story: Story) -> None:
    assert story.gate_stops.steps[-2:] == ["gate features", "report"]
    assert {"check deliveries", "return defects"} <= set(story.lake_gate_stops.steps)
    assert "dbt build" not in story.lake_gate_stops.steps and story.lake_gate_stops.code == 1


def test_a_run_without_news_ends_at_once_and_keeps_the_version(story: Story) -> None:
    ended = story.nothing_new
    assert ended.code == 0, ended.terminal
    assert ended.summary["nothing_new"]
    assert all(s.startswith("load ") for s in ended.steps)
    assert ended.summary["published_version"] == story.one_fails_one_held.summary["published_version"]
    assert "nothing new: still version" in ended.terminal


def test_a_gate_of_the_whole_province_keeps_the_last_version_and_the_report_is_written(story: Story) -> None:
    ended = story.gate_stops
    assert ended.code == 1
    assert "gate features stops publication: residents.row_count (feat_resident)" in ended.terminal
    assert "gate marts" not in ended.steps and "publish" not in ended.steps
    assert ended.summary["published_version"] == story.nothing_new.summary["published_version"]
    assert ended.has_report


def test_a_failed_dbt_test_stops_publication_and_is_red_by_name_in_the_grid(story: Story) -> None:
    ended = story.test_fails
    assert ended.code == 1
    assert "1 of 3 dbt nodes failed: unique_feat_resident" in ended.terminal
    assert ended.summary["published_version"] == story.nothing_new.summary["published_version"]
    nodes = "select rendered_map_index, state from task_instance where task_id = 'dbt_node'"
    assert airflow_rows(story, f"{nodes} and state = 'failed'") == [("unique_feat_resident", "failed")]
    last = airflow_rows(
        story, f"{nodes} and run_id = (select max(run_id) from task_instance where task_id = 'dbt_node' and rendered_map_index is not null)"
    )
    assert sorted(last) == [("feat_resident", "success"), ("mart_cockpit__funnel", "success"), ("unique_feat_resident", "success")]


def test_what_was_stopped_is_published_once_the_reason_is_gone(story: Story) -> None:
    ended = story.mended
    assert ended.code == 0, ended.terminal
    assert ended.summary["published"]
    assert ended.summary["published_version"] != story.nothing_new.summary["published_version"]


TOLD = {
    "published_version": "v1",
    "published": True,
    "nothing_new": False,
    "feeds": {"patient": {}},
    "held": [],
    "failed_organisations": [],
    "failed_tasks": [],
    "steps": [{"name": "load hospital H1", "state": "done"}],
}
H9 = {"failed_organisations": ["H9"], "failed_tasks": [{"task": "load"}]}


@pytest.mark.parametrize(
    ("changed", "strict", "code"),
    [
        ({}, True, 0),
        ({"published": False, "nothing_new": True}, True, 0),
        ({"published": False}, False, 1),
        ({"published": False, "nothing_new": True, "published_version": None}, False, 1),
        ({"published": False, "nothing_new": True, "published_version": None, "feeds": {}}, False, 1),
        ({"held": [{"organisation": "H2"}]}, False, 0),
        ({"held": [{"organisation": "H2"}]}, True, 1),
        (H9, False, 0),
        (H9, True, 1),
        ({**H9, "published": False, "nothing_new": True, "steps": [{"name": "load hospital H9", "state": "failed"}]}, False, 1),
        ({"failed_tasks": [{"task": "report"}]}, False, 1),
        ({"failed_tasks": [{"task": "organisations"}], "published": False, "nothing_new": True}, False, 1),
    ],
)
def test_the_exit_code_asks_for_a_published_version_and_strict_for_every_organisation(
    settings: Settings, changed: dict[str, Any], strict: bool, code: int
) -> None:
    assert verdict(settings.model_copy(update={"strict": strict}), {**TOLD, **changed})[0] == code


def test_an_empty_landing_folder_is_named(settings: Settings) -> None:
    told = {**TOLD, "published": False, "nothing_new": True, "published_version": None, "feeds": {}}
    assert verdict(settings, told) == (1, f"nothing was loaded from {settings.extracts}")


def test_only_a_failed_load_counts_as_a_failed_organisation() -> None:
    outcome = Outcome("run", failures=[Failure("ingest_hospital", "load", "H9"), Failure("build", "dbt_node", "feat_resident")])
    assert outcome.failed_organisations == ["H9"]


def test_another_province_is_not_mixed_into_a_lakehouse_that_holds_one(settings: Settings) -> None:
    (settings.home / "extracts").mkdir(parents=True)
    (settings.home / "extracts" / "generated.json").write_text('{"scale": 100, "seed": 1}')
    assert province.make(settings, 100, 1) is False
    with pytest.raises(steps.CannotRun, match="holds the synthetic province SCALE=100 SEED=1"):
        province.make(settings, 200, 1)


def test_an_error_of_a_library_is_told_without_its_message_and_one_of_ours_with_it() -> None:
    def told(error: Exception) -> str:
        try:
            raise error
        except Exception as raised:
            return steps.safe_message(raised)

    assert "13800000000" not in told(ValueError("13800000000"))
    assert "ValueError" in told(ValueError("13800000000"))
    assert "no mapping for H9" in told(steps.Stopped("no mapping for H9"))
