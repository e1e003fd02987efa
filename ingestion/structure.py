"""Structure the texts of the lake: every report of a new batch is read once by the text engine; items and findings stand in the lake with their
evidence, and the books say of every report whether it was structured, or why not.

Tables: text_field and text_finding, then text_report, the books. A commit of a table carries its batches and the engine's version, so what was
killed is done again from there. When the engine or the contracts' report kinds change, what the older engine said is removed and all is read anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import NotEqualTo
from sqlalchemy import delete

from infra.settings import Settings
from ingestion import duck, lake, ops
from ingestion.contracts import Contract, Field, ReportKind, code_list, contracts
from ingestion.encoded import one
from ingestion.structured_texts import FINDING, ITEM, TEXTS, Structurer
from ingestion.table_file import TableFile
from ingestion.text.structure import ENGINE_VERSION

log = logging.getLogger(__name__)

TABLES = ("text_field", "text_finding", "text_report")
# Read newly where the form of the tables changes, though the engine did not.
FORM = "1"
VERSION_SAID, ONLY_VERSION = "engine_version", "only_engine_version"
ROWS_AT_ONCE = 40_960  # records of one chunk; with notes of 2,000 characters some 100 MB
REPORTS_PER_COMMIT = 300_000
CHECKPOINT = "text"
# Below this share of structured reports a person should look at the organisation's texts; above this share of conflicts at its codes.
LEAST_STRUCTURED, MOST_CONFLICTS = 0.8, 0.05


@dataclass(frozen=True)
class Report:
    """Text fields of a feed that are read together, in the contract's order, and the kinds of report they may be."""

    contract: Contract
    kinds: tuple[ReportKind, ...]
    fields: tuple[Field, ...]

    @property
    def coded(self) -> tuple[Field, ...]:
        """Fields that say beside the text what an item of it says."""
        return tuple(f for f in self.contract.lake_fields if f.report_item)

    def sql(self, source: str) -> str:
        """Query of the records that have any of the texts: lineage, kind, the texts as one (heading, colon and text a line), and its pieces."""
        has = {f.name: f"length(trim({_name(f)}, ' \t\r\n　')) > 0" for f in self.fields}
        heading = {f.name: f"{f.report_section}：" if f.report_section else "" for f in self.fields}
        length = {f.name: f"case when {has[f.name]} then {len(heading[f.name]) + 1} + length({_name(f)}) else 0 end" for f in self.fields}
        parts = [f"case when {has[f.name]} then '{heading[f.name]}' || {_name(f)} end" for f in self.fields]
        pieces = []
        for n, f in enumerate(self.fields):
            start = " + ".join([*(f"({length[before.name]})" for before in self.fields[:n]), str(len(heading[f.name]))])
            pieces.append(f"case when {has[f.name]} then '{f.name}:' || ({start}) || ':' || length({_name(f)}) end")
        names = [f"case when {has[f.name]} then '{f.name}' end" for f in self.fields]
        kinds = " ".join(f"when {k.when or 'true'} then '{k.kind}'" for k in self.kinds)
        written = f"concat({', '.join(_name(f) for f in self.fields)})"
        return f"""
            select {", ".join(lake.LINEAGE.names)}, record_key,
                {"identity_id" if self.contract.subject else "cast(null as varchar)"} as identity_id,
                case {kinds} end as kind,
                concat_ws(chr(10), {", ".join(parts)}) as text,
                concat_ws(';', {", ".join(pieces)}) as pieces,
                concat_ws(';', {", ".join(names)}) as text_fields,
                length({written}) as characters,
                regexp_matches({written}, '[\\p{{L}}\\p{{N}}]') as has_content
                {"".join(f", cast({_name(f)} as varchar) as coded_{n}" for n, f in enumerate(self.coded))}
            from {source}
            where not coalesce(_deleted, false) and ({" or ".join(has.values())})"""


def _name(field: Field) -> str:
    return f'"{field.name}"'


def reports(contract: Contract) -> tuple[Report, ...]:
    """The reports that records of a feed may hold."""
    grouped: dict[tuple[ReportKind, ...], list[Field]] = {}
    for f in contract.lake_fields:
        if f.report_kinds:
            grouped.setdefault(f.report_kinds, []).append(f)
    return tuple(Report(contract, kinds, tuple(fields)) for kinds, fields in grouped.items())


def version() -> str:
    """The engine's version with that of what is handed to it: fields, headings, kinds, and the form of the tables."""
    told = [FORM, *(f.model_dump_json() for c in contracts().values() for f in c.lake_fields if f.report_kinds or f.report_item)]
    return f"{ENGINE_VERSION}-{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:8]}"


