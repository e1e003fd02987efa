"""Small stand-ins for the modules that the steps call, so that wiring and driver are tested without reading a single file.

`python -m tests.flow.standins FOLDER VARIABLES…` is `make run` with them in place, once for each JSON object of environment variables,
in one process because Airflow takes seconds to import. It leaves the terminal and the end of each in FOLDER.

The landing folder is played by FAKE_LANDING, a JSON object such as {"hospital": {"H1": {"b1": 10}}}: family, organisation, and the rows
of each batch. An organisation with a batch "broken" fails.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb

from infra.settings import Settings
from ingestion import ops

DAY = date(2026, 6, 30)
NODES = (("model", "feat_resident", "success"), ("model", "mart_cockpit__funnel", "success"), ("test", "unique_feat_resident", "pass"))


def _landing() -> dict[str, dict[str, dict[str, int]]]:
    return json.loads(os.environ.get("FAKE_LANDING") or "{}")


def organisations(settings: Settings, family: str) -> list[str]:
    return sorted(_landing().get(family, {}))


def load_organisation(settings: Settings, family: str, organisation: str, run_id: str) -> dict[str, Any]:
    known = {r["batch_id"] for r in ops.rows(settings.ops_url, ops.batch_state)}
    if os.environ.get("FAKE_KILL") == organisation:
        os.kill(os.getpid(), signal.SIGKILL)
    for batch, count in _landing()[family][organisation].items():
        if batch == "broken":
            raise ValueError(f"cannot read {count} 王小明")
        if batch in known:
            continue
        common = {"source": family, "organisation": organisation, "feed": "patient", "batch_id": batch, "delivered_on": DAY}
        with ops.transaction(settings.ops_url) as connection:
            ops.replace(connection, ops.batch_state, [{**common, "status": "loaded", "decided_at": ops.now()}])
            counts = {"rows_read": count, "rows_accepted": count - 1, "rows_quarantined": 1, "bytes": 1, "content_sha256": batch}
            file = {"ledger_id": batch, "file_name": f"{batch}.csv", "status": "loaded", "recorded_at": ops.now()}
            ops.replace(connection, ops.file_ledger, [{**common, **counts, **file}])
    return {}


def new_batches(settings: Settings) -> list[dict[str, Any]]:
    return ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "loaded")


def latest_business_date(settings: Settings) -> date | None:
    return DAY if ops.rows(settings.ops_url, ops.batch_state) else None


@dataclass
class GateOutcome:
    checkpoint: str
    examined: int = 1
    failed_critical: list[dict] = field(default_factory=list)
    held: list[dict] = field(default_factory=list)
    ok: bool = True


def run_checkpoint(settings: Settings, checkpoint: str, run_id: str) -> GateOutcome:
    holding, outcome = os.environ.get("FAKE_HELD"), GateOutcome(checkpoint)
    if os.environ.get("FAKE_GATE_STOPS") == checkpoint:
        outcome.ok, outcome.failed_critical = False, [{"rule": "residents.row_count", "table": "feat_resident"}]
    if checkpoint == "lake":
        for state in new_batches(settings):
            held = state["batch_id"] == holding
            verdict = {"status": "held" if held else "released", "rule": "patient.row_count" if held else None}
            with ops.transaction(settings.ops_url) as connection:
                ops.replace(connection, ops.batch_state, [{**state, **verdict, "reason_zh": "行数" if held else None}])
            if held:
                outcome.held.append(state)
    return outcome


@dataclass(frozen=True)
class NodeResult:
    name: str
    resource_type: str
    status: str
    seconds: float
    message: str
    rows: int | None = None
    failures: int | None = None

    @property
    def ok(self) -> bool:
        return self.status != "fail"


def run_dbt(settings: Settings, *args: str, as_of: date) -> list[NodeResult]:
    if args[0] == "run":
        return []
    settings.warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(settings.warehouse.path)) as connection:
        for _, table, _ in NODES[:2]:
            connection.execute(f"create or replace table {table} as select range as person_id from range(7)")
        connection.execute("create or replace table stg_private as select 1 as n")
    broken = os.environ.get("FAKE_BROKEN_NODE")
    return [NodeResult(n, kind, "fail" if n == broken else status, 0.1, "Got 1 result", 7) for kind, n, status in NODES]


def check_deliveries(settings: Settings, as_of: date, run_id: str) -> dict[str, int]:
    """H1 has delivered, H2 has not."""
    common = {"run_id": run_id, "checkpoint": "delivery", "rule": "expected_delivery", "scope": "organisation", "feed": "patient", "examined": 1}
    rows = [
        {**common, "check_id": "d1", "organisation": "H1", "verdict": "pass", "severity": "info", "observed": 0.0, "description_zh": "按时"},
        {**common, "check_id": "d2", "organisation": "H2", "verdict": "fail", "severity": "warning", "observed": 12.0, "description_zh": "未收到"},
    ]
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.check_result, [{**r, "checked_at": ops.now()} for r in rows])
    return {"due": 2, "late": 0, "missing": 1}


@dataclass(frozen=True)
class Entered:
    found: int = 6


def enter(settings: Settings) -> Entered:
    """H1 has three open defects, one overdue and two closed."""
    common = {
        "source": "hospital",
        "organisation": "H1",
        "feed": "patient",
        "kind": "row",
        "file_name": "b1.csv",
        "delivered_on": DAY,
        "field": "sex_code",
    }
    said = {"reason_code": "out_of_range", "reason_zh": "超出合理范围", "severity": "error", "value_class": "number", "batch_id": "b1", "load_no": 1}
    dates = {"first_seen": DAY, "returned_on": DAY, "deadline": DAY}
    states = ("open", "open", "open", "overdue", "closed", "closed")
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.defect, [{**common, **said, **dates, "defect_id": f"x{n}", "state": s} for n, s in enumerate(states)])
    return Entered()


def write_files(settings: Settings) -> list[Path]:
    row = {"organisation": "H1", "returned_on": DAY, "content": "c", "file": "returns/H1/x.xlsx", "written_at": ops.now()}
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.defect_return, [row])
    return [settings.home / row["file"]]


def write_report(settings: Settings, run_id: str) -> Path:
    path = settings.reports / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("report", encoding="utf-8")
    return path


def link(settings: Settings) -> dict[str, int]:
    return {"linked": len(new_batches(settings))}


def export(settings: Settings) -> dict[str, int]:
    return {"quarantine": 1, "form_answer": 2}


def structure(settings: Settings, run_id: str) -> dict[str, int]:
    return {"reports": 4, "structured": 3, "items": 7, "findings": 9}


def run_all(settings: Settings, run_id: str) -> dict[str, int]:
    return {"texts": 5, "unmapped": 1, "decided": 0}


def _module(name: str, **members: Any) -> None:
    made = ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    parent, _, child = name.rpartition(".")
    __import__(parent)
    setattr(sys.modules[parent], child, made)


def install() -> None:
    """Put the stand-ins in the place of the real modules."""
    _module(
        "ingestion.load",
        organisations=organisations,
        load_organisation=load_organisation,
        new_batches=new_batches,
        latest_business_date=latest_business_date,
    )
    import ingestion.identity as identity

    identity.link = link
    _module("ingestion.export", export=export)
    _module("ingestion.structure", structure=structure)
    _module("ingestion.codes.stage", run_all=run_all)
    _module("ingestion.codes.worklist", write_worklists=lambda settings: [])
    from ingestion import deliveries, returns

    deliveries.check = check_deliveries
    returns.enter, returns.write_files = enter, write_files
    _module("ingestion.dictionary", write=lambda settings: settings.home / "docs")
    _module("expectations.gates", run_checkpoint=run_checkpoint, GateOutcome=GateOutcome)
    _module("expectations.report", write_report=write_report)
    _module("infra.dbt_runner", run_dbt=run_dbt, NodeResult=NodeResult)
    from infra import publication

    publication.code_hash = lambda: "one state of the code"


def run_once(folder: Path, number: int, variables: dict[str, str]) -> None:
    """One run; its terminal goes to `<number>.txt`, its exit code, summary and what lay in the folder afterwards to `<number>.json`."""
    from infra import run, steps

    os.environ.pop(steps.RUN_ID, None)
    os.environ.update(variables)
    terminal = os.open(folder / f"{number}.txt", os.O_WRONLY | os.O_CREAT)
    out, err = os.dup(1), os.dup(2)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    try:
        code = run.main()
    finally:
        os.dup2(out, 1)
        os.dup2(err, 2)
        for name in variables:
            del os.environ[name]
    home = Path(os.environ["LAKEHOUSE_HOME"])
    summary = json.loads((home / "run_summary.json").read_text(encoding="utf-8"))
    report = home / "reports" / "index.html"
    told = {"code": code, "summary": summary, "has_report": report.exists()}
    report.unlink(missing_ok=True)
    (folder / f"{number}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    install()
    for number, variables in enumerate(sys.argv[2:]):
        run_once(Path(sys.argv[1]), number, json.loads(variables))
