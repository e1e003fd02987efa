"""The dictionary as a workbook: forms, fields, rules, code lists, reasons, organisations' columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from ingestion.dictionary import content as told
from ingestion.dictionary.content import Content

HEAD = PatternFill("solid", fgColor="FFE8EDF3")
MADE = datetime(2026, 1, 1)  # a workbook of the same contracts says the same, whenever it is written


def write(content: Content, path: Path) -> None:
    """Write the workbook."""
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = MADE
    for name, columns, rows in (
        (
            "数据表",
            (("来源", 26), ("数据表", 26), ("代码", 28), ("版本", 8), ("用途（英文）", 60), ("每行是", 60), ("个人识别方式", 24)),
            _forms(content),
        ),
        ("字段", FIELDS, _fields(content)),
        ("跨字段规则", (("数据表", 26), ("规则", 34), ("说明", 60), ("涉及字段", 40), ("不合格时", 20)), _rules(content)),
        ("代码表", (("代码表", 30), ("名称", 28), ("依据", 34), ("代码", 14), ("含义", 36), ("英文", 40)), _codes(content)),
        ("质控原因", (("代码", 24), ("原因", 40), ("处置", 24), ("怎么办", 44)), _reasons(content)),
        ("各机构列名", (("机构", 12), ("名称", 34), ("数据表", 26), ("文件夹", 26), ("字段", 26), ("代码", 28), ("机构列名", 30)), _columns(content)),
    ):
        _sheet(book, name, columns, rows)
    book.save(path)


FIELDS = (
    ("数据表", 24), ("表代码", 26), ("序", 5), ("字段", 26), ("代码", 28), ("英文含义", 60), ("类型", 14), ("单位", 12), ("代码表", 28),
    ("取值范围", 34),    ("必填", 6), ("主键", 6), ("不合格时", 20), ("敏感级别", 28), ("原表位置", 14), ("契约版本", 10), ("应答数", 10),
)  # fmt: skip


def _sheet(book: Workbook, name: str, columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[Any]]) -> None:
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    for place, (_, width) in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    heads = []
    for label, _ in columns:
        cell = WriteOnlyCell(sheet, value=label)
        cell.font, cell.fill = Font(bold=True), HEAD
        heads.append(cell)
    sheet.append(heads)
    count = 1
    for count, row in enumerate(rows, 2):  # noqa: B007
        sheet.append(row)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count}"


def _forms(content: Content) -> Iterator[Sequence[Any]]:
    for form in content.forms:
        c = form.contract
        families = "、".join(told.FAMILIES_ZH.get(f, f) for f in c.source_families)
        yield families, c.name_zh, c.feed, c.version, c.purpose, c.grain, told.SUBJECTS_ZH[c.subject]


def _fields(content: Content) -> Iterator[Sequence[Any]]:
    for form in content.forms:
        c = form.contract
        for place, f in enumerate(c.fields, 1):
            yield (
                c.name_zh, c.feed, place, f.name_zh, f.name, f.description, told.type_zh(f), f.unit, f.code_list, told.range_zh(f),
                "是" if f.required else "", "是" if f.primary_key else "", told.SEVERITIES_ZH[f.severity], told.CLASSES_ZH[f.classification],
                f.source_code, c.version, form.answers.get(f.name) if form.answers else None,
            )  # fmt: skip


def _rules(content: Content) -> Iterator[Sequence[Any]]:
    for form in content.forms:
        c = form.contract
        for rule in c.rules:
            yield c.name_zh, rule.name, rule.description_zh, told.rule_fields_zh(c, rule), told.SEVERITIES_ZH[rule.severity]


def _codes(content: Content) -> Iterator[Sequence[Any]]:
    for listed in content.lists.values():
        for code in listed:
            yield code.list, code.list_zh, code.standard, code.code, code.name_zh, code.name_en


def _reasons(content: Content) -> Iterator[Sequence[Any]]:
    for reason in content.reasons.values():
        yield reason.code, reason.name_zh, told.OUTCOMES_ZH.get(reason.outcome, reason.outcome), reason.advice_zh


def _columns(content: Content) -> Iterator[Sequence[Any]]:
    for form in content.forms:
        for source in form.sources:
            for name, column in source.columns.items():
                field_zh = form.contract.field(name).name_zh
                yield source.organisation, source.name_zh, form.contract.name_zh, source.folder, field_zh, name, column
