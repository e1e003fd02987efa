"""The defect store: what is new is entered, what is answered is closed, what nobody answered in time is overdue; all in one transaction.

A batch is looked at once. Killed before the transaction ends, a call leaves nothing behind and the next one does all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import md5
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Column, MetaData, String, Table, bindparam, cast, delete, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.types import NullType

from infra.settings import Settings
from ingestion import duck, ops
from ingestion.mappings import feed_of
from ingestion.returns.answers import answer
from ingestion.returns.observed import BATCH, RESUBMITTED, age, observe, register
from ingestion.returns.wording import limits

UNDATED = date(1970, 1, 1)
OPEN = ("open", "overdue")
ROWS_PER_STATEMENT = 50_000
KNOWN = (
    "defect_id", "organisation", "feed", "record", "file_name", "delivered_on", "load_no", "first_seen", "returned_on", "deadline",
    "state", "closed_by",
)  # fmt: skip
"""Columns of a stored defect that decide what becomes of it."""


@dataclass(frozen=True)
class Entered:
    """What one call changed in the store: defects found, answered, and gone overdue; batches looked at."""

    batches: int
    found: int
    answered: int
    overdue: int


@dataclass(frozen=True)
class Changes:
    """What new batches change in the store: defects found (whole rows, as texts), and those in the store that are answered."""

    found: pa.Table
    answered: list[dict[str, Any]]
    count_answered: int

    @property
    def count(self) -> int:
        return len(self.found)


def business_day(settings: Settings) -> date | None:
    """The day a return bears: the latest delivery that came, or AS_OF where that is later; None when nothing has come.

    A past AS_OF rebuilds tables. It does not put a return into the past.
    """
    misplaced = {"bad_date_folder", "delivery_in_future"}
    came = (f["delivered_on"] for f in ops.rows(settings.ops_url, ops.file_ledger) if f["reason_code"] not in misplaced)
    return max(filter(None, (max(came, default=None), settings.as_of)), default=None)


def enter(settings: Settings) -> Entered:
    """Bring the store up to the last load. Returns what changed; nothing where nothing has been loaded."""
    day = business_day(settings)
    if day is None:
        return Entered(0, 0, 0, 0)
    states = ops.rows(settings.ops_url, ops.batch_state)
    known = {r["batch_id"] for r in ops.rows(settings.ops_url, ops.defect_batch)}
    new = [b for b in states if b["batch_id"] not in known]
    changes: Changes | None = None
    if new:
        with duck.connect(memory_limit=settings.memory_limit, threads=settings.threads) as connection:
            changes = _of_rows(connection, settings, states, new, day)
    others, more_found, more_answered = _of_files_and_batches(settings, states, {b["batch_id"] for b in new}, day)
    with ops.transaction(settings.ops_url) as transaction:
        _write(transaction, others)
        if changes:
            _write_bulk(transaction, changes)
            transaction.execute(insert(ops.defect_batch), [{"batch_id": b["batch_id"], "looked_at_on": day} for b in new])
        overdue = _expire(transaction, day)
    found, answered = (changes.count, changes.count_answered) if changes else (0, 0)
    return Entered(len(new), found + more_found, answered + more_answered, overdue)


def _write(transaction: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows in the place of those with the same defect_id."""
    if rows:
        transaction.execute(delete(ops.defect).where(ops.defect.c.defect_id == bindparam("key")), [{"key": r["defect_id"]} for r in rows])
        transaction.execute(insert(ops.defect), list(rows))


def _write_bulk(transaction: Connection, changes: Changes) -> None:
    """Enter hundreds of thousands of defects: found ones whole, with their dates as texts, and of those in the store what an answer changes."""
    d, names = ops.defect, changes.found.column_names
    replaced = changes.found.filter(changes.found["is_known"])["defect_id"].to_pylist()
    if replaced:
        transaction.execute(delete(d).where(d.c.defect_id == bindparam("key")), [{"key": k} for k in replaced])
    columns = [n for n in names if n != "is_known"]
    plain = Table("defect", MetaData(), *(Column(n, NullType()) for n in columns))
    compiled = insert(plain).values({n: bindparam(n) for n in columns}).compile(dialect=transaction.dialect)
    for chunk in changes.found.select(columns).to_batches(max_chunksize=ROWS_PER_STATEMENT):
        rows = list(zip(*(c.to_pylist() for c in chunk.columns), strict=True))
        if not compiled.positional:
            rows = [dict(zip(columns, row, strict=True)) for row in rows]
        transaction.exec_driver_sql(str(compiled), rows)
    if changes.answered:
        answered = update(d).where(d.c.defect_id == bindparam("key"))
        transaction.execute(answered.values(state=bindparam("new_state"), closed_on=bindparam("on"), closed_by=bindparam("by")), changes.answered)


