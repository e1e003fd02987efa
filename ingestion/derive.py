"""SQL of the texts that a mapping makes for a field: templates, keys, estimated birth dates, conversions. Cells are text without blanks, or null."""

from __future__ import annotations

import re

from ingestion.mappings.columns import EPOCHS, WORDS, BirthFrom, ColumnMapping, Condition, DatePlus, DateShift, Units
from ingestion.mappings.expressions import template_parts
from ingestion.mappings.tables import Where

DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S")
MOMENT_FORMATS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M")
LOCAL_HOURS = 8
"""Moments that are told as seconds since 1970 are read as local time of the province."""
BAND = "^[\\[(（]?\\s*([0-9]{1,3})\\s*(?:-|–|~|～|至|,)\\s*([0-9]{1,3})\\s*岁?\\s*[\\])）]?$"
QUANTITY = "^(\\s*[<>≤≥＜＞]?=?\\s*)(-?[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)([^0-9].*)?$"
YEARS = "岁|周岁|y|Y"
MONTHS = "月|mo|Mo|MO"
DAYS = "天|日|d|D"
WEEKS = "周|星期|w|W"


def quoted(value: str) -> str:
    """An SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def name(column: str) -> str:
    """A quoted SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def listed(values: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(quoted, values))


def condition(column: str, wanted: Condition) -> str:
    """Whether a cell is what the mapping wants; never null."""
    cell, parts = name(column), []
    if wanted.equals:
        parts.append(f"{cell} in ({listed(wanted.equals)})")
    if wanted.not_equals:
        parts.append(f"({cell} is null or {cell} not in ({listed(wanted.not_equals)}))")
    if wanted.matches is not None:
        parts.append(f"regexp_full_match({cell}, {quoted(wanted.matches)})")
    if wanted.empty is not None:
        parts.append(f"{cell} is {'' if wanted.empty else 'not '}null")
    return f"coalesce({' and '.join(parts) or 'true'}, false)"


def where(wanted: Where) -> str:
    """The SQL condition of a mapping's `where`."""
    if isinstance(wanted, str):
        return f"coalesce(({wanted}\n), false)"
    return " and ".join(condition(column, c) for column, c in wanted.items()) or "true"


def template(text: str) -> str:
    """Text from several columns; null where one that must be filled is empty, or where nothing is left."""
    pieces = []
    for before, column, may_be_empty, width in template_parts(text):
        if before:
            pieces.append(quoted(before))
        if column:
            cell = name(column)
            if width:
                cell = f"case when length({cell}) >= {width} then {cell} else lpad({cell}, {width}, '0') end"
            pieces.append(f"coalesce({cell}, '')" if may_be_empty else f"({cell})")
    return f"nullif(trim({' || '.join(pieces) or quoted('')}), '')"


def hashed(columns: tuple[str, ...], salt: str) -> str:
    """A key of letters that the same cells always give; nobody without the vault's key can find the cells by trying."""
    cells = f" || {quoted(chr(31))} || ".join(f"coalesce({name(c)}, '')" for c in columns)
    empty = " and ".join(f"{name(c)} is null" for c in columns)
    return f"case when not ({empty}) then translate(substr(sha256({quoted(salt)} || {cells}), 1, 24), '0123456789', 'ghijklmnop') end"


