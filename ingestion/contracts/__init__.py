"""The data contracts: one Open Data Contract Standard v3 file per canonical feed, and the code lists they name.

A field is described here and nowhere else. Readers, field QC, vault routing, lake schemas, dbt sources, metadata tables and
gates are derived from these objects.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).parent
FEEDS = HERE / "feeds"

Classification = Literal["public", "internal", "quasi_identifying", "local_id", "identifying", "free_text"]
Severity = Literal["error", "warning"]


class Code(BaseModel):
    """One entry of a code list."""

    model_config = ConfigDict(frozen=True)

    list: str
    list_zh: str
    standard: str
    code: str
    name_zh: str
    name_en: str


class ReportKind(BaseModel):
    """A kind of report that a text is read as; `when` is a condition in SQL on the feed's fields, None for always."""

    model_config = ConfigDict(frozen=True)

    kind: str
    when: str | None = None


class ReportItem(BaseModel):
    """What a coded field and the reports of its record both say: the item of the text, and the item's value for each code where they differ."""

    model_config = ConfigDict(frozen=True)

    item: str
    values: dict[str, str] = {}


class Field(BaseModel):
    """One field of a feed.

    `severity` says what a bad value costs: `error` quarantines the row, `warning` sets the value aside and keeps the row.
    `subject` names the part the field plays in identifying the person (name, id_card_no, sex_code, birth_date, mobile_phone,
    residence_address, local_no).
    `report_kinds` are the kinds of report a text may be, of which the first whose condition holds counts; fields of one record with the same
    kinds are parts of one report, each under its `report_section`. `report_item` is what a coded field says beside the text.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    name_zh: str
    description: str
    type: str
    primary_key: bool = False
    required: bool = False
    classification: Classification = "internal"
    severity: Severity = "error"
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    unit: str | None = None
    code_list: str | None = None
    multiple: bool = False
    comparator: bool = False
    keep_text: bool = False
    may_be_future: bool = False
    business_date: bool = False
    source_code: str | None = None
    derivation: str | None = None
    derived_from: str | None = None
    repair: str | None = None
    subject: str | None = None
    report_kinds: tuple[ReportKind, ...] = ()
    report_section: str | None = None
    report_item: ReportItem | None = None

    @property
    def is_numeric(self) -> bool:
        return self.type == "int" or self.type.startswith("decimal")

    @property
    def in_lake(self) -> bool:
        """Identifying values and an organisation's own person numbers stay behind in raw zone and vault."""
        return self.classification not in {"identifying", "local_id"}

    @property
    def sealed(self) -> bool:
        """Encrypted in the raw zone."""
        return self.classification in {"identifying", "local_id", "free_text"}


