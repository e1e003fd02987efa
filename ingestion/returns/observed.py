"""What newly loaded batches say, read from the lake in SQL: the defects found in them.

Every statement is over the batches that are new to the defect store, so that a day's delivery costs what the day's delivery is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion import lake
from ingestion.contracts import contract, contracts
from ingestion.field_qc import HARMLESS, outcome, quoted, reasons
from ingestion.raw_zone import MASKED, value_class
from ingestion.returns.wording import asks_for_nothing

BATCH = pa.schema(
    [
        ("batch_id", pa.string()),
        ("source", pa.string()),
        ("organisation", pa.string()),
        ("feed", pa.string()),
        ("delivered_on", pa.date32()),
        ("load_no", pa.int64()),
        ("is_new", pa.bool_()),
    ]
)
# Verdicts that are no fault and no repair; `observe` drops them before it looks at the others one by one.
HARMLESS_WORDS = tuple(w for w in HARMLESS if reasons()[w].outcome != "repaired")
# What a corrected file may have behind the name of the file it replaces.
RESUBMITTED = "[-_ (（]*(更正|补报|重报|补传|重传|resubmi[a-z]*|correct[a-z]*|[rv][0-9]{1,2})[)）]?[0-9]{0,2}$"


def stem(file_name: str) -> str:
    """SQL expression of a file's name without ending and without what says that it is a resubmission."""
    bare = f"regexp_replace({file_name}, '\\.[A-Za-z0-9]{{1,8}}$', '')"
    return f"lower(regexp_replace({bare}, {quoted(RESUBMITTED)}, '', 'i'))"


def is_dated(file_name: str) -> str:
    """SQL expression: whether a file's name says of itself which delivery it is; many systems give every delivery the same name."""
    return f"regexp_matches({file_name}, '[0-9]{{6}}|[0-9]{{4}}[-_.年][0-9]{{1,2}}')"


def age(delivered_on: str, load_no: str) -> str:
    """SQL expression of the place of a batch in the order in which versions of a record supersede each other: delivery date, then load."""
    return f"date_diff('day', date '1970-01-01', {delivered_on}) * 1000000 + {load_no}"


def view(connection: duckdb.DuckDBPyConnection, settings: Settings, namespace: str, name: str) -> str:
    """Show an Iceberg table as it is now; returns how to name it."""
    schema = lake.SUPPORT.get(name) or (lake.raw_schema if namespace == lake.RAW else lake.lake_schema)(contract(name))
    table = lake.table(settings, namespace, name, schema)
    connection.execute(f"create schema if not exists {namespace}")
    if table.current_snapshot() is None:
        connection.register("_schema", schema.empty_table())
        connection.execute(f'create or replace table {namespace}."{name}" as from _schema')
        connection.unregister("_schema")
    else:
        connection.execute(f"create or replace view {namespace}.\"{name}\" as from iceberg_scan('{table.metadata_location}')")
    return f'{namespace}."{name}"'


