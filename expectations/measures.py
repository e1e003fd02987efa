"""Figures of new batches: for every batch and check of a lake suite the number examined, the number failed and what is compared.

One statement per feed computes all of them; Great Expectations then judges one small table per suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from expectations.library import Measure, Suite, measures
from infra.settings import Settings
from ingestion import ops
from ingestion.contracts import contracts
from ingestion.mappings import UnknownOrganisation, load_mapping

KEYS = ("organisation", "feed", "batch_id", "column_name")

_BATCH = pa.schema([("organisation", pa.string()), ("feed", pa.string()), ("batch_id", pa.string()), ("delivered_on", pa.date32())])
_FILE = pa.schema(
    [
        ("organisation", pa.string()),
        ("feed", pa.string()),
        ("batch_id", pa.string()),
        ("status", pa.string()),
        ("rows_read", pa.int64()),
        ("rows_accepted", pa.int64()),
        ("rows_quarantined", pa.int64()),
        ("rows_without_record", pa.int64()),
    ]
)
_MEASURED = pa.schema(
    [
        *[(key, pa.string()) for key in KEYS],
        ("rule", pa.string()),
        ("examined", pa.int64()),
        ("failed", pa.int64()),
        ("observed", pa.float64()),
    ]
)


def new_batches(settings: Settings) -> list[dict[str, Any]]:
    """The batches that wait for a verdict: rows of batch_state with status `loaded`."""
    return ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "loaded")


def feeds_to_read(batches: Iterable[Mapping[str, Any]]) -> list[str]:
    """The feeds of the new batches that have a contract, and so a lake table."""
    return sorted({b["feed"] for b in batches} & contracts().keys())


def prepare(connection: duckdb.DuckDBPyConnection, batches: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]) -> None:
    """Put tables beside the lake's views: `batch`, `file` (the ledger) and `books` (files of new batches, with their rows in the lake)."""
    for name, rows, schema in (("batch", batches, _BATCH), ("file", files, _FILE)):
        connection.register("_rows", pa.Table.from_pylist([{c: r.get(c) for c in schema.names} for r in rows], schema=schema))
        connection.execute(f'create table "{name}" as from _rows')
        connection.unregister("_rows")
    counts = [
        f'select _batch as batch_id, count(*) as rows_in_lake, count(*) filter (where _deleted) as rows_deleted from lake."{feed}" '
        f"where _batch in (select batch_id from batch where feed = '{feed}') group by _batch"
        for feed in feeds_to_read(batches)
    ]
    connection.execute(
        f"create table in_lake as {' union all '.join(counts)}"
        if counts
        else "create table in_lake (batch_id text, rows_in_lake bigint, rows_deleted bigint)"
    )
    connection.execute(
        """
        create table books as
        select f.*, coalesce(l.rows_in_lake, 0) as rows_in_lake, coalesce(l.rows_deleted, 0) as rows_deleted
        from file f join batch b using (batch_id) left join in_lake l using (batch_id)
        where f.status = 'loaded'
        """
    )
    connection.execute("create table files as select organisation, feed, '' as batch_id, status from file")


def _figures(connection: duckdb.DuckDBPyConnection, rows: str, wanted: Sequence[Measure]) -> Iterable[dict[str, Any]]:
    """All measures of one relation (columns organisation, feed, batch_id and what the measures name), batch by batch."""
    parts = []
    for n, m in enumerate(wanted):
        share = f"(f{n}::double / nullif(e{n}, 0))"
        parts.append(f"({m.examined})::bigint as e{n}, ({m.failed or 'null'})::bigint as f{n}, {m.observed or share} as o{n}")
    found = connection.execute(f"select organisation, feed, batch_id, {', '.join(parts)} from ({rows}) group by organisation, feed, batch_id")
    for organisation, feed, batch_id, *values in found.fetchall():
        for n, m in enumerate(wanted):
            examined, failed, observed = values[3 * n : 3 * n + 3]
            examined = examined or 0
            yield {
                "organisation": organisation,
                "feed": feed,
                "batch_id": batch_id,
                "column_name": m.column,
                "rule": m.rule,
                "examined": examined,
                "failed": failed,
                "observed": observed if examined >= m.at_least else None,
            }


def _mapped(organisation: str, feed: str) -> set[str] | None:
    try:
        return set(load_mapping(organisation).mapped_fields(feed)) or None
    except UnknownOrganisation:
        return None


def measure(connection: duckdb.DuckDBPyConnection, suite: Suite) -> list[dict[str, Any]]:
    """The figures of a suite: one row per new batch × check (× field). A batch without rows is examined 0.

    A record that its source marks as deleted has a key and nothing else to judge.
    """
    if suite.source != "feeds":
        return list(_figures(connection, f"from {suite.source}", list(measures(suite, None))))
    only_mapped = {c.rule for c in suite.checks if c.only_mapped}
    made: list[dict[str, Any]] = []
    batches = connection.execute("select organisation, feed, batch_id from batch order by all").fetchall()
    for feed in sorted({b[1] for b in batches}):
        contract = contracts().get(feed)
        if contract is None or not suite.covers(contract) or not (wanted := list(measures(suite, contract))):
            continue
        person = "left join current_person p using (identity_id)" if contract.subject else ""
        rows = (
            f"select b.organisation, b.feed, b.batch_id, l.*{', p.person_id as _person_id, p.method as _method' if person else ''} "
            f"from lake.\"{feed}\" l join batch b on b.batch_id = l._batch and b.feed = '{feed}' {person} "
            "where not coalesce(l._deleted, false)"
        )
        found = list(_figures(connection, rows, wanted))
        seen = {f["batch_id"] for f in found}
        for organisation, _, batch_id in (b for b in batches if b[1] == feed and b[2] not in seen):
            found.extend(
                dict(
                    zip(
                        (*KEYS, "rule", "examined", "failed", "observed"),
                        (organisation, feed, batch_id, m.column, m.rule, 0, 0, None),
                        strict=True,
                    )
                )
                for m in wanted
            )
        unmapped = {o: known for o in {b[0] for b in batches} if (known := _mapped(o, feed)) is not None}
        made.extend(f for f in found if f["rule"] not in only_mapped or f["column_name"] in unmapped.get(f["organisation"], {f["column_name"]}))
    return made


def wide_table(connection: duckdb.DuckDBPyConnection, suite: Suite, rows: Sequence[Mapping[str, Any]]) -> str:
    """Store the figures as a table with one row per group and one column per rule; returns the table's name."""
    name = f"gate_{suite.subject}"
    connection.register("_measured", pa.Table.from_pylist(list(rows), schema=_MEASURED))
    columns = ", ".join(f"max(observed) filter (where rule = '{c.rule}') as \"{c.rule}\"" for c in suite.checks)
    connection.execute(f'create table "{name}" as select {", ".join(KEYS)}, {columns} from _measured group by {", ".join(KEYS)} order by all')
    connection.unregister("_measured")
    return name
