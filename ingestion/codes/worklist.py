"""The worklist of texts without a code 待编码文本: for the QC clerk, beside the defect returns.

`$LAKEHOUSE_HOME/returns/<organisation>/<date>_待编码.xlsx` and `.csv`, the most frequent text first. The sheet 待编码文本 is at the same time the
decision file: the clerk fills in 结论, 标准代码, 决定人编码, 决定日期 and hands the workbook in as feed decision_text_code of the programme office.
Texts are those of the lake, without names and numbers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from pyarrow import csv as arrow_csv

from infra.settings import Settings
from ingestion import lake, ops
from ingestion.codes import stage
from ingestion.codes.decisions import LABORATORY, UNIT, text_key
from ingestion.codes.laboratory import items, known_units
from ingestion.codes.model import PARTLY, UNMAPPED
from ingestion.contracts import code_list
from ingestion.naming import feed_zh, field_zh, organisation_zh
from ingestion.returns import business_day

SHEET = "待编码文本"
COLUMNS = (
    ("决定编号", 26), ("机构代码", 10), ("文本类别", 13), ("原文", 46), ("出现次数", 9), ("数据表与字段", 26), ("首次出现", 12), ("最近出现", 12),
    ("已识别代码", 18), ("未识别部分", 20), ("同时上报的编码", 20), ("提示", 40), ("结论", 12), ("标准代码", 20), ("诊断情况", 10), ("生效日期", 12),
    ("失效日期", 12), ("决定人编码", 12), ("决定人所在机构代码", 14), ("决定日期", 12), ("理由", 30), ("所替代的决定编号", 24),
)  # fmt: skip
TO_FILL = frozenset(
    {"结论", "标准代码", "诊断情况", "生效日期", "失效日期", "决定人编码", "决定人所在机构代码", "决定日期", "理由", "所替代的决定编号"}
)
VERDICTS, ASSERTIONS = ("已对照", "无对应代码", "撤销对照"), ("确诊", "可疑", "既往")
SHEET_ROWS = 5_000
LONGEST_TEXT = 200
HEAD, FILL = PatternFill("solid", fgColor="FFE8EDF3"), PatternFill("solid", fgColor="FFFFF6DD")
TOP = Alignment(vertical="top", wrap_text=True)

# Texts of the organisation that lack a code, and units that lack a meaning, with the records that have them.
LACKING = f"""
with told as (select *, '{{organisation}}' as _organisation from ({{query}})),
keyed as (select *, {stage.KEY} as text_key from told),
counted as (
    select text_key, sum(records) as records, min(_delivered_on) as first_on, max(_delivered_on) as last_on,
        arg_max(stated_code, records) filter (where stated_code is not null) as stated_code
    from keyed group by text_key
),
code as (
    select text_key, any_value(text_kind) as text_kind, any_value(feed) as feed, any_value(field) as field, any_value(text) as text,
        any_value(item_code) as item_code, any_value(printed_unit) as printed_unit, any_value(status) as status, any_value(unread) as unread,
        any_value(unit_status) as unit_status, string_agg(code, '+' order by code_no) as codes, any_value(code_name_zh) as code_name_zh
    from latest group by text_key
)
select text_kind, feed, field, coalesce(nullif(text, ''), item_code) as text, status, unread, codes, null as hint,
    records, first_on, last_on, stated_code
