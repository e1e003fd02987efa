"""Field-level quality control: one SQL statement per feed, compiled from contract and mapping, run by DuckDB over Arrow chunks.

For every row it yields the standardised values, the comparators, and a list of verdicts `field:reason`. A value that fails a
field of severity `error` quarantines its row; one that fails a field of severity `warning` is set aside (null) and the row stays.
What a reason means and what it costs stands in `contracts/reasons.csv` and in the contract's own rules.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from ingestion.contracts import HERE as CONTRACTS
from ingestion.contracts import Contract, Field, code_list, codes, contract
from ingestion.identity import id_number
from ingestion.mappings import ColumnMapping, FeedMapping
from ingestion.readers.model import ROW_REASONS
from ingestion.text import colorectal, scrub

ROWS_PER_BATCH = 25_000
FULL_WIDTH = "０１２３４５６７８９．＋－＞＜≥≤（）％，；"
HALF_WIDTH = "0123456789.+-><≥≤()%,;"
NUMBER = "^\\s*([<>≤≥]=?|[↑↓])?\\s*(-?[0-9]+(?:\\.[0-9]+)?)\\s*([+\\-↑↓]+)?\\s*([^0-9.\\s+\\-↑↓].*)?$"
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S")
# Repairs a contract may name: condition on the parsed value, replacement, reason code.
REPAIRS = {"metres_to_cm": ("between 1.0 and 2.3", "* 100", "unit_metres")}
# Reasons whose value stays in place.
KEPT = ("comparator", "trailing_text", "unit_metres", "from_id_card", "id_birth_mismatch", "id_sex_mismatch", "translated")
ALWAYS = "true"
# Reasons that are no fault at all: they never quarantine a row.
HARMLESS = (*KEPT, "not_done")


class Reason(BaseModel):
    """What a reason code means; `outcome` is kept, repaired, set_aside, quarantined or translated."""

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


@dataclass(frozen=True)
class Compiled:
    """A compiled check.

    sql        selects `_row`, `_part`, `_deleted`, `_ok`, `_verdicts` (`field:reason|field:reason`, null where nothing is to be said) and, per
               field, value `f`, comparator `c:f` and delivered text `t:f` (where the contract keeps them) from a relation `src` with the cleaned
               columns, `_row`, `_part`, `_file_no` and `_delivered_on`
    """

    sql: str


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
    return pa.Table.from_batches(pa.table(columns, names=batch.column_names).combine_chunks().to_batches(max_chunksize=ROWS_PER_BATCH))


def _coded(text: str, mapping: ColumnMapping) -> str:
    if not mapping.codes:
        return text
    branches = " ".join(f"when {quoted(k)} then {quoted(v)}" for k, v in mapping.codes.items())
    return f"case {text} {branches} else {text} end"


def _text(field: Field, mapping: ColumnMapping | None, *, is_judged: str) -> str:
    """The delivered text; null in rows whose other fields are not judged."""
    if mapping is None:
        return "cast(null as varchar)"
    text = quoted(mapping.constant) if mapping.constant is not None else name(mapping.source or field.name)
    return text if is_judged == ALWAYS else f"case when {is_judged} then {text} end"


def needed_when_deleted(checked: Contract, field: Field) -> bool:
    """Whether a row marked deleted must still have the field: it makes the record's key."""
    return field.primary_key or (checked.keyed_by_subject and field.subject is not None)


def deleted(mapping: FeedMapping) -> str:
    """SQL condition over the cleaned columns: the source says that the record is deleted."""
    marked = getattr(mapping, "deleted", None)
    return f"coalesce({name(marked.column)} in {_in(tuple(marked.values))}, false)" if marked else "false"


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


def _derived(field: Field) -> str:
    source = name(f"t:{field.derived_from}")
    match field.derivation:
        case "county_of_address":
            return _county_of_address(source)
        case "pathology_text":
            return colorectal.pathology(field.name, source)
        case "endoscopy_text":
            return colorectal.endoscopy(field.name, source)
    raise ValueError(f"field {field.name}: derivation {field.derivation!r} is not known")


