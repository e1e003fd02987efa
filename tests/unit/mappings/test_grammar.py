"""What a mapping file may say, and how a fault in it is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ingestion.mappings import MappingError, read_mapping
from ingestion.mappings.expressions import expression_columns, template_columns

HEAD = "organisation: H9\nsource: hospital\nname_zh: 测试医院（合成）\n"


def read(tmp_path: Path, feeds: str, **files: str) -> object:
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "H9.yml").write_text(HEAD + "feeds:\n" + feeds, encoding="utf-8")
    return read_mapping(tmp_path / "H9.yml")


@pytest.mark.parametrize(
    ("feeds", "fault"),
    [
        ("  visit: {columns: {visit_no: {sorce: a}}}", "mapping of H9, feed visit, field visit_no: sorce: this word is not part of the grammar"),
        ("  visit: {wher: {a: 1}, columns: {}}", "mapping of H9, feed visit: wher: this word is not part of the grammar"),
        ("  visit: {columns: {visit: a}}", "mapping of H9, feed visit: not fields of the contract: visit"),
        ("  visits: {columns: {}}", "mapping of H9, feed visits: no contract for feed 'visits'"),
        ("  visit: {columns: {visit_no: {source: a, constant: 1}}}", "mapping of H9, feed visit, field visit_no: says both source and constant"),
        (
            "  visit: {columns: {visit_no: {template: '{a'}}}",
            "mapping of H9, feed visit, field visit_no: template: template '{a': braces do not match",
        ),
        ("  visit: {columns: {visit_no: {extract: '(a'}}}", "mapping of H9, feed visit, field visit_no: extract: regular expression '(a'"),
        ("  visit: {columns: {visit_no: {extract: '(?=a)'}}}", "mapping of H9, feed visit, field visit_no: extract: regular expression '(?=a)'"),
        (
            "  visit: {columns: {visit_no: {expression: 'now()'}}}",
            "mapping of H9, feed visit, field visit_no: expression: expression 'now()': now is",
        ),
        ("  visit: {columns: {visit_no: {expression: 'a + 1'}}}", "feed visit, field visit_no: expression: expression 'a + 1': Binder Error"),
        ("  visit: {columns: {visit_no: {source: a, otherwise: x}}}", "field visit_no: otherwise needs codes or a code_table"),
        ("  visit: {join: {folder: x, on: a}, columns: {}}", "feed visit: join.0: join: say in `columns` (or `pivot`) what is taken"),
        ("  visit: {unpivot: {}, columns: {}}", "feed visit: unpivot: unpivot: name the columns"),
        ("  visit: {groups: {columns: {a: b}, numbers: 1-3}, columns: {}}", "feed visit: groups: groups: columns need {n} in their names"),
        ("  visit: {expect: {every: fortnight, from: 2024-01-01}, columns: {}}", "feed visit: expect.every: Input should be 'day', 'week'"),
        ("  visit: {deleted: {column: x, values: []}, columns: {}}", "feed visit: deleted.values: "),
        ("  patient: {columns: {residence_county_code: a}}", "feed patient: computed by the contract, not mapped: residence_county_code"),
        ("  visit: {columns: {visit_no: {source: a, code_table: {file: x.csv, key: k, value: v}}}}", "there is no file x.csv beside the mapping"),
        ("  visit: {columns: {visit_no: {source: a, code_table: {file: ../x.csv, key: k, value: v}}}}", "the name of a CSV that lies beside"),
    ],
)
def test_a_fault_is_told_with_organisation_feed_and_field(tmp_path: Path, feeds: str, fault: str) -> None:
    with pytest.raises(MappingError) as error:
        read(tmp_path, feeds)
    assert fault in str(error.value)
    assert "H9" in str(error.value)


def test_a_word_that_stands_twice_is_refused_and_its_line_told(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"H9.yml: not valid YAML: deleted stands twice(.|\n)*line 6"):
        read(tmp_path, "  visit: {deleted: {column: a, values: [x]},\n    deleted: {column: b, values: [y]}, columns: {}}")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as error:
        read(tmp_path, "  visit: {columns: {visit_no: {sorce: a}}}\n  patient: {wher: x, columns: {}}")
    assert len(str(error.value).splitlines()) == 2


def test_a_code_table_beside_the_mapping_is_read_into_its_codes_and_what_the_file_says_stands_before_it(tmp_path: Path) -> None:
    feeds = "  visit: {columns: {visit_type_code: {source: a, codes: {A: 9}, code_table: {file: t.csv, key: k, value: v, where: {kind: x}}}}}"
    mapping = read(tmp_path, feeds, t="k,v,kind\nA,1,x\n B ,2,x\nC,3,y\n")
    column = mapping.feeds["visit"].columns["visit_type_code"]
    assert column.codes == {"A": "9", "B": "2"}
    assert column.code_table is None


def test_a_code_table_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    feeds = "  visit: {columns: {visit_type_code: {source: a, code_table: {file: t.csv, key: k, value: v}}}}"
    with pytest.raises(MappingError, match="A stands twice with different codes"):
        read(tmp_path, feeds, t="k,v\nA,1\nA,2\n")


def test_a_feed_in_several_tables_has_an_entry_for_each_and_files_are_told_apart_by_pattern(tmp_path: Path) -> None:
    mapping = read(
        tmp_path,
        "  visit@mz: {folder: his, files: 'MZ*.csv', columns: {visit_no: a}}\n"
        "  visit@zy: {folder: his, files: 'zy*.csv', columns: {visit_no: b}}\n"
        "  surgery: {folder: his, join: {folder: his, files: 'dic*', on: x, columns: y}, files: 'ss*', columns: {surgery_no: y}}\n",
    )
    assert mapping.feeds_in_folder("his", "mz_2024.CSV") == ("visit@mz",)
    assert mapping.feeds_in_folder("his") == ("visit@mz", "visit@zy", "surgery")
    assert mapping.feeds_in_folder("his", "dic.csv") == ()
    assert mapping.is_joined("his", "dic.csv")
    assert not mapping.is_joined("his", "other.csv")
    assert mapping.resolved("visit@zy").columns["visit_no"].source == "b"


def test_expected_deliveries_are_told_by_period_grace_and_first_day(tmp_path: Path) -> None:
    mapping = read(tmp_path, "  visit: {expect: {every: month, grace_days: 5, from: 2024-01-01}, columns: {}}")
    expect = mapping.feeds["visit"].expect
    assert (expect.every, expect.grace_days, expect.start) == ("month", 5, date(2024, 1, 1))


def test_the_columns_of_an_expression_are_found(tmp_path: Path) -> None:
    assert expression_columns("list_aggregate(list_transform(split(a, ','), lambda x: x || \"中文 列\"), 'string_agg', '') || _row") == (
        "a",
        "中文 列",
    )
    assert template_columns("{a}-{中文?}-{_row:05}") == ("a", "中文")


@pytest.mark.parametrize("expression", ["(select 1)", "random() || a", "count(*) over ()", "a; select 1", "t.a", "current_date", "a from t"])
def test_an_expression_is_one_over_the_cells_of_the_row(expression: str) -> None:
    with pytest.raises(ValueError, match="expression"):
        expression_columns(expression)