from code inner join counted using (text_key)
where status in ('{UNMAPPED}', '{PARTLY}')
union all
select '{UNIT}', feed, field, printed_unit, unit_status, null, null, code_name_zh, records, first_on, last_on, null
from code inner join counted using (text_key)
where unit_status in ('unknown_unit', 'other_unit')
"""


def write_worklists(settings: Settings, *, again: bool = False) -> list[Path]:
    """Write workbook and CSV of every organisation whose texts without a code have changed, or of all (`again`). Returns the workbooks written.

    Where an organisation has none left, its files of the day are taken away.
    """
    day = business_day(settings)
    table = lake.table(settings, lake.LAKE, stage.TABLE, lake.SUPPORT[stage.TABLE])
    if day is None or table.current_snapshot() is None:
        return []
    written = []
    with stage.opened(settings) as connection:
        for organisation in sorted({b["organisation"] for b in ops.rows(settings.ops_url, ops.batch_state)}):
            query = stage.texts_of(settings, connection, organisation)
            stage.latest_codes(connection, table, organisation)
            found = connection.execute(LACKING.format(organisation=organisation, query=query)).to_arrow_table().to_pylist()
            rows = _rows(settings, organisation, day, found) if found else []
            path = settings.home / "returns" / organisation / f"{day}_待编码.xlsx"
            if _unchanged(path, rows) and not again:
                continue
            if not rows:
                for old in (path, path.with_suffix(".csv")):
                    old.unlink(missing_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path.with_suffix(".csv"), lambda at, rows=rows: _write_csv(at, rows))
            _replace(path, lambda at, o=organisation, rows=rows: _workbook(o, day, rows).save(at))
            written.append(path)
    return written


def _rows(settings: Settings, organisation: str, day: date, found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a text, whatever the fields it stands in; the most frequent first, those without any code before those with some."""
    slips = {(d.kind, text_key(d.kind, d.text)): d for d in stage.unusable(settings, organisation)}
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found:
        key = (row["text_kind"], text_key(row["text_kind"], row["text"]))
        place = f"{feed_zh(row['feed'])}·{field_zh(row['feed'], row['field'] if row['text_kind'] != UNIT else 'result_unit')}"
        if key not in merged:
            merged[key] = {**row, "places": {place}, "hints": {row["hint"]} - {None}}
            continue
        known = merged[key]
        known["places"].add(place)
        known["hints"] |= {row["hint"]} - {None}
        known["records"] += row["records"]
        known["first_on"], known["last_on"] = min(known["first_on"], row["first_on"]), max(known["last_on"], row["last_on"])
        known["stated_code"] = known["stated_code"] or row["stated_code"]
    kinds = code_list("text_kind")
    rows = []
    for key, row in sorted(merged.items(), key=lambda kv: (-int(kv[1]["records"]), kv[1]["status"] == PARTLY, kv[0])):
        digest = hashlib.sha256("\x1f".join((organisation, *key)).encode()).hexdigest()[:8].upper()
        rows.append(
            {
                "决定编号": f"WB-{organisation}-{digest}-{day:%Y%m%d}", "机构代码": organisation, "文本类别": kinds[row["text_kind"]].name_zh,
                "原文": row["text"][:LONGEST_TEXT], "出现次数": int(row["records"]), "数据表与字段": "；".join(sorted(row["places"])),
                "首次出现": row["first_on"], "最近出现": row["last_on"], "已识别代码": row["codes"], "未识别部分": row["unread"],
                "同时上报的编码": row["stated_code"], "提示": _hint(row, slips.get(key)),
            }
        )  # fmt: skip
    return rows


def _hint(row: dict[str, Any], slip: Any) -> str:
    if slip is not None:
        return f"上次决定（{slip.number}）的标准代码“{'+'.join(slip.codes)}”不能识别，请更正"
    if row["text_kind"] == UNIT:
        said = "写法不在单位表中" if row["status"] == "unknown_unit" else "单位与项目不符，不能换算"
        return f"{said}：{'、'.join(sorted(row['hints']))}" if row["hints"] else said
    if row["text_kind"] == LABORATORY:
        return "填项目代码（见“代码”页）；与六癌无关的项目选“无对应代码”"
    return "部分内容未编码，标准代码请写全（以 + 连接）" if row["status"] == PARTLY else "六癌及癌前病变填编码；与六癌无关的选“无对应代码”"


def _unchanged(path: Path, rows: list[dict[str, Any]]) -> bool:
    """Whether the CSV of the day says the same."""
    before = path.with_suffix(".csv")
    if not before.exists() or not path.exists():
        return not rows and not before.exists()
    fresh = before.with_name(f".{before.name}.new")
    _write_csv(fresh, rows)
    same = fresh.read_bytes() == before.read_bytes()
    fresh.unlink()
    return same


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    write(unfinished)
    os.replace(unfinished, path)


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """All texts, in UTF-8 with a byte order mark, so that a spreadsheet shows the Chinese."""
    types = {"出现次数": pa.int64(), "首次出现": pa.date32(), "最近出现": pa.date32()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name, _ in COLUMNS])
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        arrow_csv.write_csv(pa.Table.from_pylist(rows, schema=schema), file)


