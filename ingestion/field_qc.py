"""Field-level quality control of texts: one SQL statement per field, compiled from contract and mapping, run by DuckDB over distinct texts.

For every text it yields the standardised value, the comparator and the reason, if any; `check.py` brings these to the rows and judges fields
together. A value that fails a field of severity `error` quarantines its row; one that fails a field of severity `warning` is set aside (null)
and the row stays. What a reason means and what it costs stands in `contracts/reasons.csv` and in the contract's own rules.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from ingestion import plain
from ingestion.contracts import HERE as CONTRACTS
from ingestion.contracts import Contract, Field, code_list, codes, contract
from ingestion.encoded import one
from ingestion.identity import id_number
from ingestion.mappings import ColumnMapping, FeedMapping
from ingestion.readers.model import ROW_REASONS
from ingestion.text import scrub

ROWS_PER_BATCH = 25_000
FULL_WIDTH = "０１２３４５６７８９．＋－＞＜≥≤（）％，；"
HALF_WIDTH = "0123456789.+-><≥≤()%,;"
NUMBER = "^\\s*([<>≤≥]=?|[↑↓])?\\s*(-?[0-9]+(?:\\.[0-9]+)?)\\s*([+\\-↑↓]+)?\\s*([^0-9.\\s+\\-↑↓].*)?$"
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S")
# Repairs a contract may name: condition on the parsed value, replacement, reason code.
REPAIRS = {"metres_to_cm": ("between 1.0 and 2.3", "* 100", "unit_metres")}
# Reasons whose value stays in place.
KEPT = (
    *("comparator", "trailing_text", "unit_metres", "from_id_card", "id_birth_mismatch", "id_sex_mismatch", "translated"),
    *("id_fifteen", "id_area_unknown", "id_area_abolished", "id_residence_permit", "id_foreign_residence"),
    *(f"id_{kind}" for kind in id_number.DOCUMENTS),
)
# Reasons that are no fault at all: they never quarantine a row.
HARMLESS = (*KEPT, "not_done", "id_none")


class Reason(BaseModel):
    """What a reason code means; `outcome` is kept, questioned (kept, with a warning), repaired, set_aside, quarantined or translated."""

    model_config = ConfigDict(frozen=True)

    code: str
    outcome: str
    name_zh: str
    advice_zh: str


@cache
def reasons() -> dict[str, Reason]:
    """The catalogue of reasons by code; the names of contract rules are not in it."""
    with (CONTRACTS / "reasons.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: Reason.model_validate(row) for row in csv.DictReader(file)}


@cache
def not_done_words() -> tuple[str, ...]:
    """Words that say a test was not done."""
    return tuple(Path(CONTRACTS / "not_done.txt").read_text(encoding="utf-8").split())


@cache
def remarks() -> tuple[str, ...]:
    """Words that laboratories write behind a value; they name nobody and may be shown."""
    return tuple(Path(CONTRACTS / "remarks.txt").read_text(encoding="utf-8").split())


def quoted(value: str) -> str:
    """An SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def name(column: str) -> str:
    """A quoted SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def _in(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(map(quoted, values)) + ")"


class MissingColumns(ValueError):
    """The file lacks columns that the mapping names."""

    def __init__(self, columns: list[str]):
        super().__init__(f"columns missing from the file: {', '.join(columns)}")
        self.columns = columns


def cleaned(batch: pa.Table, nulls: tuple[str, ...]) -> pa.Table:
    """The delivered cells without surrounding blanks, null where they are one of the organisation's empty values."""
    columns, empty = [], pa.array(sorted({"", *nulls}), pa.string())
    for column, field in zip(batch.columns, batch.schema, strict=True):
        if pa.types.is_string(field.type):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.is_in(column, empty), pa.scalar(None, pa.string()), column)
        columns.append(column)
    # in small batches, so that DuckDB reads them with all threads; it keeps their order
    table = pa.table(columns, names=batch.column_names)
    return pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=ROWS_PER_BATCH), schema=table.schema)


def _coded(text: str, mapping: ColumnMapping) -> str:
    if not mapping.codes:
        return text
    branches = " ".join(f"when {quoted(k)} then {quoted(v)}" for k, v in mapping.codes.items())
    return f"case {text} {branches} else {text} end"


def needed_when_deleted(checked: Contract, field: Field) -> bool:
    """Whether a row marked deleted must still have the field: it makes the record's key."""
    return field.primary_key or (checked.keyed_by_subject and field.subject is not None)


