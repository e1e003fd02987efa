"""Expected deliveries held against the ledger: one check result each, so that a missing or late one has a name. Collection never waits for it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, insert

from infra.settings import Settings
from ingestion import ops
from ingestion.deliveries.expected import EVERY_ZH, Due, due
from ingestion.mappings import Mapping, all_mappings, feed_of
from ingestion.naming import feed_zh

CHECKPOINT, RULE = "delivery", "expected_delivery"


@dataclass(frozen=True)
class DueDelivery:
    """A due delivery of an organisation's feed; `rejected_on` is the last day on which files came that were refused as a whole."""

    organisation: str
    name_zh: str
    feed: str
    every: str
    due: Due
    rejected_on: date | None = None


def due_deliveries(settings: Settings, as_of: date, organisation: str | None = None) -> list[DueDelivery]:
    """Every delivery due by the business date, of all organisations or of one.

    A file that was loaded counts, also one that repeats an earlier file and one whose batch is held: it came. One that was refused whole does not.
    """
    came: dict[tuple[str, str], set[date]] = defaultdict(set)
    refused: dict[tuple[str, str], set[date]] = defaultdict(set)
    for row in ops.rows(settings.ops_url, ops.file_ledger):
        place = refused if row["status"] == "rejected" else came
        place[row["organisation"], row["feed"]].add(row["delivered_on"])
    wanted = (m for m in all_mappings() if organisation in (None, m.organisation))
    return [d for mapping in wanted for d in _of_organisation(mapping, as_of, came, refused)]


def _of_organisation(
    mapping: Mapping, as_of: date, came: dict[tuple[str, str], set[date]], refused: dict[tuple[str, str], set[date]]
) -> Iterator[DueDelivery]:
    for entry, m in mapping.feeds.items():
        if m.expect is None or m.expect.start > as_of:
            continue
        feed = feed_of(entry)
        dates = came[mapping.organisation, entry] | came[mapping.organisation, feed]
        rejected = refused[mapping.organisation, entry] | refused[mapping.organisation, m.folder or feed]
        for found in due(m.expect.every, m.expect.grace_days, m.expect.start, as_of, dates):
            bad = max((d for d in rejected if found.period.first <= d <= as_of), default=None) if found.delivered_on is None else None
            yield DueDelivery(mapping.organisation, mapping.name_zh, feed, m.expect.every, found, bad)


def described(d: DueDelivery) -> str:
    """What the check result says, in Chinese: who, what, which period, how late."""
    what = f"{d.name_zh}（{d.organisation}）“{feed_zh(d.feed)}”{EVERY_ZH[d.every]}上报，{d.due.period.name}应于{d.due.deadline}前交付"
    match d.due.state:
        case "missing":
            refused = f"；{d.rejected_on}曾收到文件但整份拒收" if d.rejected_on else ""
            return f"{what}，至今未收到，已逾期{d.due.days_late}天{refused}"
        case "late":
            return f"{what}，{d.due.delivered_on}收到，迟交{d.due.days_late}天"
    return f"{what}，{d.due.delivered_on}收到，按时"


def _row(d: DueDelivery, run_id: str) -> dict[str, Any]:
    failed = d.due.state != "in_time"
    key = "\x1f".join((CHECKPOINT, RULE, d.organisation, d.feed, d.every, d.due.period.first.isoformat()))
    return {
        "check_id": hashlib.sha256(key.encode()).hexdigest()[:32], "run_id": run_id, "checkpoint": CHECKPOINT, "rule": RULE,
        "description_zh": described(d), "severity": "warning" if d.due.state == "missing" else "info", "scope": "organisation",
        "organisation": d.organisation, "feed": d.feed, "cancer": None, "batch_id": None, "table_name": d.feed, "column_name": None,
        "examined": 1, "failed": int(failed), "observed": float(d.due.days_late), "verdict": "fail" if failed else "pass", "checked_at": ops.now(),
    }  # fmt: skip


def check(settings: Settings, as_of: date, run_id: str) -> dict[str, int]:
    """Write a check result for every due delivery, in place of those of the last check. Returns how many were due, late and missing.

    Severity is warning where a delivery is missing and info where it came late; `observed` is the days of delay. A feed without an
    expectation has no row.
    """
    found = due_deliveries(settings, as_of)
    rows = {r["check_id"]: r for r in (_row(d, run_id) for d in found)}
    with ops.transaction(settings.ops_url) as connection:
        connection.execute(delete(ops.check_result).where(ops.check_result.c.checkpoint == CHECKPOINT))
        if rows:
            connection.execute(insert(ops.check_result), list(rows.values()))
    return {"due": len(rows), "late": sum(d.due.state == "late" for d in found), "missing": sum(d.due.state == "missing" for d in found)}
