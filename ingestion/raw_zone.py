"""From a checked chunk to the rows of raw zone, lake, quarantine and answers: one set of SQL statements per feed, no row loops."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion import lake, sealing
from ingestion.contracts import Contract, Field
from ingestion.field_qc import name, not_done_words, outcome, quoted, remarks
from ingestion.mappings import FeedMapping
from ingestion.text import scrub

# Raw text that may be shown outside the raw zone: numbers, dates and comparators; anything else is named by its class alone.
SAFE_TEXT = "^[<>≥≤+\\-−./:：,， %~^*0-9]{0,20}$"
LEADING_NUMBER = "^([<>≥≤]?\\s*[0-9]{1,6}(?:\\.[0-9]{1,4})?)\\s*[^0-9]{1,12}$"
MASKED = scrub.MASKED_CELL
# What the loader adds to the delivered columns of a chunk.
PLACE = ("_row", "_part", "_file_no", "_delivered_on")


@dataclass(frozen=True)
class Origin:
    """Where the rows of one file come from."""

    source: str
    organisation: str
    batch_id: str
    delivered_on: date
    file_name: str


# Lineage columns of a row, from `origin`, in the order of lake.LINEAGE; `_row` and `_part` follow.
LINEAGE = "o._source, o._organisation, o._batch, o._delivered_on, o._file"


def origin_table(origins: list[Origin]) -> pa.Table:
    """The origins of a chunk's rows by `_file_no`."""
    return pa.table(
        {
            "_file_no": pa.array(range(len(origins)), pa.int32()),
            "_source": pa.array([o.source for o in origins], pa.string()),
            "_organisation": pa.array([o.organisation for o in origins], pa.string()),
            "_batch": pa.array([o.batch_id for o in origins], pa.string()),
            "_delivered_on": pa.array([o.delivered_on for o in origins], pa.date32()),
            "_file": pa.array([o.file_name for o in origins], pa.string()),
        }
    )


@dataclass(frozen=True)
class ChunkRows:
    """What one chunk adds to each table, and its books: rows and verdicts per file.

    accepted, quarantined  rows by `_file_no`
    counts                 how often a (field, reason) occurred by `_file_no`
    """

    raw: pa.Table
    lake: pa.Table
    quarantine: pa.Table
    answers: pa.Table
    accepted: dict[int, int]
    quarantined: dict[int, int]
    counts: dict[int, dict[tuple[str, str], int]]


def safe_text(text: str) -> str:
    """SQL expression of a raw value that may stand in the warehouse: plain numbers and dates as they are, the rest masked."""
    words = ", ".join(map(quoted, not_done_words()))
    remark = quoted(f"[<>≥≤]?\\s*[0-9]{{0,6}}(?:\\.[0-9]{{1,4}})?\\s*(?:{'|'.join(remarks())})+")
    return (
        f"case when {text} is null then null when {scrub.looks_like_a_person(text)} then {quoted(MASKED)}"
        f" when regexp_full_match({text}, {quoted(SAFE_TEXT)}) or {text} in ({words}) or regexp_full_match({text}, {remark}) then {text}"
        f" when regexp_full_match({text}, {quoted(LEADING_NUMBER)}) then regexp_extract({text}, {quoted(LEADING_NUMBER)}, 1) || {quoted(MASKED)}"
        f" else {quoted(MASKED)} end"
    )


def value_class(text: str) -> str:
    """SQL expression of the class of a raw value: empty, person_number, number, date, short_text or long_text."""
    return (
        f"case when {text} is null or {text} = '' then 'empty' when {scrub.looks_like_a_person(text)} then 'person_number'"
        f" when try_cast({text} as double) is not null then 'number'"
        f" when regexp_full_match({text}, '[0-9]{{2,4}}[-/.年][0-9]{{1,2}}[-/.月][0-9]{{1,2}}.*') then 'date'"
        f" when length({text}) <= 20 then 'short_text' else 'long_text' end"
    )


def _delivered(mapping: FeedMapping, field: Field, columns: tuple[str, ...]) -> str | None:
    """The delivered column of a field, None where the file has none."""
    mapped = mapping.columns.get(field.name)
    if mapped is None or mapped.constant is not None:
        return None
    column = mapped.source or field.name
    return column if column in columns else None


# The key of a quarantined row is told where it looks like one: a row whose cells have shifted may have anything there.
OPEN_KEY = "[\\x21-\\x7e]*"