@cache
def _counties() -> tuple[dict[str, str], dict[str, str]]:
    """County codes by prefecture + county name, and by county name where only one county bears it."""
    divisions = {c.code: c.name_zh for c in codes() if c.list == "division"}
    counties = {code: label for code, label in divisions.items() if not code.endswith("00")}
    full = {divisions[code[:4] + "00"] + label: code for code, label in counties.items()}
    alone = {label: code for code, label in counties.items() if list(counties.values()).count(label) == 1 and len(label) > 2}
    return full, alone


def _county_of_address(text: str) -> str:
    full, alone = _counties()

    def lookup(table: dict[str, str]) -> str:
        keys, values = ", ".join(map(quoted, table)), ", ".join(map(quoted, table.values()))
        found = f"regexp_extract({text}, {quoted('(' + '|'.join(table) + ')')}, 1)"
        return f"map([{keys}], [{values}])[{found}]"

    return f"coalesce({lookup(full)}, {lookup(alone)})"


def derived(field: Field) -> str:
    """SQL expression of a derived field over `t:<field>`, the cleaned text it is derived from."""
    source = name(f"t:{field.derived_from}")
    match field.derivation:
        case "county_of_address":
            return _county_of_address(source)
    raise ValueError(f"field {field.name}: derivation {field.derivation!r} is not known")


def _sql_type(field: Field) -> str:
    return {"string": "varchar", "int": "bigint", "date": "date", "bool": "boolean"}.get(field.type, field.type)


def _parsed(field: Field, mapping: ColumnMapping, feed: FeedMapping) -> str:
    """The quick reading of a text: what a clean value gives; null where a closer look is needed."""
    text = "t"
    if field.is_numeric:
        return f"try_cast({text} as decimal(18, 6))"
    if field.type == "date":
        formats = list(dict.fromkeys((*mapping.date_format, *feed.date_format, *DATE_FORMATS)))
        read = f"coalesce(cast(try_strptime({text}, [{', '.join(map(quoted, formats))}]) as date), cast(try_cast({text} as timestamp) as date))"
        return f"case when regexp_matches({text}, '^[0-9]') then {read} end"  # DuckDB reads words such as "infinity" as dates
    if field.format == "cn_resident_id":
        return id_number.normalised(text)
    if field.format == "cn_mobile":
        half_width = f"translate({text}, {quoted(FULL_WIDTH)}, {quoted(HALF_WIDTH)})"
        closer_look = f"regexp_replace(regexp_replace({half_width}, '[\\s-]', '', 'g'), '^(\\+?86)', '')"
        return f"case when regexp_full_match({text}, '[0-9]{{11}}') then {text} else {closer_look} end"
    if field.multiple:
        separator = quoted(mapping.separator or ";")
        items = f"string_split(replace(translate({text}, '；', ';'), {separator}, ';'), ';')"
        items = f"list_transform({items}, x -> {_coded('trim(x)', mapping)})" if mapping.codes else f"list_transform({items}, x -> trim(x))"
        return f"array_to_string({items}, ';')"
    return _coded(text, mapping)


def _number_parts(field: Field) -> str:
    text = f"translate(t, {quoted(FULL_WIDTH)}, {quoted(HALF_WIDTH)})"
    return f"regexp_extract({text}, {quoted(NUMBER)}, ['pre', 'num', 'post', 'tail'])"


def _number(field: Field, mapping: ColumnMapping) -> str:
    """The number in a text, in the contract's unit; a whole number stays one when its unit is converted."""
    parsed, match = "p", "n"
    value = f"case when {parsed} is not null then {parsed} when {match} is not null then try_cast({match}.num as decimal(18, 6)) end"
    if (mapping.factor, mapping.offset) == (1.0, 0.0):
        return value
    converted = f"({value}) * {mapping.factor} + {mapping.offset}"
    return f"round({converted})" if field.type == "int" else converted


def _in_order(field: Field, mapping: ColumnMapping) -> str | None:
    """A condition that most values meet and that leaves nothing to be said, so that the closer look is spared them."""
    text, parsed, number = "t", "p", "q"
    if field.is_numeric:
        if field.minimum is None or field.maximum is None or field.repair:
            return None
        whole = f" and {number} = trunc({number})" if field.type == "int" else ""
        return f"{parsed} is not null and {number} between {field.minimum} and {field.maximum}{whole}"
    if field.type == "date":
        return f"{parsed} between date '1900-01-01' and date '2100-12-31'"
    if field.code_list and not field.multiple and not field.pattern:
        unchanged = f" and {parsed} = {text}" if mapping.codes else ""
        return f"{parsed} in {_in(tuple(code_list(field.code_list)))}{unchanged}"
    return None