def _sql_type(field: Field) -> str:
    return {"string": "varchar", "int": "bigint", "date": "date", "bool": "boolean"}.get(field.type, field.type)


def _parsed(field: Field, mapping: ColumnMapping | None, feed: FeedMapping) -> str:
    """The quick reading of a text: what a clean value gives; null where a closer look is needed."""
    text = name(f"t:{field.name}")
    if mapping is None:
        return f"cast(null as {_sql_type(field)})"
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
    text = f"translate({name(f't:{field.name}')}, {quoted(FULL_WIDTH)}, {quoted(HALF_WIDTH)})"
    return f"regexp_extract({text}, {quoted(NUMBER)}, ['pre', 'num', 'post', 'tail'])"


def _number(field: Field, mapping: ColumnMapping) -> str:
    """The number in a text, in the contract's unit; a whole number stays one when its unit is converted."""
    parsed, match = name(f"p:{field.name}"), name(f"n:{field.name}")
    value = f"case when {parsed} is not null then {parsed} when {match} is not null then try_cast({match}.num as decimal(18, 6)) end"
    if (mapping.factor, mapping.offset) == (1.0, 0.0):
        return value
    converted = f"({value}) * {mapping.factor} + {mapping.offset}"
    return f"round({converted})" if field.type == "int" else converted


def _in_order(field: Field, mapping: ColumnMapping) -> str | None:
    """A condition that most values meet and that leaves nothing to be said, so that the closer look is spared them."""
    text, parsed, number = name(f"t:{field.name}"), name(f"p:{field.name}"), name(f"q:{field.name}")
    if field.is_numeric:
        if field.minimum is None or field.maximum is None or field.repair:
            return None
        whole = f" and {number} = trunc({number})" if field.type == "int" else ""
        return f"{parsed} is not null and {number} between {field.minimum} and {field.maximum}{whole}"
    if field.type == "date":
        return None if field.may_be_future else f"{parsed} between date '1900-01-01' and _delivered_on"
    if field.code_list and not field.multiple and not field.pattern:
        unchanged = f" and {parsed} = {text}" if mapping.codes else ""
        return f"{parsed} in {_in(tuple(code_list(field.code_list)))}{unchanged}"
    return None


def _reason(field: Field, mapping: ColumnMapping | None, *, synthetic: bool, is_form: bool, is_judged: str) -> str:
    """The reason of a field's value, null where it stands as it is."""
    if mapping is None:
        return f"case when {is_judged} then 'missing_required' end" if field.required else "cast(null as varchar)"
    text, parsed, match, value = (name(f"{stage}:{field.name}") for stage in ("t", "p", "n", "q"))
    branches: list[tuple[str, str]] = []
    if condition := _in_order(field, mapping):
        branches.append((condition, ""))
    if field.required:
        branches.append((f"{text} is null and {is_judged}", "missing_required"))
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
        if not field.may_be_future:
            branches.append((f"{parsed} > _delivered_on", "date_in_future"))
    else:
        if field.format == "cn_resident_id":
            return f"case when {text} is null then null else {id_number.verdict(parsed, synthetic=synthetic)} end"
        if field.format == "cn_mobile":
            branches.append((f"not regexp_full_match({parsed}, '1[3-9][0-9]{{9}}')", "phone_format"))
        if field.primary_key and field.in_lake:
            branches.append((scrub.is_id_number(parsed), "person_number"))
        if field.classification != "identifying":
            branches.append((f"{text} in {_in(not_done_words())}", "not_done"))
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


