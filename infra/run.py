"""`make run`: drive the DAGs in this one process, from landing folder to published version, and say what came of it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pluggy import HookimplMarker
from rich.console import Console
from rich.markup import escape

from infra import steps, summary
from infra.airflow import database, environment, service
from infra.airflow.timetable import FAMILIES
from infra.progress import Progress, terminal_to_ourselves
from infra.settings import ROOT, Settings, load_settings
from infra.summary import Failure, Outcome

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

hookimpl = HookimplMarker("airflow")

DEFAULT_SCALE, DEFAULT_SEED = 20_000, 1
RETRY_SECONDS = "1"
ORDER = (*(f.dag_id for f in FAMILIES), "build")
NODE_TASK = "dbt_node"


class CannotRun(RuntimeError):
    """The run did not begin; the message says what to do."""


def wanted_province() -> tuple[int, int] | None:
    """Residents and seed of the synthetic province, or None when EXTRACTS names a landing folder."""
    if os.environ.get("EXTRACTS"):
        return None
    return int(os.environ.get("SCALE") or DEFAULT_SCALE), int(os.environ.get("SEED") or DEFAULT_SEED)


def _made_of(folder: Path) -> tuple[int, int] | None:
    try:
        told = json.loads((folder / "generated.json").read_text(encoding="utf-8"))
        return told["scale"], told["seed"]
    except (OSError, ValueError, KeyError):
        return None


def make_province(settings: Settings, scale: int, seed: int) -> bool:
    """Generate the synthetic extracts under LAKEHOUSE_HOME unless they are there; returns whether that was done.

    They appear in one step, so a killed generation leaves nothing that looks finished. Raises CannotRun when this LAKEHOUSE_HOME holds
    another province, because two provinces in one lake are nobody's population.
    """
    folder = settings.home / "extracts"
    made = _made_of(folder)
    if made == (scale, seed):
        return False
    if made:
        raise CannotRun(
            f"{settings.home} holds the synthetic province SCALE={made[0]} SEED={made[1]}; "
            f"run `make clean` or choose another LAKEHOUSE_HOME for SCALE={scale} SEED={seed}"
        )
    if folder.exists():
        raise CannotRun(f"{folder} exists and was not made by `make run`; remove it, or name it with EXTRACTS={folder / 'landing'}")
    unfinished = settings.home / ".extracts.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ingestion.synthetic", "--out", str(unfinished), "--scale", str(scale), "--seed", str(seed)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise CannotRun(f"the synthetic province could not be generated; see {settings.home / 'logs' / steps.run_id()}.log")
    (unfinished / "generated.json").write_text(json.dumps({"scale": scale, "seed": seed}) + "\n", encoding="utf-8")
    os.replace(unfinished, folder)
    return True


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One run at a time in a LAKEHOUSE_HOME, and none while its Airflow is up. Raises CannotRun."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if service.running(settings):
        raise CannotRun(f"Airflow is up on {settings.home}; trigger its DAGs there, or `make down` first")
    try:
        with FileLock(settings.home / "run.lock", timeout=0):
            yield
    except Timeout:
        raise CannotRun(f"another run is working in {settings.home}") from None


def _failures(run: DagRun, messages: dict[tuple[str, str, int], str]) -> list[Failure]:
    """Tasks that failed, with what they were about; tasks that only waited for them, or only name them, are left out."""
    return [
        Failure(run.dag_id, ti.task_id, ti.rendered_map_index, messages.get((run.dag_id, ti.task_id, ti.map_index)))
        for ti in run.get_task_instances()
        if ti.state == "failed" and ti.task_id != "name_failures"
    ]


def _name_nodes(run: DagRun) -> None:
    """Give the mapped dbt tasks the names, times and verdicts of their nodes.

    In this process they are marked rather than run (0.15 s each otherwise), which leaves the grid with what running them would show.
    """
    from datetime import timedelta

    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        tis = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id)
        built = tis.filter_by(task_id="dbt_build").one()
        nodes = built.xcom_pull(task_ids="dbt_build", session=session) if built.state == "success" else []
        shown = {ti.map_index: ti for ti in tis.filter_by(task_id=NODE_TASK)}
        for index, node in enumerate(nodes or []):
            if ti := shown.get(index):
                ti._rendered_map_index = node["name"]
                ti.state = "failed" if steps.is_broken(node) else "success"
                ti.start_date = built.start_date
                ti.end_date = built.start_date + timedelta(seconds=node["seconds"] or 0)
                ti.duration = node["seconds"]


class _Errors:
    """Listens to Airflow and keeps the last error of each task, which the task instance itself does not."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str, int], str] = {}

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        told = str(error) if isinstance(error, (steps.StepFailed, steps.Stopped)) else f"{type(error).__name__}: {error}"
        self.messages[task_instance.dag_id, task_instance.task_id, task_instance.map_index] = told