class Rule(BaseModel):
    """A cross-field check; `sql` is true for a bad row and names standardised fields and `_delivered_on`."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str
    description_zh: str
    severity: Severity
    sql: str
    fields: tuple[str, ...]


class Contract(BaseModel):
    """A canonical feed: grain, fields, cross-field rules, and how its subject is identified.

    `keyed_by_subject`: the record's key is the person together with the key fields.
    `subject` is `local_no` (the organisation's own number identifies the person), `person` (name, ID number and so on),
    `local_no_or_person` (the own number where given), or None (no person in the feed).
    `source_form` is the programme's form a feed holds; a field's `source_code` is then the form's item: its property, followed by
    `#` and its place in the form where the form uses the property twice or gives none; several items are separated by ";".
    """

    model_config = ConfigDict(frozen=True)

    feed: str
    name_zh: str
    version: str
    purpose: str
    grain: str
    subject: Literal["local_no", "person", "local_no_or_person"] | None
    source_families: tuple[str, ...]
    is_form: bool = False
    source_form: str | None = None
    keyed_by_subject: bool = False
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()

    def field(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"feed {self.feed} has no field {name}")

    @property
    def primary_key(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.primary_key)

    @property
    def lake_fields(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.in_lake)

    def subject_field(self, part: str) -> Field | None:
        return next((f for f in self.fields if f.subject == part), None)


def _custom(node: dict[str, Any]) -> dict[str, Any]:
    return {p["property"]: p["value"] for p in node.get("customProperties", [])}


def _field(node: dict[str, Any]) -> Field:
    options, custom = node.get("logicalTypeOptions", {}), _custom(node)
    return Field(
        name=node["name"],
        name_zh=node["businessName"],
        description=node["description"],
        type=node["physicalType"],
        primary_key=node.get("primaryKey", False),
        required=node.get("required", False),
        classification=node["classification"],
        severity=custom.get("severity", "error"),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
        format=options.get("format"),
        unit=custom.get("unit"),
        code_list=custom.get("codeList"),
        multiple=custom.get("multiple", False),
        comparator=custom.get("comparator", False),
        keep_text=custom.get("keepText", False),
        may_be_future=custom.get("mayBeFuture", False),
        business_date=custom.get("businessDate", False),
        source_code=custom.get("sourceCode"),
        derivation=custom.get("derivation"),
        derived_from=custom.get("derivedFrom"),
        repair=custom.get("repair"),
        subject=custom.get("subject"),
        report_kinds=_report_kinds(custom.get("reportKind")),
        report_section=custom.get("reportSection"),
        report_item=custom.get("reportItem"),
    )


def _report_kinds(said: str | list[dict[str, str]] | None) -> tuple[ReportKind, ...]:
    """One kind by its name, or several with their conditions."""
    if isinstance(said, str):
        return (ReportKind(kind=said),)
    return tuple(ReportKind.model_validate(one) for one in said or ())


def _rule(node: dict[str, Any]) -> Rule:
    custom = _custom(node)
    return Rule(
        name=node["name"],
        description=node["description"],
        description_zh=custom["descriptionZh"],
        severity=node["severity"],
        sql=node["implementation"],
        fields=tuple(custom["fields"]),
    )


def read_contract(path: Path) -> Contract:
    """Read one contract file. Raises KeyError or pydantic.ValidationError where the file breaks the shape."""
    node = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    custom, schema = _custom(node), node["schema"][0]
    return Contract(
        feed=node["id"],
        name_zh=custom["nameZh"],
        version=node["version"],
        purpose=node["description"]["purpose"],
        grain=node["description"]["usage"],
        subject=custom.get("subject"),
        source_families=tuple(custom.get("sourceFamilies", ())),
        is_form=custom.get("isForm", False),
        source_form=custom.get("sourceForm"),
        keyed_by_subject=custom.get("keyedBySubject", False),
        fields=tuple(_field(p) for p in schema["properties"]),
        rules=tuple(_rule(q) for q in schema.get("quality", ())),
    )


@cache
def contracts() -> dict[str, Contract]:
    """All contracts by feed name, in the order of the file names."""
    return {c.feed: c for c in map(read_contract, sorted(FEEDS.glob("*.yaml")))}


def contract(feed: str) -> Contract:
    """The contract of a feed. Raises KeyError that lists the feeds there are."""
    try:
        return contracts()[feed]
    except KeyError:
        raise KeyError(f"no contract for feed {feed!r}; there are {', '.join(contracts())}") from None


@cache
def codes() -> tuple[Code, ...]:
    """Every code of every list."""
    with (HERE / "code_lists.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Code.model_validate(row) for row in csv.DictReader(file))


@cache
def code_list(name: str) -> dict[str, Code]:
    """The codes of one list by code. Raises KeyError for an unknown list."""
    found = {c.code: c for c in codes() if c.list == name}
    if not found:
        raise KeyError(f"no code list {name!r}")
    return found


def feeds_of_family(family: str) -> Iterable[Contract]:
    """The contracts whose records a source family (national_platform, hospital, checkup, screening_centre, reference) delivers."""
    return (c for c in contracts().values() if family in c.source_families)