def register(connection: duckdb.DuckDBPyConnection, name: str, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """A temporary table of a few rows."""
    connection.register("_rows", pa.Table.from_pylist([dict(r) for r in rows], schema=schema))
    connection.execute(f"create or replace temp table {name} as from _rows")
    connection.unregister("_rows")


def observe(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the table `observed`: the last occurrence of every defect of the new batches, with `first_seen` and `age`.

    Reads the table `batch` (see BATCH). Quarantined rows come from the quarantine, values set aside or repaired from the raw zone's verdicts, because
    there is no other trace of an identifying value.
    """
    connection.execute(
        """
        create or replace temp table pointer (
            kind varchar, _batch varchar, _file varchar, _row bigint, _part integer, feed varchar, record varchar, field varchar, reason_code varchar,
            reason_zh varchar, severity varchar, value_class varchar
        )
        """
    )
    new = "(select batch_id from batch where is_new)"
    connection.execute(
        f"""
        insert into pointer
        select 'row', _batch, _file, _row, coalesce(_part, 0), feed, md5(record_key), field, reason_code, reason_zh, severity, value_class
        from {view(connection, settings, lake.LAKE, "quarantine")}
        where _row is not null and _batch in {new}
        """
    )
    answers = view(connection, settings, lake.LAKE, "form_answer")
    for (feed,) in connection.execute("select distinct feed from batch where is_new order by feed").fetchall():
        if feed in contracts():
            _set_aside(connection, settings, feed, answers)
    codes = {code for (code,) in connection.execute("select distinct reason_code from pointer").fetchall()}
    ignored = ", ".join(quoted(c) for c in sorted(codes) if asks_for_nothing(c)) or "''"
    connection.execute(
        f"""
        create or replace temp table observed as
        with placed as (
            select p.*, b.source, b.organisation, b.delivered_on, b.load_no, {age("b.delivered_on", "b.load_no")} as age, {stem("p._file")} as stem,
                case when {is_dated("p._file")} then '' else cast(b.delivered_on as varchar) end as day
            from pointer as p inner join batch as b on b.batch_id = p._batch
            where p.reason_code not in ({ignored})
        ),
        named as (
            select *, md5(concat_ws(chr(31), organisation, feed,
                coalesce('k' || record, concat_ws(chr(30), 'p', stem, day, _row, _part)), coalesce(field, ''), reason_code)) as defect_id
            from placed
        )
        select *, min(delivered_on) over (partition by defect_id) as first_seen from named
        qualify row_number() over (partition by defect_id order by age desc, _file desc, _row desc, _part desc) = 1
        """
    )


def _set_aside(connection: duckdb.DuckDBPyConnection, settings: Settings, feed: str, answers: str) -> None:
    """Point at the values of a feed's accepted rows that were set aside or repaired; of a deleted record nothing is asked."""
    described, raw = contract(feed), view(connection, settings, lake.RAW, feed)
    new = f"(select batch_id from batch where is_new and feed = {quoted(feed)})"
    said = f"list_filter(string_split(_verdicts, '|'), v -> split_part(v, ':', 2) not in ({', '.join(map(quoted, HARMLESS_WORDS))}))"
    connection.execute(
        f"""
        create or replace temp table said as
        select _batch, _file, _row, coalesce(_part, 0) as _part, split_part(v, ':', 1) as field, split_part(v, ':', 2) as code
        from (
            select _batch, _file, _row, _part, unnest({said}) as v from {raw}
            where _status = 'accepted' and not coalesce(_deleted, false) and _verdicts is not null and _batch in {new}
        )
        """
    )
    found = connection.execute("select distinct field, code from said order by all").fetchall()
    meanings = [(f, c, *outcome(feed, f or None, c)) for f, c in found]
    wanted = [(f, c, zh, severity) for f, c, severity, what, zh in meanings if what in {"set_aside", "repaired"}]
    if not wanted:
        return
    register(
        connection,
        "meaning",
        ({"field": f, "code": c, "reason_zh": zh, "severity": severity} for f, c, zh, severity in wanted),
        pa.schema([(n, pa.string()) for n in ("field", "code", "reason_zh", "severity")]),
    )
    clean = view(connection, settings, lake.LAKE, feed)
    identifying = ", ".join(quoted(f.name) for f in described.fields if f.sealed) or "''"
    place = "_batch, _file, _row, _part"
    connection.execute(
        f"""
        insert into pointer
        with here as (select s.*, m.reason_zh, m.severity from said as s inner join meaning as m using (field, code)),
        record as (
            select {place.replace("_part", "coalesce(_part, 0) as _part")}, md5(record_key) as record from {clean} where _batch in {new}
        ),
        answer as (
            select {place.replace("_part", "coalesce(_part, 0) as _part")}, field, raw_value from {answers}
            where feed = {quoted(feed)} and _batch in {new} and verdict in ('set_aside', 'repaired')
        )
        select 'value', _batch, _file, _row, _part, {quoted(feed)}, r.record, h.field, h.code, h.reason_zh, h.severity,
            case
                when h.field in ({identifying}) then 'identifying'
                when contains(a.raw_value, {quoted(MASKED)}) then 'text'
                else {value_class("a.raw_value")}
            end
        from here as h
        left join record as r using ({place})
        left join answer as a using ({place}, field)
        """
    )