def drive(settings: Settings, console: Console) -> Outcome:
    """Run every DAG in order and read what became of its tasks. Airflow's environment must be in place."""
    database.prepare(settings)
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.listener import get_listener_manager

    outcome, errors = Outcome(run_id=steps.run_id()), _Errors()
    bag = DagBag(str(ROOT / "dags"))
    if bag.import_errors:
        raise CannotRun(f"DAG files that cannot be read: {bag.import_errors}")
    get_listener_manager().add_listener(errors)
    for dag_id in ORDER:
        run = bag.dags[dag_id].test(mark_success_pattern=NODE_TASK)
        if dag_id == "build":
            _name_nodes(run)
            _read_build(run, outcome)
        outcome.failures.extend(_failures(run, errors.messages))
    return outcome


def _read_build(run: DagRun, outcome: Outcome) -> None:
    """What the build decided: the day it looked from, and whether there was anything to publish."""
    tis = {ti.task_id: ti for ti in run.get_task_instances() if ti.map_index < 0}
    as_of = tis["anything_new"].xcom_pull(task_ids="anything_new") if tis["anything_new"].state == "success" else None
    outcome.as_of = date.fromisoformat(as_of) if as_of else None
    outcome.nothing_new = tis["publish"].state == "skipped"
    outcome.published = tis["publish"].state == "success"


def verdict(settings: Settings, told: dict[str, Any]) -> tuple[int, str]:
    """Exit code and the reason for it, from what the summary says."""
    if not told["published_version"] and not told["feeds"]:
        return 1, f"nothing was loaded from {settings.extracts}"
    if not told["published_version"] or not (told["published"] or told["nothing_new"]):
        return 1, "nothing could be published"
    if settings.strict and (told["failed_organisations"] or told["held"]):
        return 1, "STRICT=1 and an organisation failed or is held"
    return 0, ""


def _peak_memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _run(settings: Settings, console: Console, log_file: Path) -> int:
    began = time.monotonic()
    province = wanted_province()
    with Progress(console, settings.ops_url, steps.run_id()):
        if province:
            with steps.recorded(settings, "synthetic province"):
                make_province(settings, *province)
        settings = load_settings()
        outcome = drive(settings, console)
    outcome.scale, outcome.seed = province or (None, None)
    outcome.seconds, outcome.peak_memory_mb = time.monotonic() - began, _peak_memory_mb()
    told = summary.collect(settings, outcome)
    summary.write(settings, told)
    summary.show(console, settings, told, log_file)
    code, reason = verdict(settings, told)
    if reason:
        console.print(f"[bold red]{escape(reason)}[/]")
    return code


def main() -> int:
    """Run and return the exit code.

    0 published, or nothing new; 1 nothing could be published, or, with STRICT=1, an organisation failed or is held; 2 not begun.
    """
    settings = load_settings()
    os.environ.setdefault(steps.RUN_ID, steps.new_run_id())
    os.environ.setdefault("LAKEHOUSE_RETRY_SECONDS", RETRY_SECONDS)
    environment.apply(settings, os.environ)
    log_file = settings.home / "logs" / f"{steps.run_id()}.log"
    try:
        with _alone(settings), terminal_to_ourselves(log_file) as console:
            return _run(settings, console, log_file)
    except CannotRun as error:
        print(f"make run: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"make run: {steps.safe_message(error)}; see {log_file}", file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(main())
