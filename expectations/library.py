"""The suites: one YAML file per checkpoint and subject, a check per row; checks on contract fields are multiplied here, not copied.

A suite's `source` says what its rows are:

feeds      rows of new batches in a lake feed, one group per batch; a check gives SQL aggregates `examined` and `failed`
books      the loaded files of new batches in the ledger, grouped the same way
files      the whole ledger, repeated and rejected files too, one group per organisation and feed
warehouse  a table of the build database, or a `query` over it; Great Expectations looks at the rows themselves. With `per`,
           every row is a group of its own (an organisation, a channel) with figures that give `examined` and `failed`

Where groups are compared, the expectation is put on the check's figure (`observed`, by default failed / examined), one value
per group, so a suite costs the same for one batch and for a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from ingestion.contracts import Contract, Field, code_list

FOLDER = Path(__file__).parent / "suites"

# Their results hold numpy booleans, which the validation store of Great Expectations 1.24 cannot write.
UNSTORABLE = frozenset({"expect_column_quantile_values_to_be_between", "expect_column_kl_divergence_to_be_less_than"})
# Their failing rows are printed into Data Docs whatever the result format says.
LEAKING = frozenset({"unexpected_rows_expectation", "expect_query_results_to_match_comparison"})

Checkpoint = Literal["lake", "features", "marts"]
Severity = Literal["critical", "warning", "info"]
Scope = Literal["organisation", "province"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Row):
    """One row of a suite.

    examined, failed  SQL aggregates over a batch (sources feeds and books), or SQL expressions over a row of a query with `per`
    observed          SQL of the figure that is compared, when it is not failed / examined; without `failed` the group itself fails
                      (an `examined` that is null leaves the group out)
    at_least          fewer examined than this is `not_examined`: a share of three rows says nothing
    each_field        one check per contract field whose properties agree, e.g. {required: true} or {name: [sex_code]}
    only_mapped       leaves out fields that the organisation's mapping does not fill
    columns           one check per column of a warehouse table
    holds             what a failed critical check of an organisation holds back: this batch, or all its new batches of that delivery
    rationale         why the limit is what it is, with the source of a published figure
    """

    rule: str
    description_zh: str
    severity: Severity
    expectation: str
    rationale: str
    kwargs: dict[str, Any] = {}
    examined: str | None = None
    failed: str | None = None
    observed: str | None = None
    at_least: int = 1
    each_field: dict[str, Any] | None = None
    only_mapped: bool = False
    columns: tuple[str, ...] = ()
    holds: Literal["batch", "delivery"] = "batch"
    scope: Scope | None = None
    cancer: str | None = None

    @model_validator(mode="after")
    def _usable(self) -> Check:
        if self.expectation in UNSTORABLE | LEAKING:
            raise ValueError(f"check {self.rule}: {self.expectation} cannot be used in a suite; measure it in a query instead")
        return self


class Suite(_Row):
    """The checks of one subject at one checkpoint."""

    checkpoint: Checkpoint
    subject: str
    name_zh: str
    scope: Scope
    source: Literal["feeds", "books", "files", "warehouse"]
    feeds: Literal["all", "person"] | tuple[str, ...] = "all"
    table: str | None = None
    query: str | None = None
    per: tuple[str, ...] = ()
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        return f"{self.checkpoint}.{self.subject}"

    @property
    def is_measured(self) -> bool:
        """Whether groups are compared by a figure, rather than rows by their values."""
        return self.source != "warehouse" or bool(self.per)

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        if (self.source == "warehouse") != bool(self.table or self.query):
            raise ValueError(f"suite {self.name}: a warehouse suite, and only that, names a table or a query")
        if (self.source == "warehouse") == (self.checkpoint == "lake"):
            raise ValueError(f"suite {self.name}: the lake checkpoint reads feeds, books and files, the others the warehouse")
        rules = [c.rule for c in self.checks]
        if len(set(rules)) != len(rules):
            raise ValueError(f"suite {self.name}: a rule name stands twice")
        for check in self.checks:
            if self.is_measured != bool(check.examined and (check.failed or check.observed)):
                raise ValueError(f"suite {self.name}, check {check.rule}: examined and failed or observed belong to checks that compare groups")
            if self.source == "warehouse" and check.severity == "critical" and (check.scope or self.scope) != "province":
                raise ValueError(f"suite {self.name}, check {check.rule}: no batch can be held from the warehouse; make it a warning")
            if self.source == "files" and check.severity == "critical":
                raise ValueError(f"suite {self.name}, check {check.rule}: a file has no batch that could be held; make it a warning")
            if self.source != "feeds" and check.each_field:
                raise ValueError(f"suite {self.name}, check {check.rule}: each_field is for contract fields of the lake's feeds")
        return self

    def covers(self, contract: Contract) -> bool:
        """Whether the suite looks at a feed."""
        if self.feeds == "all":
            return True
        if self.feeds == "person":
            return contract.subject is not None
        return contract.feed in self.feeds


class Measure(_Row):
    """A check on one feed, ready for SQL: `column` is the contract field it looks at, empty for the row as a whole."""

    rule: str
    column: str
    examined: str
    failed: str | None
    observed: str | None
    at_least: int


def read_suite(path: Path) -> Suite:
    """Read one suite. Raises pydantic.ValidationError that names suite and check."""
    return Suite.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def suites(checkpoint: str, folder: Path = FOLDER) -> tuple[Suite, ...]:
    """All suites of a checkpoint, by file name. Raises ValueError when there is none."""
    found = tuple(s for s in map(read_suite, sorted(folder.glob("*.yml"))) if s.checkpoint == checkpoint)
    if not found:
        raise ValueError(f"no suite in {folder} belongs to checkpoint {checkpoint!r}")
    return found


def agrees(field: Field, wanted: dict[str, Any]) -> bool:
    """Whether a contract field has the properties: true and false ask for filled and empty, a list for one of its values."""

    def one(name: str, value: Any) -> bool:
        has = getattr(field, name)
        if isinstance(value, bool):
            return (has is not None and has is not False and has != "") == value
        return has in value if isinstance(value, list | tuple) else has == value

    return all(one(name, value) for name, value in wanted.items())


def _literal(value: Any) -> str:
    return "null" if value is None else repr(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _filled(sql: str | None, field: Field) -> str | None:
    if sql is None:
        return None
    values = {
        "{field}": f'"{field.name}"',
        "{minimum}": _literal(field.minimum),
        "{maximum}": _literal(field.maximum),
        "{codes}": ", ".join(_literal(code) for code in code_list(field.code_list)) if field.code_list else "null",
    }
    for name, value in values.items():
        sql = sql.replace(name, value)
    return sql


def measures(suite: Suite, contract: Contract | None) -> Iterator[Measure]:
    """The checks of a suite as figures; for a feed, those on fields once per field that lies in the lake."""
    for check in suite.checks:
        assert check.examined and (check.failed or check.observed)
        common = {"rule": check.rule, "at_least": check.at_least}
        if check.each_field is None:
            yield Measure(column="", examined=check.examined, failed=check.failed, observed=check.observed, **common)
            continue
        for field in contract.lake_fields if contract else ():
            if agrees(field, check.each_field):
                yield Measure(
                    column=field.name,
                    examined=_filled(check.examined, field) or "",
                    failed=_filled(check.failed, field),
                    observed=_filled(check.observed, field),
                    **common,
                )
