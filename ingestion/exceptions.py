"""What was not taken as it stands: pointers to quarantined rows, answers with their verdicts, and counts for the books.

Only rows about which something was said are looked at; values are shown as far as they can name nobody.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion import lake
from ingestion.check import Checked
from ingestion.contracts import Contract, Field
from ingestion.encoded import one
from ingestion.field_qc import outcome, quoted
from ingestion.lake_rows import as_text
from ingestion.mappings import FeedMapping
from ingestion.raw_zone import MASKED, Origin, delivered_column, origin_table, safe_text, value_class
from ingestion.text import scrub

LINEAGE = "o._source, o._organisation, o._batch, o._delivered_on, o._file"
# The key of a quarantined row is told where it looks like one: a row whose cells have shifted may have anything there.
OPEN_KEY = "[\\x21-\\x7e]*"
Counts = dict[int, dict[tuple[str, str], int]]


def exceptions(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    mapping: FeedMapping,
    origins: list[Origin],
    records: pa.Table,
    checked: Checked,
    keys: pa.Array,
) -> tuple[pa.Table, pa.Table, Counts]:
    """Quarantine pointers, answers not accepted as they stand, and how often each (field, reason) occurred in each file.

    keys  the key of each row's record
    """
    said = checked.verdicts
    if not len(said.rows):
        return lake.SUPPORT["quarantine"].empty_table(), lake.SUPPORT["form_answer"].empty_table(), {}
    file_no = one(records["_file_no"]).to_numpy()
    names = checked.field_names
    counts = _counts(checked, file_no)
    rows = np.unique(said.rows)
    at = pa.array(rows)
    connection.register(
        "concerned",
        pa.table(
            {
                "place": at,
                "_row": one(records["_row"]).take(at),
                "_part": one(records["_part"]).take(at),
                "_file_no": pa.array(file_no[rows]),
                "is_accepted": pa.array(checked.ok[rows]),
                "record_key": keys.take(at),
            }
        ),
    )
    connection.register("origin", origin_table(origins))
    connection.register("meaning", _meanings(contract.feed, sorted({key for of_file in counts.values() for key in of_file})))
    answered = _answered(contract, mapping, checked)
    bad = np.flatnonzero(~checked.ok)
    quarantine = lake.SUPPORT["quarantine"].empty_table()
    if len(bad):
        of_bad = ~checked.ok[said.rows]
        connection.register("verdict", _verdict_table(checked, of_bad, names))
        connection.register("told", _told(checked, answered, of_bad))
        quarantine = connection.execute(_quarantine_sql(contract)).to_arrow_table()
    connection.register("answer", _answers(contract, checked, answered, bad))
    answers = connection.execute(_answer_sql(contract)).to_arrow_table()
    for relation in ("concerned", "origin", "meaning", "verdict", "told", "answer"):
        connection.unregister(relation)
    return quarantine, answers, counts


def _counts(checked: Checked, file_no: np.ndarray) -> Counts:
    said = checked.verdicts
    # file, field and reason in one number
    keys, n = np.unique((file_no[said.rows].astype(np.int64) << 32) + ((said.fields.astype(np.int64) + 1) << 16) + said.reasons, return_counts=True)
    counts: Counts = {}
    for key, times in zip(keys.tolist(), n.tolist(), strict=True):
        f = (key >> 16 & 0xFFFF) - 1
        counts.setdefault(key >> 32, {})[checked.field_names[f] if f >= 0 else "", checked.words[key & 0xFFFF]] = times
    return counts


def _meanings(feed: str, found: list[tuple[str, str]]) -> pa.Table:
    """What each field:reason of a chunk means: severity, outcome, Chinese name."""
    rows = []
    for f, code in found:
        severity, result, label = outcome(feed, f or None, code)
        rows.append({"field": f, "code": code, "severity": severity, "outcome": result, "reason_zh": label})
    schema = pa.schema([(n, pa.string()) for n in ("field", "code", "severity", "outcome", "reason_zh")])
    return pa.Table.from_pylist(rows, schema=schema)


def _verdict_table(checked: Checked, which: np.ndarray, names: list[str]) -> pa.Table:
    said = checked.verdicts
    fields = np.where(said.fields[which] < 0, len(names), said.fields[which])
    return pa.table(
        {
            "place": pa.array(said.rows[which]),
            "field": pa.array([*names, ""], pa.string()).take(pa.array(fields)),
            "code": pa.array(checked.words, pa.string()).take(pa.array(said.reasons[which])),
        }
    )


def _answered(contract: Contract, mapping: FeedMapping, checked: Checked) -> list[tuple[Field, str]]:
    """Open fields with their delivered columns: the fields whose answers may be shown."""
    columns = tuple(checked.columns)
    found = [(f, delivered_column(mapping, f, columns)) for f in contract.fields if not f.sealed and not f.derivation]
    return [(f, c) for f, c in found if c is not None]


def _told(checked: Checked, answered: list[tuple[Field, str]], which: np.ndarray) -> pa.Table:
    """The delivered cells that the verdicts are about, where they may be looked at."""
    said, parts = checked.verdicts, []
    number_of = {f: i for i, f in enumerate(checked.field_names)}
    for f, column in answered:
        rows = np.unique(said.rows[which & (said.fields == number_of[f.name])])
        if len(rows):
            parts.append(pa.table({"place": pa.array(rows), "field": pa.array([f.name] * len(rows)), "raw_value": checked.columns[column].at(rows)}))
    schema = pa.schema([("place", pa.int64()), ("field", pa.string()), ("raw_value", pa.string())])
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _quarantine_sql(contract: Contract) -> str:
    identifying = ", ".join(quoted(f.name) for f in contract.fields if f.sealed) or "''"
    open_key = f"regexp_full_match(r.record_key, {quoted(OPEN_KEY)}) and not {scrub.is_id_number('r.record_key')}"
    return f"""
        select {LINEAGE}, r._row, r._part, {quoted(contract.feed)} as feed, case when {open_key} then r.record_key end as record_key,
            nullif(v.field, '') as field, v.code as reason_code, m.reason_zh, m.severity,
            case
                when v.field = '' then 'row' when v.field in ({identifying}) then 'identifying' else {value_class("s.raw_value")}
            end as value_class
        from verdict as v inner join meaning as m on m.code = v.code and m.field = v.field
        inner join concerned as r on r.place = v.place inner join origin as o on o._file_no = r._file_no
        left join told as s on s.place = v.place and s.field = v.field
        where m.outcome not in ('kept', 'translated')
        order by v.place, v.field, v.code
    """


def _answers(contract: Contract, checked: Checked, answered: list[tuple[Field, str]], bad: np.ndarray) -> pa.Table:
    """Answers that were judged, and all answers of quarantined rows: delivered text, standardised value, comparator, reason."""
    said, parts = checked.verdicts, []
    number_of = {f: i for i, f in enumerate(checked.field_names)}
    for f, column in answered:
        of_field = said.fields == number_of[f.name]
        judged_rows, first = _first_by_name(said.rows[of_field], said.reasons[of_field], checked.words)
        rows = np.union1d(judged_rows, bad)
        if not len(rows):
            continue
        reason = np.full(len(rows), -1, np.int64)
        reason[np.searchsorted(rows, judged_rows)] = first
        texts = checked.columns[column].at(rows)
        wanted = pc.not_equal(pc.utf8_trim(texts, characters=" "), "")
        judged = checked.fields[f.name]
        place = pa.array(rows if judged.place is None else judged.place[rows])
        part = {
            "place": pa.array(rows),
            "field": pa.array([f.name]).take(pa.array(np.zeros(len(rows), np.int64))),
            "raw_value": texts,
            "standard_value": as_text(judged.value.take(place)),
            "comparator": judged.comparator.take(place) if f.comparator else pa.nulls(len(rows), pa.string()),
            "code": pa.array(checked.words, pa.string()).take(pa.array(reason, mask=reason < 0)),
        }
        parts.append(pa.table(part).filter(pc.fill_null(wanted, False)))
    if parts:
        return pa.concat_tables(parts)
    texts = ("field", "raw_value", "standard_value", "comparator", "code")
    return pa.schema([("place", pa.int64()), *((c, pa.string()) for c in texts)]).empty_table()


def _first_by_name(rows: np.ndarray, reasons: np.ndarray, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Per row the reason that comes first in the alphabet."""
    rank = np.argsort(np.argsort(np.array(words)))
    order = np.lexsort((rank[reasons], rows))
    first = np.unique(rows[order], return_index=True)[1]
    return rows[order][first], reasons[order][first]


def _answer_sql(contract: Contract) -> str:
    return f"""
        select {LINEAGE}, r._row, r._part, {quoted(contract.feed)} as feed, case when r.is_accepted then r.record_key end as record_key, a.field,
            {safe_text("a.raw_value")} as raw_value,
            case when r.is_accepted then {safe_standard("a.standard_value")} end as standard_value, a.comparator,
            case when not r.is_accepted then 'quarantined' else coalesce(m.outcome, 'kept') end as verdict,
            a.code as reason_code, m.reason_zh, r.is_accepted as is_row_accepted
        from answer as a inner join concerned as r on r.place = a.place inner join origin as o on o._file_no = r._file_no
        left join meaning as m on m.code = a.code and m.field = a.field
        order by a.place, a.field
    """


def safe_standard(text: str) -> str:
    """A standardised value that may stand in the warehouse; long texts and what looks like a person's number are masked."""
    return f"case when {scrub.looks_like_a_person(text)} or length({text}) > 60 then {quoted(MASKED)} else {text} end"
