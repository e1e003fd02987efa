"""Texts that plainly stand as they are: what is said of them is what the statement of their field says."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from ingestion import field_qc, plain
from ingestion.contracts import Contract, Field, contract, contracts
from ingestion.field_qc import DATE_FORMATS, Judge, not_done_words
from ingestion.mappings import ColumnMapping, FeedMapping

TEXTS = [
    *(None, "0", "1", "2", "9", "12", "007", "-1", "-0", "1.5", "1.50", "0.05", "36.6666667", "110", "130", "300", "2019", "99999", "1234567890123"),
    *("5.", ".5", "1e3", "+3", "１２", "<5", "12+", "3次", "nan", "inf", "1,000"),
    *("2024-05-06", "2024-02-29", "1899-12-31", "2101-01-01", "20240506", "2024/5/6", "2024年5月6日", "epoch", "2024-05-06 07:08:09"),
    *("未查", "-", "/", "拒绝检查", "男", "女", "是", "否", "Y", "x", "A1", "C18.7", "8140/3", "mmol/L", "10^9/L"),
    *("13900000000", "23900000000", "139 0000 0000", "110105194912310021", "11010519491231002X", "0351-1234567", "0351-12345678"),
    *("张三", "王小明行切除术", "太原市迎泽区某路1号", "山西省某县某村", "直肠", "乙状结肠腺癌，中分化", "见报告", "a" * 30, "字" * 70, "x" * 300),
    *("1;2", "1；3", "V202405010000001", "H1401-000123", "2024-05", " "),
]
MAPPINGS = [
    ColumnMapping(source="c"),
    ColumnMapping(source="c", codes={"男": "1", "女": "2", "Y": "1", "-": "2", "1": "2", "x": "no code"}),
    ColumnMapping(source="c", date_format=("%Y%m%d",), factor=2.0),
]


def said(connection: duckdb.DuckDBPyConnection, checked: Contract, field: Field, mapping: ColumnMapping, *, quick: bool) -> dict[str, list]:
    feed = FeedMapping(columns={field.name: mapping})
    sql, outputs = field_qc.field_sql(checked, field, mapping, feed, synthetic=True)
    read = plain.reader(checked, field, mapping, feed, not_done_words(), DATE_FORMATS) if quick else None
    return Judge(sql, field, outputs, read)(connection, pa.array(TEXTS, pa.string())).to_pydict()


def statements(mapping: ColumnMapping) -> Iterator[tuple[Contract, Field]]:
    """A field for each way in which fields are judged."""
    seen = set()
    for checked in contracts().values():
        for field in checked.fields:
            sql = (
                "" if field.derivation else field_qc.field_sql(checked, field, mapping, FeedMapping(columns={field.name: mapping}), synthetic=True)[0]
            )
            if sql and sql not in seen:
                seen.add(sql)
                yield checked, field


@pytest.mark.parametrize("mapping", MAPPINGS, ids=["as delivered", "local codes", "other dates and units"])
def test_plain_texts_are_judged_as_the_statement_judges_them(mapping: ColumnMapping) -> None:
    connection = duckdb.connect()
    for checked, field in statements(mapping):
        quick, asked = (said(connection, checked, field, mapping, quick=q) for q in (True, False))
        for column, values in asked.items():
            told = [(t, q, a) for t, q, a in zip(TEXTS, quick[column], values, strict=True) if q != a]
            assert not told, f"{checked.feed}.{field.name}, {column}: {told}"


def test_most_texts_of_a_form_need_no_statement() -> None:
    form = contract("questionnaire")
    answers = pa.array(["1", "2", None], pa.string())
    plainly = 0
    for field in form.fields:
        mapping = ColumnMapping(source="c")
        read = plain.reader(form, field, mapping, FeedMapping(columns={field.name: mapping}), not_done_words(), DATE_FORMATS)
        plainly += read is not None and bool(read(answers)[0][:2].any())
    assert plainly > 0.7 * len(form.fields)