def _reason(field: Field, mapping: ColumnMapping, *, synthetic: bool, is_form: bool) -> str:
    """The reason of a field's value, null where it stands as it is, by its text alone."""
    text, parsed, match, value = "t", "p", "n", "q"
    branches: list[tuple[str, str]] = []
    if condition := _in_order(field, mapping):
        branches.append((condition, ""))
    if field.required:
        branches.append((f"{text} is null", "missing_required"))
    branches.append((f"{text} is null", ""))
    if field.is_numeric:
        branches.append((f"{parsed} is null and {text} in {_in(not_done_words())}", "not_done"))
        branches.append((f"{parsed} is null and coalesce({match}.num, '') = ''", "" if field.keep_text else "not_a_number"))
        if field.repair:
            condition, _, code = REPAIRS[field.repair]
            branches.append((f"{value} {condition}", code))
        limits = [
            f"{value} < {field.minimum}" if field.minimum is not None else "",
            f"{value} > {field.maximum}" if field.maximum is not None else "",
        ]
        limits.append(f"try_cast({value} as {_sql_type(field)}) is null")
        branches.append((" or ".join(filter(None, limits)), "out_of_range"))
        if field.type == "int":
            branches.append((f"{value} <> trunc({value})", "not_an_integer"))
        branches.append((f"{parsed} is null and ({match}.pre <> '' or {match}.post <> '')", "comparator"))
        branches.append((f"{parsed} is null and {match}.tail <> ''", "trailing_text"))
    elif field.type == "date":
        branches.append((f"{parsed} is null and {text} in {_in(not_done_words())}", "not_done"))
        branches.append((f"{parsed} is null", "not_a_date"))
        branches.append((f"{parsed} < date '1900-01-01'", "date_too_early"))
        branches.append((f"{parsed} > date '2100-12-31'", "out_of_range"))
    else:
        if field.format == "cn_resident_id":
            return f"case when {text} is null then null else {id_number.verdict(text, parsed, 'born', 'digit', synthetic=synthetic)} end"
        if field.format == "cn_mobile":
            branches.append((f"not regexp_full_match({parsed}, '1[3-9][0-9]{{9}}')", "phone_format"))
        if field.primary_key and field.in_lake:
            branches.append((scrub.is_id_number(parsed), "person_number"))
        if field.classification != "identifying":
            unmapped = tuple(w for w in not_done_words() if w not in mapping.codes)  # a local code such as "-" may be a result
            branches.append((f"{text} in {_in(unmapped)}", "not_done"))
        if field.code_list:
            listed = f"[{', '.join(map(quoted, code_list(field.code_list)))}]"
            if field.multiple:
                items = f"list_filter(string_split({parsed}, ';'), x -> x <> '')"
                branches.append((f"not list_has_all({listed}, {items})", "not_in_code_list"))
            else:
                branches.append((f"{parsed} not in {_in(tuple(code_list(field.code_list)))}", "not_in_code_list"))
        if field.pattern:
            pattern = f"({field.pattern})?(;({field.pattern})?)*" if field.multiple else field.pattern
            branches.append((f"not regexp_full_match({parsed}, {quoted(pattern)})", "pattern"))
        if field.max_length:
            branches.append((f"length({parsed}) > {field.max_length}", "too_long"))
        if is_form and (mapping.codes or mapping.separator):
            branches.append((f"{parsed} <> {text}", "translated"))
    cases = " ".join(f"when {condition} then {quoted(code) if code else 'null'}" for condition, code in branches)
    return f"case {cases} end"


def _value(field: Field) -> str:
    """The standardised value: null where the reason sets it aside."""
    reason, value = "r", "p"
    if field.is_numeric:
        value = "q"
        if field.repair:
            condition, change, _ = REPAIRS[field.repair]
            value = f"case when {value} {condition} then {value} {change} else {value} end"
        value = f"try_cast({value} as {_sql_type(field)})"
    kept = tuple(k for k in KEPT if k != "comparator" or field.comparator)
    return f"case when {reason} is null or {reason} in {_in(kept)} then {value} end"


def _lake_value(checked: Contract, field: Field) -> str | None:
    """The value as it may stand in the lake, by itself: a text that looks like a person is masked. None where the value stands as it is."""
    if field.type != "string" or field.code_list or field.primary_key or not field.in_lake or field.classification == "free_text":
        return None
    # a serial number may look like a phone
    judge = scrub.is_id_number if field.name.endswith("_no") or not checked.subject else scrub.looks_like_a_person
    return f"case when {judge('v')} then {quoted(scrub.MASKED_CELL)} else v end"


