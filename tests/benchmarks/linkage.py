"""What the linkage is worth: its groups and its queue beside the truth. `python -m tests.benchmarks.linkage --help`"""

from __future__ import annotations

import os
import resource
import secrets
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import duckdb
import typer

from infra.settings import load_settings
from ingestion import duck
from ingestion.identity import linking, queue, vault
from tests.benchmarks import linkage_people


@dataclass(frozen=True)
class Worth:
    """Measured on identities without a valid ID number, unless it says otherwise.

    precision      of pairs (record without number, any other record) that were linked automatically
    recall_linked  records whose person has another record, that share their person with one
    recall_queued  the same, counting those whose person stands in the review queue
    waiting        pairs in the queue
    f1             of pairs of all identities
    """

    records: int
    precision: float
    recall_linked: float
    recall_queued: float
    waiting: int
    f1: float
    f1_precision: float
    f1_recall: float


def worth(connection: duckdb.DuckDBPyConnection, truth: str) -> Worth:
    """Hold the vault (attached, linked) against a relation with identity_id and person_no; identities of nobody known are left out."""
    waiting = queue.waiting(connection)
    connection.execute(
        f"""
        create or replace temp table placed as
        with current_map as (
            select identity_id, person_id from vault.identity_person qualify row_number() over (partition by identity_id order by change_no desc) = 1
        ),
        once as (select identity_id, min(person_no) as person_no from {truth} group by identity_id having count(distinct person_no) = 1)
        select m.identity_id, m.person_id, t.person_no, s.node_no, not n.is_numbered or s.id_card_no is null as is_bare
        from current_map as m inner join once as t using (identity_id) inner join vault.link_statement as s using (identity_id)
        inner join vault.link_node as n using (node_no)
        where s.demographic is not null or s.id_card_no is not null or exists (from vault.claim as c where c.identity_id = m.identity_id)
        """
    )
    records, linked, right_pairs, pairs = connection.execute(
        """
        with bare as (select * from placed where is_bare),
        other as (
            select b.identity_id, count(*) filter (o.person_id = b.person_id) as together, count(*) filter (o.person_no = b.person_no) as true_others,
                count(*) filter (o.person_id = b.person_id and o.person_no = b.person_no) as right_pairs
            from bare as b inner join placed as o on o.identity_id <> b.identity_id and (o.person_id = b.person_id) group by all
            union all
            select b.identity_id, 0, count(*), 0 from bare as b inner join placed as o
                on o.identity_id <> b.identity_id and o.person_no = b.person_no and o.person_id <> b.person_id group by all
        )
        select count(*) filter (true_others > 0), count(*) filter (true_others > 0 and right_pairs > 0), sum(right_pairs), sum(together)
        from (select identity_id, sum(together) as together, sum(true_others) as true_others, sum(right_pairs) as right_pairs from other group by all)
        """
    ).fetchone()
    queued = connection.execute(
        """
        with person_of_node as (select distinct node_no, person_no, person_id from placed),
        hit as (
            select distinct p.person_no, p.person_id from waiting as w inner join person_of_node as p on p.node_no = w.record_node
            inner join person_of_node as o on o.node_no = w.other_node where o.person_no = p.person_no
            union
            select distinct o.person_no, o.person_id from waiting as w inner join person_of_node as p on p.node_no = w.record_node
            inner join person_of_node as o on o.node_no = w.other_node where o.person_no = p.person_no
        )
        select count(*) from placed as b semi join hit on hit.person_no = b.person_no and hit.person_id = b.person_id
        where is_bare and not exists (
            from placed as o where o.identity_id <> b.identity_id and o.person_id = b.person_id and o.person_no = b.person_no
        )
        """
    ).fetchone()[0]
    both, of_keys, of_people = connection.execute(
        """
        with t as (select person_id, person_no, count(*) as n from placed group by all)
        select (select sum(n * (n - 1) / 2) from t), (select sum(n * (n - 1) / 2) from (select sum(n) as n from t group by person_id)),
            (select sum(n * (n - 1) / 2) from (select sum(n) as n from t group by person_no))
        """
    ).fetchone()
    precision, recall = both / of_keys, both / of_people
    return Worth(
        records,
        right_pairs / pairs if pairs else 1.0,
        linked / records,
        (linked + queued) / records,
        waiting,
        2 * precision * recall / (precision + recall),
        precision,
        recall,
    )


def measured(scale: int, seed: int, second: float | None, *, key: bytes | None = None, batch: int = 1000) -> dict[str, float | int]:
    """Fill a vault of its own with `scale` residents, link it, add a batch, link that; returns seconds, peak memory and worth."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"LAKEHOUSE_HOME": f"{folder}/home", "LAKEHOUSE_KEY_FILE": f"{folder}/keys/vault.key", "EXTRACTS": f"{folder}/landing"}
        settings = load_settings()
        truth = linkage_people.fill(settings, scale, seed, second=second)
        started, used = time.monotonic(), time.process_time()
        counts = linking.link(settings, key)
        seconds, cpu = time.monotonic() - started, time.process_time() - used
        linkage_people.add(settings, scale, seed, batch)
        started, batch_used = time.monotonic(), time.process_time()
        linking.link(settings, key)
        batch_seconds, batch_cpu = time.monotonic() - started, time.process_time() - batch_used
        connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
        connection.register("truth", truth)
        with vault.opened(settings, connection):
            found = worth(connection, "truth")
        return {
            **counts,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu, 1),
            "batch_seconds": round(batch_seconds, 1),
            "batch_cpu_seconds": round(batch_cpu, 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **asdict(found),
        }


def main(
    scale: Annotated[int, typer.Option(help="Residents.")] = 20_000,
    seed: int = 1,
    second: Annotated[float | None, typer.Option(help="Use the second error model, with this share of records without an ID number.")] = None,
    tokens: Annotated[bool, typer.Option(help="Compare tokens under a programme's key.")] = False,
) -> None:
    """Measure precision, recall, queue and speed of the linkage."""
    for name, value in measured(scale, seed, second, key=secrets.token_bytes(32) if tokens else None).items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    typer.run(main)
