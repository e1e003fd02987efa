"""How one canonical field is filled from the columns of a delivered table."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from ingestion.mappings.expressions import expression_columns, template_columns

EPOCHS = ("excel", "epoch_s", "epoch_ms")
"""Words among date formats: days as spreadsheets count them, seconds or milliseconds since 1970."""

WORDS = ("%b", "%B", "%a", "%A")
"""What a date format may begin with that field QC, which wants a digit, does not read."""


class Part(BaseModel):
    """A piece of the grammar: frozen, and a word it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
        pc.match_substring_regex(pa.array([""]), pattern)  # the engine of DuckDB: linear, without look-around and back references
    except (re.error, pa.ArrowInvalid) as error:
        raise ValueError(f"regular expression {pattern!r}: {error}") from None
    return pattern


def _template(text: str) -> str:
    template_columns(text)
    return text


def _expression(text: str) -> str:
    expression_columns(text)
    return text


Regex = Annotated[str, AfterValidator(_regex)]
Template = Annotated[str, AfterValidator(_template)]
Expression = Annotated[str, AfterValidator(_expression)]


def texts(value: Any) -> Any:
    """A dictionary whose keys and values are read as text, as YAML reads 1 and 01 as numbers."""
    return {str(k): "" if v is None else str(v) for k, v in value.items()} if isinstance(value, dict) else value


def a_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | float) else value


class Condition(Part):
    """What the cell of one column must be; all that is said must hold. A plain value or list in the file means `equals`.

    equals, not_equals  one of these values, none of these values (an empty cell equals none)
    matches             the whole cell matches the regular expression
    empty               true: the cell is empty; false: it is not
    """

    equals: tuple[str, ...] = ()
    not_equals: tuple[str, ...] = ()
    matches: Regex | None = None
    empty: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str | int | float | list | tuple):
            value = {"equals": value}
        if isinstance(value, dict):
            value = dict(value)
            for key in ("equals", "not_equals"):
                if key in value:
                    value[key] = tuple(str(v) for v in a_tuple(value[key]))
        return value


class DateShift(Part):
    """What is added to every date: undoes the shift of a de-identified dump, at least to a plausible century."""

    years: int = 0
    months: int = 0
    days: int = 0

    def __bool__(self) -> bool:
        return bool(self.years or self.months or self.days)


class CodeTable(Part):
    """A dictionary that turns local codes into canonical ones.

    file    a CSV beside the mapping file, or
    folder  a table of the dump, read as joined tables are (its delivery on or before the delivery date)
    key, value  its columns: local value, canonical code
    where   rows of the dictionary to use
    encoding, delimiter, sheet, member  how the dictionary is read, when it is not read like the feed's own table
    """

    file: str | None = None
    folder: str | None = None
    key: str
    value: str
    where: dict[str, Condition] = {}
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    member: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> CodeTable:
        if (self.file is None) == (self.folder is None):
            raise ValueError("code_table: give either file (a CSV beside the mapping) or folder (a table of the dump)")
        if self.file and (PurePosixPath(self.file).name != self.file or not self.file.endswith(".csv")):
            raise ValueError("code_table: file is the name of a CSV that lies beside the mapping file")
        return self


class UnitRule(Part):
    """canonical = delivered * factor + offset where the unit (and the item, when given) is this one; `to` is the canonical unit."""

    unit: str
    item: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    to: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return {k: str(v) if k in {"unit", "item", "to"} and v is not None else v for k, v in value.items()} if isinstance(value, dict) else value


class Units(Part):
    """Conversion by a unit that stands in another column; case, blanks and the ways to write µ do not matter.

    unit        delivered column with the unit
    item        delivered column with the item, for rules that hold for one item only
    rules       the first that fits is applied; a rule with an item stands before one without; what no rule fits stays as it is
    unit_field  the feed's field of the unit: where a rule fitted, it says the rule's `to`
    """

    unit: str
    item: str | None = None
    rules: tuple[UnitRule, ...]
    unit_field: str | None = None

    @model_validator(mode="after")
    def _items(self) -> Units:
        if self.item is None and any(r.item for r in self.rules):
            raise ValueError("units: a rule names an item; say in `item` which delivered column holds it")
        return self


class BirthFrom(Part):
    """Birth date estimated from an age: the middle of the year in which it must lie, so that the age at `at` comes out again.

    age   delivered column: "57", "57岁", "57Y", "> 89", "3月", "[70-80)" (its middle)
    at    when the person had that age: a template of a date, or of a bare year (its end counts); the delivery date by default
    unit  what a bare number means
    """

    age: str
    at: Template = "{_delivered_on}"
    unit: Literal["years", "months", "days"] = "years"


