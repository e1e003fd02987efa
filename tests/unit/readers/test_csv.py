"""Delimited text: cells exactly as delivered, broken rows alone, numbers kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.readers import lines, open_file
from tests.unit.readers.helpers import reason_of, rows_of

ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16"]


def broken_of(opened) -> list[tuple[int, str]]:
    return [(row.row, row.code) for row in opened.broken]


def test_cells_come_as_delivered_with_blanks_and_leading_zeros(write) -> None:
    opened = open_file(write("编号,姓名,值\n007, 甲 ,\n8,,1.50\n"))
    assert opened.columns == ("编号", "姓名", "值")
    assert rows_of(opened) == [("007", " 甲 ", "", 1), ("8", "", "1.50", 2)]


def test_quoted_cells_may_hold_newlines_delimiters_and_quotes(write) -> None:
    opened = open_file(write('a,b\n"x\ny","1,2"\n"say ""hi""",3\n'))
    assert rows_of(opened) == [("x\ny", "1,2", 1), ('say "hi"', "3", 2)]
    assert opened.broken == []


def test_mixed_line_ends_all_end_rows(write) -> None:
    assert rows_of(open_file(write("a,b\r\n1,2\n3,4\r5,6\r\n\r\n7,8"))) == [("1", "2", 1), ("3", "4", 2), ("5", "6", 3), ("7", "8", 4)]


def test_a_file_with_carriage_returns_only_is_read(write) -> None:
    assert rows_of(open_file(write("a,b\r1,2\r3,4\r"))) == [("1", "2", 1), ("3", "4", 2)]


def test_rows_with_another_number_of_columns_are_broken_and_keep_their_numbers(write) -> None:
    opened = open_file(write("a,b\n1,2\n3\n4,5,6\n7,8\n"))
    assert rows_of(opened) == [("1", "2", 1), ("7", "8", 4)]
    assert [(r.row, r.code, r.text) for r in opened.broken] == [(2, "column_count", "3"), (3, "column_count", "4,5,6")]
    assert opened.rows_read == 4


def test_a_row_with_a_nul_character_is_broken_alone(write) -> None:
    opened = open_file(write(b"a\n1\n2\x00\n3\n"))
    assert rows_of(opened) == [("1", 1), ("3", 3)]
    assert broken_of(opened) == [(2, "nul_byte")]


def test_a_stray_opening_quote_costs_its_own_line_only(write) -> None:
    opened = open_file(write('a,b,c\n1,"x,2\n3,"y",4\n5,"line\nline",6\n7,z,8\n'))
    assert rows_of(opened) == [("3", "y", "4", 2), ("5", "line\nline", "6", 3), ("7", "z", "8", 4)]
    assert [(r.row, r.code, r.text) for r in opened.broken] == [(1, "quote", '1,"x,2')]


def test_a_quote_that_never_closes_swallows_no_row(write) -> None:
    opened = open_file(write('a,b\n1,"x\n' + "".join(f"{i},y\n" for i in range(2, 1000))))
    assert len(rows_of(opened)) == 998
    assert broken_of(opened) == [(1, "quote")]


def test_two_stray_quotes_that_would_hide_whole_rows_between_them_are_noticed(write) -> None:
    rows = [f"{i},a,b,c,d,e\n" for i in range(1, 41)]
    rows[4], rows[30] = '5,"a,b,c,d,e\n', '31,a,b",c,d,e\n'
    opened = open_file(write("k,p,q,r,s,t\n" + "".join(rows)))
    numbers = [row[-1] for row in rows_of(opened)]
    assert numbers == [i for i in range(1, 41) if i != 5]
    assert broken_of(opened) == [(5, "quote")]


def test_quotes_inside_an_unquoted_cell_are_plain_characters(write) -> None:
    opened = open_file(write('a,b\n诊断"结节"后,1\n5",2\n'))
    assert rows_of(opened) == [('诊断"结节"后', "1", 1), ('5"', "2", 2)]


def test_text_after_a_closing_quote_breaks_the_row(write) -> None:
    opened = open_file(write('a,b\n"x"y,1\n"z",2\n'))
    assert rows_of(opened) == [("z", "2", 2)]
    assert broken_of(opened) == [(1, "quote")]


def test_another_delimiter_and_no_quoting_are_honoured(write) -> None:
    path = write('a|b\n"x|1\n囧|2\n'.encode("gb18030"))
    assert rows_of(open_file(path, delimiter="|", quote="")) == [('"x', "1", 1), ("囧", "2", 2)]


def test_header_names_lose_their_blanks(write) -> None:
    assert open_file(write(" a ,\ufeffb\t,　c\n1,2,3\n")).columns == ("a", "b", "c")