def _value(field: Field, mapping: ColumnMapping | None) -> str:
    """The standardised value: null where the reason sets it aside."""
    if mapping is None:
        return f"cast(null as {_sql_type(field)})"
    reason, value = name(f"r:{field.name}"), name(f"p:{field.name}")
    if field.is_numeric:
        value = name(f"q:{field.name}")
        if field.repair:
            condition, change, _ = REPAIRS[field.repair]
            value = f"case when {value} {condition} then {value} {change} else {value} end"
        value = f"try_cast({value} as {_sql_type(field)})"
    kept = tuple(k for k in KEPT if k != "comparator" or field.comparator)
    return f"case when {reason} is null or {reason} in {_in(kept)} then {value} end"


def _id_checks(fields: dict[str, Field]) -> dict[str, tuple[str, str]]:
    """Per subject field (birth date, sex): reason and value where a valid ID number says otherwise or fills a gap."""
    by_subject = {f.subject: f for f in fields.values() if f.subject}
    if "id_card_no" not in by_subject:
        return {}
    number = name(f"v:{by_subject['id_card_no'].name}")
    checks = {}
    for part, reading, code in (("birth_date", id_number.birth_date, "id_birth_mismatch"), ("sex_code", id_number.sex_code, "id_sex_mismatch")):
        if part in by_subject:
            field = by_subject[part].name
            stated, inside = name(f"v:{field}"), f"({reading(number)})"
            checks[field] = (
                f"case when {number} is null then {name(f'r:{field}')} when {stated} is null and {name(f't:{field}')} is null then 'from_id_card'"
                f" when {stated} is null or {stated} <> {inside} then {quoted(code)} else {name(f'r:{field}')} end",
                f"case when {number} is null then {stated} else {inside} end",
            )
    return checks


