"""What people have decided about local codes (feed decision_code_mapping): it stands before what the mapping file says.

A decision works from the next load of the organisation on. It changes what `Mapping.said` gives, so files that were rejected are judged again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, EqualTo

from infra.settings import Settings
from ingestion import lake, ops
from ingestion.contracts import contract
from ingestion.mappings import ColumnMapping, Mapping, feed_of

FEED = "decision_code_mapping"


class CodeDecision(BaseModel):
    """One decision on a local code of one field; `verdict` is mapped, no_equivalent or withdrawn, `supersedes` the decision it replaces."""

    model_config = ConfigDict(frozen=True)

    number: str
    feed: str
    field: str
    local_code: str
    verdict: str
    canonical_code: str | None = None
    decided_at: date
    valid_from: date | None = None
    valid_to: date | None = None
    supersedes: str | None = None


def decisions_of(settings: Settings, organisation: str) -> list[CodeDecision]:
    """The decisions on an organisation's codes that stand in the lake, each as last delivered; those of held batches do not count."""
    return [
        CodeDecision(
            number=r["decision_no"], feed=r["feed"], field=r["field_name"], local_code=r["local_code"], verdict=r["verdict_code"],
            canonical_code=r["canonical_code"], decided_at=r["decided_at"], valid_from=r["valid_from"], valid_to=r["valid_to"],
            supersedes=r["supersedes"],
        )
        for r in latest_rows(settings, FEED, EqualTo("organisation_code", organisation))
    ]  # fmt: skip


def latest_rows(settings: Settings, feed: str, row_filter: BooleanExpression | None = None) -> list[dict[str, Any]]:
    """Records of a small feed that stand in the lake, each as last delivered, by their keys; without deleted ones and those of held batches."""
    table = lake.table(settings, lake.LAKE, feed, lake.lake_schema(contract(feed)))
    if table.current_snapshot() is None:
        return []
    rows = table.scan(row_filter=row_filter or AlwaysTrue()).to_arrow().to_pylist()
    order = {r["batch_id"]: r["load_no"] or 0 for r in ops.rows(settings.ops_url, ops.batch_state) if r["status"] != "held"}
    latest: dict[str, dict[str, Any]] = {}
    for row in sorted((r for r in rows if r["_batch"] in order), key=lambda r: (r["_delivered_on"], order[r["_batch"]], r["_row"], r["_part"] or 0)):
        latest[row["record_key"]] = row
    return [r for _, r in sorted(latest.items()) if not r["_deleted"]]


def in_force(decisions: Iterable[CodeDecision], on: date) -> dict[tuple[str, str, str], CodeDecision]:
    """The decision that counts on a day by feed, field and local code: of those valid and not superseded, the newest."""
    decisions = list(decisions)
    superseded = {d.supersedes for d in decisions if d.supersedes and d.supersedes != d.number}
    found: dict[tuple[str, str, str], CodeDecision] = {}
    for d in sorted(decisions, key=lambda d: (d.decided_at, d.number)):
        if d.number not in superseded and (d.valid_from or on) <= on <= (d.valid_to or on):
            found[d.feed, d.field, d.local_code] = d
    return found


def decided(mapping: Mapping, decisions: Iterable[CodeDecision], on: date) -> Mapping:
    """The mapping as decisions of people have changed its codes.

    mapped         the local code means the canonical one
    no_equivalent  what the file says about the local code does not hold; the contract judges it as it stands
    withdrawn      the file alone counts again
    """
    feeds = dict(mapping.feeds)
    changed = False
    for (feed, field, local), decision in in_force(decisions, on).items():
        for entry, said in feeds.items():
            if feed_of(entry) != feed or field not in said.columns_with_made(feed):
                continue
            column = said.columns_with_made(feed)[field]
            codes = dict(column.codes)
            if decision.verdict == "mapped" and decision.canonical_code:
                codes[local] = decision.canonical_code
            elif decision.verdict == "no_equivalent":
                codes.pop(local, None)
            if codes != column.codes:
                columns: dict[str, ColumnMapping] = {**said.columns, field: column.model_copy(update={"codes": codes})}
                feeds[entry] = said.model_copy(update={"columns": columns})
                changed = True
    return mapping.model_copy(update={"feeds": feeds}) if changed else mapping
