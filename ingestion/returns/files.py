"""The files an organisation gets: a workbook for people and a CSV with every defect.

`$LAKEHOUSE_HOME/returns/<organisation>/<date>.xlsx` and `.csv`. No value of a record stands there: file, row and field say where to look,
a class says what kind of value it was. Files are replaced in one step, and written again only when what they say has changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from pyarrow import csv as arrow_csv
from sqlalchemy import func, or_, select

from infra.settings import Settings
from ingestion import ops
from ingestion.deliveries import DueDelivery, due_deliveries
from ingestion.deliveries.arrivals import described
from ingestion.naming import feed_zh, organisation_zh
from ingestion.returns import wording
from ingestion.returns.store import OPEN, business_day

COLUMNS = (
    ("缺陷编号", 20), ("状态", 9), ("类别", 18), ("数据表", 20), ("交付日期", 12), ("文件", 30), ("行号", 9), ("行内序号", 9), ("字段", 20),
    ("贵方列名", 18), ("值的类别", 16), ("原因", 34), ("怎么办", 38), ("反馈日期", 12), ("期限", 12), ("核销日期", 12), ("核销批次", 18),
)  # fmt: skip
NUMBER_LENGTH = 16
HEAD = PatternFill("solid", fgColor="FFE8EDF3")
TOP = Alignment(vertical="top", wrap_text=True)


def defect_number(defect_id: str) -> str:
    """The number staff quote; a file whose name holds it answers the defect."""
    return defect_id[:NUMBER_LENGTH].upper()


def write_files(settings: Settings, *, again: bool = False) -> list[Path]:
    """Write workbook and CSV of every organisation whose defects or missing deliveries have changed, or of all (`again`).

    Returns the workbooks written.
    """
    day = business_day(settings)
    if day is None:
        return []
    written = []
    told = {r["organisation"]: r for r in ops.rows(settings.ops_url, ops.defect_return)}
    missing = _missing(settings, day)
    for organisation, content in sorted(_contents(settings, missing).items()):
        before = told.get(organisation)
        if before and before["content"] == content and (settings.home / before["file"]).exists() and not again:
            continue
        path = settings.home / "returns" / organisation / f"{day}.xlsx"
        path.parent.mkdir(parents=True, exist_ok=True)
        defects = _defects(settings, organisation, day)
        _replace(path.with_suffix(".csv"), lambda at, rows=defects: _write_csv(at, rows))
        _replace(path, lambda at, o=organisation, rows=defects: _workbook(o, day, rows, missing.get(o, [])).save(at))
        row = {
            "organisation": organisation,
            "returned_on": day,
            "content": content,
            "file": str(path.relative_to(settings.home)),
            "written_at": ops.now(),
        }
        with ops.transaction(settings.ops_url) as connection:
            ops.replace(connection, ops.defect_return, [row])
        written.append(path)
    return written


def _contents(settings: Settings, missing: dict[str, list[DueDelivery]]) -> dict[str, str]:
    """Hash per organisation of what its files would say, from figures the database adds up."""
    d = ops.defect
    figures = (d.c.organisation, d.c.state, d.c.kind, func.count(), func.max(d.c.returned_on), func.max(d.c.closed_on), func.max(d.c.load_no))
    said: dict[str, list[str]] = {}
    with ops.engine(settings.ops_url).connect() as connection:
        for organisation, *rest in connection.execute(select(*figures).group_by(d.c.organisation, d.c.state, d.c.kind).order_by(*figures[:3])):
            said.setdefault(organisation, []).append("|".join(map(str, rest)))
    for organisation, late in missing.items():
        said.setdefault(organisation, []).extend(f"{m.feed}|{m.due.period.first}" for m in late)
    return {organisation: hashlib.sha256("\n".join(lines).encode()).hexdigest() for organisation, lines in said.items()}


def _missing(settings: Settings, day: date) -> dict[str, list[DueDelivery]]:
    found: dict[str, list[DueDelivery]] = {}
    for delivery in due_deliveries(settings, day):
        if delivery.due.state == "missing":
            found.setdefault(delivery.organisation, []).append(delivery)
    return found


def _defects(settings: Settings, organisation: str, day: date) -> pa.Table:
    """An organisation's open defects and those answered on this day, most urgent first, in the words of the return."""
    d = ops.defect
    query = (
        select(
            d.c.defect_id, d.c.state, d.c.kind, d.c.feed, d.c.delivered_on, d.c.file_name, d.c.row, d.c.part, d.c.field, d.c.value_class,
            d.c.reason_code, d.c.reason_zh, d.c.returned_on, d.c.deadline, d.c.closed_on, d.c.closed_by,
        )
        .where(d.c.organisation == organisation, or_(d.c.state.in_(OPEN), d.c.closed_on == day))
        .order_by(d.c.state.not_in(OPEN), d.c.deadline, d.c.feed, d.c.delivered_on, d.c.file_name, d.c.row, d.c.part, d.c.field, d.c.defect_id)
    )  # fmt: skip
    with ops.engine(settings.ops_url).connect() as connection:
        rows = connection.execute(query).fetchall()
    names = tuple(c.name for c in query.selected_columns)
    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    text, whole = pa.string(), pa.int64()
    fields = list(zip(columns["feed"], columns["field"], strict=True))
    whats = list(zip(columns["feed"], columns["reason_code"], strict=True))
    seen_as = {f: (wording.field_zh(*f), wording.own_column(organisation, *f)) for f in set(fields)}
    advice = {w: wording.advice_zh(*w) for w in set(whats)}
    made = {
        "缺陷编号": pa.array(map(defect_number, columns["defect_id"]), text),
        "状态": pa.array(map(wording.STATES_ZH.get, columns["state"]), text),
        "类别": pa.array(map(wording.KINDS_ZH.get, columns["kind"]), text),
        "数据表": pa.array(map(feed_zh, columns["feed"]), text),
        "交付日期": pa.array(columns["delivered_on"], pa.date32()),
        "文件": pa.array(columns["file_name"], text),
        "行号": pa.array(columns["row"], whole),
        "行内序号": pa.array([p + 1 if p else None for p in columns["part"]], whole),
        "字段": pa.array([seen_as[f][0] if k in {"row", "value"} else "" for f, k in zip(fields, columns["kind"], strict=True)], text),
        "贵方列名": pa.array([seen_as[f][1] for f in fields], text),
        "值的类别": pa.array([wording.CLASSES_ZH.get(c, c) for c in columns["value_class"]], text),
        "原因": pa.array(columns["reason_zh"], text),
        "怎么办": pa.array([advice[w] for w in whats], text),
        "反馈日期": pa.array(columns["returned_on"], pa.date32()),
        "期限": pa.array(columns["deadline"], pa.date32()),
        "核销日期": pa.array(columns["closed_on"], pa.date32()),
        "核销批次": pa.array(columns["closed_by"], text),
    }
    return pa.table(made)