def field_sql(checked: Contract, field: Field, mapping: ColumnMapping, feed: FeedMapping, *, synthetic: bool) -> tuple[str, list[str]]:
    """A statement, and its columns: what is said of each text of a field, from a relation `texts` with the cleaned texts `t`, in their order.

    v, r          standardised value and reason, null where there is none
    comparator    number      where the contract keeps it; a number as read, before it was set aside
    lake, kept    value as it may stand in the lake, where it may need a mask; text as it may stand there, where the contract keeps it
    b, s          birth date and sex inside a valid ID number

    The field's name is not in it, so that fields judged alike share their statement.
    """
    stages = [_parsed(field, mapping, feed) + " as p"]
    if field.is_numeric:
        stages += [f"case when p is null and t is not null then {_number_parts(field)} end as n", f"{_number(field, mapping)} as q"]
    if field.format == "cn_resident_id" or field.subject == "id_card_no":
        stages.append(f"{id_number.birth_date('p')} as born, {id_number.check_digit('p')} as digit")
    stages.append(f"{_reason(field, mapping, synthetic=synthetic, is_form=checked.is_form)} as r")
    stages.append(f"{_value(field)} as v")
    outputs = {"v": "v", "r": "r"}
    if field.comparator:
        outputs["comparator"] = "case when r = 'comparator' then coalesce(nullif(n.pre, ''), nullif(n.post, '')) end"
    if field.is_numeric:
        outputs["number"] = f"try_cast(q as {_sql_type(field)})"
    if lake_value := _lake_value(checked, field):
        outputs["lake"] = lake_value
    if field.keep_text:
        outputs["kept"] = f"case when {scrub.looks_like_a_person('t')} then {quoted(scrub.MASKED_CELL)} else t end"
    if field.subject == "id_card_no":
        is_key = id_number.is_key("v")
        outputs |= {"b": f"case when {is_key} then born end", "s": id_number.sex_code("v")}
    relation = "texts"
    for stage in stages:
        relation = f"(select *, {stage} from {relation})"
    return f"select {', '.join(f'{e} as {k}' for k, e in outputs.items())} from {relation}", list(outputs)


def id_check_sql(parts: Iterable[str]) -> str:
    """Reason and value of birth date and sex where a valid ID number says otherwise or fills a gap.

    parts  b (birth date) and s (sex), those the feed has: the relation `persons` has, per part, the number's reading (b), the stated value (vb),
           whether a text was there (tb) and the reason so far (rb); the result vb and rb
    """
    codes = {"b": "id_birth_mismatch", "s": "id_sex_mismatch"}
    outputs = []
    for part in parts:
        outputs.append(
            f"case when not valid or {part} is null then r{part} when v{part} is null and not t{part} then 'from_id_card'"
            f" when v{part} is null or v{part} <> {part} then {quoted(codes[part])} else r{part} end as r{part}"
        )
        outputs.append(f"case when not valid or {part} is null then v{part} else {part} end as v{part}")
    return f"select {', '.join(outputs)} from persons"


REMEMBERED = 5_000


class Judge:
    """Says what a statement of `field_sql` says of texts, and remembers it: the same texts come in every chunk, and in many fields.

    read  reads the texts that plainly stand as they are; the statement is asked for the others
    """

    def __init__(self, sql: str, field: Field, columns: list[str], read: plain.Reader | None):
        self.sql, self.field, self.read = sql, field, read
        self.outputs = plain.outputs_of(field, columns)
        self._texts: pa.Array = pa.array([], pa.string())
        self._said: pa.Table | None = None

    def __call__(self, connection: duckdb.DuckDBPyConnection, texts: pa.Array) -> pa.Table:
        """The columns of the statement, row by row beside the cleaned texts."""
        if len(texts) > REMEMBERED:
            return self._judge(connection, texts)
        place = pc.index_in(texts, value_set=self._texts)
        if place.null_count:
            if self._said is None or len(self._texts) > REMEMBERED:
                self._texts, self._said = texts, self._judge(connection, texts)
                return self._said
            new = texts.filter(place.is_null())
            self._texts = pa.concat_arrays([self._texts, new])
            self._said = pa.concat_tables([self._said, self._judge(connection, new)]).combine_chunks()
            place = pc.index_in(texts, value_set=self._texts)
        return self._said.take(place)

    def _judge(self, connection: duckdb.DuckDBPyConnection, texts: pa.Array) -> pa.Table:
        if self.read is None:
            return self._ask(connection, texts)
        is_plain, said = plain.plainly(self.read, self.field, texts, self.outputs)
        if is_plain.all():
            return said
        others = np.flatnonzero(~is_plain)
        asked = self._ask(connection, texts.take(pa.array(others)))
        place = np.arange(len(texts))
        place[others] = len(texts) + np.arange(len(others))
        return pa.concat_tables([said, asked]).combine_chunks().take(pa.array(place))

    def _ask(self, connection: duckdb.DuckDBPyConnection, texts: pa.Array) -> pa.Table:
        # in small batches, so that DuckDB reads them with all threads; it keeps their order
        connection.register("texts", pa.Table.from_batches(pa.table({"t": texts}).to_batches(max_chunksize=ROWS_PER_BATCH)))
        said = connection.execute(self.sql).to_arrow_table().combine_chunks().cast(pa.schema(list(self.outputs.items())))
        connection.unregister("texts")
        if len(said) != len(texts):
            raise RuntimeError(f"{len(texts)} texts were judged {len(said)} times; nothing was stored")
        return _with_areas(said) if self.field.format == "cn_resident_id" else said