def _expire(transaction: Connection, day: date) -> int:
    d = ops.defect
    transaction.execute(update(d).where(d.c.state == "overdue", d.c.deadline >= day).values(state="open"))
    return transaction.execute(update(d).where(d.c.state == "open", d.c.deadline < day).values(state="overdue")).rowcount


def _deadline(day: date, severity: str) -> date:
    return day + timedelta(days=limits().error if severity == "error" else limits().warning)


def _of_rows(
    connection: duckdb.DuckDBPyConnection, settings: Settings, states: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], day: date
) -> Changes:
    """What the new batches change."""
    duck.load_extensions(connection, ("httpfs", "avro", "iceberg"))
    # long lists of batches as expressions: as joins they cost a hundred operators a statement
    connection.execute("set disabled_optimizers = 'in_clause'")
    concerned = {(b["organisation"], feed_of(b["feed"])) for b in new}
    oldest = {pair: min((b["delivered_on"], b["load_no"]) for b in new if (b["organisation"], feed_of(b["feed"])) == pair) for pair in concerned}
    ids = {b["batch_id"] for b in new}
    batches = [
        {**{k: b[k] for k in BATCH.names if k in b}, "feed": feed_of(b["feed"]), "is_new": b["batch_id"] in ids}
        for b in states
        if (pair := (b["organisation"], feed_of(b["feed"]))) in concerned
        and (b["batch_id"] in ids or (b["delivered_on"], b["load_no"]) > oldest[pair])
    ]
    register(connection, "batch", batches, BATCH)
    wanted = {b["batch_id"] for b in batches}
    files = [f for f in ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.status == "loaded") if f["batch_id"] in wanted]
    register(
        connection,
        "file",
        ({"batch_id": f["batch_id"], "file_name": f["file_name"]} for f in files),
        pa.schema([("batch_id", pa.string()), ("file_name", pa.string())]),
    )
    observe(connection, settings)
    _read_store(connection, settings, concerned)
    _candidates(connection, states, day)
    answer(connection, settings)
    text = ", ".join(f"cast({c.name} as varchar) as {c.name}" for c in ops.defect.columns if c.name not in {"row", "part", "load_no"})
    found = connection.execute(
        f"""
        select {text}, "row", part, load_no, is_known from (
            select c.* exclude (state, closed_by), coalesce(a.state, 'open') as state,
                case when a.state is not null then date '{day}' end as closed_on, a.batch_id as closed_by
            from candidate as c left join answered as a using (defect_id)
            where c.is_found
        )
        """
    ).to_arrow_table()
    closed = connection.execute(
        "select a.defect_id, a.state, a.batch_id, c.is_found from answered as a inner join candidate as c using (defect_id)"
    ).fetchall()
    answered = [{"key": key, "new_state": state, "on": day, "by": by} for key, state, by, is_found in closed if not is_found]
    return Changes(found, answered, len(closed))


def _read_store(connection: duckdb.DuckDBPyConnection, settings: Settings, concerned: Iterable[tuple[str, str]]) -> None:
    """Make the table `known`: what must be known of the defects of the organisations and feeds concerned that stand in the store.

    Dates come as texts and are read by DuckDB, which is ten times as fast.
    """
    d = ops.defect
    named = [d.c[n] if d.c[n].type.python_type is not date else cast(d.c[n], String).label(n) for n in KNOWN]
    organisations, feeds = sorted({o for o, _ in concerned}), sorted({f for _, f in concerned})
    query = select(*named).where(d.c.organisation.in_(organisations), d.c.feed.in_(feeds), d.c.kind.in_(("row", "value")))
    with ops.engine(settings.ops_url).connect() as store:
        rows = store.execute(query).fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(KNOWN)
    texts = [pa.array(c, pa.int64() if d.c[n].type.python_type is int else pa.string()) for n, c in zip(KNOWN, columns, strict=True)]
    connection.register("_known", pa.table(texts, names=list(KNOWN)))
    dates = ", ".join(f"cast({n} as date) as {n}" for n in KNOWN if d.c[n].type.python_type is date)
    connection.execute(f"create or replace temp table known as select * replace ({dates}) from _known")
    connection.unregister("_known")


