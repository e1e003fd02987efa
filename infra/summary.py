"""What a run came to: `run_summary.json` and the closing lines on the terminal, both read from the stores, not from memory of the run."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra import publication
from infra.settings import Settings
from ingestion import lake, ops
from ingestion.returns import counts

SHOWN_FAILURES = 10
SHOWN_MISSING = 10
CHECKPOINTS = ("field_qc", "text", "codes", "lake", "dbt", "features", "marts", "delivery")


@dataclass(frozen=True)
class Failure:
    """A task that failed: its DAG, its task and, for a mapped task, what it was about."""

    dag: str
    task: str
    about: str | None = None
    message: str | None = None

    @property
    def organisation(self) -> str | None:
        return self.about if self.task == "load" else None


@dataclass
class Outcome:
    """What the driver saw: whether anything was new, and the tasks that failed."""

    run_id: str
    as_of: date | None = None
    nothing_new: bool = False
    published: bool = False
    failures: list[Failure] = field(default_factory=list)
    scale: int | None = None
    seed: int | None = None
    seconds: float = 0.0
    peak_memory_mb: int = 0

    @property
    def failed_organisations(self) -> list[str]:
        return sorted({f.organisation for f in self.failures if f.organisation})


def _reasons(settings: Settings) -> dict[str, dict[str, int]]:
    """Quarantined fields per feed and reason code, from the lake."""
    table = lake.table(settings, lake.LAKE, "quarantine", lake.SUPPORT["quarantine"])
    found = table.scan(selected_fields=("feed", "reason_code")).to_arrow()
    counted = found.group_by(["feed", "reason_code"]).aggregate([([], "count_all")]) if found.num_rows else pa.table({})
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    for row in sorted(counted.to_pylist(), key=lambda r: (r["feed"], r["reason_code"])):
        reasons[row["feed"]][row["reason_code"]] = row["count_all"]
    return reasons


def feeds(settings: Settings) -> dict[str, dict[str, Any]]:
    """Per feed: files, rows_read, rows_accepted, rows_quarantined and quarantine reasons, of everything in the ledger."""
    reasons, books = _reasons(settings), {}
    for row in sorted(ops.rows(settings.ops_url, ops.file_ledger), key=lambda r: r["feed"]):
        book = books.setdefault(
            row["feed"], {"files": 0, "duplicate_files": 0, "rejected_files": 0, "rows_read": 0, "rows_accepted": 0, "rows_quarantined": 0}
        )
        book["files"] += 1
        if row["status"] in ("duplicate", "rejected"):
            book[f"{row['status']}_files"] += 1
        if row["status"] != "duplicate":
            for count in ("rows_read", "rows_accepted", "rows_quarantined"):
                book[count] += row[count]
    return {feed: {**book, "reasons": reasons.get(feed, {})} for feed, book in books.items()}


def gates(settings: Settings) -> list[dict[str, Any]]:
    """Per checkpoint: checks by verdict, the rules that failed, and whether the province passes."""
    found = ops.rows(settings.ops_url, ops.check_result)
    summary = []
    for checkpoint in CHECKPOINTS:
        checks = [c for c in found if c["checkpoint"] == checkpoint]
        if not checks:
            continue
        failed = [c for c in checks if c["verdict"] in ("fail", "error")]
        stopping = [c for c in failed if c["severity"] == "critical" and c["scope"] == "province"]
        summary.append(
            {
                "checkpoint": checkpoint,
                "ok": not stopping,
                "checks": len(checks),
                "passed": sum(c["verdict"] == "pass" for c in checks),
                "not_examined": sum(c["verdict"] == "not_examined" for c in checks),
                "failed": {s: sum(c["severity"] == s for c in failed) for s in ("critical", "warning", "info")},
                "stopped_by": sorted({c["rule"] for c in stopping}),
            }
        )
    return summary


def held(settings: Settings) -> list[dict[str, Any]]:
    """Batches that a gate holds back, with the rule and its reason."""
    rows = ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "held")
    wanted = ("organisation", "feed", "batch_id", "delivered_on", "rule", "reason_zh")
    return sorted(({k: r[k] for k in wanted} for r in rows), key=lambda r: (r["organisation"], r["feed"], str(r["delivered_on"])))


def deliveries(settings: Settings) -> dict[str, Any]:
    """Expected deliveries: how many were due and in time, and each that is late or missing, as the last check said it."""
    found = ops.rows(settings.ops_url, ops.check_result, ops.check_result.c.checkpoint == "delivery")
    failed = sorted((c for c in found if c["verdict"] == "fail"), key=lambda c: (c["organisation"], c["feed"], -c["observed"]))

    def told(severity: str) -> list[dict[str, Any]]:
        return [
            {"organisation": c["organisation"], "feed": c["feed"], "days_late": int(c["observed"]), "description_zh": c["description_zh"]}
            for c in failed
            if c["severity"] == severity
        ]

    return {"due": len(found), "in_time": len(found) - len(failed), "late": told("info"), "missing": told("warning")}


def steps(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    """Steps of a run in the order they began."""
    rows = sorted(ops.rows(settings.ops_url, ops.run_step, ops.run_step.c.run_id == run_id), key=lambda r: r["position"])
    return [{"name": r["step"], "seconds": r["seconds"], "rows": r["rows"], "state": r["state"]} for r in rows]


def collect(settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """Everything `run_summary.json` says."""
    version = publication.current(settings)
    return {
        "run_id": outcome.run_id,
        "profile": settings.profile,
        "as_of_date": outcome.as_of or (version["as_of_date"] if version else None),
        "scale": outcome.scale,
        "seed": outcome.seed,
        "nothing_new": outcome.nothing_new,
        "published": outcome.published,
        "published_version": version["version"] if version else None,
        "published_rows": version["rows"] if version else None,
        "seconds": round(outcome.seconds, 1),
        "peak_memory_mb": outcome.peak_memory_mb,
        "steps": steps(settings, outcome.run_id),
        "feeds": feeds(settings),
        "gates": gates(settings),
        "deliveries": deliveries(settings),
        "defects": counts.by_organisation(settings),
        "held": held(settings),
        "failed_organisations": outcome.failed_organisations,
        "failed_tasks": [{"dag": f.dag, "task": f.task, "about": f.about, "message": f.message} for f in outcome.failures],
    }


def write(settings: Settings, summary: dict[str, Any]) -> Path:
    """Write `run_summary.json` in one step."""
    path = settings.run_summary
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(summary, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
    return path


def _feed_table(books: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("feed")
    for title in ("files", "read", "accepted", "quarantined"):
        table.add_column(title, justify="right")
    table.add_column("most frequent reasons")
    for feed, book in books.items():
        often = sorted(book["reasons"].items(), key=lambda r: -r[1])[:3]
        table.add_row(
            feed,
            f"{book['files']:,}",
            *(f"{book[c]:,}" for c in ("rows_read", "rows_accepted", "rows_quarantined")),
            ", ".join(f"{reason} {count:,}" for reason, count in often),
        )
    return table


def _gate_lines(console: Console, found: list[dict[str, Any]]) -> None:
    for gate in found:
        failed = ", ".join(f"{count} {severity}" for severity, count in gate["failed"].items() if count)
        verdict = "[green]passed[/]" if gate["ok"] else f"[red]stops publication[/]: {escape(', '.join(gate['stopped_by']))}"
        told = f"{gate['checks']} checks, {gate['passed']} passed, {gate['not_examined']} had nothing to examine"
        console.print(f"  {gate['checkpoint']:<9} {verdict}  ({told}{', failed: ' + failed if failed else ''})")


def _delivery_lines(console: Console, found: dict[str, Any]) -> None:
    missing = defaultdict(list)
    for delivery in found["missing"]:
        missing[delivery["organisation"]].append(delivery)
    told = f"{found['due']} due, {found['in_time']} in time, {len(found['late'])} late, "
    console.print(f"  {told}[{'yellow' if missing else 'green'}]{len(found['missing'])} missing[/]")
    for organisation, late in list(missing.items())[:SHOWN_MISSING]:
        feeds = ", ".join(sorted({d["feed"] for d in late}))
        console.print(f"  [yellow]missing[/] {organisation}: {escape(feeds)}, up to {max(d['days_late'] for d in late)} days")
    if (more := len(missing) - SHOWN_MISSING) > 0:
        console.print(f"  [yellow]missing[/] of {more} more organisations, all in the summary")


def _defect_lines(console: Console, found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("  organisation")
    for title in ("open", "overdue", "closed", "withdrawn"):
        table.add_column(title, justify="right")
    for row in found:
        table.add_row(f"  {row['organisation']}", *(f"{row[c]:,}" for c in ("open", "overdue", "closed", "withdrawn")))
    console.print(table)


def show(console: Console, settings: Settings, summary: dict[str, Any], log_file: Path, reason: str) -> None:
    """Close the run on the terminal: what was built, why the exit code is not 0, and last what is held."""
    console.print()
    console.print(_feed_table(summary["feeds"]))
    console.print("\n[bold]Gates[/]")
    _gate_lines(console, [g for g in summary["gates"] if g["checkpoint"] != "delivery"])
    if summary["deliveries"]["due"]:
        console.print("\n[bold]Expected deliveries[/]")
        _delivery_lines(console, summary["deliveries"])
    if summary["defects"]:
        console.print("\n[bold]Defects returned[/]")
        _defect_lines(console, summary["defects"])
    console.print()
    version, as_of = summary["published_version"], summary["as_of_date"]
    if version and (summary["published"] or summary["nothing_new"]):
        told = "nothing new: still" if summary["nothing_new"] else "published"
        console.print(f"[bold green]{told} version {version}[/] as of {as_of}, {summary['published_rows']:,} rows, ", end="")
    else:
        kept = f"version {version} stays" if version else "there is no published version"
        console.print(f"[bold red]not published[/]; {kept}; ", end="")
    console.print(f"{summary['seconds']:.0f} s, peak memory {summary['peak_memory_mb']:,} MB")
    for label, path in (
        ("tables", settings.serving),
        ("report", settings.reports / "index.html"),
        ("returns", settings.home / "returns"),
        ("summary", settings.run_summary),
        ("log", log_file),
    ):
        console.print(f"  {label:<8} {escape(str(path))}")
    for failure in summary["failed_tasks"][:SHOWN_FAILURES]:
        about = f" {failure['about']}" if failure["about"] else ""
        console.print(f"[red]failed[/] {failure['dag']} {failure['task']}{escape(about)}: {escape(failure['message'] or 'see the log')}")
    if (more := len(summary["failed_tasks"]) - SHOWN_FAILURES) > 0:
        console.print(f"[red]failed[/] and {more} more, all in the summary")
    if reason:
        console.print(f"[bold red]{escape(reason)}[/]")
    if summary["held"]:
        console.print(f"[yellow]held: {len(summary['held'])} batches keep the last good data of their organisations[/]")
        for batch in summary["held"]:
            console.print(f"  {batch['organisation']} {batch['feed']} of {batch['delivered_on']}: {escape(batch['rule'] or '')}")
