"""A clerk's verdicts on pairs of records: taken over from the lake, kept in the vault, and stronger than any weight."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion import duck, lake
from ingestion.contracts import contracts

FEED = "decision_linkage_review"
SCHEMA = """
create table if not exists vault.link_decision (
    decision_no varchar primary key, delivered_on date not null, verdict varchar not null, decided_by varchar, decided_at date, reason varchar,
    supersedes varchar, left_identity_id varchar, right_identity_id varchar, linked boolean not null
);
"""
SIDES = ("left", "right")


def _batches(table: lake.Table) -> set[str]:
    return {b for s in table.metadata.snapshots if s.summary for b in s.summary.additional_properties.get("batch_id", "").split()}


def take_over(settings: Settings, connection: duckdb.DuckDBPyConnection) -> int:
    """Bring decisions that are in the lake into the vault (attached), and find the identities of records named by their number.

    A decision about a record that is not in the lake yet waits; it is looked for again at every run. Returns the decisions that are new.
    """
    described = contracts()[FEED]
    table = lake.table(settings, lake.LAKE, FEED, lake.lake_schema(described))
    if not _batches(table):
        return 0
    duck.load_extensions(connection, ["avro", "iceberg"])
    connection.execute(
        f"""
        create or replace temp table delivered_decision as
        select * from iceberg_scan('{table.metadata_location}')
        qualify row_number() over (partition by decision_no order by _delivered_on desc, _file desc, _row desc) = 1
        """
    )
    connection.execute("delete from delivered_decision where coalesce(_deleted, false)")
    _resolve(settings, connection)
    new = connection.execute("select count(*) from delivered_decision anti join vault.link_decision using (decision_no)").fetchone()[0]
    connection.execute(
        """
        create or replace temp table changed_decision as
        select d.decision_no, d._delivered_on as delivered_on, d.verdict_code as verdict, d.decided_by, d.decided_at, d.reason, d.supersedes,
            d.left_identity_id, d.right_identity_id
        from delivered_decision as d
        except select * exclude (linked) from vault.link_decision;
        update vault.link_decision set linked = false, verdict = 'withdrawn'
        where decision_no not in (select decision_no from delivered_decision) and verdict <> 'withdrawn';
        delete from vault.link_decision where decision_no in (select decision_no from changed_decision);
        insert into vault.link_decision select *, false from changed_decision;
        drop table changed_decision; drop table delivered_decision;
        """
    )
    return new


def _resolve(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Identities of sides that are named by organisation, feed and record number."""
    for side in SIDES:
        feeds = connection.execute(
            f"select distinct {side}_feed from delivered_decision where {side}_identity_id is null and {side}_feed is not null"
        ).fetchall()
        for (feed,) in feeds:
            described = contracts().get(feed)
            keys = [f.name for f in described.primary_key if f.in_lake and f.type == "string"] if described and described.subject else []
            if not keys:
                continue
            records = lake.table(settings, lake.LAKE, feed, lake.lake_schema(described))
            connection.execute(
                f"""
                update delivered_decision as d set {side}_identity_id = r.identity_id from (
                    select _organisation, "{keys[0]}" as no, arg_max(identity_id, (_delivered_on, _file, _row)) as identity_id
                    from iceberg_scan('{records.metadata_location}') where identity_id is not null
                        and "{keys[0]}" in (select {side}_record_no from delivered_decision where {side}_feed = '{feed}')
                    group by all
                ) as r
                where d.{side}_feed = '{feed}' and d.{side}_identity_id is null
                    and r._organisation = d.{side}_organisation_code and r.no = d.{side}_record_no
                """
            )


IN_FORCE = """
create or replace temp table decision_in_force as
with known as (
    select *, least(left_identity_id, right_identity_id) as a, greatest(left_identity_id, right_identity_id) as b from vault.link_decision
    where delivered_on <= $day and verdict <> 'withdrawn' and left_identity_id is not null and right_identity_id is not null
)
select decision_no, a as left_identity_id, b as right_identity_id, verdict, decided_by, decided_at, reason
from known where decision_no not in (select supersedes from known where supersedes is not null)
qualify row_number() over (partition by a, b order by decided_at desc, decision_no desc) = 1
"""


def in_force(connection: duckdb.DuckDBPyConnection, day: object) -> pa.Table:
    """The verdict that counts for each pair on a day (table `decision_in_force` too): the latest that no other replaced."""
    connection.execute(IN_FORCE, {"day": day})
    return connection.execute("select * from decision_in_force order by decision_no").to_arrow_table()