def held(table: lake.Table) -> dict[str, str]:
    """The batches that a table holds, each with the version it was structured under."""
    found: dict[str, str] = {}
    for snapshot in table.metadata.snapshots:
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if only := said.get(ONLY_VERSION):
            found = {b: v for b, v in found.items() if v == only}
        found |= dict.fromkeys(said.get("batch_id", "").split(), said.get(VERSION_SAID, ""))
    return found


def _tables(settings: Settings) -> dict[str, lake.Table]:
    return {name: lake.table(settings, lake.LAKE, name, lake.SUPPORT[name]) for name in TABLES}


def pending(settings: Settings) -> dict[str, list[str]]:
    """Batches of which a table lacks what the present engine says, by feed."""
    return _pending(settings, _tables(settings), version())


def _pending(settings: Settings, tables: dict[str, lake.Table], now: str) -> dict[str, list[str]]:
    done = [{b for b, v in held(t).items() if v == now} for t in tables.values()]
    texts = {feed for feed, c in contracts().items() if reports(c)}
    found = defaultdict(list)
    for row in ops.rows(settings.ops_url, ops.batch_state):
        if row["feed"] in texts and not all(row["batch_id"] in d for d in done):
            found[row["feed"]].append(row["batch_id"])
    return {feed: sorted(found[feed]) for feed in contracts() if feed in found}


def _forget_older(tables: dict[str, lake.Table], now: str) -> None:
    """Remove what other versions said, the books first: a table never holds a text twice."""
    for table in reversed(tables.values()):
        snapshot = table.current_snapshot()
        has_rows = snapshot is not None and snapshot.summary.additional_properties.get("total-records") != "0"
        if has_rows and any(v != now for v in held(table).values()):
            table.delete(NotEqualTo("engine_version", now), snapshot_properties={ONLY_VERSION: now})


@dataclass
class _Commit:
    """Files of the three tables on their way to one commit each."""

    tables: dict[str, lake.Table]
    version: str
    batches: list[str] = field(default_factory=list)
    reports: int = 0

    def __post_init__(self) -> None:
        self.files = {name: TableFile(t) for name, t in self.tables.items()}
        self.there = {name: {b for b, v in held(t).items() if v == self.version} for name, t in self.tables.items()}

    def add(self, rows: dict[str, pa.Table]) -> None:
        for name, made in rows.items():
            if there := self.there[name].intersection(self.batches):
                made = made.filter(pc.invert(pc.is_in(made["_batch"].cast(pa.string()), pa.array(sorted(there), pa.string()))))
            if len(made):
                self.files[name].write(made)
        self.reports += len(rows["text_report"])

    def finish(self) -> None:
        for name in TABLES:
            if new := [b for b in self.batches if b not in self.there[name]]:
                lake.commit_file(self.tables[name], " ".join(new), self.files[name].close(), **{VERSION_SAID: self.version})
            else:
                self.files[name].abandon()

    def abandon(self) -> None:
        for file in self.files.values():
            file.abandon()


def structure(settings: Settings, run_id: str) -> dict[str, int]:
    """Structure the batches that are not yet; returns how many reports were read, how many of them are structured, and what was found.

    Also holds all structured reports against the coded fields beside them, and leaves the checks per organisation and kind.
    """
    tables, now = _tables(settings), version()
    done = dict.fromkeys(("reports", "structured", "items", "findings"), 0)
    todo = _pending(settings, tables, now)
    if todo:
        _forget_older(tables, now)
        connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
        duck.load_extensions(connection, ("httpfs", "avro", "iceberg"))
        with connection, Structurer(settings.threads) as structurer:
            commit = _Commit(tables, now)
            try:
                for feed, batches in todo.items():
                    commit.batches += batches
                    for rows in _feed(settings, connection, structurer, contracts()[feed], batches, now):
                        commit.add(rows)
                        done["reports"] += len(rows["text_report"])
                        done["structured"] += pc.sum(rows["text_report"]["is_structured"]).as_py() or 0
                        done["items"] += len(rows["text_field"])
                        done["findings"] += len(rows["text_finding"])
                    if commit.reports >= REPORTS_PER_COMMIT:
                        commit.finish()
                        commit = _Commit(_tables(settings), now)
            except BaseException:
                commit.abandon()
                raise
            commit.finish()
            _check(settings, connection, run_id)
        log.info("%s reports of %s feeds read by engine %s, %s structured", done["reports"], len(todo), now, done["structured"])
    return done


def _feed(
    settings: Settings, connection: duckdb.DuckDBPyConnection, structurer: Structurer, contract: Contract, batches: list[str], now: str
) -> Iterator[dict[str, pa.Table]]:
    """Rows of the three tables for batches of a feed, a chunk of records at a time."""
    table = lake.table(settings, lake.LAKE, contract.feed, lake.lake_schema(contract))
    if table.current_snapshot() is None:
        return
    wanted = ", ".join(f"'{b}'" for b in batches)
    source = f"(select * from iceberg_scan('{table.metadata_location}') where _batch in ({wanted}))"
    for report in reports(contract):
        for chunk in connection.execute(report.sql(source)).to_arrow_reader(ROWS_AT_ONCE):
            if len(chunk):
                yield _chunk(structurer, report, pa.Table.from_batches([chunk]), now)


