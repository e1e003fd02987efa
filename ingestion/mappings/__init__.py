"""One mapping file per organisation: how its files, columns, codes, dates and units become the canonical feeds.

Onboarding an organisation is one YAML file in `organisations/` (or in the folder `LAKEHOUSE_MAPPINGS` names) and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingestion.contracts import contract
from ingestion.mappings.pulls import Pull

FOLDER = Path(__file__).parent / "organisations"


class ColumnMapping(BaseModel):
    """How one canonical field is filled from a delivered table.

    source     delivered column name; absent columns are an error of the file, unless `optional`
    constant   a fixed value instead of a column
    codes      delivered value -> canonical code; a value not listed stays as it is and is judged by the contract
    date_format  strptime formats tried in order, before the ISO forms
    factor, offset  canonical = delivered * factor + offset (units)
    separator  what separates the values of a multiple-choice field, when it is not ";"
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = None
    constant: str | None = None
    codes: dict[str, str] = {}
    date_format: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    separator: str | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"source": value}
        if isinstance(value, dict):
            value = dict(value)
            if "codes" in value:
                value["codes"] = {str(k): str(v) for k, v in value["codes"].items()}
            if isinstance(value.get("date_format"), str):
                value["date_format"] = (value["date_format"],)
            if value.get("constant") is not None:
                value["constant"] = str(value["constant"])
        return value


class FeedMapping(BaseModel):
    """How one canonical feed is read from one delivered table.

    folder     landing folder of the table; the feed's own name by default
    encoding   declared encoding of text files; detected when absent
    csv        delimiter and quote character
    sheet      worksheet of an XLSX file, its first by default
    ignore     delivered columns that are known and not wanted
    pull       where the table comes from when nobody delivers it as a file; says nothing about how its rows are judged, so it is not dumped
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = ""
    encoding: str | None = None
    delimiter: str = ","
    quote: str = '"'
    sheet: str | None = None
    null_values: tuple[str, ...] | None = None
    date_format: tuple[str, ...] = ()
    columns: dict[str, ColumnMapping]
    ignore: tuple[str, ...] = ()
    pull: Pull | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("date_format"), str):
            value = {**value, "date_format": (value["date_format"],)}
        return value


class Mapping(BaseModel):
    """Everything that is particular to one organisation's deliveries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organisation: str
    source: str
    name_zh: str
    vendor: str = ""
    synthetic: bool = False
    encoding: str | None = None
    null_values: tuple[str, ...] = ("", "NULL", "null", "\\N")
    date_format: tuple[str, ...] = ()
    feeds: dict[str, FeedMapping]

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("date_format"), str):
            value = {**value, "date_format": (value["date_format"],)}
        return value

    @model_validator(mode="after")
    def _fields_exist(self) -> Mapping:
        for feed, mapping in self.feeds.items():
            known = {f.name for f in contract(feed).fields}
            unknown = set(mapping.columns) - known
            if unknown:
                raise ValueError(f"mapping of {self.organisation}, feed {feed}: not fields of the contract: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _one_pull_per_folder(self) -> Mapping:
        pulled = [m.folder or feed for feed, m in self.feeds.items() if m.pull]
        if twice := sorted({folder for folder in pulled if pulled.count(folder) > 1}):
            raise ValueError(f"mapping of {self.organisation}: more than one pull into folder {', '.join(twice)}; state it at one feed")
        return self

    def feeds_in_folder(self, folder: str) -> tuple[str, ...]:
        """The canonical feeds read from a landing folder; one dump table may hold several."""
        return tuple(name for name, m in self.feeds.items() if (m.folder or name) == folder)

    def resolved(self, feed: str) -> FeedMapping:
        """The feed's mapping with the organisation's defaults filled in."""
        m = self.feeds[feed]
        return m.model_copy(
            update={
                "folder": m.folder or feed,
                "encoding": m.encoding or self.encoding,
                "null_values": m.null_values if m.null_values is not None else self.null_values,
                "date_format": m.date_format or self.date_format,
            }
        )


class UnknownOrganisation(LookupError):
    """A delivery of an organisation that has no mapping file."""


def read_mapping(path: Path) -> Mapping:
    """Read one mapping file. Raises pydantic.ValidationError that names organisation, feed and field."""
    return Mapping.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


@cache
def _folders() -> tuple[Path, ...]:
    extra = os.environ.get("LAKEHOUSE_MAPPINGS")
    return (*([Path(extra)] if extra else []), FOLDER)


@cache
def load_mapping(organisation: str) -> Mapping:
    """The mapping of an organisation. Raises UnknownOrganisation when no file describes it."""
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
        except (ValueError, yaml.YAMLError):
            continue  # its own load names it; the others are not to wait for it
