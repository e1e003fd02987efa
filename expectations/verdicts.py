"""The outcome of a check for one group or table: its row in the operations store, and what is said about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from expectations.library import Check, Suite
from expectations.names import feed_name, field_name, organisation_name
from ingestion import ops


@dataclass(frozen=True)
class GateOutcome:
    """What a checkpoint decided: `examined` checks had something to look at; `ok` is False when publication must stop."""

    checkpoint: str
    examined: int
    failed_critical: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    ok: bool = True


@dataclass(frozen=True)
class Verdict:
    """A check's outcome for one group, or for the table as a whole."""

    suite: Suite
    check: Check
    verdict: str
    examined: int
    failed: int
    observed: float | None
    column: str = ""
    organisation: str | None = None
    feed: str | None = None
    batch_id: str | None = None
    group: str = ""

    @property
    def rule(self) -> str:
        return f"{self.suite.name}.{self.check.rule}"

    @property
    def scope(self) -> str:
        return self.check.scope or self.suite.scope

    @property
    def is_critical_failure(self) -> bool:
        return self.check.severity == "critical" and self.verdict in {"fail", "error"}


def _check_id(v: Verdict) -> str:
    parts = (v.suite.checkpoint, v.rule, v.organisation, v.feed, v.batch_id, v.suite.table or v.suite.subject, v.column, v.group)
    return hashlib.sha256("\x1f".join(p or "" for p in parts).encode()).hexdigest()[:32]


def check_row(v: Verdict, run_id: str) -> dict[str, Any]:
    what = v.check.description_zh + (f"（{v.group}）" if v.group else "")
    return {
        "check_id": _check_id(v),
        "run_id": run_id,
        "checkpoint": v.suite.checkpoint,
        "rule": v.rule,
        "description_zh": what,
        "severity": v.check.severity,
        "scope": v.scope,
        "organisation": v.organisation,
        "feed": v.feed,
        "cancer": v.check.cancer,
        "batch_id": v.batch_id,
        "table_name": v.suite.table or (v.suite.subject if v.suite.source == "warehouse" else v.feed),
        "column_name": v.column or None,
        "examined": v.examined,
        "failed": v.failed,
        "observed": v.observed,
        "verdict": v.verdict,
        "checked_at": ops.now(),
    }


def message(v: Verdict) -> str:
    where = " ".join(p for p in (feed_name(v.feed) or (v.suite.table or v.suite.name_zh), field_name(v.feed, v.column), v.group) if p)
    if v.verdict == "error":
        return f"{organisation_name(v.organisation)} {where}：{v.check.description_zh}；检查未能执行"
    share = f"（{v.failed / v.examined:.1%}）" if v.examined and v.failed <= v.examined else ""
    return f"{organisation_name(v.organisation)} {where}：{v.check.description_zh}；检查 {v.examined} 项，不合格 {v.failed} 项{share}"


def failure(v: Verdict) -> dict[str, Any]:
    return {
        "rule": v.rule,
        "organisation": v.organisation,
        "feed": v.feed,
        "batch_id": v.batch_id,
        "table": v.suite.table or v.suite.subject,
        "column": v.column or None,
        "verdict": v.verdict,
        "examined": v.examined,
        "failed": v.failed,
        "observed": v.observed,
        "message_zh": message(v),
    }
