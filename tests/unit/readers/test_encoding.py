"""A declared encoding is checked against the bytes, and an undeclared one is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.readers import encoding, open_file
from tests.unit.readers.helpers import reason_of, rows_of

TEXT = "编号,诊断\n" + "".join(f"{i},结肠息肉，建议半年后复查\n" for i in range(20))
ROWS = [(str(i), "结肠息肉，建议半年后复查", i + 1) for i in range(20)]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_rightly_declared_or_undeclared_encoding_is_read(write, codec: str, declared: bool) -> None:
    opened = open_file(write(TEXT.encode(codec)), encoding=codec if declared else None)
    assert rows_of(opened) == ROWS
    assert opened.findings == []


@pytest.mark.parametrize(
    ("declared", "real"),
    [
        ("gb18030", "utf-8"),
        ("gb18030", "utf-8-sig"),
        ("utf-8", "gb18030"),
        ("gbk", "utf-16"),
        ("utf-16", "gb18030"),
        ("big5", "gb18030"),
        ("latin-1", "gb18030"),
    ],
)
def test_a_wrong_declaration_is_noticed_and_the_text_read_rightly(write, declared: str, real: str) -> None:
    opened = open_file(write(TEXT.encode(real)), encoding=declared)
    assert rows_of(opened) == ROWS
    assert [finding.code for finding in opened.findings] == ["encoding_mismatch"]


def test_a_few_gb18030_characters_that_happen_to_be_valid_utf8_are_read_as_declared(write) -> None:
    """模 in GB 18030 is the two bytes of the UTF-8 letter ģ; Chinese in UTF-8 takes three bytes, so the declaration stands."""
    opened = open_file(write("a,b\n1,模\n".encode("gb18030")), encoding="gb18030")
    assert (rows_of(opened), opened.findings) == ([("1", "模", 1)], [])


def test_traditional_chinese_declared_as_gb18030_is_noticed(write) -> None:
    text = "編號,診斷\n" + "1,結腸息肉，建議半年後複查，請於門診追蹤並攜帶健保卡\n" * 20
    opened = open_file(write(text.encode("big5")), encoding="gb18030")
    assert [finding.code for finding in opened.findings] != []


def test_utf8_that_begins_far_down_in_a_file_declared_as_gb18030_is_noticed(write) -> None:
    opened = open_file(write("a,b\n" + "1,2\n" * 2_000_000 + "1,结肠息肉\n"), encoding="gb18030")
    assert [finding.code for finding in opened.findings] == ["encoding_mismatch"]
    assert list(opened.batches())[-1]["b"][-1].as_py() == "结肠息肉"


def test_plain_ascii_fits_every_declaration(write) -> None:
    assert open_file(write("a,b\n1,2\n"), encoding="gb18030").findings == []


def test_a_character_cut_in_half_breaks_its_row_only(write) -> None:
    for codec in ("utf-8", "gb18030"):
        lines = TEXT.encode(codec).split(b"\n")
        lines[5] = lines[5][:-1]
        opened = open_file(write(b"\n".join(lines)), encoding=codec)
        assert rows_of(opened) == [row for row in ROWS if row[-1] != 5]
        assert [(row.row, row.code) for row in opened.broken] == [(5, "bad_bytes")]


def test_bytes_that_fit_no_encoding_are_refused(write) -> None:
    noise = random.Random(1).randbytes(200_000).replace(b"\0", b"\1")
    assert reason_of(write(b"a,b\n" + noise)) == "encoding"
    assert reason_of(write(TEXT.encode("utf-16")[:-1])) == "truncated"


def test_an_unknown_declaration_is_refused(write) -> None:
    assert reason_of(write("a\n1\n"), encoding="gb99999") == "encoding"


@given(st.text(st.characters(codec="utf-8"), max_size=8), st.integers(0, 40))
def test_a_block_is_cut_between_characters(text: str, cut: int) -> None:
    block = text.encode()[:cut]
    block[: encoding.whole_characters(block)].decode()
    assert len(block) - encoding.whole_characters(block) < 4