def _chunk(structurer: Structurer, report: Report, rows: pa.Table, now: str) -> dict[str, pa.Table]:
    """Read each distinct text of a chunk once, and spread over the records what it says."""
    to_read = pc.and_(rows["kind"].is_valid(), rows["has_content"]).to_numpy()
    place = np.full(len(rows), -1)
    readable = np.flatnonzero(to_read)
    code = np.zeros(len(readable), np.int64)
    for name in ("kind", "pieces", "text"):
        found = one(rows[name].take(pa.array(readable))).dictionary_encode()
        code = code * (len(found.dictionary) + 1) + found.indices.to_numpy()
        code = np.unique(code, return_inverse=True)[1]
    _, first, place[readable] = np.unique(code, return_index=True, return_inverse=True)
    distinct = rows.select(["kind", "text", "pieces"]).take(pa.array(readable[first])).append_column("text_no", pa.array(np.arange(len(first))))
    said = structurer.apply(distinct.select(TEXTS.names).cast(TEXTS))

    of_report = {name: _short(rows[name]) for name in lake.LINEAGE.names if name not in ("_delivered_on", "_row", "_part")}
    of_report |= {
        "_delivered_on": one(rows["_delivered_on"]),
        "_row": one(rows["_row"]),
        "_part": pc.coalesce(one(rows["_part"]), 0).cast(pa.int32()),
    }
    of_report |= {"feed": _repeated(report.contract.feed, len(rows)), "record_key": one(rows["record_key"])}
    of_report |= {"identity_id": one(rows["identity_id"]), "kind": _short(rows["kind"])}
    made = {
        "text_field": _spread(of_report, place, said["items"], ITEM, now),
        "text_finding": _spread(of_report, place, said["findings"], FINDING, now),
    }
    is_read = pa.array(place >= 0)
    at = pa.array(place, mask=place < 0)
    reason = pc.case_when(
        pc.make_struct(rows["kind"].is_null().combine_chunks(), pc.invert(is_read)),
        pa.scalar("no_kind"),
        pa.scalar("no_content"),
        one(said["reason_code"]).take(at),
    )
    compared, conflicting = _conflicts(report, rows, place, one(said["items"]))
    made["text_report"] = pa.table(
        {
            **of_report,
            "text_fields": _short(rows["text_fields"]),
            "characters": one(rows["characters"]),
            "is_structured": reason.is_null(),
            "reason_code": reason,
            "items": pc.fill_null(pc.list_value_length(one(said["items"])).take(at), 0),
            "findings": pc.fill_null(pc.list_value_length(one(said["findings"])).take(at), 0),
            "lesions": pc.fill_null(one(said["lesions"]).take(at), 0),
            "compared_items": compared,
            "conflicting_items": conflicting,
            "engine_version": _repeated(now, len(rows)),
        }
    )
    return made


def _short(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return one(column).dictionary_encode()


def _repeated(value: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), pa.array([value]))


def _spread(of_report: dict[str, pa.Array], place: np.ndarray, lists: pa.ChunkedArray, schema: pa.Schema, now: str) -> pa.Table:
    """For every record the rows of its text."""
    nested = one(lists)
    starts, counts = nested.offsets.to_numpy()[:-1], np.diff(nested.offsets.to_numpy())
    read = np.flatnonzero(place >= 0)
    times = counts[place[read]]
    record = np.repeat(read, times)
    within = np.arange(len(record)) - np.repeat(np.cumsum(times) - times, times)
    inside = pa.array(np.repeat(starts[place[read]], times) + within)
    values = nested.values
    columns = {name: column.take(pa.array(record)) for name, column in of_report.items()}
    columns |= {f.name: values.field(f.name).take(inside) for f in schema}
    return pa.table({**columns, "engine_version": _repeated(now, len(record))})