def _candidates(connection: duckdb.DuckDBPyConnection, states: Sequence[dict[str, Any]], day: date) -> None:
    """Make the table `candidate`: every row of the store as it is after the new observations, where it may still need an answer.

    A defect that was answered and is found again in a later batch is open again, with a new deadline; one that is merely found again keeps
    its deadline.
    """
    register(
        connection,
        "every_batch",
        ({"batch_id": b["batch_id"], "delivered_on": b["delivered_on"], "load_no": b["load_no"]} for b in states),
        pa.schema([("batch_id", pa.string()), ("delivered_on", pa.date32()), ("load_no", pa.int64())]),
    )
    fresh = ", ".join(f"o.{new} as {old}" for old, new in PLACE.items())
    connection.execute(
        f"""
        create or replace temp table candidate as
        with closing as (select batch_id, {age("delivered_on", "load_no")} as closed_at from every_batch),
        stored as (
            select k.*, {age("k.delivered_on", "k.load_no")} as age, c.closed_at from known as k left join closing as c on c.batch_id = k.closed_by
        ),
        found as (
            select o.defect_id, o.source, o.organisation, o.feed, o.kind, o.record, {fresh}, o.field, o.reason_code, o.reason_zh, o.severity,
                o.value_class, least(o.first_seen, coalesce(s.first_seen, o.first_seen)) as first_seen,
                case when s.state in ('open', 'overdue') then s.returned_on else date '{day}' end as returned_on,
                case
                    when s.state in ('open', 'overdue') then s.deadline
                    when o.severity = 'error' then date '{_deadline(day, "error")}' else date '{_deadline(day, "warning")}'
                end as deadline,
                case when s.state in ('open', 'overdue') then s.state else 'open' end as state,
                o.age, true as is_found, s.defect_id is not null as is_known
            from observed as o left join stored as s using (defect_id)
            where s.defect_id is null or (o.age > s.age and (s.state in ('open', 'overdue') or o.age > coalesce(s.closed_at, 0)))
        )
        from found
        union all by name
        select * exclude (closed_at), false as is_found, true as is_known from stored
        where state in ('open', 'overdue') and defect_id not in (select defect_id from found)
        """
    )


PLACE = {"file_name": "_file", "delivered_on": "delivered_on", "row": "_row", "part": "_part", "batch_id": "_batch", "load_no": "load_no"}
"""Columns of the store that tell where a defect was found last -> what they are called in `observed`."""


def _stem(file_name: str) -> str:
    """As `observed.stem`, of one name."""
    bare = re.sub(r"\.[A-Za-z0-9]{1,8}$", "", file_name)
    return re.sub(RESUBMITTED, "", bare, flags=re.I).lower()


def _is_dated(file_name: str) -> bool:
    return re.search(r"[0-9]{6}|[0-9]{4}[-_.年][0-9]{1,2}", file_name) is not None


def _of_files_and_batches(settings: Settings, states: Sequence[dict[str, Any]], new: set[str], day: date) -> tuple[list[dict[str, Any]], int, int]:
    """Rows of the store that rejected files and held batches change: few, and looked at afresh each time."""
    ledger = ops.rows(settings.ops_url, ops.file_ledger)
    stored = {r["defect_id"]: r for r in ops.rows(settings.ops_url, ops.defect, ops.defect.c.kind.in_(("file", "batch")))}
    now = {**_rejected(ledger, day), **_held(states, day)}
    changed: list[dict[str, Any]] = []
    found = answered = 0
    for key, fresh in now.items():
        before = stored.get(key)
        by = _answer_to(fresh, ledger, states, new if before else set())
        if before is None and by is None:
            changed.append(fresh)
            found += 1
        elif before and before["state"] in OPEN and by is not None:
            changed.append({**before, "state": "closed", "closed_on": day, "closed_by": by})
            answered += 1
        elif before and before["state"] in OPEN and before["reason_code"] != fresh["reason_code"]:
            changed.append({**fresh, "first_seen": before["first_seen"]})
        elif before and before["kind"] == "batch" and before["state"] not in OPEN and by is None:
            changed.append({**fresh, "first_seen": before["first_seen"]})
            found += 1
    for key, before in stored.items():
        if key not in now and before["state"] in OPEN:
            by = before["batch_id"] if before["kind"] == "batch" else _loaded_instead(before, ledger)
            changed.append({**before, "state": "closed", "closed_on": day, "closed_by": by})
            answered += 1
    return changed, found, answered


