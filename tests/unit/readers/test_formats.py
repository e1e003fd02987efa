"""Workbooks, JSON lines, Parquet and archives: the same batches of text as from CSV."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.readers import UnreadableFile, archive, open_file, opening
from tests.unit.readers.helpers import reason_of, rows_of


def workbook(path: Path, *rows, sheets: dict | None = None, merge: str | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    for name, content in (sheets or {}).items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_reads_as_a_person_reads_it(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        ["编号", "值", "日期", "时刻", "有"],
        ["007", 65, date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5), True],
        [None, 65.5, datetime(2024, 1, 2), None, False],
        [12345678.0, 0.1, None, None, None],
    )
    opened = open_file(path)
    assert opened.columns == ("编号", "值", "日期", "时刻", "有")
    assert rows_of(opened) == [
        ("007", "65", "2024-01-02", "2024-01-02 03:04:05", "TRUE", 1),
        ("", "65.5", "2024-01-02", "", "FALSE", 2),
        ("12345678", "0.1", "", "", "", 3),
    ]


def test_a_named_sheet_is_read_and_a_missing_one_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["a"], ["1"], sheets={"患者": [["b"], ["2"]]})
    assert rows_of(open_file(path, sheet="患者")) == [("2", 1)]
    assert rows_of(open_file(path)) == [("1", 1)]
    assert reason_of(path, sheet="无") == "sheet_missing"


def test_empty_worksheet_rows_keep_their_numbers_and_are_not_rows(tmp_path: Path) -> None:
    opened = open_file(workbook(tmp_path / "a.xlsx", [None, None], ["a", "b"], [1, 2], [None, None], [3, 4]))
    assert rows_of(opened) == [("1", "2", 1), ("3", "4", 3)]
    assert opened.rows_read == 2


def test_a_cell_merged_over_rows_holds_for_each_of_them(tmp_path: Path) -> None:
    opened = open_file(workbook(tmp_path / "a.xlsx", ["a", "b"], ["x", 1], [None, 2], [None, 3], ["y", 4], merge="A2:A4"))
    assert [row[:2] for row in rows_of(opened)] == [("x", "1"), ("x", "2"), ("x", "3"), ("y", "4")]
    assert [finding.code for finding in opened.findings] == ["merged_cells"]


def test_a_row_with_cells_merged_across_columns_is_broken(tmp_path: Path) -> None:
    opened = open_file(workbook(tmp_path / "a.xlsx", ["a", "b"], ["x", 1], ["合计", None], ["y", 4], merge="A3:B3"))
    assert [row[-1] for row in rows_of(opened)] == [1, 3]
    assert [(row.row, row.code) for row in opened.broken] == [(2, "merged_cells")]


def test_a_merged_title_over_the_table_is_refused(tmp_path: Path) -> None:
    assert reason_of(workbook(tmp_path / "a.xlsx", ["汇总表", None], ["a", "b"], [1, 2], merge="A1:B1")) == "header"


def test_an_id_number_that_a_spreadsheet_has_rounded_is_reported(tmp_path: Path) -> None:
    opened = open_file(workbook(tmp_path / "a.xlsx", ["证件"], [149901199001011234]))
    assert rows_of(opened) == [("149901199001011000", 1)]
    assert [finding.code for finding in opened.findings] == ["long_number"]


def test_a_formula_is_not_run(tmp_path: Path) -> None:
    assert rows_of(open_file(workbook(tmp_path / "a.xlsx", ["a", "b"], ["x", "=1+1"]))) == [("x", "", 1)]


def test_a_password_protected_workbook_is_refused(write) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1024) + "EncryptedPackage".encode("utf-16-le") + bytes(2048)
    assert reason_of(write(ole, "a.xlsx")) == "password"


def test_a_truncated_workbook_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["a"], ["1"])
    path.write_bytes(path.read_bytes()[:-200])
    assert reason_of(path) == "truncated"


def test_json_lines_unite_uneven_and_nested_keys_as_text(write) -> None:
    lines = ['{"a":1.50,"b":{"c":true,"d":["1","2"]}}', "", '{"e":null,"a":"x"}', '{"a":12345678901234567890,"f":[{"g":1}]}']
    opened = open_file(write("\r\n".join(lines), "a.jsonl"))
    assert opened.columns == ("a", "b.c", "b.d", "e", "f")
    assert rows_of(opened) == [
        ("1.50", "true", "1;2", None, None, 1),
        ("x", None, None, None, None, 2),
        ("12345678901234567890", None, None, None, '[{"g":"1"}]', 3),
    ]


@pytest.mark.parametrize(
    "bad", ['{"a":1', "nonsense", "[1]", '{"a":NaN}', '{"a":1,"a":2}', '{"a":1}{"a":2}', '{"a":"\\ud800"}', "[" * 100_000]
)
def test_a_broken_json_line_leaves_its_neighbours(write, bad: str) -> None:
    opened = open_file(write('{"a":"1"}\n' + bad + '\n{"a":"3"}\n', "a.jsonl"))
    assert rows_of(opened) == [("1", 1), ("3", 3)]
    assert [(row.row, row.code) for row in opened.broken] == [(2, "json_line")]


def test_a_raw_tab_inside_a_json_text_is_read(write) -> None:
    assert rows_of(open_file(write('{"a":"1\t2"}\n', "a.jsonl"))) == [("1\t2", 1)]


SIMPLE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(['":1,', '"', "\\", ":1,", '":true}'])
)
OBJECTS = st.dictionaries(
    st.sampled_from(["a", "b", '":1', "c\\"]), SIMPLE | st.lists(SIMPLE, max_size=2) | st.dictionaries(st.just("d"), SIMPLE)
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(OBJECTS, min_size=1, max_size=4),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.booleans(),
    st.sampled_from(["", "{", '{"a":1}{"a":2}']),
)
def test_the_fast_way_through_json_gives_what_reading_line_by_line_gives(tmp_path: Path, objects, separators, ascii_only, odd: str) -> None:
    lines = [json.dumps(each, ensure_ascii=ascii_only, separators=separators) for each in objects]
    (tmp_path / "a.jsonl").write_text("\n".join(['{"z":1.0}', *lines, odd]), encoding="utf-8", errors="surrogatepass")
    read = []
    for slow in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if slow:
                patch.setattr("ingestion.readers.json_lines._parsed", lambda *_: None)
            opened = open_file(tmp_path / "a.jsonl")
            read.append((opened.columns, rows_of(opened), opened.broken, opened.rows_read))
    assert read[0] == read[1]


def test_json_lines_in_gb18030_are_read(write) -> None:
    assert rows_of(open_file(write('{"诊断":"结肠息肉"}\n'.encode("gb18030"), "a.jsonl"))) == [("结肠息肉", 1)]


def test_parquet_reads_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": pa.array([65, None], pa.int32()),
            "f": [65.0, 1e-7],
            "d": pa.array([Decimal("1.50"), Decimal("1E+3")], pa.decimal128(9, 2)),
            "day": [date(2024, 1, 2), None],
            "at": pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, 120000)], pa.timestamp("us")),
            "b": [True, None],
            "s": pa.array(["甲", "乙"]).dictionary_encode(),
            "n": [{"x": 1, "y": "z"}, None],
            "l": [["1", "2"], None],
            "utc": pa.array([datetime(1989, 12, 31, 16), None], pa.timestamp("ms", "UTC")),
            "bytes": pa.array([b"ok", None], pa.binary()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    opened = open_file(tmp_path / "a.parquet")
    assert opened.columns == ("i", "f", "d", "day", "at", "b", "s", "n.x", "n.y", "l", "utc", "bytes")
    assert rows_of(opened) == [
        ("65", "65", "1.50", "2024-01-02", "2024-01-02", "true", "甲", "1", "z", "1;2", "1990-01-01", "ok", 1),
        (None, "0.0000001", "1000.00", None, "2024-01-02 03:04:05.120000", None, "乙", None, None, None, None, None, 2),
    ]


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-10])
    assert reason_of(path) == "truncated"


def test_a_damaged_parquet_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [f"value {i}" for i in range(10_000)]}), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    assert reason_of(path) == "truncated"


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archived:
        for name, content in members.items():
            archived.writestr(name, content)
    return path


def parquet_bytes(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_the_members_of_an_archive_are_one_stream_with_running_numbers(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "a.zip",
        {
            "1/甲.csv": "a,b\n1,二\n3\n".encode("gb18030"),
            "__MACOSX/._x": b"\x00\x05",
            "2.csv": b"b,a\n\xe5\x9b\x9b,3\n5,4,6\n7,5\n",
            "3.jsonl": b'{"a":"6","b":"x"}\n',
            "4.parquet": parquet_bytes(pa.table({"a": [7], "b": ["y"]})),
        },
    )
    opened = open_file(path)
    assert rows_of(opened) == [("1", "二", 1), ("3", "四", 3), ("5", "7", 5), ("6", "x", 6), ("7", "y", 7)]
    assert [(row.row, row.text) for row in opened.broken] == [(2, "3"), (4, "5,4,6")]
    assert opened.rows_read == 7


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "empty_file"),
        ({"../a.csv": b"a\n1\n"}, "zip_slip"),
        ({"/etc/a.csv": b"a\n1\n"}, "zip_slip"),
        ({"x\\..\\..\\a.csv": b"a\n1\n"}, "zip_slip"),
        ({"C:\\a.csv": b"a\n1\n"}, "zip_slip"),
        ({"a.csv": b"a\n1\n", "b.csv": b"b\n1\n"}, "mixed_headers"),
        ({"a.csv": b"a\n1\n", "b.pdf": b"%PDF-1.7"}, "unsupported"),
        ({"a.csv": b"a\n1\n", "b.csv": b""}, "empty_file"),
    ],
)
def test_unsafe_or_unusable_archives_are_refused_with_the_reason(tmp_path: Path, members: dict[str, bytes], code: str) -> None:
    assert reason_of(zipped(tmp_path / "a.zip", members)) == code


def test_an_archive_inside_an_archive_is_refused(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.csv": b"a\n1\n"}).read_bytes()
    assert reason_of(zipped(tmp_path / "a.zip", {"inner.zip": inner})) == "nested_zip"


def test_a_zip_bomb_is_refused_by_its_ratio_before_it_is_inflated(tmp_path: Path) -> None:
    assert reason_of(zipped(tmp_path / "a.zip", {"a.csv": b"a\n" + b"1\n" * (40 << 20)})) == "zip_bomb"


def test_a_forged_directory_does_not_hide_a_bomb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.csv": b"a\n" + b"1\n" * (1 << 20)})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    assert reason_of(path) == "truncated"


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.csv": b"a\n1\n"})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert reason_of(path) == "password"


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.csv": b"a\n1\n"})
    path.write_bytes(path.read_bytes()[:-8])
    assert reason_of(path) == "truncated"


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * i}\n" for i in range(5000))
    path = zipped(tmp_path / "a.zip", {"a.csv": ("a,b\n" + rows).encode()})
    content = bytearray(path.read_bytes())
    content[3000:3020] = bytes(20)
    path.write_bytes(content)
    assert reason_of(path) == "truncated"


def test_a_workbook_that_inflates_beyond_reason_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(opening, "INFLATED_WORKBOOK_LIMIT", 1000)
    assert reason_of(workbook(tmp_path / "a.xlsx", ["a"], ["1"])) == "zip_bomb"


def test_a_forged_directory_does_not_hide_a_bomb_in_a_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["a"], *(["1"] for _ in range(1000)))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"xl/worksheets/sheet1.xml"))
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    assert reason_of(path) == "truncated"


def test_large_members_that_need_random_access_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive, "IN_MEMORY_LIMIT", 100)
    assert reason_of(zipped(tmp_path / "a.zip", {"a.parquet": parquet_bytes(pa.table({"a": [1]}))})) == "too_large"


def test_content_decides_and_not_the_extension(write, tmp_path: Path) -> None:
    assert rows_of(open_file(write("a\n1\n", "a.xlsx"))) == [("1", 1)]
    assert rows_of(open_file(write(json.dumps({"a": 1}), "a.csv"))) == [("1", 1)]
    assert rows_of(open_file(write(parquet_bytes(pa.table({"a": [1]})), "a.csv"))) == [("1", 1)]
    assert rows_of(open_file(zipped(tmp_path / "b.csv", {"x": b"a\n1\n"}))) == [("1", 1)]
    assert rows_of(open_file(workbook(tmp_path / "c.xlsx", ["a"], [1]).rename(tmp_path / "c.csv"))) == [("1", 1)]


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"BZh91AY", b"<html><table>", b"\x89PNG\r\n", b'[{"a":1}]'])
def test_foreign_content_is_refused_by_name(write, content: bytes) -> None:
    assert reason_of(write(content)) == "unsupported"


def test_a_folder_is_not_a_delivery(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="unsupported"):
        open_file(tmp_path)
