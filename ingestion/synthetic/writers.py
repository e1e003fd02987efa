"""Files in the formats that organisations deliver, byte for byte the same on every run."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from openpyxl import Workbook

FIXED = datetime(2025, 1, 1)
ENDINGS = {"csv": "csv", "zip": "zip", "jsonl": "jsonl", "parquet": "parquet", "xlsx": "xlsx"}
SLICE = 50_000
# How a row loses or gains a column.
CUT, EXTRA = "cut", "extra"


def _csv_rows(table: pa.Table, delimiter: str) -> str:
    """Rows without quotes where no value needs them, as most systems write; all texts quoted otherwise."""
    for style in ("none", "needed"):
        sink = io.BytesIO()
        try:
            pacsv.write_csv(
                table, sink, pacsv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=style, batch_size=16_384)
            )
            break
        except pa.ArrowInvalid:
            continue
    return sink.getvalue().decode("utf-8")


def _broken(line: str, how: str, delimiter: str) -> str:
    line = line.rstrip("\n")
    return (line.rsplit(delimiter, 2)[0] if how == CUT else f"{line}{delimiter}{delimiter}") + "\n"


def csv_bytes(table: pa.Table, encoding: str, delimiter: str, bom: bool, broken: dict[int, str]) -> bytes:
    """A CSV file; `broken` names rows (from 0) that lose two columns or gain two."""
    sink = io.BytesIO()
    if bom:
        sink.write(b"\xef\xbb\xbf")
    sink.write((delimiter.join(table.column_names) + "\n").encode(encoding))
    edges = sorted({0, table.num_rows, *range(0, table.num_rows, SLICE), *broken, *(b + 1 for b in broken)})
    for start, end in zip(edges, edges[1:], strict=False):
        text = _csv_rows(table.slice(start, end - start), delimiter)
        if start in broken:
            text = _broken(text, broken[start], delimiter)
        sink.write(text.encode(encoding))
    return sink.getvalue()


def _json_text(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = pc.replace_substring(text, plain, escaped)
    return pc.coalesce(pc.binary_join_element_wise('"', text, '"', ""), pa.scalar("null"))


def jsonl_bytes(table: pa.Table) -> bytes:
    """One JSON object per line."""
    parts: list[pa.Array | str] = []
    for name in table.column_names:
        parts += [f'{"{" if not parts else ", "}"{name}": ', _json_text(table[name].combine_chunks())]
    lines = pc.binary_join_element_wise(*parts, "}\n", "")
    return pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "")[0].as_py().encode()


def _zip_entry(target: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=FIXED.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    target.writestr(entry, content, compresslevel=6)


def zip_bytes(name: str, content: bytes) -> bytes:
    """A zip file with one entry and no clock in it."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as target:
        _zip_entry(target, name, content)
    return sink.getvalue()


def xlsx_bytes(table: pa.Table, sheet: str | None) -> bytes:
    """A workbook: a cover sheet, then the data where `sheet` names one; the data alone otherwise."""
    book = Workbook(write_only=True)
    if sheet:
        book.create_sheet("说明").append(["本表由合成数据程序生成"])
    page = book.create_sheet(sheet or "Sheet1")
    page.append(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        page.append(row)
    sink, clean = io.BytesIO(), io.BytesIO()
    book.save(sink)
    stamp = FIXED.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(sink) as source, zipfile.ZipFile(clean, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            _zip_entry(target, entry.filename, content)
    return clean.getvalue()


def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def write(
    folder: Path,
    name: str,
    kind: str,
    table: pa.Table,
    *,
    encoding: str,
    delimiter: str,
    bom: bool,
    sheet: str | None,
    broken: dict[int, str],
) -> str:
    """Write one delivered file and return its name with ending."""
    file_name = f"{name}.{ENDINGS[kind]}"
    match kind:
        case "csv":
            content = csv_bytes(table, encoding, delimiter, bom, broken)
        case "zip":
            content = zip_bytes(f"{name}.csv", csv_bytes(table, encoding, delimiter, bom, broken))
        case "jsonl":
            content = jsonl_bytes(table)
        case "parquet":
            content = parquet_bytes(table)
        case "xlsx":
            content = xlsx_bytes(table, sheet)
        case _:
            raise ValueError(f"format {kind!r} is not known")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_name).write_bytes(content)
    return file_name
