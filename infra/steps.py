"""What the tasks of the DAGs call: each step reads the settings, does one thing, and leaves its seconds and rows in the operations store.

Importing this module is cheap, because Airflow does it whenever it reads a DAG file: the work is imported when a step runs.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.settings import Settings

log = logging.getLogger(__name__)

RUN_ID = "LAKEHOUSE_RUN_ID"


class CannotRun(RuntimeError):
    """A run that did not begin; the message says what to do."""


class StepFailed(RuntimeError):
    """A step that could not do its work; the message says where and never holds a value of a record."""


class Stopped(RuntimeError):
    """A step that worked and found that the run must not go on; trying again would find the same."""


def _settings() -> Settings:
    from infra.province import offer
    from infra.settings import load_settings

    settings = load_settings()
    offer(settings.extracts)
    return settings


def new_run_id() -> str:
    """Name of a run started now."""
    return f"run_{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def run_id() -> str:
    """The run this step belongs to: LAKEHOUSE_RUN_ID under `make run`, otherwise Airflow's DAG and time of the run."""
    if given := os.environ.get(RUN_ID):
        return given
    from airflow.sdk import get_current_context

    run = get_current_context()["dag_run"]
    return f"{run.dag_id}_{run.run_after:%Y%m%dT%H%M%S%fZ}"


def _where(error: BaseException) -> str:
    """The innermost place of this project on the way to an error, as file:line (function)."""
    from infra.settings import ROOT

    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(ROOT)) and ".venv" not in f.filename]
    if not frames:
        return "outside the project"
    return f"{os.path.relpath(frames[-1].filename, ROOT)}:{frames[-1].lineno} ({frames[-1].name})"


def safe_message(error: BaseException) -> str:
    """What may be written about an error of a step that sees identifying data.

    An error class of this project says what its author meant to say. Any other (a conversion error of DuckDB, a decoding error) may
    quote a value, so only its class and place are told.
    """
    own = type(error).__module__.split(".")[0] in {"ingestion", "infra", "expectations"}
    text = f"{type(error).__name__}: {error}" if own else f"{type(error).__name__} (message withheld, it may quote a record)"
    return f"{text} at {_where(error)}"


@contextmanager
def recorded(settings: Settings, step: str, *, withhold: bool = False) -> Iterator[dict[str, Any]]:
    """Record a step in ops.run_step while it runs and when it has ended; the caller puts its row count under "rows"."""
    from sqlalchemy import func, select

    from ingestion import ops

    run, started, outcome = run_id(), time.monotonic(), {"rows": None}
    with ops.transaction(settings.ops_url) as connection:
        position = connection.scalar(select(func.count()).select_from(ops.run_step).where(ops.run_step.c.run_id == run)) or 0

    def write(state: str) -> None:
        row = {"run_id": run, "step": step, "position": position, "state": state, "rows": outcome["rows"]}
        with ops.transaction(settings.ops_url) as connection:
            ops.replace(connection, ops.run_step, [{**row, "seconds": round(time.monotonic() - started, 3)}])

    write("running")
    try:
        yield outcome
    except Stopped:
        write("stopped")
        raise
    except Exception as error:
        write("failed")
        if withhold and not isinstance(error, StepFailed):
            raise StepFailed(f"{step}: {safe_message(error)}") from None
        raise
    write("done")


def organisations(family: str) -> list[str]:
    """Organisations of a family that have a folder of deliveries."""
    from ingestion import load as loading

    return loading.organisations(_settings(), family)


def load(family: str, organisation: str) -> dict[str, Any]:
    """Read, check, seal and store what an organisation has newly delivered; returns counts and batch ids, never data."""
    from ingestion import load as loading

    settings = _settings()
    with recorded(settings, f"load {family} {organisation}", withhold=True) as outcome:
        before = {f["ledger_id"] for f in _files(settings, organisation)}
        loading.load_organisation(settings, family, organisation, run_id())
        new = [f for f in _files(settings, organisation) if f["ledger_id"] not in before]
        outcome["rows"] = sum(f["rows_read"] for f in new)
        batches = sorted({f["batch_id"] for f in new if f["batch_id"]})
        return {"organisation": organisation, "files": len(new), "rows_read": outcome["rows"], "batches": batches}


def _files(settings: Settings, organisation: str) -> list[dict[str, Any]]:
    from ingestion import ops

    return ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.organisation == organisation)


def missing(expected: list[str], books: list[dict[str, Any]] | None) -> list[str]:
    """Organisations whose load brought no book back."""
    return sorted(set(expected or []) - {b["organisation"] for b in books or [] if b})