def compile_check(checked: Contract, mapping: FeedMapping, columns: tuple[str, ...], *, synthetic: bool) -> Compiled:
    """Compile the check of a feed for a file with these delivered columns.

    Raises MissingColumns when the file lacks a column that the mapping names and does not call optional.
    """
    used = {f: m for f, m in mapping.columns.items() if m.constant is not None or (m.source or f) in columns}
    missing = [m.source or f for f, m in mapping.columns.items() if f not in used and not m.optional]
    marked = getattr(mapping, "deleted", None)
    if marked and marked.column not in columns:
        missing.append(marked.column)
    if missing:
        raise MissingColumns(missing)
    plain = [f for f in checked.fields if not f.derivation]
    fields = {f.name: f for f in plain}
    is_judged = {f.name: "not _deleted" if marked and not needed_when_deleted(checked, f) else ALWAYS for f in plain}

    texts = ", ".join(f"{_text(f, used.get(f.name), is_judged=is_judged[f.name])} as {name(f't:{f.name}')}" for f in plain)
    parsed = ", ".join(f"{_parsed(f, used.get(f.name), mapping)} as {name(f'p:{f.name}')}" for f in plain)
    parts = "".join(
        f", case when {name(f'p:{f.name}')} is null and {name(f't:{f.name}')} is not null then {_number_parts(f)} end as {name(f'n:{f.name}')}"
        for f in plain
        if f.is_numeric and f.name in used
    )
    numbers = "".join(f", {_number(f, used[f.name])} as {name(f'q:{f.name}')}" for f in plain if f.is_numeric and f.name in used)
    reason = ", ".join(
        f"{_reason(f, used.get(f.name), synthetic=synthetic, is_form=checked.is_form, is_judged=is_judged[f.name])} as {name(f'r:{f.name}')}"
        for f in plain
    )
    values = ", ".join(f"{_value(f, used.get(f.name))} as {name(f'v:{f.name}')}" for f in plain)
    id_checks = _id_checks(fields)

    # rules see standardised values under the fields' own names, and what was read before it was set aside as <field>__parsed
    stage_values, stage_reasons = [], []
    for f in plain:
        checked_reason, checked_value = id_checks.get(f.name, (name(f"r:{f.name}"), name(f"v:{f.name}")))
        stage_values.append(f"{checked_value} as {name(f.name)}")
        stage_reasons.append(f"{checked_reason} as {name(f's:{f.name}')}")
        if f.is_numeric:
            stage = "q" if f.name in used else "p"
            stage_values.append(f"try_cast({name(f'{stage}:{f.name}')} as {_sql_type(f)}) as {name(f'{f.name}__parsed')}")
            if f.comparator and f.name not in used:
                stage_values.append(f"cast(null as varchar) as {name(f'c:{f.name}')}")
            elif f.comparator:
                match = name(f"n:{f.name}")
                found = f"coalesce(nullif({match}.pre, ''), nullif({match}.post, ''))"
                stage_values.append(f"case when {name(f'r:{f.name}')} = 'comparator' then {found} end as {name(f'c:{f.name}')}")
    judged = "not _deleted and " if marked else ""
    broken = "".join(f", {judged}coalesce({rule.sql}, false) as {name(f'x:{rule.name}')}" for rule in checked.rules)

    verdicts, errors = [], []
    flags = [*(f"{name(f's:{f.name}')} is not null" for f in plain), *(name(f"x:{r.name}") for r in checked.rules)]
    set_aside: dict[str, list[str]] = {}
    for f in plain:
        verdicts.append(f"case when {name(f's:{f.name}')} is not null then {quoted(f.name + ':')} || {name(f's:{f.name}')} end")
        if f.severity == "error":
            errors.append(f"coalesce({name(f's:{f.name}')} not in {_in(HARMLESS)}, false)")
        elif f.required:
            errors.append(f"coalesce({name(f's:{f.name}')} = 'missing_required', false)")
    for rule in checked.rules:
        flag = name(f"x:{rule.name}")
        for f in rule.fields:
            verdicts.append(f"case when {flag} and ({name(f)} is not null or {name(f't:{f}')} is not null) then {quoted(f'{f}:{rule.name}')} end")
            if rule.severity == "warning":
                set_aside.setdefault(f, []).append(flag)
        if rule.severity == "error":
            errors.append(flag)
    outputs = []
    for f in plain:
        value = name(f.name)
        if f.name in set_aside:
            value = f"case when not ({' or '.join(set_aside[f.name])}) then {value} end"
        outputs.append(f"{value} as {name(f.name)}")
        if f.comparator:
            outputs.append(name(f"c:{f.name}"))
        if f.keep_text:
            outputs.append(name(f"t:{f.name}"))
    derived = "".join(f", {_derived(f)} as {name(f.name)}" for f in checked.fields if f.derivation)

    cells = ", ".join(map(name, sorted(columns)))
    verdict_list = f"array_to_string(list_filter([{', '.join(verdicts)}], x -> x is not null), '|')"
    sql = f"""
    select _row, _part, _file_no, _delivered_on, _deleted, _hash_a, _hash_b, not ({" or ".join(errors) or "false"}) as _ok,
        case when {" or ".join(flags)} then {verdict_list} end as _verdicts,
        {", ".join(outputs)}{derived}
    from (select *{broken}
    from (select *, {", ".join(stage_reasons)}, {", ".join(stage_values)}
    from (select *, {values}
    from (select *, {reason}
    from (select *{numbers}
    from (select *{parts}
    from (select *, {parsed}
    from (select _row, _part, _file_no, _delivered_on, _deleted, hash({cells}) as _hash_a, hash(_salt, {cells}) as _hash_b, {texts}
    from (select *, {deleted(mapping)} as _deleted, 'second' as _salt from src)))))))))
    """
    return Compiled(sql)


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
    if found.outcome == "repaired":
        return "warning", "repaired", found.name_zh
    severity = checked.field(field).severity if field else "error"
    if code == "missing_required" or found.outcome == "quarantined":
        severity = "error"
    return severity, "quarantined" if severity == "error" else "set_aside", found.name_zh
