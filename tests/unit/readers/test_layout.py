"""Tables that do not begin with their header, archives that hold several tables, and gzip."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingestion.readers import open_file
from tests.unit.readers.helpers import reason_of, rows_of
from tests.unit.readers.test_formats import workbook, zipped


def test_columns_of_a_file_without_header_are_named_by_the_mapping(write) -> None:
    opened = open_file(write("1,甲\n2,乙\n"), header=("编号", "值"))
    assert opened.columns == ("编号", "值")
    assert rows_of(opened) == [("1", "甲", 1), ("2", "乙", 2)]


def test_a_row_that_has_not_as_many_cells_as_columns_were_named_is_broken(write) -> None:
    opened = open_file(write("1,a\n2\n3,b\n"), header=("x", "y"))
    assert rows_of(opened) == [("1", "a", 1), ("3", "b", 3)]
    assert [(b.row, b.code) for b in opened.broken] == [(2, "column_count")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_titles_above_the_header_are_skipped(write, end: str) -> None:
    text = end.join(["某医院检验结果", "导出时间,2024-05-06", "", "a,b", "1,2", ""])
    assert rows_of(open_file(write(text), skip_rows=2)) == [("1", "2", 1)]
    assert open_file(write(text), skip_rows=2).columns == ("a", "b")
    assert rows_of(open_file(write(text), skip_rows=4, header=("x", "y"))) == [("1", "2", 1)]


def test_a_file_of_titles_alone_is_empty(write) -> None:
    assert reason_of(write("title\na,b"), skip_rows=2) == "empty_file"


def test_titles_of_a_worksheet_are_skipped_and_its_columns_named(tmp_path: Path) -> None:
    titled = workbook(tmp_path / "a.xlsx", ["某医院", None], [None, None], ["a", "b"], [1, 2])
    assert rows_of(open_file(titled, skip_rows=1)) == [("1", "2", 1)]
    bare = workbook(tmp_path / "b.xlsx", [1, 2], [3, 4])
    assert rows_of(open_file(bare, header=("x", "y"))) == [("1", "2", 1), ("3", "4", 2)]


def test_of_an_archive_of_several_tables_the_wanted_one_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "dump.zip", {"hosp/Patients.csv": b"a\n1\n", "hosp/admissions_1.csv": b"b\n2\n", "hosp/admissions_2.csv": b"b\n3\n"})
    assert rows_of(open_file(path, member="patients.csv")) == [("1", 1)]
    assert rows_of(open_file(path, member="hosp/adm*")) == [("2", 1), ("3", 2)]
    assert reason_of(path, member="nothing.csv") == "member_missing"
    assert reason_of(path) == "mixed_headers"


def test_a_gzip_file_is_read_like_what_it_holds(write, tmp_path: Path) -> None:
    text = "编号,值\n1,甲\n" + "".join(f"{n},乙\n" for n in range(2, 3000))
    for encoding in ("utf-8", "gb18030"):
        opened = open_file(write(gzip.compress(text.encode(encoding)), "a.csv.gz"))
        assert opened.encoding == encoding
        assert len(rows_of(opened)) == 2999
    assert rows_of(open_file(write(gzip.compress(b'{"a": 1}\n'), "b.jsonl.gz"))) == [("1", 1)]
    assert rows_of(open_file(zipped(tmp_path / "c.zip", {"x.csv.gz": gzip.compress(b"a\n1\n")}), member="x*")) == [("1", 1)]


def test_a_damaged_gzip_file_is_rejected_by_name(write) -> None:
    packed = gzip.compress(b"a\n" + b"1\n" * 9999)
    assert reason_of(write(packed[:-20], "a.csv.gz")) == "truncated"
    assert reason_of(write(b"\x1f\x8b\x08\x00", "a.csv.gz")) == "truncated"


def test_a_gzip_file_that_inflates_beyond_reason_is_refused(write) -> None:
    assert reason_of(write(gzip.compress(b"\0" * (200 << 20)), "a.csv.gz")) == "zip_bomb"
