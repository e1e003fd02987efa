"""What every reader gives back: columns, batches of text cells, broken rows and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

ROW = "_row"
ROWS_PER_BATCH = 200_000
BYTES_PER_BATCH = 64 << 20
TEXT_KEPT = 64_000
TEXT_BUDGET = 64 << 20
TEXT_KEPT_BEYOND = 200
BROKEN_LIMIT = 10_000


class UnreadableFile(Exception):
    """A file that cannot be read whole, and why.

    code    one of the words of `REASONS`
    detail  where and what, in English, never a value of a record
    """

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in REASONS:
            raise ValueError(f"unknown reason {code!r}; add it to ingestion.readers.model.REASONS")
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


REASONS = {
    "empty_file": "文件为空",
    "encoding": "文件编码无法识别",
    "not_csv": "内容不是所声明的分隔文本",
    "delimiter": "分隔符与声明不符",
    "header": "表头无法读取",
    "duplicate_header": "表头有重复列名",
    "reserved_header": "表头使用了系统保留的列名",
    "mixed_headers": "压缩包内各文件的表头不一致",
    "too_many_broken_rows": "无法读取的行过多",
    "truncated": "文件不完整或已损坏",
    "password": "文件有密码保护",
    "unsupported": "不支持的文件类型",
    "sheet_missing": "工作簿中没有指定的工作表",
    "too_large": "文件内容超出读取上限",
    "zip_slip": "压缩包内的文件路径不安全",
    "zip_bomb": "压缩比或解压后大小异常",
    "nested_zip": "压缩包内含压缩包",
    "member_missing": "压缩包内没有映射所指的文件",
    "missing_join_table": "缺少需要关联的表",
    "join_columns_missing": "关联表缺少所需的列",
    "join_table_unreadable": "需要关联的表无法读取",
    "join_key_repeated": "关联表的关联键对应多行",
    "expression_failed": "映射中的表达式无法计算",
    "made_column": "映射新增的列与文件中的列重名",
}
"""Reason code of a file that goes whole to quarantine -> what staff read."""

ROW_REASONS = {
    "column_count": "该行列数与表头不符",
    "quote": "该行引号不成对",
    "nul_byte": "该行含空字符",
    "bad_bytes": "该行含无法解码的字节",
    "line_too_long": "该行过长",
    "json_line": "该行不是有效的 JSON 对象",
    "unnamed_cell": "该行在没有列名的列中有内容",
    "merged_cells": "该行含跨列合并的单元格",
}
"""Reason code of a single row that cannot be read -> what staff read."""


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read: its 1-based data row number, a code of `ROW_REASONS`, its text as delivered (cut when very long)."""

    row: int
    code: str
    text: str


@dataclass(frozen=True)
class Finding:
    """Something noticed that did not stop the reading, such as an encoding that is not the declared one."""

    code: str
    detail: str


@dataclass
class OpenedFile:
    """A delivered table, ready to be read.

    columns   names of the header, without surrounding blanks
    encoding  codec the text was read with; None for formats that carry their own
    broken    rows that could not be read; complete once `batches` is exhausted
    rows_read data rows seen so far, broken ones included: after the last batch, rows_read = rows delivered in batches + len(broken)
              (empty worksheet rows keep their number but are neither)
    """

    columns: tuple[str, ...]
    encoding: str | None
    stream: Callable[[OpenedFile], Iterable[pa.Table]] = field(repr=False)
    findings: list[Finding] = field(default_factory=list)
    broken: list[BrokenRow] = field(default_factory=list)
    rows_read: int = 0
    last_row: int = 0
    text_kept: int = field(default=0, repr=False)

    def batches(self) -> Iterator[pa.Table]:
        """Tables of at most 200,000 rows in file order: every column text, plus int64 `_row`, the 1-based number of the data row.

        Raises UnreadableFile when the file proves unreadable further down; nothing of it should then be kept.
        """
        self.broken.clear()
        self.rows_read = self.last_row = self.text_kept = 0
        return _rebatch(self.stream(self))

    def count(self, table: pa.Table, last_row: int) -> pa.Table:
        """Note that a table was read up to `last_row`, and hand it on."""
        self.rows_read += table.num_rows
        self.last_row = last_row
        return table

    def reject(self, row: int, code: str, text: str) -> None:
        """Record a broken row. Raises UnreadableFile when broken rows outnumber the good ones by far."""
        kept = TEXT_KEPT if self.text_kept < TEXT_BUDGET else TEXT_KEPT_BEYOND
        self.broken.append(BrokenRow(row, code, text if len(text) <= kept else text[:kept] + "…"))
        self.text_kept += min(len(text), kept)
        self.rows_read += 1
        self.last_row = max(self.last_row, row)
        if len(self.broken) >= BROKEN_LIMIT and len(self.broken) * 2 > self.rows_read:
            raise UnreadableFile("too_many_broken_rows", f"{len(self.broken)} of the first {self.rows_read} rows, most of them {code}")


def text_schema(columns: Iterable[str]) -> pa.Schema:
    """Schema of a batch: text columns, then `_row`."""
    return pa.schema([*((name, pa.string()) for name in columns), (ROW, pa.int64())])


def _rebatch(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        for start in range(0, table.num_rows, ROWS_PER_BATCH):
            piece = table.slice(start, ROWS_PER_BATCH)
            if held and (rows + piece.num_rows > ROWS_PER_BATCH or size > BYTES_PER_BATCH):
                yield pa.concat_tables(held)
                held, rows, size = [], 0, 0
            held.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if held:
        yield pa.concat_tables(held)


def clean_header(names: Iterable[str]) -> tuple[str, ...]:
    """Header names without surrounding blanks; a column without a name stays an empty string.

    Raises UnreadableFile for a header without any name, with a repeated name, or with the name the reader itself uses.
    """
    cleaned = tuple(name.strip().strip("\ufeff").strip() for name in names)
    named = [name for name in cleaned if name]
    if not named:
        raise UnreadableFile("header", "no column has a name")
    if len(set(named)) < len(named):
        seen: set[str] = set()
        again = [str(position) for position, name in enumerate(cleaned, 1) if name and (name in seen or seen.add(name))]
        raise UnreadableFile("duplicate_header", f"column {', '.join(again[:10])} has the name of an earlier column")
    if ROW in named:
        raise UnreadableFile("reserved_header", ROW)
    return cleaned