def _record_key(contract: Contract, organisation: str) -> str:
    parts = [quoted(organisation)]
    if contract.keyed_by_subject:
        parts.append("identity_id")
    for field in contract.primary_key:
        parts.append("identity_id" if not field.in_lake else f"cast({name(field.name)} as varchar)")
    return " || '|' || ".join(parts)


def _lake_columns(contract: Contract) -> str:
    known_name = "_known_name" if contract.subject else None
    local = contract.subject_field("local_no")
    own_number = name(local.name) if local else None
    columns = []
    for field in contract.lake_fields:
        value = name(field.name)
        if field.classification == "free_text":
            value = scrub.scrubbed(value, known_name=known_name, own_number=own_number)
        elif field.type == "string" and field.code_list is None and not field.derivation and not field.primary_key:
            is_serial = field.name.endswith("_no") or not contract.subject
            judge = scrub.is_id_number if is_serial else scrub.looks_like_a_person
            suspect = judge(value, known_name=known_name)
            value = f"case when {suspect} then {quoted(MASKED)} else {value} end"
        columns.append(f"{value} as {name(field.name)}")
        if field.comparator:
            columns.append(name(f"c:{field.name}") + f" as {name(field.name + '_comparator')}")
        if field.keep_text:
            text = name(f"t:{field.name}")
            open_text = f"case when {scrub.looks_like_a_person(text, known_name=known_name)} then {quoted(MASKED)} else {text} end"
            columns.append(f"case when {name(field.name)} is null then {open_text} end as {name(field.name + '_text')}")
    return ", ".join(columns)