def _replace(path: Path, write: Any) -> None:
    """Write beside a file and move into its place."""
    unfinished = path.with_name(f".{path.name}.part")
    write(unfinished)
    os.replace(unfinished, path)


def _write_csv(path: Path, rows: pa.Table) -> None:
    """Every defect, in UTF-8 with a byte order mark, so that a spreadsheet shows the Chinese."""
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        arrow_csv.write_csv(rows, file)


def _workbook(organisation: str, day: date, rows: pa.Table, missing: Sequence[DueDelivery]) -> Workbook:
    """Sheets: what to correct, what was set aside, deliveries that are missing, and how to answer."""
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = datetime(day.year, day.month, day.day)
    kinds, limit = rows["类别"].to_pylist(), wording.limits().sheet_rows
    is_value = pa.array([k == wording.KINDS_ZH["value"] for k in kinds], pa.bool_())
    values = rows.filter(is_value)
    errors = rows.filter(pa.array([not v for v in is_value.to_pylist()], pa.bool_()))
    title = f"{organisation_zh(organisation)}（{organisation}）数据缺陷反馈 {day.year}年{day.month}月{day.day}日"
    for name, found, note in (
        ("需更正", errors, "下列记录、文件或批次未进入统计，请更正后重新交付。"),
        ("请核对", values, "下列取值已置空或更正，所在记录照常使用；请核对原始记录，有误的更正后重新交付。"),
    ):
        _sheet(book, name, title, [note, _left_out(len(found), limit, day)], COLUMNS, _cells(found.slice(0, limit)), found.num_rows)
    if missing:
        wanted = (("数据表", 24), ("应交时期", 22), ("期限", 12), ("逾期天数", 10), ("说明", 90))
        told = ([feed_zh(m.feed), m.due.period.name, m.due.deadline, m.due.days_late, described(m)] for m in missing)
        _sheet(book, "应交未交", title, ["截至反馈日期应当交付而未收到的数据。"], wanted, told, len(missing))
    notes = book.create_sheet("说明")
    notes.column_dimensions["A"].width, notes.column_dimensions["B"].width = 16, 110
    for row in _notes(errors, values, missing):
        notes.append([_cell(notes, row[0], font=Font(bold=True)), _cell(notes, row[1])])
    return book


