"""From the lake to a published version: started by any family's ingest, ended at once when there is nothing new."""

from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAny, TriggerRule, chain, dag, task

from infra import steps
from infra.airflow.timetable import BUILD_OWNER, FAMILIES, PUBLISHED, REPLAYS, TIMEZONE, WAREHOUSE_POOL, retry_delay

LAKE = AssetAny(*(Asset(name=f"lake_{family.name}", uri=family.lake_uri) for family in FAMILIES))


@dag(
    dag_id="build",
    description="Link identities, build the warehouse, pass the gates, publish",
    schedule=LAKE,
    start_date=pendulum.datetime(2026, 1, 1, tz=TIMEZONE),
    catchup=False,
    max_active_runs=1,
    tags=["build"],
    default_args={"owner": BUILD_OWNER, "pool": WAREHOUSE_POOL, "retries": 1, "retry_delay": retry_delay()},
)
def build() -> None:
    @task.short_circuit
    def anything_new() -> str | None:
        return steps.anything_new()

    @task
    def link_identities() -> dict:
        return steps.link_identities()

    @task
    def export_metadata() -> dict:
        return steps.export_metadata()

    @task
    def structure_texts() -> dict:
        return steps.structure_texts()

    @task
    def code_texts() -> dict:
        return steps.code_texts()

    @task(retries=0)
    def gate_lake() -> dict:
        return steps.gate("lake")

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def check_deliveries(as_of: str) -> dict:
        return steps.check_deliveries(as_of)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def return_defects() -> dict:
        return steps.return_defects()

    @task
    def dbt_build(as_of: str) -> list[dict]:
        return steps.dbt_build(as_of)

    @task(map_index_template="{{ task.op_kwargs['node']['name'] }}", pool="default_pool", retries=0, max_active_tis_per_dagrun=REPLAYS)
    def dbt_node(node: dict) -> None:
        steps.replay(node)

    @task(retries=0)
    def dbt_verdict(nodes: list[dict]) -> dict:
        return steps.dbt_verdict(nodes)

    @task(retries=0)
    def gate_features() -> dict:
        return steps.gate("features")

    @task(retries=0)
    def gate_marts() -> dict:
        return steps.gate("marts")

    @task
    def publish(as_of: str) -> dict:
        return steps.publish(as_of)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def report() -> str:
        return steps.report()

    as_of = anything_new()
    nodes = dbt_build(as_of)
    dbt_node.expand(node=nodes)
    version = publish(as_of)
    judged = gate_lake()
    chain(judged, check_deliveries(as_of), return_defects(), nodes)
    chain(as_of, link_identities(), export_metadata(), structure_texts(), code_texts(), judged)
    chain(judged, nodes, dbt_verdict(nodes), gate_features(), gate_marts(), version)
    version >> EmptyOperator(task_id="published", outlets=[Asset(name="lakehouse_published", uri=PUBLISHED)])
    version >> report()


build()