def _workbook(organisation: str, day: date, rows: list[dict[str, Any]]) -> Workbook:
    """Sheets: the texts, to be filled in; the codes there are; how to fill in and what happens then."""
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = datetime(day.year, day.month, day.day)
    sheet = book.create_sheet(SHEET)
    sheet.freeze_panes = "E2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{1 + max(1, min(len(rows), SHEET_ROWS))}"
    for place, (name, width) in enumerate(COLUMNS, 1):
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = width
        if choice := {"结论": VERDICTS, "诊断情况": ASSERTIONS}.get(name):
            listed = DataValidation(type="list", formula1=f'"{",".join(choice)}"', allow_blank=True)
            listed.add(f"{letter}2:{letter}{1 + min(len(rows), SHEET_ROWS)}")
            sheet.data_validations.append(listed)
    sheet.append([_cell(sheet, name, Font(bold=True), FILL if name in TO_FILL else HEAD) for name, _ in COLUMNS])
    for row in rows[:SHEET_ROWS]:
        sheet.append([_text(sheet, row.get(name)) for name, _ in COLUMNS])
    codes = book.create_sheet("代码")
    codes.column_dimensions["A"].width, codes.column_dimensions["B"].width, codes.column_dimensions["C"].width = 14, 22, 44
    codes.append([_cell(codes, name, Font(bold=True), HEAD) for name in ("类别", "代码", "名称")])
    for item in items().values():
        codes.append(["检验项目", item.item, f"{item.name_zh}{f'（{item.unit}）' if item.unit else ''}"])
    for unit in sorted(known_units()):
        codes.append(["计量单位", unit, ""])
    notes = book.create_sheet("填写说明")
    notes.column_dimensions["A"].width, notes.column_dimensions["B"].width = 16, 110
    for label, said in _notes(organisation, day, len(rows)):
        notes.append([_cell(notes, label, Font(bold=True)), _cell(notes, said)])
    return book


def _text(sheet: Any, value: Any) -> Any:
    """A cell whose text is never a formula."""
    if isinstance(value, str) and value[:1] in "=+-@":
        cell = WriteOnlyCell(sheet, value=value)
        cell.data_type = "s"
        return cell
    return value


def _cell(sheet: Any, value: Any, font: Font | None = None, fill: PatternFill | None = None) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value=value)
    cell.alignment = TOP
    if font:
        cell.font = font
    if fill:
        cell.fill = fill
    return cell


def _notes(organisation: str, day: date, count: int) -> Iterable[tuple[str, str]]:
    shown = "" if count <= SHEET_ROWS else f"，本表只列出现最多的 {SHEET_ROWS:,} 条，全部见同名 CSV 文件"
    yield "清单", f"{organisation_zh(organisation)}（{organisation}）截至 {day} 有 {count:,} 条文本系统不能编码，按出现次数排列{shown}。"
    yield "怎样填写", "只填浅黄色各列：“结论”必填；“已对照”须填“标准代码”，多个代码以 + 连接。未填“结论”的行不作决定，可以留待以后。"
    yield "标准代码", "诊断填 ICD-10（如 C34.1，肺癌脑转移填 C34.9+C79.3）；病理类型填 ICD-O-3（如 8140/3）；检验项目和计量单位填“代码”页所列。"
    yield "诊断情况", "诊断为可疑或既往的请选择，不选按确诊。"
    yield "无对应代码", "与六种癌症、癌前病变和所列检验项目无关的，选“无对应代码”，以后不再列出。"
    yield (
        "怎样交回",
        "不改动列名，把本工作簿作为“文本编码决定”（decision_text_code）交项目办公室，放入其交付文件夹；自下一次运行起对本机构已有和今后的文本一并生效。",
    )
    yield "更改决定", "另交一行，“所替代的决定编号”填原决定编号；要恢复系统自动编码的选“撤销对照”。机构代码留空的决定对全省生效。"
