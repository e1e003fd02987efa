"""One mapping file per organisation: how its files, rows, columns, codes, dates and units become the canonical feeds.

Onboarding an organisation is one YAML file in `organisations/` (or in the folder `LAKEHOUSE_MAPPINGS` names) and nothing else; the README beside
this file is the reference of its grammar.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from ingestion.contracts import contract
from ingestion.mappings.columns import EPOCHS, WORDS, CodeTable, ColumnMapping, Condition, DateShift, Part, a_tuple
from ingestion.mappings.pulls import Pull
from ingestion.mappings.tables import Deleted, Expect, Explode, Groups, Join, Unpivot, Where, tab, where_columns

__all__ = [
    "CodeTable", "ColumnMapping", "Condition", "DateShift", "Deleted", "Expect", "Explode", "FeedMapping", "Groups", "Join", "Mapping",
    "MappingError", "UnknownOrganisation", "Unpivot", "all_mappings", "feed_of", "load_mapping", "read_mapping",
]  # fmt: skip

FOLDER = Path(__file__).parent / "organisations"
DERIVED = "="
"""What the name of a column begins with that the reshaping makes for one field."""


class FeedMapping(Part):
    """How one canonical feed is read from one delivered table.

    folder     landing folder of the table; the feed's own name by default
    files      pattern of the names of its files, where a folder holds several tables ("lab*.csv")
    encoding   declared encoding of text files; detected when absent
    csv        delimiter ("tab" for the character) and quote character
    sheet      worksheet of an XLSX file, its first by default
    header     names of the columns, where the file has no header
    skip_rows  lines or rows above the header, such as a title
    member     pattern of the names of the table's files in a zip archive that holds several tables
    headers    column -> other headers it may have in a delivery
    ignore     delivered columns that are known and not wanted
    pull       where the table comes from when nobody delivers it as a file; says nothing about how its rows are judged, so it is not dumped

    From rows to records, in this order:
    join       columns of other delivered tables
    where      rows of one kind: column -> value, list or condition, or one SQL expression
    unpivot, groups, explode  several records of one row
    distinct   one record for equal rows: true, or the columns that make them equal (the first row counts)
    columns    canonical field -> how it is filled
    date_shift what is added to every date
    deleted    how a record is marked as deleted
    expect     how often it is delivered; not dumped either
    """

    folder: str = ""
    files: str | None = None
    encoding: str | None = None
    delimiter: str = ","
    quote: str = '"'
    sheet: str | None = None
    header: tuple[str, ...] = ()
    skip_rows: int = Field(default=0, ge=0)
    member: str | None = None
    null_values: tuple[str, ...] | None = None
    date_format: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = {}
    join: tuple[Join, ...] = ()
    where: Where | None = None
    unpivot: Unpivot | None = None
    groups: Groups | None = None
    explode: Explode | None = None
    distinct: bool | tuple[str, ...] = False
    columns: dict[str, ColumnMapping]
    date_shift: DateShift | None = None
    deleted: Deleted | None = None
    expect: Expect | None = Field(default=None, exclude=True)
    ignore: tuple[str, ...] = ()
    pull: Pull | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            for key in ("date_format", "ignore"):
                if isinstance(value.get(key), str):
                    value[key] = (value[key],)
            if isinstance(value.get("headers"), dict):
                value["headers"] = {k: a_tuple(v) for k, v in value["headers"].items()}
            if isinstance(value.get("join"), dict):
                value["join"] = (value["join"],)
            if isinstance(value.get("distinct"), str):
                word = value["distinct"]
                value["distinct"] = word == "true" if word in ("true", "false") else (word,)
            if "delimiter" in value:
                value["delimiter"] = tab(value["delimiter"])
        return value

    @model_validator(mode="after")
    def _one_cut(self) -> FeedMapping:
        if self.unpivot and self.groups:
            raise ValueError("says both unpivot and groups; one of them cuts the row")
        return self

    @property
    def reading(self) -> dict[str, Any]:
        """How the table's files are opened: arguments of `open_file`."""
        return {k: getattr(self, k) for k in ("encoding", "delimiter", "quote", "sheet", "header", "skip_rows", "member")}

    @property
    def made(self) -> tuple[str, ...]:
        """Columns that unpivot, groups and explode make."""
        made = (self.unpivot.made() if self.unpivot else ()) + (self.groups.made() if self.groups else ())
        return made + ((self.explode.number_as,) if self.explode and self.explode.number_as else ())

    @property
    def cuts_rows(self) -> bool:
        """Delivered rows and records are not the same."""
        return bool(self.where or self.unpivot or self.groups or self.explode or self.distinct)

    def columns_with_made(self, feed: str) -> dict[str, ColumnMapping]:
        """The fields' mappings; columns made on the way that bear a field's name fill it without more words."""
        fields = {f.name for f in contract(feed).fields if not f.derivation}
        return {**{c: ColumnMapping(source=c) for c in self.made if c in fields and c not in self.columns}, **self.columns}

    def references(self) -> tuple[str, ...]:
        """Every column that is named anywhere, delivered or made on the way, fields of the same name as their column included."""
        found: list[str] = []
        for join in self.join:
            found += join.on
        found += where_columns(self.where)
        if self.unpivot:
            found += self.unpivot.columns
        if self.groups:
            found += [c for group in self.groups.listed() for c in group.values() if not c.startswith("=")]
        if self.explode:
            found += self.explode.columns
        if isinstance(self.distinct, tuple):
            found += self.distinct
        if self.deleted:
            found.append(self.deleted.column)
        for field, mapped in self.columns.items():
            found += mapped.columns_read()
            if mapped.constant is None and not any((mapped.source, mapped.template, mapped.first_of, mapped.hash_of, mapped.expression)):
                found += [] if mapped.birth_from or mapped.date_plus else [field]
        return tuple(dict.fromkeys(found))


