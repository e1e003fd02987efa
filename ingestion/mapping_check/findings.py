"""What a check says: findings in Chinese, by weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

Weight = Literal["problem", "suspicious", "note"]
WEIGHTS: dict[str, str] = {"problem": "问题", "suspicious": "可疑", "note": "提示"}


@dataclass(frozen=True)
class Finding:
    """One thing that is missing, unmapped or suspicious.

    weight  problem: rejects the file or quarantines rows; suspicious: a person must look; note: good to know
    kind    what it is about, as a Chinese heading
    """

    weight: Weight
    kind: str
    text: str


@dataclass
class TableReport:
    """What was found about one table: an entry of the mapping's feeds and a file."""

    entry: str
    feed_zh: str
    file: str
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    reasons: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Field, its Chinese name, reason, records."""

    def add(self, weight: Weight, kind: str, text: str) -> None:
        self.findings.append(Finding(weight, kind, text))


@dataclass
class Report:
    """The report of an organisation's mapping."""

    organisation: str
    name_zh: str
    tables: list[TableReport] = field(default_factory=list)
    general: list[Finding] = field(default_factory=list)

    @property
    def has_problems(self) -> bool:
        return any(f.weight == "problem" for f in (*self.general, *(f for t in self.tables for f in t.findings)))


def as_markdown(report: Report) -> str:
    """The report as Markdown, which is also what the terminal shows."""
    out = [f"# 映射检查：{report.organisation} {report.name_zh}", ""]
    out += [f"- **{WEIGHTS[f.weight]}**（{f.kind}）{f.text}" for f in report.general] + [""]
    for table in report.tables:
        out += [f"## {table.entry}（{table.feed_zh}）：{table.file}", ""]
        if table.counts:
            out += ["，".join(f"{label} {n}" for label, n in table.counts.items()) + "。", ""]
        if table.reasons:
            out += ["| 字段 | 中文名 | 质控结果 | 记录数 |", "| --- | --- | --- | ---: |"]
            out += [f"| {f} | {zh} | {reason} | {n} |" for f, zh, reason, n in table.reasons] + [""]
        for weight, label in WEIGHTS.items():
            found = [f for f in table.findings if f.weight == weight]
            if found:
                out += [f"**{label}**", ""] + [f"- {f.kind}：{f.text}" for f in found] + [""]
        if not table.findings:
            out += ["没有发现问题。", ""]
    out.append("结论：存在会导致拒收或隔离的问题，请修改映射文件或请机构更正。" if report.has_problems else "结论：没有会导致拒收或隔离的问题。")
    return "\n".join(out) + "\n"


def as_html(report: Report) -> str:
    """The report as one HTML page without outside parts."""

    def item(f: Finding) -> str:
        return f"<li><b>{WEIGHTS[f.weight]}</b> {escape(f.kind)}：{escape(f.text)}</li>"

    parts = [f"<h1>映射检查：{escape(report.organisation)} {escape(report.name_zh)}</h1>"]
    parts += ["<ul>", *map(item, report.general), "</ul>"] if report.general else []
    for table in report.tables:
        parts.append(f"<h2>{escape(table.entry)}（{escape(table.feed_zh)}）：{escape(table.file)}</h2>")
        parts.append(f"<p>{escape('，'.join(f'{label} {n}' for label, n in table.counts.items()))}</p>")
        if table.reasons:
            rows = "".join(f"<tr>{''.join(f'<td>{escape(str(c))}</td>' for c in row)}</tr>" for row in table.reasons)
            parts.append(f"<table><tr><th>字段</th><th>中文名</th><th>质控结果</th><th>记录数</th></tr>{rows}</table>")
        found = sorted(table.findings, key=lambda f: list(WEIGHTS).index(f.weight))
        parts += ["<ul>", *map(item, found), "</ul>"] if found else ["<p>没有发现问题。</p>"]
    style = "body{font-family:sans-serif;max-width:60em;margin:2em auto}td,th{border:1px solid #ccc;padding:.2em .6em}table{border-collapse:collapse}"
    return f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>映射检查</title><style>{style}</style><body>{"".join(parts)}</body></html>\n'