def _with_areas(said: pa.Table) -> pa.Table:
    """The judgement of ID numbers, with what is to be remarked about the areas of those nothing was said of."""
    reason, value = one(said["r"]), one(said["v"])
    remarks = id_number.area_remarks(pc.if_else(reason.is_null(), value, pa.scalar(None, pa.string())))
    return said.set_column(said.column_names.index("r"), "r", pc.coalesce(reason, remarks))


@dataclass(frozen=True)
class FieldCheck:
    """The check of one field of a file: its delivered column or constant, and its judge; without a judge the file says nothing of it."""

    field: Field
    column: str | None = None
    constant: str | None = None
    judge: Judge | None = None


@dataclass(frozen=True)
class Compiled:
    """The compiled check of a feed for files with certain columns.

    fields   one check a field that is not derived, in the order of the contract
    columns  delivered columns of the files
    nulls    texts that mean an empty cell
    marked   delivered column and its values that say a record is deleted
    """

    contract: Contract
    fields: tuple[FieldCheck, ...]
    columns: tuple[str, ...]
    nulls: tuple[str, ...]
    marked: tuple[str, tuple[str, ...]] | None


def compile_check(
    checked: Contract, mapping: FeedMapping, columns: tuple[str, ...], *, synthetic: bool, judges: dict[str, Judge] | None = None
) -> Compiled:
    """Compile the check of a feed for a file with these delivered columns; `judges` are those of earlier files, by their statement.

    Raises MissingColumns when the file lacks a column that the mapping names and does not call optional.
    """
    used = {f: m for f, m in mapping.columns.items() if m.constant is not None or (m.source or f) in columns}
    missing = [m.source or f for f, m in mapping.columns.items() if f not in used and not m.optional]
    if mapping.deleted and mapping.deleted.column not in columns:
        missing.append(mapping.deleted.column)
    if missing:
        raise MissingColumns(missing)
    judges = {} if judges is None else judges
    checks = []
    for field in checked.fields:
        if field.derivation:
            continue
        if (how := used.get(field.name)) is None:
            checks.append(FieldCheck(field))
            continue
        sql, outputs = field_sql(checked, field, how, mapping, synthetic=synthetic)
        if sql not in judges:
            judges[sql] = Judge(sql, field, outputs, plain.reader(checked, field, how, mapping, not_done_words(), DATE_FORMATS))
        column = (how.source or field.name) if how.constant is None else None
        checks.append(FieldCheck(field, column, how.constant, judges[sql]))
    marked = (mapping.deleted.column, mapping.deleted.values) if mapping.deleted else None
    return Compiled(checked, tuple(checks), columns, mapping.null_values or (), marked)


def outcome(feed: str, field: str | None, code: str) -> tuple[str, str, str]:
    """Severity, outcome and Chinese name of a reason at a field of a feed.

    Severity is error (the row is quarantined), warning (the value is set aside or repaired) or info (the value stands).
    """
    checked = contract(feed)
    for rule in checked.rules:
        if rule.name == code:
            return rule.severity, "quarantined" if rule.severity == "error" else "set_aside", rule.description_zh
    if code in ROW_REASONS:
        return "error", "quarantined", ROW_REASONS[code]
    found = reasons()[code]
    if found.outcome in {"kept", "translated"}:
        return "info", found.outcome, found.name_zh
    if found.outcome in {"repaired", "questioned"}:
        return "warning", found.outcome, found.name_zh
    severity = checked.field(field).severity if field else "error"
    if code == "missing_required" or found.outcome == "quarantined":
        severity = "error"
    return severity, "quarantined" if severity == "error" else "set_aside", found.name_zh
