"""The validation report: one Chinese page that a QC clerk can read, print and hand on, with Data Docs behind it."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from expectations import books, data_docs
from expectations.names import feed_name, feed_zh, field_zh, organisation_name, organisation_zh
from infra.settings import Settings
from ingestion import dictionary, ops
from ingestion.returns import counts

HERE = Path(__file__).parent
LOCAL = ZoneInfo("Asia/Shanghai")
SEVERITY_ZH = {"critical": "严重", "warning": "警告", "info": "提示"}
VERDICT_ZH = {"pass": "通过", "fail": "不通过", "not_examined": "未检查", "error": "未能执行"}
MARK = {"pass": "✔", "fail": "✖", "not_examined": "○", "error": "▲"}
SHOWN = 60


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.2%}" if 0 < value < 0.1 else f"{value:.1%}"


def _observed(row: dict[str, Any]) -> str:
    """The compared figure: days of a delivery's delay, a share where failed and examined give it, otherwise the figure itself."""
    if row["checkpoint"] == "delivery":
        return f"{row['observed']:.0f} 天"
    if row["observed"] is None:
        return _percent(row["failed"] / row["examined"]) if row["examined"] and row["failed"] is not None else "—"
    share = row["failed"] / row["examined"] if row["examined"] else None
    return _percent(row["observed"]) if share is not None and abs(share - row["observed"]) < 1e-9 else f"{row['observed']:,.4g}"


def _day(value: date | None) -> str:
    return f"{value.year}年{value.month}月{value.day}日" if value else "—"


def _moment(value: datetime | None) -> str:
    if value is None:
        return "—"
    aware = value if value.tzinfo else value.replace(tzinfo=ZoneInfo("UTC"))
    return f"{aware.astimezone(LOCAL):%Y-%m-%d %H:%M}"


def _seconds(value: float) -> str:
    return f"{value:.0f} 秒" if value < 100 else f"{value / 60:.1f} 分钟"


def _with_code(name: str, code: str | None) -> Markup:
    """A name with its code small behind it."""
    return escape(name) + (Markup(" <small><code>{}</code></small>").format(code) if code and code != name else Markup(""))


def _organisation(code: str | None) -> Markup:
    return _with_code(organisation_zh(code), code)


def _feed(feed: str | None) -> Markup:
    return _with_code(feed_zh(feed), feed)


def _field(feed: str | None, column: str | None) -> Markup:
    return _with_code(field_zh(feed, column), column)


def _reason(batch: dict[str, Any]) -> str:
    """Why a batch is held, without the organisation and feed that stand beside it."""
    return str(batch["reason_zh"]).replace(f"{organisation_name(batch['organisation'])} {feed_name(batch['feed'])}：", "")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        n=_number,
        pct=_percent,
        observed=_observed,
        day=_day,
        moment=_moment,
        seconds=_seconds,
        org=_organisation,
        feed=_feed,
        reason=_reason,
    )
    environment.globals.update(field=_field, severity_zh=SEVERITY_ZH, verdict_zh=VERDICT_ZH, mark=MARK, shown=SHOWN)
    return environment


def overall(held: list[dict[str, Any]], results: list[dict[str, Any]], published: bool) -> dict[str, str]:
    """The verdict at the head of the page: kind (stop, held, warn, ok), words, and what it means for the reader."""
    failed = [r for r in results if r["verdict"] in {"fail", "error"}]
    stops = [r for r in failed if r["severity"] == "critical" and r["scope"] == "province"]
    warned = sum(r["severity"] == "warning" and r["checkpoint"] != "field_qc" for r in failed)
    if stops:
        words = f"未通过：{len(stops)} 项全省严重检查不合格，本次不发布"
        return {"kind": "stop", "mark": "✖", "words": words, "meaning": "看板和分析继续使用上一个已发布版本，直到问题解决。"}
    state = "本次已发布新版本。" if published else "本次没有发布新版本。"
    if held:
        meaning = f"{state}被拦截批次的数据不进入统计，相应机构沿用其上一批合格数据；其余数据可以使用。"
        return {"kind": "held", "mark": "▲", "words": f"部分通过：{len(held)} 个批次被拦截", "meaning": meaning}
    if warned:
        return {"kind": "warn", "mark": "✔", "words": f"通过，有 {warned} 项警告", "meaning": f"{state}数据可以使用，警告项请与机构核实。"}
    return {"kind": "ok", "mark": "✔", "words": "通过", "meaning": f"{state}数据可以使用。"}


def context(settings: Settings, run_id: str) -> dict[str, Any]:
    """Everything the page shows."""
    ledger = ops.rows(settings.ops_url, ops.file_ledger)
    batches = ops.rows(settings.ops_url, ops.batch_state)
    results = ops.rows(settings.ops_url, ops.check_result)
    held = sorted((b for b in batches if b["status"] == "held"), key=lambda b: (b["organisation"], b["delivered_on"], b["feed"]))
    publication = books.current_publication(settings)
    published = bool(publication and publication["run_id"] == run_id)
    by_feed = books.feed_books(ledger, by_organisation=False)
    return {
        "run_id": run_id,
        "synthetic": settings.synthetic,
        "data_date": books.data_date(settings, run_id),
        "made_at": ops.now(),
        "publication": publication,
        "overall": overall(held, results, published),
        "held": held,
        "by_hand": [b for b in batches if b["rule"] == "released_by_hand"],
        "states": {s: sum(b["status"] == s for b in batches) for s in ("released", "held", "loaded")},
        "stops": [r for r in results if r["verdict"] in {"fail", "error"} and r["severity"] == "critical" and r["scope"] == "province"],
        "feeds": by_feed,
        "total": books.total(by_feed),
        "organisation_feeds": books.feed_books(ledger, by_organisation=True),
        "rejected": [f for f in ledger if f["status"] == "rejected"],
        "repeated": [f for f in ledger if f["status"] == "duplicate"],
        "quarantine": (quarantine := books.quarantine(settings)),
        "reasons": books.by_reason(quarantine),
        "missing": books.missing_deliveries(results),
        "defects": [{**d, "file": _beside(settings, d["file"])} for d in counts.by_organisation(settings)],
        "dictionary": _beside(settings, f"docs/{dictionary.PAGE}"),
        "checkpoints": books.checkpoint_books(results, settings),
        "runs": books.runs(settings),
    }


def _beside(settings: Settings, place: str | None) -> str | None:
    """The way from the report to a file under LAKEHOUSE_HOME, None where it is not there."""
    return f"../{place}" if place and (settings.home / place).exists() else None


def write_report(settings: Settings, run_id: str) -> Path:
    """Write `reports/index.html` in one step and return its path; links to Data Docs stay inside the reports folder."""
    page = _environment().get_template("report.html.j2").render(context(settings, run_id))
    path = settings.reports / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(data_docs.without_addresses(page), encoding="utf-8")
    os.replace(unfinished, path)
    return path