def moment(text: str, formats: tuple[str, ...]) -> str:
    """The timestamp of a text, null where it is none."""
    plain = [f for f in dict.fromkeys((*formats, *DATE_FORMATS, *MOMENT_FORMATS)) if f not in EPOCHS]
    wordy = any(f.lstrip()[:2] in WORDS for f in plain)
    begins_well = f"regexp_matches({text}, {quoted('^[0-9A-Za-z]' if wordy else '^[0-9]')})"
    read = f"coalesce(try_strptime({text}, [{listed(plain)}]), try_cast({text} as timestamp))"
    if wordy:
        read = f"case when regexp_matches({text}, '^[0-9]') then {read} else try_strptime({text}, [{listed(plain)}]) end"
    branches = []
    if not any(f.startswith("%Y-%d") for f in formats):  # the usual form, which a cast reads quicker than a list of formats
        quick = f"coalesce(try_cast({text} as timestamp), {read})"
        branches.append(f"when regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') then {quick}")
    if "excel" in formats:
        days = f"cast(round(try_cast({text} as double) * 86400) as bigint)"
        branches.append(f"when regexp_full_match({text}, '[0-9]{{1,6}}(\\.[0-9]+)?') then timestamp '1899-12-30' + to_seconds({days})")
    if "epoch_s" in formats or "epoch_ms" in formats:
        digits, per_second = ("9,10", 1) if "epoch_s" in formats else ("12,13", 1000)
        seconds = f"cast(floor(try_cast({text} as double) / {per_second}) as bigint)"
        since = f"timestamp '1970-01-01' + to_seconds({seconds}) + to_hours({LOCAL_HOURS})"
        branches.append(f"when regexp_full_match({text}, '-?[0-9]{{{digits}}}(\\.[0-9]+)?') then {since}")
    return f"case {' '.join(branches)} when {begins_well} then {read} end"


def iso(timestamp: str) -> str:
    return f"strftime({timestamp}, '%Y-%m-%d %H:%M:%S')"


def shifted(timestamp: str, shift: DateShift | None) -> str:
    if not shift:
        return timestamp
    parts = [f"to_{unit}({n})" for unit, n in (("years", shift.years), ("months", shift.months), ("days", shift.days)) if n]
    return f"({timestamp} + {' + '.join(parts)})"


def date_text(text: str, formats: tuple[str, ...], shift: DateShift | None) -> str:
    """A date in ISO form, shifted; a text that is no date stays as it is, so that field QC names it."""
    return f"coalesce({iso(shifted(moment(text, formats), shift))}, {text})"


def birth_from(said: BirthFrom, formats: tuple[str, ...]) -> str:
    """The estimated birth date; an age that cannot be read stays as it is, so that field QC names it."""
    age, at = name(said.age), template(said.at)
    when = (
        f"case when regexp_full_match({at}, '[0-9]{{4}}') then make_timestamp(cast({at} as bigint), 12, 31, 0, 0, 0) else {moment(at, formats)} end"
    )
    n = f"try_cast(regexp_extract({age}, '[0-9]+(?:\\.[0-9]+)?') as double)"
    above = f"(case when regexp_matches({age}, '^\\s*[>＞]\\s*[0-9]') then 1 else 0 end)"
    years = f"({when} - to_months(cast(round(({n} + {above}) * 12) as integer) + case when {n} = floor({n}) then 6 else 0 end))"
    months, days = f"({when} - to_months(cast(round({n}) as integer)) - to_days(15))", f"({when} - to_days(cast(round({n}) as integer)))"
    bare = {"years": years, "months": months, "days": days}[said.unit]
    low, high = (f"cast(regexp_extract({age}, {quoted(BAND)}, {i}) as integer)" for i in (1, 2))
    mixed = "([0-9]+)\\s*岁\\s*([0-9]+)\\s*个?月.*"
    parts = f"cast(regexp_extract({age}, {quoted(mixed)}, 1) as integer) * 12 + cast(regexp_extract({age}, {quoted(mixed)}, 2) as integer)"
    one_number = "^[^0-9]*[0-9]+(\\.[0-9]+)?\\s*"
    alone = "[^0-9]*[0-9]+(\\.[0-9]+)?[^0-9.]*"
    return f"""case when {age} is null or {at} is null then null else coalesce(strftime(case
        when regexp_matches({age}, {quoted(BAND)}) then {when} - to_months(({low} + {high}) * 6)
        when regexp_full_match({age}, {quoted(mixed)}) then {when} - to_months({parts})
        when regexp_matches({age}, {quoted(one_number + f"({YEARS})")}) then {years}
        when regexp_matches({age}, {quoted(one_number + f"个?({MONTHS})")}) then {months}
        when regexp_matches({age}, {quoted(one_number + f"({WEEKS})")}) then {when} - to_days(cast(round({n}) as integer) * 7)
        when regexp_matches({age}, {quoted(one_number + f"({DAYS})")}) then {days}
        when regexp_full_match({age}, {quoted(alone)}) then {bare} end, '%Y-%m-%d'), {age}) end"""


