"""What an organisation reads about a defect: names of states and value classes, what to do, and how long it has."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from ingestion import naming
from ingestion.contracts import contracts
from ingestion.field_qc import reasons
from ingestion.mappings import UnknownOrganisation, load_mapping

HERE = Path(__file__).parent
STATES_ZH = {"open": "待处理", "overdue": "已超期", "closed": "已核销", "withdrawn": "已撤回"}
KINDS_ZH = {"row": "记录被隔离", "value": "取值被置空或更正", "file": "文件拒收", "batch": "批次拦截"}
CLASSES_ZH = {
    "empty": "空", "number": "数值", "date": "日期", "short_text": "短文本", "long_text": "长文本", "text": "文本", "person_number": "疑似个人号码",
    "identifying": "个人信息（不显示）", "row": "整行", "file": "整份文件", "batch": "整批数据",
}  # fmt: skip
NOTHING_TO_DO = "无需处理"


@dataclass(frozen=True)
class Limits:
    """Days to answer by severity, and rows of a workbook's sheet."""

    error: int
    warning: int
    sheet_rows: int


@cache
def limits() -> Limits:
    """The deadlines of `deadlines.yml`."""
    return Limits(**yaml.safe_load((HERE / "deadlines.yml").read_text(encoding="utf-8")))


@cache
def _advice() -> dict[str, str]:
    """What to do about a reason, by code: the catalogue of field QC, and what the readers and gates refuse."""
    with (HERE / "advice.csv").open(encoding="utf-8", newline="") as file:
        own = {row["code"]: row["advice_zh"] for row in csv.DictReader(file)}
    return {**{code: r.advice_zh for code, r in reasons().items()}, **own}


def advice_zh(feed: str, code: str) -> str:
    """What the organisation is asked to do about a reason at a feed; for a contract's own rule, to look at the fields it compares."""
    if found := _advice().get(code):
        return found
    described = contracts().get(feed)
    rule = next((r for r in described.rules if r.name == code), None) if described else None
    if described is None or rule is None:
        return "核对原始记录，更正后重新上报"
    return f"核对{'、'.join(described.field(f).name_zh for f in rule.fields)}，更正后重新上报"


def asks_for_nothing(code: str) -> bool:
    """Whether a reason is told in the books alone, because nobody has to do anything about it."""
    return _advice().get(code) == NOTHING_TO_DO


def field_zh(feed: str, field: str | None) -> str:
    """The field's Chinese name; a whole row has none."""
    return naming.field_zh(feed, field) if field else "（整行）"


def own_column(organisation: str, feed: str, field: str | None) -> str:
    """What the organisation itself calls a field: the column (or columns) its mapping reads it from."""
    if not field:
        return ""
    try:
        mapping = load_mapping(organisation)
    except (UnknownOrganisation, ValueError):
        return ""
    for entry, m in mapping.feeds.items():
        if entry.partition("@")[0] == feed and (column := m.columns.get(field)) and column.constant is None:
            return "、".join(column.columns_read()) or column.source or field
    return ""
