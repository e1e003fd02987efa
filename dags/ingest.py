"""One DAG per family of source systems: its organisations are loaded one by one, and the build is told."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Asset, CronTriggerTimetable, TriggerRule, dag, task

from infra import steps
from infra.airflow.timetable import FAMILIES, LOAD_POOL, TIMEZONE, Family, retry_delay


def ingest(family: Family) -> DAG:
    """The DAG of one family."""

    @dag(
        dag_id=family.dag_id,
        description=family.title,
        schedule=CronTriggerTimetable(family.schedule, timezone=TIMEZONE),
        start_date=pendulum.datetime(2026, 1, 1, tz=TIMEZONE),
        catchup=False,
        max_active_runs=1,
        tags=["ingest"],
        default_args={"owner": family.owner, "retries": 2, "retry_delay": retry_delay()},
    )
    def wiring() -> None:
        @task
        def organisations() -> list[str]:
            return steps.organisations(family.name)

        @task(map_index_template="{{ task.op_kwargs['organisation'] }}", pool=LOAD_POOL, multiple_outputs=False)
        def load(organisation: str) -> dict:
            return steps.load(family.name, organisation)

        @task(outlets=[Asset(name=f"lake_{family.name}", uri=family.lake_uri)], trigger_rule=TriggerRule.ALL_DONE)
        def close(expected: list[str], books: list[dict]) -> dict:
            return steps.close(expected, books)

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def name_failures(expected: list[str], books: list[dict]) -> None:
            steps.name_failures(expected, books)

        expected = organisations()
        books = load.expand(organisation=expected)
        close(expected, books)
        name_failures(expected, books)

    return wiring()


for _family in FAMILIES:
    ingest(_family)
