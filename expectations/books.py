"""What the report says, gathered from the operations store and the lake's quarantine: counts, verdicts and reasons, never a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from expectations.lake_view import open_lake
from infra.settings import Settings
from ingestion import ops
from ingestion.contracts import contracts
from ingestion.field_qc import reasons

CHECKPOINTS = {
    "lake": "数据湖关口（按机构）",
    "dbt": "模型测试",
    "features": "特征表关口（全省）",
    "marts": "主题表关口（全省）",
    "delivery": "应交数据（按机构）",
    "text": "文本结构化（按机构和报告种类）",
    "codes": "文本编码（按机构和字段）",
    "field_qc": "字段质控（入库前）",
}
SEVERITIES = ("critical", "warning", "info")
QUARANTINE = """
select _organisation as organisation, feed, field, reason_code, any_value(reason_zh) as reason_zh,
    count(*) as findings, count(distinct (_batch, _file, _row)) filter (where _row is not null) as rows, count(distinct _batch) as batches
from lake.quarantine
where _row is not null
group by all
order by organisation, findings desc, feed, field, reason_code
"""


@dataclass(frozen=True)
class FeedBook:
    """Files and rows of a feed, or of one organisation's feed; repeated files are counted as files, their rows not again."""

    feed: str
    organisation: str | None
    files: int
    rejected: int
    repeated: int
    read: int
    accepted: int
    quarantined: int

    @property
    def balanced(self) -> bool:
        return self.read == self.accepted + self.quarantined

    @property
    def share(self) -> float | None:
        return self.quarantined / self.read if self.read else None


@dataclass(frozen=True)
class CheckpointBook:
    """Results of one checkpoint: counts by severity and verdict, what failed, what found nothing to examine, and what passed by rule."""

    checkpoint: str
    name_zh: str
    counts: dict[str, dict[str, int]]
    failed: list[dict[str, Any]]
    not_examined: list[dict[str, Any]]
    passed: list[dict[str, Any]]
    has_docs: bool

    def all(self, verdict: str) -> int:
        """Checks with a verdict, of every severity."""
        return sum(n[verdict] for n in self.counts.values())

    @property
    def total(self) -> int:
        return sum(sum(n.values()) for n in self.counts.values())


@dataclass(frozen=True)
class RunBook:
    """One run of the past: how long it took, how it ended and what it published."""

    run_id: str
    seconds: float
    steps: int
    state: str
    version: str | None
    published_at: datetime | None


def feed_books(ledger: Iterable[dict[str, Any]], *, by_organisation: bool) -> list[FeedBook]:
    """The ledger added up by feed, or by organisation and feed."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in ledger:
        groups[row["organisation"] if by_organisation else "", row["feed"]].append(row)
    order = {feed: n for n, feed in enumerate(contracts())}
    made = []
    for (organisation, feed), rows in sorted(groups.items(), key=lambda g: (g[0][0], order.get(g[0][1], 99), g[0][1])):
        counted = [r for r in rows if r["status"] != "duplicate"]
        made.append(
            FeedBook(
                feed=feed,
                organisation=organisation or None,
                files=len(rows),
                rejected=sum(r["status"] == "rejected" for r in rows),
                repeated=sum(r["status"] == "duplicate" for r in rows),
                read=sum(r["rows_read"] for r in counted),
                accepted=sum(r["rows_accepted"] for r in counted),
                quarantined=sum(r["rows_quarantined"] for r in counted),
            )
        )
    return made


def total(books: Sequence[FeedBook]) -> FeedBook:
    """The sum of books."""
    names = ("files", "rejected", "repeated", "read", "accepted", "quarantined")
    return FeedBook("", None, *(sum(getattr(b, n) for b in books) for n in names))


def _failed_order(row: dict[str, Any]) -> tuple[Any, ...]:
    return (SEVERITIES.index(row["severity"]), row["rule"], row["organisation"] or "", row["feed"] or "", -(row["failed"] or 0))


def _most_failed(row: dict[str, Any]) -> tuple[Any, ...]:
    return (-(row["failed"] or 0), *_failed_order(row)[:-1])


def checkpoint_books(results: Sequence[dict[str, Any]], settings: Settings) -> list[CheckpointBook]:
    """The check results by checkpoint, gates first; field QC's findings are added up over batches."""
    made = []
    for checkpoint, name_zh in CHECKPOINTS.items():
        rows = [r for r in results if r["checkpoint"] == checkpoint]
        order = _failed_order
        if checkpoint == "field_qc":
            rows, order = _added_up(rows), _most_failed
        counts = {s: dict.fromkeys(("pass", "fail", "not_examined", "error"), 0) for s in SEVERITIES}
        passed: dict[str, dict[str, Any]] = {}
        for r in rows:
            counts[r["severity"]][r["verdict"]] += 1
            if r["verdict"] == "pass":
                one = passed.setdefault(r["rule"], {**r, "groups": 0, "examined": 0})
                one["groups"] += 1
                one["examined"] += r["examined"] or 0
        made.append(
            CheckpointBook(
                checkpoint=checkpoint,
                name_zh=name_zh,
                counts=counts,
                failed=sorted((r for r in rows if r["verdict"] in {"fail", "error"}), key=order),
                not_examined=_by_rule(r for r in rows if r["verdict"] == "not_examined"),
                passed=sorted(passed.values(), key=lambda r: (SEVERITIES.index(r["severity"]), r["rule"])),
                has_docs=(settings.reports / "data_docs" / checkpoint / "index.html").exists(),
            )
        )
    return made


