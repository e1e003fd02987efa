"""How the rows of a delivered table become records: rows of one kind, wide to long, several values in one cell, other tables joined."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ingestion.mappings.columns import Condition, Expression, Part, Regex, a_tuple, texts
from ingestion.mappings.expressions import expression_columns

Where = Expression | dict[str, Condition]


def where_columns(where: Where | None) -> tuple[str, ...]:
    """The columns a condition names."""
    if where is None:
        return ()
    return expression_columns(where) if isinstance(where, str) else tuple(where)


class Pivot(Part):
    """Long to wide within a joined table: the rows of a key become one, an item's value a column.

    item, value  its columns that name the item and hold the value
    columns      column made -> item, or list of the names the item goes by
    """

    item: str
    value: str
    columns: dict[str, tuple[str, ...]]

    @field_validator("columns", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return {k: tuple(str(i) for i in a_tuple(v)) for k, v in value.items()} if isinstance(value, dict) else value


class Join(Part):
    """Columns of another delivered table of the same organisation, added to each row (left join).

    folder      landing folder of the other table
    files       pattern of the names of its files, where the folder holds several tables
    on          column here -> column there; a name or list when they are the same
    columns     column made here -> column there; a list when they are the same. What bears the name of a column of the table itself is refused
    prefix      put before the names of the columns made
    deliveries  latest: the delivery on or before the feed's own; all: every delivery until then, the latest row of a key counts
    take, order_by  which row counts where a key stands in several: first or last by these columns; without it such a table is refused
    where       rows of the other table to use
    pivot       the other table is long: its items become columns
    encoding, delimiter, quote, sheet, header, skip_rows, member, null_values
                how it is read: where nothing is said, like the feed of that folder, or else like the feed's own table
    """

    folder: str
    files: str | None = None
    on: dict[str, str]
    columns: dict[str, str] = {}
    prefix: str = ""
    deliveries: Literal["latest", "all"] = "latest"
    take: Literal["first", "last"] | None = None
    order_by: tuple[str, ...] = ()
    where: Where | None = None
    pivot: Pivot | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    header: tuple[str, ...] = ()
    skip_rows: int | None = None
    member: str | None = None
    null_values: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            for key in ("on", "columns"):
                said = value.get(key)
                if isinstance(said, str):
                    said = [said]
                if isinstance(said, list | tuple):
                    value[key] = {str(c): str(c) for c in said}
            if "order_by" in value:
                value["order_by"] = a_tuple(value["order_by"])
            value["delimiter"] = tab(value.get("delimiter"))
        return value

    @model_validator(mode="after")
    def _complete(self) -> Join:
        if not self.on:
            raise ValueError("join: say in `on` which columns the tables have in common")
        if not self.columns and not self.pivot:
            raise ValueError("join: say in `columns` (or `pivot`) what is taken from the other table")
        if self.order_by and not self.take:
            raise ValueError("join: order_by needs take: first or take: last")
        return self

    def made(self) -> tuple[str, ...]:
        """Names of the columns it adds."""
        return tuple(self.prefix + c for c in (*self.columns, *(self.pivot.columns if self.pivot else ())))


class Unpivot(Part):
    """Wide to long: each of these columns gives a record of its own, its cell in column `value`, beside constants.

    columns   delivered column -> constants (column made -> text)
    matching  regular expression of headers -> constants, in which {column} is the header and {1} the first group
    value     name of the column made that holds the cell
    keep_empty  a record also where the cell is empty

    What bears the name of a field of the feed fills it without more words. `_part` is the position of the column.
    """

    columns: dict[str, dict[str, str]] = {}
    matching: dict[Regex, dict[str, str]] = {}
    value: str = "result"
    keep_empty: bool = False

    @field_validator("columns", "matching", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return {str(k): texts(v or {}) for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _some(self) -> Unpivot:
        if not self.columns and not self.matching:
            raise ValueError("unpivot: name the columns, or a pattern of their headers")
        return self

    def made(self) -> tuple[str, ...]:
        constants = dict.fromkeys(c for said in (*self.columns.values(), *self.matching.values()) for c in said)
        return (*constants, self.value)


class Groups(Part):
    """Repeated groups of columns (diag_1 … diag_40, with their names and dates): a record for each.

    columns   column made -> delivered column, with {n} for the number
    numbers   the numbers, as a list or as [first, last]; groups of which the file has no column are passed over, but not the first
    rows      instead of both: the groups one by one, column made -> delivered column, or "=text" for a constant
    required  columns made of which at least one must be filled, by default any; else there is no record
    number_as column made that holds the group's number

    What bears the name of a field of the feed fills it without more words. `_part` is the position of the group.
    """

    columns: dict[str, str] = {}
    numbers: tuple[str, ...] = ()
    rows: tuple[dict[str, str], ...] = ()
    required: tuple[str, ...] = ()
    number_as: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            numbers = value.get("numbers")
            if isinstance(numbers, str):
                first, _, last = numbers.partition("-")
                if not (first.strip().isdigit() and last.strip().isdigit()):
                    raise ValueError(f"groups: numbers {numbers!r}: write 1-40, or a list")
                numbers = [str(n).zfill(len(first.strip())) for n in range(int(first), int(last) + 1)]
            if numbers is not None:
                value["numbers"] = tuple(str(n) for n in numbers)
            if "required" in value:
                value["required"] = a_tuple(value["required"])
            if isinstance(value.get("rows"), list | tuple):
                value["rows"] = tuple(texts(r) for r in value["rows"])
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Groups:
        if bool(self.rows) == bool(self.columns):
            raise ValueError("groups: give either columns with {n} and numbers, or rows")
        if self.columns and (not self.numbers or not any("{n}" in c for c in self.columns.values())):
            raise ValueError("groups: columns need {n} in their names, and numbers")
        return self

    def listed(self) -> tuple[dict[str, str], ...]:
        """The groups one by one: column made -> delivered column or "=constant"."""
        if self.rows:
            return self.rows
        return tuple({made: column.replace("{n}", n) for made, column in self.columns.items()} for n in self.numbers)

    def made(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c for group in self.listed() for c in group)) + ((self.number_as,) if self.number_as else ())


class Explode(Part):
    """Several values in one cell: a record for each, in the order of the cell; empty ones are passed over.

    columns     columns that are cut side by side (codes and names of diagnoses)
    separators  the characters that separate values
    number_as   column made that holds the number of the value, from 1

    `_part` is the position of the value; where the row was cut before by unpivot or groups, position of that × 1000 + position of the value.
    """

    columns: tuple[str, ...]
    separators: str = ";；"
    number_as: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str | list | tuple):
            value = {"columns": value}
        if isinstance(value, dict) and "columns" in value:
            value = {**value, "columns": a_tuple(value["columns"])}
        return value

    @model_validator(mode="after")
    def _some(self) -> Explode:
        if not self.columns or not self.separators:
            raise ValueError("explode: name at least one column and one separator")
        return self


class Deleted(Part):
    """How the source says that a record is deleted: these values in this column."""

    column: str
    values: tuple[str, ...] = Field(min_length=1)

    @field_validator("values", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return tuple(str(v) for v in a_tuple(value)) if value is not None else value


class Expect(Part):
    """How often the organisation delivers the feed.

    every       day, week, month, quarter or year: one delivery in each such period
    grace_days  days after the end of a period until the delivery counts as missing
    start       first day of the first period (written `from` in the file)
    """

    every: Literal["day", "week", "month", "quarter", "year"]
    grace_days: Annotated[int, Field(ge=0)] = 0
    start: date = Field(alias="from")


def tab(delimiter: Any) -> Any:
    """A delimiter; the word tab stands for the character."""
    return "\t" if delimiter in ("tab", "\\t") else delimiter