def test_columns_without_a_name_are_left_out_and_break_the_rows_that_use_them(write) -> None:
    opened = open_file(write("a,,b,\n1,,2,\n3,x,4,\n5,,6,\n"))
    assert opened.columns == ("a", "b")
    assert rows_of(opened) == [("1", "2", 1), ("5", "6", 3)]
    assert broken_of(opened) == [(2, "unnamed_cell")]


def test_a_header_alone_gives_no_rows(write) -> None:
    for text in ("a,b\n", "a,b", "\ufeffa,b\r\n\r\n"):
        opened = open_file(write(text))
        assert (opened.columns, rows_of(opened), opened.rows_read) == (("a", "b"), [], 0)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b" \r\n\n ", "empty_file"),
        (b"a,b,a\n1,2,3\n", "duplicate_header"),
        (b"a,b, a\n1,2,3\n", "duplicate_header"),
        (b",,\n1,2,3\n", "header"),
        (b'a,"b\n1,2\n', "header"),
        (b"a,_row\n1,2\n", "reserved_header"),
        (b"a\tb\n1\t2\n", "delimiter"),
        (b"\x01\x02\x03\x04,\x05\n", "not_csv"),
    ],
)
def test_files_without_a_usable_header_are_refused_with_the_reason(write, content: bytes, code: str) -> None:
    assert reason_of(write(content)) == code


def test_a_line_longer_than_any_record_is_broken_and_its_neighbours_are_read(write, monkeypatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 1 << 16)
    monkeypatch.setattr(lines, "LINE_LIMIT", 1 << 18)
    opened = open_file(write(b"a,b\n1,2\n" + b"x" * (3 << 20) + b",9\n3,4\n"))
    assert rows_of(opened) == [("1", "2", 1), ("3", "4", 3)]
    assert broken_of(opened) == [(2, "line_too_long")]
    assert len(opened.broken[0].text) < 100_000


def test_a_file_of_mostly_broken_rows_is_refused_before_they_fill_the_memory(write) -> None:
    assert reason_of(write("a,b\n" + "1,2,3\n" * 20_000)) == "too_many_broken_rows"


def test_reading_twice_gives_the_same(write) -> None:
    opened = open_file(write("a,b\n1,2\n3\n4,5\n"))
    assert (rows_of(opened), broken_of(opened), opened.rows_read) == (rows_of(opened), broken_of(opened), opened.rows_read)


def test_batches_stay_under_their_limit_and_row_numbers_run_on_over_many_pieces(write, monkeypatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 4096)
    monkeypatch.setattr("ingestion.readers.model.ROWS_PER_BATCH", 1000)
    text = "".join("坏\n" if i % 500 == 0 else f'{i},"名\n{i}"\n' if i % 7 == 0 else f"{i},名\n" for i in range(1, 5001))
    opened = open_file(write(("k,v\n" + text).encode("gb18030")), encoding="gbk")
    tables = list(opened.batches())
    assert max(table.num_rows for table in tables) <= 1000
    assert [n for table in tables for n in table["_row"].to_pylist()] == [i for i in range(1, 5001) if i % 500]
    assert all(key == str(n) for table in tables for key, n in zip(table["k"].to_pylist(), table["_row"].to_pylist(), strict=True))
    assert broken_of(opened) == [(i, "column_count") for i in range(500, 5001, 500)]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
EVERYDAY = st.text(st.sampled_from('甲乙丙丁结肠息肉,"\r\n \t;ab12.'), max_size=12)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS | EVERYDAY, CELLS | EVERYDAY), min_size=1, max_size=12), everything_quoted=st.booleans())
def test_any_cell_text_survives_the_way_through_a_csv_file(tmp_path: Path, encoding: str, rows, everything_quoted: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if everything_quoted else csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerows([("甲", "乙"), *rows])
    path = tmp_path / "round_trip.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    opened = open_file(path, encoding=encoding)
    assert [row[:2] for row in rows_of(opened)] == rows
    assert opened.broken == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from('ab,"\n'), max_size=12), max_size=30))
def test_no_line_is_lost_however_the_quotes_stand(tmp_path: Path, damaged: list[str]) -> None:
    """Sound rows stand between arbitrary ones; each of them is read, or is visibly part of a cell or a broken row, never gone."""
    sound = [f"行{i},值{i}" for i in range(len(damaged))]
    path = tmp_path / "damaged.csv"
    path.write_text("a,b\n" + "".join(f"{text}\n{row}\n" for text, row in zip(damaged, sound, strict=True)), encoding="utf-8")
    opened = open_file(path)
    seen = "\n".join([*(",".join(row[:2]) for row in rows_of(opened)), *(row.text for row in opened.broken)])
    assert all(row in seen for row in sound)
    numbers = sorted([row[-1] for row in rows_of(opened)] + [row.row for row in opened.broken])
    assert numbers == list(range(1, len(numbers) + 1))