def _conflicts(report: Report, rows: pa.Table, place: np.ndarray, items: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Per record the items that its text and a coded field both say, and those of them that they say differently (joined by ";")."""
    compared: list[str | None] = [None] * len(rows)
    conflicting: list[str | None] = [None] * len(rows)
    names = {f.report_item.item for f in report.coded}
    if names:
        said = _values_by_text(items, names)
        coded = [(f.report_item, rows[f"coded_{n}"].to_pylist()) for n, f in enumerate(report.coded)]
        for row, text in enumerate(place):
            if text < 0 or text not in said:
                continue
            both = [(i.item, i.values.get(v[row], v[row])) for i, v in coded if v[row] is not None and i.item in said[text]]
            differ = sorted({item for item, code in both if not any(_agree(code, value) for value in said[text][item])})
            compared[row] = ";".join(sorted({item for item, _ in both})) or None
            conflicting[row] = ";".join(differ) or None
    return pa.array(compared, pa.string()), pa.array(conflicting, pa.string())


def _values_by_text(items: pa.ListArray, names: set[str]) -> dict[int, dict[str, set[str]]]:
    """What each text says of some items: of the report as a whole or, where it says nothing of that, of its lesions."""
    values = items.flatten()
    columns = {"item": values.field("item"), "value": values.field("value_text"), "lesion": values.field("lesion_no")}
    of_text = pa.table({"text": pc.list_parent_indices(items), **columns})
    wanted = of_text.filter(pc.and_(pc.is_in(of_text["item"], pa.array(sorted(names))), of_text["value"].is_valid())).to_pylist()
    of_report = {(row["text"], row["item"]) for row in wanted if row["lesion"] is None}
    said: dict[int, dict[str, set[str]]] = {}
    for row in wanted:
        if row["lesion"] is None or (row["text"], row["item"]) not in of_report:
            said.setdefault(row["text"], {}).setdefault(row["item"], set()).add(row["value"])
    return said


def _agree(code: str, value: str) -> bool:
    """Whether two sayings of one thing do not contradict each other; the coarser of two (4 and 4A, T1 and T1b) agrees with the finer."""
    try:
        return float(code) == float(value)
    except ValueError:
        one_, other = code.strip().lower(), value.strip().lower()
        return one_.startswith(other) or other.startswith(one_)


COUNTS = """
select _organisation as organisation, feed, coalesce(kind, '') as kind, count(*) as reports, count(*) filter (where is_structured) as structured,
    count(*) filter (where reason_code in ('no_kind', 'no_content')) as not_read,
    count(*) filter (where reason_code = 'engine_error') as errors
from report group by all order by all
"""
COMPARISONS = """
select _organisation as organisation, feed, kind, item, count(*) as compared,
    count(*) filter (where list_contains(string_split(conflicting_items, ';'), item)) as conflicts
from (select *, unnest(string_split(compared_items, ';')) as item from report where compared_items is not null)
group by all order by all
"""


def _check(settings: Settings, connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Leave what the books say per organisation, feed and kind as check results."""
    table = lake.table(settings, lake.LAKE, "text_report", lake.SUPPORT["text_report"])
    results, kinds = [], code_list("report_kind")

    def add(found: dict[str, Any], rule: str, said: str, severity: str, examined: int, failed: int, bad: bool, column: str | None = None) -> None:
        place = [found["organisation"], found["feed"], found["kind"], rule]
        kind = kinds[found["kind"]].name_zh if found["kind"] else "未定种类"
        results.append(
            {
                "check_id": hashlib.sha256("\x1f".join((CHECKPOINT, *place)).encode()).hexdigest()[:32], "run_id": run_id, "checkpoint": CHECKPOINT,
                "rule": rule, "description_zh": f"{kind}：{said}", "severity": severity, "scope": "organisation",
                "organisation": found["organisation"], "feed": found["feed"], "cancer": None, "batch_id": None, "table_name": "std_text_report",
                "column_name": column, "examined": examined, "failed": failed, "observed": round(failed / examined, 4) if examined else None,
                "verdict": "not_examined" if examined == 0 else "fail" if bad else "pass", "checked_at": ops.now(),
            }
        )  # fmt: skip

    connection.execute(f"create or replace view report as from iceberg_scan('{table.metadata_location}')")
    for row in _dicts(connection, COUNTS):
        read = row["reports"] - row["not_read"]
        lacking = read - row["structured"]
        kind = row["kind"] or "none"
        add(row, f"text_not_read.{kind}", "没有文字内容或不属可结构化种类的报告", "info", row["reports"], row["not_read"], False)
        if row["kind"]:
            add(row, f"text_not_structured.{kind}", "未能结构化的报告", "warning", read, lacking, lacking > read * (1 - LEAST_STRUCTURED))
            add(row, f"text_engine_error.{kind}", "结构化引擎出错的报告", "warning", read, row["errors"], row["errors"] > 0)
    for row in _dicts(connection, COMPARISONS):
        many = row["conflicts"] > row["compared"] * MOST_CONFLICTS
        said = f"文本与编码字段不一致（{row['item']}）"
        add(row, f"text_conflict.{row['kind']}.{row['item']}", said, "warning", row["compared"], row["conflicts"], many, "conflicting_items")
    with ops.transaction(settings.ops_url) as store:
        store.execute(delete(ops.check_result).where(ops.check_result.c.checkpoint == CHECKPOINT))
        ops.replace(store, ops.check_result, results)


def _dicts(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    return connection.execute(query).to_arrow_table().to_pylist()