class Mapping(Part):
    """Everything that is particular to one organisation's deliveries.

    feeds       canonical feed -> its table. A feed that stands in several tables has an entry for each, told apart behind an @: `visit@inpatient`
    date_shift  what is added to every date of a de-identified dump
    """

    organisation: str
    source: str
    name_zh: str
    vendor: str = ""
    synthetic: bool = False
    encoding: str | None = None
    null_values: tuple[str, ...] = ("", "NULL", "null", "\\N")
    date_format: tuple[str, ...] = ()
    date_shift: DateShift | None = None
    feeds: dict[str, FeedMapping]

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("date_format"), str):
            value = {**value, "date_format": (value["date_format"],)}
        return value

    @field_validator("null_values", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return tuple("" if v is None else str(v) for v in a_tuple(value)) if value is not None else value

    @model_validator(mode="after")
    def _fields_exist(self) -> Mapping:
        for feed, mapping in self.feeds.items():
            where = f"mapping of {self.organisation}, feed {feed}"
            try:
                described = contract(feed_of(feed))
            except KeyError as error:
                raise ValueError(f"{where}: {error.args[0]}") from None
            known = {f.name for f in described.fields}
            if unknown := set(mapping.columns) - known:
                raise ValueError(f"{where}: not fields of the contract: {', '.join(sorted(unknown))}")
            if computed := sorted(f.name for f in described.fields if f.derivation and f.name in mapping.columns):
                raise ValueError(f"{where}: computed by the contract, not mapped: {', '.join(computed)}")
            for field, mapped in mapping.columns.items():
                if described.field(field).multiple and (mapped.code_table or mapped.otherwise is not None):
                    raise ValueError(f"{where}, field {field}: a multiple-choice field takes codes, not code_table or otherwise")
                if mapped.units and mapped.units.unit_field and mapped.units.unit_field not in mapping.columns:
                    raise ValueError(f"{where}, field {field}: units: unit_field {mapped.units.unit_field} is not mapped")
                if mapped.date_shift and described.field(field).type != "date":
                    raise ValueError(f"{where}, field {field}: date_shift at a field that is no date")
        return self

    @model_validator(mode="after")
    def _one_pull_per_folder(self) -> Mapping:
        pulled = [m.folder or feed for feed, m in self.feeds.items() if m.pull]
        if twice := sorted({folder for folder in pulled if pulled.count(folder) > 1}):
            raise ValueError(f"mapping of {self.organisation}: more than one pull into folder {', '.join(twice)}; state it at one feed")
        return self

    def feeds_in_folder(self, folder: str, file_name: str | None = None) -> tuple[str, ...]:
        """The entries of `feeds` read from a landing folder (from a file of it); one dump table may hold several feeds."""
        return tuple(
            name
            for name, m in self.feeds.items()
            if (m.folder or feed_of(name)) == folder and (file_name is None or m.files is None or fnmatchcase(file_name.lower(), m.files.lower()))
        )

    def mapped_fields(self, feed: str) -> frozenset[str]:
        """The fields of a canonical feed that any of its tables fills; empty where the organisation does not deliver the feed."""
        return frozenset(f for entry, m in self.feeds.items() if feed_of(entry) == feed for f in m.columns_with_made(feed))

    def is_joined(self, folder: str, file_name: str) -> bool:
        """Whether a file of a landing folder is there for other tables to be joined with."""
        tables = [(j.folder, j.files) for m in self.feeds.values() for j in m.join]
        tables += [(c.code_table.folder, None) for m in self.feeds.values() for c in m.columns.values() if c.code_table and c.code_table.folder]
        return any(folder == f and (files is None or fnmatchcase(file_name.lower(), files.lower())) for f, files in tables)

    def resolved(self, feed: str) -> FeedMapping:
        """The feed's mapping with the organisation's defaults filled in, as field QC reads it behind the reshaping.

        Fields that are derived have the column the reshaping makes for them as source; columns made on the way that bear a field's name fill it.
        """
        m = self.with_defaults(feed)
        columns = m.columns_with_made(feed_of(feed))
        derived = derived_fields(m, feed_of(feed))
        return m.model_copy(update={"columns": {f: _behind_reshaping(f, c) if f in derived else c for f, c in columns.items()}})

    def with_defaults(self, feed: str) -> FeedMapping:
        """The feed's mapping with the organisation's defaults filled in, as the reshaping reads it."""
        m = self.feeds[feed]
        return m.model_copy(
            update={
                "folder": m.folder or feed_of(feed),
                "encoding": m.encoding or self.encoding,
                "null_values": m.null_values if m.null_values is not None else self.null_values,
                "date_format": m.date_format or self.date_format,
                "date_shift": m.date_shift or self.date_shift,
            }
        )

    def said(self, feed: str) -> str:
        """Everything the mapping says about how a feed's files are judged, as text."""
        return self.with_defaults(feed).model_dump_json()


def feed_of(entry: str) -> str:
    """The canonical feed of an entry of `Mapping.feeds`: `visit` of `visit@inpatient`."""
    return entry.partition("@")[0]


def derived_fields(mapping: FeedMapping, feed: str) -> frozenset[str]:
    """Fields whose text the reshaping makes; `mapping` has the organisation's defaults filled in."""
    columns = mapping.columns_with_made(feed)
    dates = {f.name for f in contract(feed).fields if f.type == "date"}
    shifted = {f for f, c in columns.items() if f in dates and c.constant is None and (c.date_shift or mapping.date_shift)}
    units = {c.units.unit_field for c in columns.values() if c.units and c.units.unit_field}
    odd = {f for f in dates & set(columns) if columns[f].constant is None and _is_odd((*columns[f].date_format, *mapping.date_format))}
    return frozenset(f for f, c in columns.items() if c.is_derived or f in shifted or f in units or f in odd)


def _is_odd(formats: tuple[str, ...]) -> bool:
    """Dates in one of these forms are not read by field QC."""
    return any(f in EPOCHS or f.lstrip()[:2] in WORDS for f in formats)


def _behind_reshaping(field: str, mapped: ColumnMapping) -> ColumnMapping:
    """What is left to field QC of a field that the reshaping has made."""
    return ColumnMapping(
        source=DERIVED + field,
        codes={} if mapped.code_table or mapped.otherwise is not None else mapped.codes,
        factor=mapped.factor,
        offset=mapped.offset,
        separator=mapped.separator,
        optional=mapped.optional,
    )


class UnknownOrganisation(LookupError):
    """A delivery of an organisation that has no mapping file."""


class MappingError(ValueError):
    """A mapping file that breaks the grammar; one line per fault, each with organisation, feed, field and what is wrong."""


class _Loader(yaml.CSafeLoader):
    """YAML in which a plain word is that word: 01 keeps its zero, `on` and `no` are names of columns, and only ~, null and nothing are empty."""

    yaml_implicit_resolvers = {
        **{first: [("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"))] for first in ("~", "n", "")},
        "<": [("tag:yaml.org,2002:merge", re.compile(r"<<$"))],
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A word that stands twice is an error: the second would silently replace the first."""
        said: set[Any] = set()
        for key, _ in node.value:
            if key.value in said and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            said.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> Mapping:
    """Read one mapping file. Raises MappingError that names organisation, feed and field."""
    try:
        said = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"{path.name}: not valid YAML: {error}") from None
    if not isinstance(said, dict):
        raise MappingError(f"{path.name}: a mapping file holds organisation, source, name_zh and feeds")
    try:
        return Mapping.model_validate(_with_code_files(said, path.parent))
    except ValidationError as error:
        raise MappingError("\n".join(faults(error, str(said.get("organisation", path.stem))))) from error


def faults(error: ValidationError, organisation: str) -> Iterator[str]:
    """Each fault of a mapping in one line: organisation, feed, field, option, what is wrong."""
    for found in error.errors():
        place, loc = [f"mapping of {organisation}"], [str(part) for part in found["loc"] if part not in ("function-after", "function-before")]
        if len(loc) >= 2 and loc[0] == "feeds":
            place.append(f"feed {loc[1]}")
            loc = loc[2:]
            if len(loc) >= 2 and loc[0] == "columns":
                place.append(f"field {loc[1]}")
                loc = loc[2:]
        message = str(found["msg"]).removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            message = "this word is not part of the grammar"
        said = ": ".join(filter(None, [".".join(loc), message]))
        yield said if said.startswith("mapping of ") else f"{', '.join(place)}: {said}"


def _with_code_files(said: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The mapping with code tables that lie beside it read into `codes`, so that they change how files are judged as the mapping itself does."""
    feeds = {}
    for feed, mapping in (said.get("feeds") or {}).items():
        columns = mapping.get("columns") if isinstance(mapping, dict) else None
        if isinstance(columns, dict):
            mapping = {**mapping, "columns": {f: _with_code_file(c, folder, said.get("organisation"), feed, f) for f, c in columns.items()}}
        feeds[feed] = mapping
    return {**said, "feeds": feeds} if feeds else said


def _with_code_file(column: Any, folder: Path, organisation: Any, feed: str, field: str) -> Any:
    if not (isinstance(column, dict) and isinstance(column.get("code_table"), dict) and column["code_table"].get("file")):
        return column
    where = f"mapping of {organisation}, feed {feed}, field {field}: code_table"
    try:
        table = CodeTable.model_validate(column["code_table"])
        with (folder / str(table.file)).open(encoding=table.encoding or "utf-8-sig", newline="") as file:
            rows = [r for r in csv.DictReader(file, delimiter=table.delimiter or ",") if all(_meets(r.get(c), k) for c, k in table.where.items())]
    except ValidationError as error:
        raise MappingError("\n".join(f"{where}: {e['msg']}" for e in error.errors())) from None
    except OSError:
        raise MappingError(f"{where}: there is no file {column['code_table']['file']} beside the mapping") from None
    if rows and not {table.key, table.value} <= set(rows[0]):
        raise MappingError(f"{where}: the file has not the columns {table.key} and {table.value}")
    listed: dict[str, str] = {}
    for row in rows:
        key, value = (row[table.key] or "").strip(), (row[table.value] or "").strip()
        if key and listed.setdefault(key, value) != value:
            raise MappingError(f"{where}: {key} stands twice with different codes")
    return {**{k: v for k, v in column.items() if k != "code_table"}, "codes": {**listed, **(column.get("codes") or {})}}


def _meets(cell: str | None, condition: Condition) -> bool:
    """Whether a cell of a code file meets a condition."""
    cell = (cell or "").strip()
    return (
        (not condition.equals or cell in condition.equals)
        and cell not in condition.not_equals
        and (condition.matches is None or re.fullmatch(condition.matches, cell) is not None)
        and (condition.empty is None or (cell == "") == condition.empty)
    )


@cache
def _folders() -> tuple[Path, ...]:
    extra = os.environ.get("LAKEHOUSE_MAPPINGS")
    return (*([Path(extra)] if extra else []), FOLDER)


@cache
def load_mapping(organisation: str) -> Mapping:
    """The mapping of an organisation. Raises UnknownOrganisation when no file describes it, MappingError when its file breaks the grammar."""
    for folder in _folders():
        path = folder / f"{organisation}.yml"
        if path.exists():
            return read_mapping(path)
    raise UnknownOrganisation(f"organisation {organisation} has no mapping file; add {organisation}.yml to ingestion/mappings/organisations")


def all_mappings() -> Iterator[Mapping]:
    """Every organisation that has a mapping file; a file in LAKEHOUSE_MAPPINGS stands before one of the same name that is shipped."""
    for organisation in sorted({path.stem for folder in _folders() for path in folder.glob("*.yml")}):
        try:
            yield load_mapping(organisation)
        except ValueError:
            continue  # its own load names it; the others are not to wait for it