def _left_out(count: int, limit: int, day: date) -> str:
    if count <= limit:
        return f"共 {count:,} 条。"
    return f"共 {count:,} 条，本表只列期限最近的 {limit:,} 条，全部见同名 CSV 文件（{day}.csv）。"


def _cell(sheet: Any, value: Any, font: Font | None = None, fill: PatternFill | None = None) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value=value)
    cell.alignment = TOP
    if font:
        cell.font = font
    if fill:
        cell.fill = fill
    return cell


def _sheet(
    book: Workbook, name: str, title: str, notes: Iterable[str], columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[Any]], count: int
) -> None:
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A4"
    sheet.print_title_rows = "3:3"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    for place, (_, width) in enumerate(columns):
        sheet.column_dimensions[get_column_letter(place + 1)].width = width
    sheet.auto_filter.ref = f"A3:{get_column_letter(len(columns))}{3 + max(count, 1)}"
    heading = WriteOnlyCell(sheet, value=title)
    heading.font = Font(bold=True, size=14)
    sheet.append([heading])
    sheet.append([" ".join(notes)])
    sheet.append([_cell(sheet, label, font=Font(bold=True), fill=HEAD) for label, _ in columns])
    for row in rows:
        sheet.append(row)


def _cells(rows: pa.Table) -> Iterator[list[Any]]:
    columns = [c.to_pylist() for c in rows.columns]
    return (list(row) for row in zip(*columns, strict=True))


def _notes(errors: pa.Table, values: pa.Table, missing: Sequence[DueDelivery]) -> Iterator[tuple[str, str]]:
    late = sum(s == wording.STATES_ZH["overdue"] for s in (*errors["状态"].to_pylist(), *values["状态"].to_pylist()))
    days = wording.limits()
    yield "数量", f"需更正 {len(errors):,} 条，请核对 {len(values):,} 条，其中已超期 {late:,} 条；应交未交 {len(missing):,} 次。"
    yield "期限", f"自反馈日期起：需更正 {days.error} 天，请核对 {days.warning} 天。期限为本系统默认值，省级管理单位可以调整。"
    yield "怎样更正", "在本单位系统中更正原始数据，按平时的方式重新导出并交付，不要修改本表。更正后的记录编号不变，系统收到后自动核销对应缺陷。"
    yield "没有编号的行", "行内看不出记录编号的，请以原文件名（或原文件名加“_更正”）重新交付整份文件，或在文件名中写明缺陷编号。"
    yield "整份拒收的文件", "更正后放入原交付日期文件夹，或以原文件名重新交付，该数据表同一交付日期的文件入库后自动核销。"
    yield "撤销记录", "误报的记录请按约定的删除标志上报删除，相关缺陷随之撤回。"
    yield "行号", "数据行的序号，第一行数据为 1（不含表头）；一行拆成多条记录的，另列行内序号。"
    yield "值的类别", "只说明取值的种类，不显示内容；姓名、证件号、电话、住址等个人信息一律不出现在本表中。"
    yield "状态", "待处理：期限内；已超期：过了期限；已核销：已收到更正；已撤回：记录已由贵方删除。已核销和已撤回的只在当次反馈中列出。"
