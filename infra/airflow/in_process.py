"""Drive the DAGs in this process, in order and without a scheduler, and read from their task instances what became of them.

A DAG whose last task runs in any case ends as "success" with failed tasks inside, so its own state says little.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker

from infra import steps
from infra.airflow import database
from infra.airflow.timetable import FAMILIES
from infra.settings import ROOT, Settings
from infra.steps import CannotRun
from infra.summary import Failure, Outcome

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

ORDER = (*(f.dag_id for f in FAMILIES), "build")
NODE_TASK = "dbt_node"
NAMING_TASK = "name_failures"

hookimpl = HookimplMarker("airflow")


class _Errors:
    """Listens to Airflow and keeps the last error of each task, which the task instance itself does not."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str, int], str] = {}

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        told = str(error) if isinstance(error, (steps.StepFailed, steps.Stopped)) else f"{type(error).__name__}: {error}"
        self.messages[task_instance.dag_id, task_instance.task_id, task_instance.map_index] = told


def _close_unfinished() -> None:
    """Close what a killed process left as running: no scheduler is up, so nobody else is working on it."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        for run in session.query(DagRun).filter(DagRun.state.in_(("running", "queued"))):
            tis = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id)
            tis.filter(TaskInstance.state.is_(None) | TaskInstance.state.not_in(("success", "failed", "skipped", "upstream_failed"))).update(
                {"state": "failed"}, synchronize_session=False
            )
            run.state = "failed"


def _failures(run: DagRun, messages: dict[tuple[str, str, int], str]) -> Iterator[Failure]:
    """Tasks that failed, with what they were about; tasks that only waited for them, or only name them, are left out."""
    for ti in run.get_task_instances():
        if ti.state == "failed" and ti.task_id != NAMING_TASK:
            yield Failure(run.dag_id, ti.task_id, ti.rendered_map_index, messages.get((run.dag_id, ti.task_id, ti.map_index)))


def _name_nodes(run: DagRun) -> None:
    """Give the mapped dbt tasks the names, seconds and verdicts of their nodes.

    Running hundreds of them here would cost 0.15 s each, so they are marked, and this leaves in the grid what running them would show.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        tis = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id)
        built = tis.filter_by(task_id="dbt_build").one()
        if built.state != "success":
            return
        shown = {ti.map_index: ti for ti in tis.filter_by(task_id=NODE_TASK)}
        for index, node in enumerate(built.xcom_pull(task_ids="dbt_build", session=session)):
            if ti := shown.get(index):
                ti._rendered_map_index = node["name"]
                ti.state = steps.shown_as(node)
                ti.start_date = built.start_date
                ti.end_date = built.start_date + timedelta(seconds=node["seconds"])
                ti.duration = node["seconds"]


def _read_build(run: DagRun, outcome: Outcome) -> None:
    """What the build decided: the day it looked from, and whether there was anything to publish."""
    tis = {ti.task_id: ti for ti in run.get_task_instances() if ti.map_index < 0}
    as_of = tis["anything_new"].xcom_pull(task_ids="anything_new") if tis["anything_new"].state == "success" else None
    outcome.as_of = date.fromisoformat(as_of) if as_of else None
    outcome.nothing_new = tis["publish"].state == "skipped"
    outcome.published = tis["publish"].state == "success"


def drive(settings: Settings) -> Outcome:
    """Run every DAG once. Airflow's environment must be in place. Raises CannotRun when a DAG file cannot be read."""
    database.prepare(settings)
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.listener import get_listener_manager

    outcome, errors = Outcome(run_id=steps.run_id()), _Errors()
    bag = DagBag(str(ROOT / "dags"))
    if bag.import_errors:
        raise CannotRun(f"DAG files that cannot be read: {bag.import_errors}")
    _close_unfinished()
    get_listener_manager().add_listener(errors)
    for dag_id in ORDER:
        run = bag.dags[dag_id].test(mark_success_pattern=NODE_TASK)
        if dag_id == "build":
            _name_nodes(run)
            _read_build(run, outcome)
        outcome.failures.extend(_failures(run, errors.messages))
    return outcome