def _added_up(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    worst = ("pass", "not_examined", "error", "fail")
    for r in rows:
        key = (r["rule"], r["organisation"], r["feed"], r["column_name"], r["severity"])
        if key not in groups:
            groups[key] = {**r, "examined": 0, "failed": 0}
        one = groups[key]
        one["examined"] += r["examined"] or 0
        one["failed"] += r["failed"] or 0
        one["verdict"] = max(one["verdict"], r["verdict"], key=worst.index)
    return list(groups.values())


def _by_rule(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for r in rows:
        one = groups.setdefault(r["rule"], {**r, "groups": 0})
        one["groups"] += 1
    return sorted(groups.values(), key=lambda r: r["rule"])


@dataclass(frozen=True)
class MissingBook:
    """An organisation's missing deliveries of one feed: how many, the longest delay, and what the checks say."""

    organisation: str
    feed: str
    count: int
    days_late: int
    descriptions: tuple[str, ...]


def missing_deliveries(results: Sequence[dict[str, Any]]) -> list[MissingBook]:
    """Deliveries that are missing now, by organisation and feed, longest delay first within an organisation."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for r in results:
        if r["checkpoint"] == "delivery" and r["verdict"] == "fail" and r["severity"] == "warning":
            groups[r["organisation"], r["feed"]].append(r)
    made = []
    for (organisation, feed), rows in groups.items():
        rows.sort(key=lambda r: -r["observed"])
        made.append(MissingBook(organisation, feed, len(rows), int(rows[0]["observed"]), tuple(r["description_zh"] for r in rows)))
    return sorted(made, key=lambda b: (b.organisation, -b.days_late, b.feed))


def quarantine(settings: Settings) -> list[dict[str, Any]]:
    """Quarantined findings by organisation, feed, field and reason, with what the organisation can do about it."""
    with open_lake(settings, only={"quarantine"}) as connection:
        found = connection.execute(QUARANTINE)
        names = [c[0] for c in found.description]
        rows = [dict(zip(names, r, strict=True)) for r in found.fetchall()]
    known = reasons()
    return [{**r, "advice_zh": known[r["reason_code"]].advice_zh if r["reason_code"] in known else "核对原始记录"} for r in rows]


def by_reason(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings added up by reason, most frequent first."""
    groups: dict[str, dict[str, Any]] = {}
    for q in found:
        one = groups.setdefault(q["reason_code"], {**q, "findings": 0, "organisations": set()})
        one["findings"] += q["findings"]
        one["organisations"].add(q["organisation"])
    return sorted(groups.values(), key=lambda q: (-q["findings"], q["reason_code"]))


def runs(settings: Settings, last: int = 10) -> list[RunBook]:
    """The last runs, newest first; a run's id begins with its start."""
    published = {p["run_id"]: p for p in ops.rows(settings.ops_url, ops.publication)}
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for step in ops.rows(settings.ops_url, ops.run_step):
        groups[step["run_id"]].append(step)
    made = []
    for run_id in sorted(groups, reverse=True)[:last]:
        steps, done = groups[run_id], published.get(run_id)
        bad = sorted((s for s in steps if s["state"] in {"failed", "stopped"}), key=lambda s: s["position"])
        state = f"{bad[0]['step']}：{'关口拦停' if bad[0]['state'] == 'stopped' else '失败'}" if bad else "完成"
        made.append(
            RunBook(
                run_id=run_id,
                seconds=sum(s["seconds"] for s in steps),
                steps=len(steps),
                state=state,
                version=done["version"] if done else None,
                published_at=done["published_at"] if done else None,
            )
        )
    return made


def current_publication(settings: Settings) -> dict[str, Any] | None:
    """The newest published version."""
    found = ops.rows(settings.ops_url, ops.publication)
    return max(found, key=lambda p: p["published_at"]) if found else None


def data_date(settings: Settings, run_id: str) -> date | None:
    """The day the figures stand for: AS_OF, this run's publication, or the latest delivery."""
    if settings.as_of:
        return settings.as_of
    published = [p for p in ops.rows(settings.ops_url, ops.publication) if p["run_id"] == run_id]
    if published:
        return published[0]["as_of_date"]
    return max((b["delivered_on"] for b in ops.rows(settings.ops_url, ops.batch_state)), default=None)