def close(expected: list[str], books: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Add up what a family has loaded; the build is told whatever happened to single organisations."""
    rows = sum(b["rows_read"] for b in books or [])
    log.info("%s of %s organisations loaded, %s rows read", len(expected or []) - len(missing(expected, books)), len(expected or []), rows)
    return {"organisations": len(expected or []), "missing": missing(expected, books), "rows_read": rows}


def name_failures(expected: list[str], books: list[dict[str, Any]] | None) -> None:
    """Turn the DAG red and name the organisations when a load failed. Raises Stopped."""
    if failed := missing(expected, books):
        raise Stopped(f"not loaded: {', '.join(failed)}; the others are; see the log of the red load task of each")


def anything_new() -> str | None:
    """The as_of_date to build for, or None when the published version already holds everything that is in the ledger."""
    from infra import publication
    from ingestion import load as loading

    settings = _settings()
    as_of = settings.as_of or loading.latest_business_date(settings)
    if as_of is None:
        log.warning("nothing has been loaded yet, so there is nothing to build")
        return None
    if not loading.new_batches(settings) and publication.is_current(settings, as_of):
        log.info("the published version holds everything that is in the ledger")
        return None
    return as_of.isoformat()


def link_identities() -> dict[str, Any]:
    """Give every new identity its person."""
    from ingestion import identity

    settings = _settings()
    with recorded(settings, "link identities", withhold=True) as outcome:
        done = identity.link(settings)
        outcome["rows"] = _first_count(done)
        return done


def export_metadata() -> dict[str, Any]:
    """Append what the loads and the linkage have to say about rows, answers and persons to the lake."""
    from ingestion import export

    settings = _settings()
    with recorded(settings, "export metadata", withhold=True) as outcome:
        done = export.export(settings)
        outcome["rows"] = sum(v for v in done.values() if isinstance(v, int))
        return done


def structure_texts() -> dict[str, int]:
    """Structure the reports of new batches, or of all where the text engine changed; what was read of which organisation is a check result."""
    from ingestion import structure

    settings = _settings()
    with recorded(settings, "structure texts", withhold=True) as outcome:
        done = structure.structure(settings, run_id())
        outcome["rows"] = done["reports"]
        return done


def code_texts() -> dict[str, int]:
    """Give the texts of new batches their codes (of all, where word lists or decisions changed), and write the QC clerk's list of those without."""
    from ingestion.codes import stage, worklist

    settings = _settings()
    with recorded(settings, "code texts", withhold=True) as outcome:
        done = stage.run_all(settings, run_id())
        files = worklist.write_worklists(settings)
        outcome["rows"] = done["texts"]
        return {**done, "files": len(files)}


def _first_count(done: dict[str, Any]) -> int | None:
    return next((v for v in done.values() if isinstance(v, int)), None)


def gate(checkpoint: str) -> dict[str, Any]:
    """Run a checkpoint. Raises Stopped, naming the rules, when a rule for the whole province failed."""
    from expectations import gates

    settings = _settings()
    with recorded(settings, f"gate {checkpoint}"):
        result = gates.run_checkpoint(settings, checkpoint, run_id())
        if not result.ok:
            raise Stopped(f"gate {checkpoint} stops publication: {'; '.join(_named(f) for f in result.failed_critical)}")
        return {"checkpoint": checkpoint, "examined": result.examined, "held": [h["batch_id"] for h in result.held]}


def check_deliveries(as_of: str) -> dict[str, int]:
    """Hold what was to be delivered by the business date against the ledger; a late or missing delivery is a check result, and stops nothing."""
    from ingestion import deliveries

    settings = _settings()
    with recorded(settings, "check deliveries") as outcome:
        done = deliveries.check(settings, date.fromisoformat(as_of), run_id())
        outcome["rows"] = done["due"]
        return done


def return_defects() -> dict[str, int]:
    """Enter the defects of new batches, close those that were answered, and write the return files of the organisations concerned."""
    from ingestion import returns

    settings = _settings()
    with recorded(settings, "return defects", withhold=True) as outcome:
        done = returns.enter(settings)
        files = returns.write_files(settings)
        outcome["rows"] = done.found
        return {**asdict(done), "files": len(files)}


def _named(failure: dict[str, Any]) -> str:
    """A failed check as rule and what it is about: organisation and feed, or table and column."""
    about = " ".join(str(failure[k]) for k in ("organisation", "feed", "table", "column") if failure.get(k))
    return f"{failure['rule']} ({about})" if about else failure["rule"]


def dbt_build(as_of: str) -> list[dict[str, Any]]:
    """Build and test every model; returns one entry per node, also when some failed, so that each can be shown."""
    from infra.dbt_runner import run_dbt

    settings = _settings()
    with recorded(settings, "dbt build") as outcome:
        nodes = [{**asdict(n), "ok": n.ok} for n in run_dbt(settings, "build", as_of=date.fromisoformat(as_of))]
        outcome["rows"] = sum(n["rows"] or 0 for n in nodes)
        return nodes


def is_broken(node: dict[str, Any]) -> bool:
    """Whether a model or test failed, or was skipped because one above it did; either stops publication."""
    return not node["ok"]


def shown_as(node: dict[str, Any]) -> str:
    """State of a node's task in the grid: success, failed or skipped."""
    if not is_broken(node):
        return "success"
    return "skipped" if node["status"] == "skipped" else "failed"


def replay(node: dict[str, Any]) -> None:
    """Show what the build did with one model or test; runs nothing. Raises Stopped for a node that failed."""
    told = f"{node['resource_type']} {node['name']}: {node['status']} in {node['seconds']:.2f} s. {node['message'] or ''}"
    match shown_as(node):
        case "failed":
            raise Stopped(told)
        case "skipped":
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException(told)
    log.info(told)


def dbt_verdict(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Let the run go on when no model and no test failed. Raises Stopped that names those that did."""
    nodes = list(nodes)
    if broken := sorted((n for n in nodes if is_broken(n)), key=lambda n: n["status"] == "skipped"):
        named = "; ".join(f"{n['name']}: {n['message']}" for n in broken[:10])
        raise Stopped(f"{len(broken)} of {len(nodes)} dbt nodes failed: {named}")
    return {"nodes": len(nodes)}


def publish(as_of: str) -> dict[str, Any]:
    """Copy what readers may see into a new version and switch the link to it."""
    from infra import publication

    settings = _settings()
    with recorded(settings, "publish") as outcome:
        done = publication.publish(settings, run_id(), date.fromisoformat(as_of))
        outcome["rows"] = done.rows
        return {"version": done.version, "tables": done.tables, "rows": done.rows}


def report() -> str:
    """Write the validation report, whatever the gates decided, and the data dictionary it links to."""
    from expectations.report import write_report
    from ingestion import dictionary

    settings = _settings()
    with recorded(settings, "report"):
        dictionary.write(settings)
        return str(write_report(settings, run_id()))