def _sealed(contract: Contract, mapping: FeedMapping, columns: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Layout and delivered columns of what is sealed: identifying fields, free text, and columns nobody mapped."""
    layout, delivered = [], []
    for field in contract.fields:
        column = _delivered(mapping, field, columns)
        if field.sealed and column is not None:
            layout.append(field.name)
            delivered.append(column)
    for column in unmapped_columns(mapping, columns):
        layout.append(f"?{column}")
        delivered.append(column)
    return layout, delivered


def unmapped_columns(mapping: FeedMapping, columns: tuple[str, ...]) -> list[str]:
    """Delivered columns that the mapping neither uses nor ignores."""
    mapped = {m.source or f for f, m in mapping.columns.items() if m.constant is None}
    if marked := getattr(mapping, "deleted", None):
        mapped.add(marked.column)
    return [c for c in columns if c not in mapped and c not in mapping.ignore]


def _verdict_table(feed: str, codes: list[tuple[str, str]]) -> pa.Table:
    """What each field:reason of a chunk means: severity, outcome, Chinese name."""
    rows = []
    for field, code in codes:
        severity, result, label = outcome(feed, field, code)
        rows.append({"field": field, "code": code, "severity": severity, "outcome": result, "reason_zh": label})
    schema = pa.schema([(n, pa.string()) for n in ("field", "code", "severity", "outcome", "reason_zh")])
    return pa.Table.from_pylist(rows, schema=schema)


def rows_of_chunk(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    mapping: FeedMapping,
    origins: list[Origin],
    delivered: pa.Table,
    checked: pa.Table,
    key: bytes,
) -> ChunkRows:
    """Make the rows of one chunk, which may hold the rows of several files.

    origins     the files, by `_file_no`
    delivered   the cells as they came, with `_row` and `_file_no`
    checked     the result of the compiled check, row by row beside `delivered`, with `_seq`, `_duplicate`, `identity_id` and `_known_name`
    """
    columns = tuple(c for c in delivered.column_names if c not in PLACE)
    lineage = origin_table(origins)
    connection.register("origin", lineage)
    connection.register("delivered", delivered.append_column("_seq", checked["_seq"]))
    connection.register("checked", checked)
    identity = "identity_id, " if contract.subject else ""
    lake_rows = connection.execute(
        f"select {_record_key(contract, origins[0].organisation)} as record_key, {identity}_row, _part, _deleted, {_lake_columns(contract)},"
        " _file_no, _seq"
        " from checked where _ok and not _duplicate"
    ).to_arrow_table()
    lake_rows = _with_lineage(lake_rows, lineage)
    connection.register("lake_rows", lake_rows)
    quarantine, answers, counts = _exceptions(connection, contract, mapping, columns, origins[0].organisation)
    accepted_rows = _per_file(lake_rows["_file_no"])
    quarantined = {n: total - accepted_rows.get(n, 0) for n, total in _per_file(checked["_file_no"]).items()}
    raw_rows = _raw_rows(contract, mapping, columns, delivered, checked, lineage, key)
    return ChunkRows(raw_rows, lake_rows, quarantine, answers, accepted_rows, quarantined, counts)


def _with_lineage(rows: pa.Table, lineage: pa.Table) -> pa.Table:
    """Rows with the lineage columns of their files, but for `_row` and `_part`, which they have."""
    for column in lineage.column_names:
        if column != "_file_no":
            values = lineage[column].combine_chunks().take(rows["_file_no"])
            rows = (
                rows.append_column(column, values)
                if column not in rows.column_names
                else rows.set_column(rows.column_names.index(column), column, values)
            )
    return rows


def _raw_rows(
    contract: Contract, mapping: FeedMapping, columns: tuple[str, ...], delivered: pa.Table, checked: pa.Table, lineage: pa.Table, key: bytes
) -> pa.Table:
    """The delivered cells as raw-zone rows: open fields as they came, the others sealed together."""
    duplicate = checked["_duplicate"]
    verdicts = checked["_verdicts"]
    if pc.any(duplicate).as_py():
        repeated = pc.binary_join_element_wise(":duplicate_row", verdicts, "|", null_handling="skip")
        verdicts = pc.if_else(duplicate, repeated, verdicts)
    # a row about which anything was said may have its cells in wrong columns: all of it is sealed
    doubtful = pc.or_(pc.is_valid(verdicts), duplicate)
    names, sealed_columns = _sealed(contract, mapping, columns)
    layout, cells = _joined(names, delivered.select(sealed_columns))
    layouts = pa.repeat(pa.scalar(layout), len(delivered))
    if pc.any(doubtful).as_py():
        whole_layout, whole = _joined([f"?{c}" for c in columns], delivered.filter(doubtful).select(list(columns)))
        mask = _one(doubtful)
        cells = pc.replace_with_mask(_one(cells).cast(pa.large_string()), mask, _one(whole).cast(pa.large_string()))
        layouts = pc.if_else(mask, pa.scalar(whole_layout), layouts)
    seal_id, offsets, sealed = sealing.seal(cells, key)
    n = len(delivered)
    rows = {
        "_row": delivered["_row"],
        "_part": delivered["_part"],
        "_deleted": checked["_deleted"],
        "_file_no": delivered["_file_no"],
        "_status": pc.if_else(pc.and_(checked["_ok"], pc.invert(duplicate)), "accepted", "quarantined"),
        "_verdicts": verdicts,
        "_seal_layout": layouts,
        "_seal_id": pa.repeat(pa.scalar(seal_id), n),
        "_seal_offset": offsets,
        "_sealed": sealed,
    }
    for field in contract.fields:
        column = _delivered(mapping, field, columns)
        if not field.sealed and not field.derivation and column is not None:
            rows[field.name] = pc.if_else(doubtful, pa.scalar(None, pa.string()), delivered[column])
    return _with_lineage(pa.table(rows), lineage)


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


SEPARATORS = ("\x1f", "\x1e", "\x1d")
NULL_CELL = "\x00"


def _joined(names: list[str], cells: pa.Table) -> tuple[str, pa.ChunkedArray | pa.Array]:
    """Cells of a row as one text, and the layout that tells how to cut it: separator, line break, names joined by the separator.

    The separator stands in no cell and no name; a missing cell is a NUL.
    """

    def occurs(separator: str) -> bool:
        return any(separator in n for n in names) or any(pc.any(pc.match_substring(c, separator)).as_py() for c in cells.columns)

    separator = next((s for s in SEPARATORS if not occurs(s)), None) or secrets.token_hex(16)
    layout = separator + "\n" + separator.join(names)
    if not names:
        return layout, pa.nulls(len(cells), pa.string())
    return layout, pc.binary_join_element_wise(*cells.columns, separator, null_handling="replace", null_replacement=NULL_CELL)


def unsealed(row: dict, key: bytes) -> dict[str, str | None]:
    """What is sealed in a raw-zone row, by field; delivered columns (of rows sealed whole, or that nobody mapped) have a `?` before their name."""
    separator, names = row["_seal_layout"].split("\n", 1)
    if row["_sealed"] is None:
        return {}
    cells = sealing.unseal(row["_sealed"], row["_seal_id"], row["_seal_offset"], key).split(separator)
    return {n: None if c == NULL_CELL else c for n, c in zip(names.split(separator), cells, strict=True)}


def _per_file(file_no: pa.ChunkedArray) -> dict[int, int]:
    return {v["values"]: v["counts"] for v in file_no.value_counts().to_pylist()}


def _seal_cells(rows: pa.Table, key: bytes) -> pa.Table:
    seal_id, offsets, sealed = sealing.seal(rows["_cells"], key)
    place = rows.column_names.index("_cells")
    rows = rows.set_column(place, "_seal_id", pa.repeat(pa.scalar(seal_id), len(rows)))
    rows = rows.add_column(place + 1, "_seal_offset", offsets)
    return rows.add_column(place + 2, "_sealed", sealed)


def _exceptions(
    connection: duckdb.DuckDBPyConnection, contract: Contract, mapping: FeedMapping, columns: tuple[str, ...], organisation: str
) -> tuple[pa.Table, pa.Table, dict[int, dict[tuple[str, str], int]]]:
    """Quarantine pointers, answers not accepted as they stand, and how often each field:reason occurred in each file."""
    connection.execute(
        """
        create or replace temp table verdict as
        select _seq, _row, _part, _file_no, _ok and not _duplicate as is_accepted,
            nullif(split_part(v, ':', 1), '') as field, split_part(v, ':', 2) as code
        from (
            select _seq, _row, _part, _file_no, _ok, _duplicate,
                unnest(string_split(case when _duplicate then concat_ws('|', ':duplicate_row', _verdicts) else _verdicts end, '|')) as v
            from checked where _verdicts is not null or _duplicate
        )
        """
    )
    found = connection.execute("select _file_no, field, code, count(*) from verdict group by all order by all").fetchall()
    counts: dict[int, dict[tuple[str, str], int]] = {}
    for file_no, f, code, n in found:
        counts.setdefault(file_no, {})[f or "", code] = n
    if not found:
        return lake.SUPPORT["quarantine"].empty_table(), lake.SUPPORT["form_answer"].empty_table(), counts
    connection.register("meaning", _verdict_table(contract.feed, sorted({(f, c) for _, f, c, _ in found}, key=str)))
    answered = [(f, _delivered(mapping, f, columns)) for f in contract.fields if not f.sealed and not f.derivation]
    answered = [(f, column) for f, column in answered if column is not None]
    numeric = [f for f, _ in answered if f.comparator]
    listed = ", ".join(f"d.{name(column)} as {name(f.name)}" for f, column in answered)
    values = ", ".join(f"cast(c.{name(f.name)} as varchar) as {name(f.name)}" for f, _ in answered)
    comparators = ", ".join(f"c.{name(f'c:{f.name}')} as {name(f.name)}" for f in numeric)
    concerned = "(select distinct _seq from verdict)"

    def long(selected: str, relation: str, value: str) -> str:
        if not selected:
            return f"select cast(null as bigint) as _seq, cast(null as varchar) as field, cast(null as varchar) as {value} where false"
        rows = f"(select _seq, {selected} from {relation} semi join {concerned} using (_seq))"
        return f"unpivot {rows} on columns(* exclude (_seq)) into name field value {value}"

    connection.execute(f"create or replace temp table said as {long(listed, 'delivered as d', 'raw_value')}")
    connection.execute(f"create or replace temp table meant as {long(values, 'checked as c', 'standard_value')}")
    connection.execute(f"create or replace temp table compared as {long(comparators, 'checked as c', 'comparator')}")
    key = _record_key(contract, organisation)
    is_open = f"regexp_full_match({key}, {quoted(OPEN_KEY)}) and not {scrub.is_id_number(key)}"
    identifying = ", ".join(quoted(f.name) for f in contract.fields if f.sealed) or "''"
    quarantine = connection.execute(
        f"""
        select {LINEAGE}, v._row, v._part, {quoted(contract.feed)} as feed, k.record_key, v.field, v.code as reason_code, m.reason_zh, m.severity,
            case
                when v.field is null then 'row' when v.field in ({identifying}) then 'identifying' else {value_class("s.raw_value")}
            end as value_class
        from verdict as v inner join meaning as m on m.code = v.code and m.field is not distinct from v.field
        inner join origin as o on o._file_no = v._file_no
        left join said as s on s._seq = v._seq and s.field = v.field
        left join (select _seq, case when {is_open} then {key} end as record_key from checked where not _ok or _duplicate) as k on k._seq = v._seq
        where not v.is_accepted and m.outcome not in ('kept', 'translated')
        order by v._seq, v.field, v.code
        """
    ).to_arrow_table()
    translations = "true" if contract.is_form else "v.code is distinct from 'translated'"
    answers = connection.execute(
        f"""
        with row_state as (select _seq, _row, _part, _file_no, bool_and(is_accepted) as is_accepted from verdict group by all),
        first_verdict as (select _seq, field, min(code) as code from verdict where field is not null group by all)
        select {LINEAGE}, r._row, r._part, {quoted(contract.feed)} as feed, k.record_key, s.field, {safe_text("s.raw_value")} as raw_value,
            case when r.is_accepted then {safe_standard("m.standard_value", contract)} end as standard_value, p.comparator,
            case when not r.is_accepted then 'quarantined' else coalesce(w.outcome, 'kept') end as verdict,
            v.code as reason_code, w.reason_zh, r.is_accepted as is_row_accepted
        from said as s inner join row_state as r using (_seq)
        inner join origin as o on o._file_no = r._file_no
        left join first_verdict as v on v._seq = s._seq and v.field = s.field
        left join meaning as w on w.code = v.code and w.field = v.field
        left join meant as m on m._seq = s._seq and m.field = s.field
        left join compared as p on p._seq = s._seq and p.field = s.field
        left join lake_rows as k on k._seq = r._seq
        where (v.code is not null or not r.is_accepted) and trim(s.raw_value) <> '' and {translations}
        order by r._seq, s.field
        """
    ).to_arrow_table()
    return quarantine, answers, counts


def safe_standard(text: str, contract: Contract) -> str:
    """A standardised value that may stand in the warehouse; long texts and what looks like a person's number are masked."""
    return f"case when {scrub.looks_like_a_person(text)} or length({text}) > 60 then {quoted(MASKED)} else {text} end"


def broken_rows(contract: Contract, origin: Origin, file_no: int, rows: list[tuple[int, str, str]], key: bytes) -> ChunkRows:
    """The rows of a file that could not be cut into cells: (row, reason code, line); sealed whole, pointed at in quarantine."""
    schema = lake.raw_schema(contract)
    n = len(rows)
    seal_id, offsets, sealed = sealing.seal(pa.array([line for _, _, line in rows], pa.string()), key)
    from_origin = origin_table([origin]).take(pa.array([0] * n, pa.int64())).drop_columns("_file_no")
    columns = dict(zip(from_origin.column_names, from_origin.columns, strict=True)) | {
        "_row": pa.array([r for r, _, _ in rows], pa.int64()),
        "_part": pa.array([0] * n, pa.int32()),
        "_deleted": pa.array([False] * n),
        "_status": pa.array(["quarantined"] * n),
        "_verdicts": pa.array([f":{code}" for _, code, _ in rows]),
        "_seal_layout": pa.array([SEPARATORS[0] + "\n?line"] * n),
        "_seal_id": pa.array([seal_id] * n),
        "_seal_offset": offsets,
        "_sealed": sealed,
    }
    raw = pa.table([columns.get(f.name, pa.nulls(n, f.type)) for f in schema], schema=schema)
    pointers = pa.table(
        {
            **{k: columns[k] for k in (*from_origin.column_names, "_row", "_part")},
            "feed": [contract.feed] * n,
            "record_key": pa.nulls(n, pa.string()),
            "field": pa.nulls(n, pa.string()),
            "reason_code": [code for _, code, _ in rows],
            "reason_zh": [outcome(contract.feed, None, code)[2] for _, code, _ in rows],
            "severity": ["error"] * n,
            "value_class": ["row"] * n,
        }
    )
    counts: dict[tuple[str, str], int] = {}
    for _, code, _ in rows:
        counts["", code] = counts.get(("", code), 0) + 1
    empty = lake.SUPPORT["form_answer"].empty_table()
    return ChunkRows(raw, lake.lake_schema(contract).empty_table(), pointers, empty, {}, {file_no: n}, {file_no: counts})