def _fresh(kind: str, key: Iterable[str], row: dict[str, Any], day: date, **more: Any) -> dict[str, Any]:
    common = {c: row[c] for c in ("source", "organisation", "feed", "delivered_on", "batch_id")}
    return {
        "defect_id": md5("\x1f".join((kind, *key)).encode()).hexdigest(), **common, "kind": kind, "record": None, "row": None, "part": None,
        "field": None, "severity": "error", "value_class": kind, "load_no": 0, "first_seen": row["delivered_on"], "returned_on": day,
        "deadline": _deadline(day, "error"), "state": "open", "closed_on": None, "closed_by": None, **more,
    }  # fmt: skip


def _rejected(ledger: Sequence[dict[str, Any]], day: date) -> dict[str, dict[str, Any]]:
    """Files that stand in the ledger as rejected, by defect_id; the date on which each was recorded goes with it."""
    made = {}
    for f in sorted((f for f in ledger if f["status"] == "rejected"), key=lambda f: f["recorded_at"]):
        key = (f["organisation"], f["feed"], f["delivered_on"].isoformat(), _stem(f["file_name"]))
        said = {"file_name": f["file_name"], "reason_code": f["reason_code"], "reason_zh": f["reason_zh"] or f["reason_code"]}
        row = _fresh("file", key, f, day, **said)
        made[row["defect_id"]] = row
    return made


def _held(states: Sequence[dict[str, Any]], day: date) -> dict[str, dict[str, Any]]:
    """Held batches by defect_id."""
    held = (b for b in states if b["status"] == "held")
    said = (_fresh("batch", (b["batch_id"],), b, day, file_name="", reason_code="batch_held", reason_zh=b["reason_zh"] or "关口拦截") for b in held)
    return {row["defect_id"]: row for row in said}


def _answer_to(fresh: dict[str, Any], ledger: Sequence[dict[str, Any]], states: Sequence[dict[str, Any]], new: set[str]) -> str | None:
    """The batch that answers a rejected file or a held batch, None where none does.

    A held batch is answered by a later load of its delivery date that was released. A rejected file is answered by one of its name that was loaded
    after it, or, once the organisation has been told, by a new batch of its feed and delivery date (`new`).
    """
    if fresh["kind"] == "batch":
        mine = next(b for b in states if b["batch_id"] == fresh["batch_id"])
        same = (b for b in states if all(b[k] == mine[k] for k in ("organisation", "feed", "delivered_on")) and b["status"] == "released")
        return next((b["batch_id"] for b in same if b["load_no"] > mine["load_no"]), None)
    if by := _loaded_instead(fresh, ledger):
        return by
    same = (b for b in states if all(b[k] == fresh[k] for k in ("organisation", "feed", "delivered_on")))
    return next((b["batch_id"] for b in same if b["batch_id"] in new), None)


def _loaded_instead(defect: dict[str, Any], ledger: Sequence[dict[str, Any]]) -> str | None:
    """The batch of a file of the same name that was loaded after a rejected one; the same name on another day counts where it bears a date."""
    name = _stem(defect["file_name"])
    mine = [f for f in ledger if f["organisation"] == defect["organisation"] and _stem(f["file_name"]) == name]
    refused = max((f["recorded_at"] for f in mine if f["status"] == "rejected" and f["delivered_on"] == defect["delivered_on"]), default=None)
    for f in mine:
        is_later = f["status"] == "loaded" and (refused is None or f["recorded_at"] > refused)
        is_same = f["delivered_on"] == defect["delivered_on"] or defect["delivered_on"] == UNDATED or _is_dated(f["file_name"])
        if is_later and is_same:
            return f["batch_id"]
    return None