def date_plus(said: DatePlus, formats: tuple[str, ...]) -> str:
    """A date told as a distance from another; a distance that is no number stays as it is, so that field QC names it."""
    base, distance = template(said.base), name(said.add)
    whole = f"cast(round(try_cast({distance} as double)) as {'integer' if said.unit in {'days', 'months', 'years'} else 'bigint'})"
    then = iso(f"{moment(base, formats)} + to_{said.unit}({whole})")
    return f"case when {base} is not null and {distance} is not null then coalesce({then}, {distance}) end"


def origin(field: str, mapped: ColumnMapping, formats: tuple[str, ...], salt: str) -> str:
    """The text a field begins with."""
    if mapped.constant is not None:
        return quoted(mapped.constant)
    if mapped.template is not None:
        return template(mapped.template)
    if mapped.first_of:
        return f"coalesce({', '.join(map(name, mapped.first_of))}, null)"
    if mapped.hash_of:
        return hashed(mapped.hash_of, salt)
    if mapped.expression is not None:
        return f"nullif(trim(cast(({mapped.expression}\n) as varchar)), '')"
    if mapped.birth_from:
        return birth_from(mapped.birth_from, formats)
    if mapped.date_plus:
        return date_plus(mapped.date_plus, formats)
    return name(mapped.source or field)


def worked(text: str, mapped: ColumnMapping) -> str:
    """A text after `replace` and `extract`."""
    for pattern, replacement in mapped.replace.items():
        text = f"regexp_replace({text}, {quoted(pattern)}, {quoted(replacement)}, 'g')"
    if mapped.extract is not None:
        group = 1 if _has_group(mapped.extract) else 0
        text = f"nullif(regexp_extract({text}, {quoted(mapped.extract)}, {group}), '')"
    return f"nullif(trim({text}), '')" if mapped.replace or mapped.extract is not None else text


def _has_group(pattern: str) -> bool:
    return re.compile(pattern).groups > 0


def unit_name(text: str) -> str:
    """A unit in the form in which units are compared."""
    return f"lower(regexp_replace(translate({text}, 'µμ×＊／％', 'uux*/%'), '\\s', '', 'g'))"


def plain_unit(unit: str) -> str:
    """The same of a unit in the mapping file."""
    return "".join(unit.translate(str.maketrans("µμ×＊／％", "uux*/%")).split()).lower()


def unit_rules(said: Units) -> list[tuple[str, float, float, str | None]]:
    """Condition, factor, offset and canonical unit of each rule, in the order they are tried."""
    rules = []
    for rule in sorted(said.rules, key=lambda r: r.item is None):
        fits = f"{unit_name(name(said.unit))} = {quoted(plain_unit(rule.unit))}"
        if rule.item is not None and said.item:
            fits += f" and {name(said.item)} = {quoted(rule.item)}"
        rules.append((fits, rule.factor, rule.offset, rule.to))
    return rules


def converted(text: str, said: Units) -> str:
    """A quantity in its canonical unit; what stands before and behind the number is kept, what is no number stays."""
    number = f"try_cast(regexp_extract({text}, {quoted(QUANTITY)}, 2) as double)"
    before, behind = (f"regexp_extract({text}, {quoted(QUANTITY)}, {i})" for i in (1, 3))
    branches = []
    for fits, factor, offset, _ in unit_rules(said):
        plain = f"regexp_replace(cast(cast({number} * {factor!r} + {offset!r} as decimal(24, 6)) as varchar), '\\.?0+$', '')"
        branches.append(f"when {fits} then {text if (factor, offset) == (1.0, 0.0) else f'{before} || {plain} || {behind}'}")
    return f"case when not regexp_matches({text}, {quoted(QUANTITY)}) then {text} {' '.join(branches)} else {text} end"


def canonical_unit(text: str, said: Units) -> str:
    """The unit after conversion."""
    branches = [f"when {fits} then {quoted(to)}" for fits, _, _, to in unit_rules(said) if to is not None]
    return f"case {' '.join(branches)} else {text} end" if branches else text