class DatePlus(Part):
    """A date told as a distance from another: `base` (template of a date) plus the number in column `add`."""

    base: Template
    add: str
    unit: Literal["seconds", "minutes", "hours", "days", "months", "years"]


ORIGINS = ("source", "constant", "template", "first_of", "hash_of", "expression", "birth_from", "date_plus")


class ColumnMapping(Part):
    """How one canonical field is filled from a delivered table.

    Where the text comes from, one of:
    source      delivered column name; absent columns are an error of the file, unless `optional`. A list names the headers the same column
                may have, the first of them present counts; letter case, full-width letters and blanks of a header do not matter
    constant    a fixed value instead of a column
    template    text from several columns: "{visit}-{_part}"; empty where a column is empty, unless it is written "{column?}"
    first_of    the first of several columns that is not empty
    hash_of     a key made from several columns: the same cells give the same key, which says nothing about them
    expression  one SQL expression (DuckDB) over the cells of the row, all of them text
    birth_from  a birth date estimated from an age
    date_plus   a date told as minutes or days after another

    What is done with it, in this order:
    replace     regular expression -> text, one after the other
    extract     regular expression: its first group, or the whole match; empty where nothing matches
    codes       delivered value -> canonical code; a value not listed stays as it is and is judged by the contract
    code_table  the same from a dictionary; `codes` stand before it
    otherwise   what a value becomes that neither of them lists ("" empties it)
    units       conversion by a unit that stands in another column
    date_format strptime formats tried in order, before the ISO forms; also excel, epoch_s, epoch_ms
    date_shift  of this field alone, instead of the feed's
    factor, offset  canonical = delivered * factor + offset (units)
    separator   what separates the values of a multiple-choice field, when it is not ";"
    """

    source: str | None = None
    alternatives: tuple[str, ...] = ()
    constant: str | None = None
    template: Template | None = None
    first_of: tuple[str, ...] = ()
    hash_of: tuple[str, ...] = ()
    expression: Expression | None = None
    birth_from: BirthFrom | None = None
    date_plus: DatePlus | None = None
    replace: dict[Regex, str] = {}
    extract: Regex | None = None
    codes: dict[str, str] = {}
    code_table: CodeTable | None = None
    otherwise: str | None = None
    units: Units | None = None
    date_format: tuple[str, ...] = ()
    date_shift: DateShift | None = None
    factor: float = 1.0
    offset: float = 0.0
    separator: str | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"source": value}
        if isinstance(value, list):
            value = {"source": value}
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("source"), list | tuple):
                value["source"], *others = value["source"]
                value["alternatives"] = tuple(others)
            for key in ("codes", "replace"):
                if key in value:
                    value[key] = texts(value[key])
            if isinstance(value.get("date_format"), str):
                value["date_format"] = (value["date_format"],)
            for key in ("constant", "otherwise"):
                if value.get(key) is not None:
                    value[key] = str(value[key])
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        said = [o for o in ORIGINS if getattr(self, o) not in (None, ())]
        if len(said) > 1:
            raise ValueError(f"says both {' and '.join(said)}; a field has one origin")
        if self.otherwise is not None and not (self.codes or self.code_table):
            raise ValueError("otherwise needs codes or a code_table")
        return self

    def columns_read(self) -> tuple[str, ...]:
        """The delivered (or joined, or created) columns it names, without those a default name stands for."""
        found = [self.source] if self.source else []
        found += self.first_of + self.hash_of
        for text in (self.template, self.birth_from and self.birth_from.at, self.date_plus and self.date_plus.base):
            found += template_columns(text) if text else ()
        found += expression_columns(self.expression) if self.expression else ()
        found += [c for c in (self.birth_from and self.birth_from.age, self.date_plus and self.date_plus.add) if c]
        if self.units:
            found += [c for c in (self.units.unit, self.units.item) if c]
        return tuple(dict.fromkeys(found))

    @property
    def is_derived(self) -> bool:
        """The delivered cell is not enough: the field's text must be made before field QC sees it."""
        made = (self.template, self.first_of, self.hash_of, self.expression, self.birth_from, self.date_plus)
        worked = (self.replace, self.extract, self.code_table, self.units)
        return any(made) or any(worked) or self.otherwise is not None
