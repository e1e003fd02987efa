"""From delivered rows to records: each operation of the grammar on a small table written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion import duck
from ingestion.field_qc import MissingColumns
from ingestion.readers import UnreadableFile
from ingestion.reshape import Reshaper, Unjoinable
from tests.unit.mappings.reshaping import DAY, cells, mapping_of, records, reshaped

VISIT = {"visit_no": "v", "patient_no": "p", "visit_type_code": {"constant": 1}, "visit_start_date": "d"}


def test_a_feed_without_reshaping_gets_its_cells_back_as_they_came(settings: Settings) -> None:
    table = cells({"v": " 1 ", "p": "9", "d": "NULL"}, {"v": "2", "p": "", "d": "20240101"})
    made = reshaped(settings, mapping_of("visit", {"columns": VISIT}), "visit", table)
    assert made.table.drop_columns("_part").equals(table)
    assert made.table["_part"].to_pylist() == [0, 0]
    assert made.without_record == {}


def test_a_header_may_differ_between_deliveries_by_alternative_name_letter_case_width_and_blanks(settings: Settings) -> None:
    said = {"columns": {**VISIT, "visit_start_date": ["JZRQ", "就诊日期"], "patient_no": "KH"}}
    mapping = mapping_of("visit", said)
    for header in ("JZRQ", "就诊日期", "jzrq", "ＪＺＲＱ", "就诊 日期"):
        made = reshaped(settings, mapping, "visit", cells({"v": "1", " Kh".strip(): "9", header: "20240101"}))
        assert records(made, "KH", "JZRQ") == [(1, 0, "9", "20240101")]


def test_of_alternative_headers_the_first_present_counts(settings: Settings) -> None:
    mapping = mapping_of("visit", {"columns": {**VISIT, "visit_start_date": ["a", "b", "c"]}})
    made = reshaped(settings, mapping, "visit", cells({"v": "1", "p": "9", "c": "no", "b": "yes"}))
    assert records(made, "a", "c") == [(1, 0, "yes", "no")]


def test_rows_of_another_kind_are_counted_and_left_out(settings: Settings) -> None:
    said = {"where": {"kind": ["MZ", "1"], "void": {"empty": True}}, "columns": VISIT}
    rows = [("MZ", ""), (" 1 ", "NULL"), ("ZY", ""), ("MZ", "y"), ("", "")]
    table = cells(*({"v": str(i), "p": "9", "d": "x", "kind": kind, "void": void} for i, (kind, void) in enumerate(rows)))
    made = reshaped(settings, mapping_of("visit", said), "visit", table)
    assert records(made, "v", "kind") == [(1, 0, "0", "MZ"), (2, 0, "1", " 1 ")]
    assert made.without_record == {"other_kind": 3}


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"k": {"not_equals": ["a"]}}, ["b", ""]),
        ({"k": {"matches": "[ab]"}}, ["a", "b"]),
        ({"k": {"empty": False}}, ["a", "b"]),
        ("k is null or k > 'a'", ["b", ""]),
        ("_row in ('1', '3')", ["a", ""]),
    ],
)
def test_a_condition_may_exclude_match_ask_for_empty_cells_or_be_an_expression(settings: Settings, where: object, kept: list[str]) -> None:
    table = cells(*({"v": "1", "p": "9", "d": "x", "k": k} for k in ("a", "b", "")))
    made = reshaped(settings, mapping_of("visit", {"where": where, "columns": VISIT}), "visit", table)
    assert made.table["k"].to_pylist() == kept


def test_wide_results_become_one_record_an_item_and_empty_cells_none(settings: Settings) -> None:
    said = {
        "unpivot": {
            "columns": {"bxb": {"item_code": "WBC", "item_name": "白细胞", "result_unit": "10^9/L"}, "cea": {"item_code": "CEA"}},
            "value": "result",
        },
        "columns": {"report_no": "no", "patient_no": "p", "reported_date": "d"},
    }
    mapping = mapping_of("lab_result", said)
    assert mapping.resolved("lab_result").columns["item_code"].source == "item_code"
    rows = [("1", "5.1", "2.0"), ("2", " ", "-"), ("3", "NULL", "7")]
    table = cells(*({"no": no, "p": "9", "d": "20240101", "bxb": bxb, "cea": cea, "note": "n"} for no, bxb, cea in rows))
    made = reshaped(settings, mapping_of("lab_result", said, null_values=["", "NULL", "-"]), "lab_result", table)
    assert records(made, "no", "note", "item_code", "item_name", "result_unit", "result") == [
        (1, 0, "1", "n", "WBC", "白细胞", "10^9/L", "5.1"),
        (1, 1, "1", "n", "CEA", None, None, "2.0"),
        (3, 1, "3", "n", "CEA", None, None, "7"),
    ]
    assert made.without_record == {"empty": 1}
    assert "bxb" not in made.table.column_names


def test_wide_columns_may_be_named_by_a_pattern_of_their_headers(settings: Settings) -> None:
    said = {
        "unpivot": {"matching": {"LAB_(.+)": {"item_code": "{1}", "item_name": "{column}"}}},
        "columns": {"report_no": "no", "patient_no": "p", "reported_date": "d"},
    }
    made = reshaped(settings, mapping_of("lab_result", said), "lab_result", cells({"no": "1", "p": "9", "d": "x", "LAB_B": "2", "LAB_A": "1"}))
    assert records(made, "item_code", "item_name", "result") == [(1, 0, "A", "LAB_A", "1"), (1, 1, "B", "LAB_B", "2")]


def test_repeated_groups_of_columns_become_records_whose_part_is_the_position_of_the_group(settings: Settings) -> None:
    said = {
        "groups": {"columns": {"diagnosis_code": "diag_{n}", "diagnosis_name": "name_{n}"}, "numbers": "1-9", "number_as": "seq"},
        "columns": {
            "diagnosis_no": {"template": "{v}-{seq}"},
            "patient_no": "p",
            "diagnosis_date": "d",
            "is_main": {"source": "seq", "codes": {"1": "1"}, "otherwise": "0"},
        },
    }
    table = cells(
        {"v": "7", "p": "9", "d": "x", "diag_1": "C34", "name_1": "肺癌", "diag_2": "", "name_2": "", "diag_3": "I10", "name_3": ""},
        {"v": "8", "p": "9", "d": "x", "diag_1": "", "name_1": "", "diag_2": "", "name_2": "", "diag_3": "", "name_3": ""},
    )
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", table)
    assert records(made, "=diagnosis_no", "diagnosis_code", "diagnosis_name", "=is_main") == [
        (1, 0, "7-1", "C34", "肺癌", "1"),
        (1, 2, "7-3", "I10", None, "0"),
    ]
    assert made.without_record == {"empty": 1}


def test_groups_may_be_listed_with_constants_and_ask_for_a_column(settings: Settings) -> None:
    said = {
        "groups": {
            "rows": [{"diagnosis_code": "main", "diagnosis_name": "main_name", "is_main": "=1"}, {"diagnosis_code": "other", "is_main": "=0"}],
            "required": "diagnosis_code",
        },
        "columns": {"diagnosis_no": {"template": "{v}.{_part}"}, "patient_no": "p", "diagnosis_date": "d"},
    }
    table = cells({"v": "7", "p": "9", "d": "x", "main": "", "main_name": "only words", "other": "I10"})
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", table)
    assert records(made, "=diagnosis_no", "diagnosis_code", "diagnosis_name", "is_main") == [(1, 1, "7.1", "I10", None, "0")]


def test_several_values_in_one_cell_become_records_in_the_order_of_the_cell(settings: Settings) -> None:
    said = {
        "explode": {"columns": ["code", "name"], "separators": "；;、"},
        "columns": {
            "diagnosis_no": {"template": "{v}-{_part}"},
            "patient_no": "p",
            "diagnosis_code": "code",
            "diagnosis_name": "name",
            "diagnosis_date": "d",
        },
    }
    table = cells(
        {"v": "7", "p": "9", "d": "x", "code": "C34.9；; I10 ", "name": "肺恶性肿瘤；高血压病、冠心病、糖尿病"},
        {"v": "8", "p": "9", "d": "x", "code": "", "name": " ； "},
        {"v": "9", "p": "9", "d": "x", "code": "E11", "name": ""},
    )
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", table)
    assert records(made, "=diagnosis_no", "code", "name") == [
        (1, 0, "7-0", "C34.9", "肺恶性肿瘤"),
        (1, 1, "7-1", None, "高血压病"),
        (1, 2, "7-2", "I10", "冠心病"),
        (1, 3, "7-3", None, "糖尿病"),
        (3, 0, "9-0", "E11", None),
    ]
    assert made.without_record == {"empty": 1}


def test_groups_whose_cells_hold_several_values_number_their_records_by_both_positions(settings: Settings) -> None:
    said = {
        "groups": {"columns": {"diagnosis_code": "d{n}"}, "numbers": [1, 2]},
        "explode": "diagnosis_code",
        "columns": {"diagnosis_no": {"template": "{v}-{_part}"}, "patient_no": "p", "diagnosis_date": "d"},
    }
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", cells({"v": "7", "p": "9", "d": "x", "d1": "A;B", "d2": ";C"}))
    assert records(made, "=diagnosis_no", "diagnosis_code") == [(1, 0, "7-0", "A"), (1, 1, "7-1", "B"), (1, 1001, "7-1001", "C")]


def test_patients_of_a_table_of_visits_are_taken_once_a_delivery(settings: Settings) -> None:
    said = {"distinct": ["pid"], "columns": {"patient_no": "pid", "sex_code": "sex"}}
    reshaper = Reshaper(duck.connect(), settings, mapping_of("patient", said), "patient")
    table = cells({"pid": "1", "sex": "M"}, {"pid": "2", "sex": "F"}, {"pid": " 1", "sex": "F"}, {"pid": "", "sex": "M"}, {"pid": "", "sex": "M"})
    first, again = reshaper.apply(table, DAY), reshaper.apply(table, DAY)
    assert records(first, "pid", "sex") == [(1, 0, "1", "M"), (2, 0, "2", "F"), (4, 0, "", "M"), (5, 0, "", "M")]
    assert first.without_record == {"repeated": 1}
    assert records(again, "pid") == [(4, 0, ""), (5, 0, "")]
    assert again.without_record == {"repeated": 3}
    assert len(reshaper.apply(table, DAY.replace(day=1)).table) == 4


def test_equal_rows_by_all_mapped_columns_are_one_record(settings: Settings) -> None:
    said = {"distinct": True, "columns": {"patient_no": "pid", "sex_code": "sex"}}
    rows = [("1", "M", "a"), ("1", "F", "b"), ("1", "M", "c")]
    made = reshaped(settings, mapping_of("patient", said), "patient", cells(*({"pid": p, "sex": s, "visit": v} for p, s, v in rows)))
    assert records(made, "pid", "sex") == [(1, 0, "1", "M"), (2, 0, "1", "F")]
    assert made.without_record == {"repeated": 1}


def test_each_reason_for_rows_without_a_record_is_counted_by_itself(settings: Settings) -> None:
    said = {
        "where": {"kind": "a"},
        "explode": "codes",
        "distinct": ["v", "codes"],
        "columns": {"diagnosis_no": {"template": "{v}-{codes}"}, "diagnosis_code": "codes", "patient_no": "p", "diagnosis_date": "d"},
    }
    rows = [("1", "a", "X;Y"), ("1", "a", "Y"), ("1", "b", "X"), ("2", "a", ";"), ("2", "a", "X;X")]
    table = cells(*({"v": v, "kind": k, "codes": c, "p": "9", "d": "x"} for v, k, c in rows))
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", table)
    assert records(made, "=diagnosis_no") == [(1, 0, "1-X"), (1, 1, "1-Y"), (5, 0, "2-X")]
    assert made.without_record == {"other_kind": 1, "empty": 1, "repeated": 1}


def derived(settings: Settings, field: str, said: dict, *rows: dict, feed: str = "visit", **more: object) -> list[str | None]:
    mapping = mapping_of(feed, {"columns": {field: said}}, **more)
    return reshaped(settings, mapping, feed, cells(*rows)).table[f"={field}"].to_pylist()


def test_a_template_is_empty_where_a_column_is_unless_it_is_marked_optional(settings: Settings) -> None:
    rows = [{"a": "x", "b": "7"}, {"a": "", "b": "7"}, {"a": "x", "b": ""}, {"a": "", "b": ""}]
    assert derived(settings, "visit_no", {"template": "{a}-{b}"}, *rows) == ["x-7", None, None, None]
    assert derived(settings, "visit_no", {"template": "{a?}{b?:03}"}, *rows) == ["x007", "007", "x", None]
    assert derived(settings, "visit_no", {"template": "{_delivered_on}/{_row:03}/{_part}"}, *rows[:2]) == ["2024-06-30/001/0", "2024-06-30/002/0"]


def test_the_first_filled_of_several_columns_may_be_taken(settings: Settings) -> None:
    rows = [{"a": "", "b": "2", "c": "3"}, {"a": "1", "b": "", "c": ""}, {"a": "", "b": "", "c": ""}]
    assert derived(settings, "visit_no", {"first_of": ["a", "b", "c"]}, *rows) == ["2", "1", None]


def test_a_made_key_is_the_same_for_the_same_cells_and_has_no_digits(settings: Settings) -> None:
    rows = [{"a": "甲", "b": "1980"}, {"a": " 甲", "b": "1980"}, {"a": "甲1", "b": "980"}, {"a": "", "b": "NULL"}]
    same, again, other, none = derived(settings, "visit_no", {"hash_of": ["a", "b"]}, *rows)
    assert same == again != other
    assert none is None
    assert same.isalpha() and len(same) == 24


def test_an_expression_sees_the_cells_of_its_row_as_text(settings: Settings) -> None:
    said = {"expression": "case when \"就诊 类型\" = '1' then upper(a) else cast(cast(a as int) + 1 as varchar) end"}
    assert derived(settings, "visit_no", said, {"a": "x", "就诊 类型": "1"}, {"a": "7", "就诊 类型": "2"}) == ["X", "8"]
    with pytest.raises(Unjoinable, match="expression_failed: visit_no: ConversionException"):
        derived(settings, "visit_no", said, {"a": "x", "就诊 类型": "2"})
    said = {"expression": "a || coalesce(b, '?') || _row"}
    assert derived(settings, "visit_no", said, {"a": " x ", "b": ""}, {"a": "y", "b": "z"}) == ["x?1", "yz2"]


def test_text_is_replaced_and_extracted_in_this_order(settings: Settings) -> None:
    said = {"source": "a", "replace": {"\\s": "", "（.*）": ""}, "extract": "([A-Z]\\d\\d(?:\\.\\d+)?)"}
    assert derived(settings, "visit_no", said, {"a": "诊断：C 34.1（肺）"}, {"a": "无编码"}, {"a": ""}) == ["C34.1", None, None]


def test_codes_stand_before_the_dictionary_and_otherwise_behind_it(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/dic/2024-01-01/d.csv", "code,std,kind\nA,1,t\nB,2,t\nC,3,x\n")
    said = {"source": "a", "codes": {"A": "9"}, "code_table": {"folder": "dic", "key": "code", "value": "std", "where": {"kind": "t"}}}
    rows = [{"a": a} for a in ("A", "B", "C", "")]
    assert derived(settings, "visit_type_code", said, *rows) == ["9", "2", "C", None]
    assert derived(settings, "visit_type_code", {**said, "otherwise": "4"}, *rows) == ["9", "2", "4", None]
    assert derived(settings, "visit_type_code", {**said, "otherwise": ""}, *rows) == ["9", "2", None, None]


def test_a_long_list_of_codes_is_looked_up_like_a_short_one(settings: Settings) -> None:
    codes = {f"L{n}": str(n) for n in range(500)}
    said = {"source": "a", "codes": codes, "otherwise": "x"}
    assert derived(settings, "visit_type_code", said, {"a": "L7"}, {"a": "M"}, {"a": "L499"}) == ["7", "x", "499"]


def test_dates_are_shifted_and_what_is_no_date_stays_for_field_qc(settings: Settings) -> None:
    rows = [{"d": "2180-02-29"}, {"d": "29.02.2180 10:15:00"}, {"d": "soon"}, {"d": ""}]
    shift = {"years": -160, "days": 1}
    said = {"source": "d", "date_format": ["%d.%m.%Y %H:%M:%S"]}
    expected = ["2020-03-01 00:00:00", "2020-03-01 10:15:00", "soon", None]
    assert derived(settings, "visit_start_date", said, *rows, date_shift=shift) == expected
    assert derived(settings, "visit_start_date", {**said, "date_shift": shift}, *rows) == expected


def test_a_date_in_iso_form_with_words_behind_it_is_read_by_the_mappings_format(settings: Settings) -> None:
    said = {"source": "d", "date_format": "%Y-%m-%d %H时", "date_shift": {"days": 1}}
    assert derived(settings, "visit_start_date", said, {"d": "2024-05-06 07时"}, {"d": "2024-05-06T00:30:00+08:00"}) == [
        "2024-05-07 07:00:00",
        "2024-05-07 00:30:00",
    ]
    said = {"source": "d", "date_format": "%Y-%d-%m", "date_shift": {"days": 1}}
    assert derived(settings, "visit_start_date", said, {"d": "2024-05-06"}) == ["2024-06-06 00:00:00"]


def test_a_chunk_whose_rows_become_many_records_is_taken_in_pieces(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.reshape.RECORDS_AT_ONCE", 6)
    said = {"unpivot": {"columns": {"a": {"item_code": "A"}, "b": {"item_code": "B"}}}, "columns": {"report_no": "no"}}
    reshaper = Reshaper(duck.connect(), settings, mapping_of("lab_result", said), "lab_result")
    table = cells(*({"no": str(n), "a": "1", "b": "2"} for n in range(7)))
    made = [reshaper.apply(piece, DAY) for piece in reshaper.pieces(table)]
    assert [len(m.table) for m in made] == [6, 6, 2]
    assert [r for m in made for r, _ in records(m)] == [1 + n // 2 for n in range(14)]


def test_serial_and_epoch_dates_are_read(settings: Settings) -> None:
    rows = [{"d": "45292"}, {"d": "45292.5"}, {"d": "2024-01-02"}]
    assert derived(settings, "visit_start_date", {"source": "d", "date_format": "excel"}, *rows) == [
        "2024-01-01 00:00:00",
        "2024-01-01 12:00:00",
        "2024-01-02 00:00:00",
    ]
    assert derived(settings, "visit_start_date", {"source": "d", "date_format": "epoch_ms"}, {"d": "1704038400000"}) == ["2024-01-01 00:00:00"]
    assert derived(settings, "visit_start_date", {"source": "d", "date_format": "%b %d %Y"}, {"d": "Jan 05 2024"}) == ["2024-01-05 00:00:00"]


@pytest.mark.parametrize(
    ("age", "at", "birth"),
    [
        ("57", "2020-06-30", "1962-12-30"),
        ("57岁", "2020-06-30", "1962-12-30"),
        ("57Y", "20200630", "1962-12-30"),
        ("> 89", "2020-06-30", "1929-12-30"),
        ("3月", "2020-06-30", "2020-03-15"),
        ("12天", "2020-06-30", "2020-06-18"),
        ("2周", "2020-06-30", "2020-06-16"),
        ("3岁2月", "2020-06-30", "2017-04-30"),
        ("[70-80)", "2020-06-30", "1945-06-30"),
        ("52", "2180", "2128-06-30"),
        ("成人", "2020-06-30", "成人"),
        ("", "2020-06-30", None),
        ("57", "", None),
    ],
)
def test_a_birth_date_is_estimated_so_that_the_age_comes_out_again(settings: Settings, age: str, at: str, birth: str | None) -> None:
    said = {"birth_from": {"age": "age", "at": "{at}"}}
    assert derived(settings, "birth_date", said, {"age": age, "at": at}, feed="patient") == [birth]


def test_a_birth_date_from_age_is_shifted_with_the_dates_it_came_from(settings: Settings) -> None:
    said = {"birth_from": {"age": "age", "at": "{at}"}}
    assert derived(settings, "birth_date", said, {"age": "52", "at": "2180"}, feed="patient", date_shift={"years": -160}) == ["1968-06-30"]


def test_a_date_told_as_minutes_after_another_is_computed(settings: Settings) -> None:
    rows = [{"y": "2015", "o": "1500"}, {"y": "2015", "o": "-60.0"}, {"y": "2015", "o": "?"}, {"y": "", "o": "5"}, {"y": "2015", "o": ""}]
    said = {"date_plus": {"base": "{y}-01-02", "add": "o", "unit": "minutes"}}
    assert derived(settings, "visit_start_date", said, *rows) == ["2015-01-03 01:00:00", "2015-01-01 23:00:00", "?", None, None]


def test_quantities_are_converted_by_the_unit_in_another_column(settings: Settings) -> None:
    said = {
        "columns": {
            "item_code": "item",
            "result": {
                "source": "val",
                "units": {
                    "unit": "u",
                    "item": "item",
                    "unit_field": "result_unit",
                    "rules": [{"unit": "mg/dL", "item": "CREA", "factor": 88.4, "to": "µmol/L"}, {"unit": "cm", "factor": 10, "to": "mm"}],
                },
            },
            "result_unit": "u",
        }
    }
    rows = [("CREA", "1.2", "MG/DL"), ("CREA", "> 1.25E1 H", "mg / dL"), ("GLU", "90", "mg/dL"), ("SIZE", "2.5", "cm"), ("CREA", "溶血", "mg/dl")]
    table = cells(*({"item": i, "val": v, "u": u} for i, v, u in rows), {"item": "CREA", "val": "80", "u": ""})
    made = reshaped(settings, mapping_of("lab_result", said), "lab_result", table)
    assert [r[2:] for r in records(made, "=result", "=result_unit")] == [
        ("106.08", "µmol/L"),
        ("> 1105 H", "µmol/L"),
        ("90", "mg/dL"),
        ("25", "mm"),
        ("溶血", "µmol/L"),
        ("80", None),
    ]


def join_mapping(**join: object) -> dict:
    return {
        "join": {"folder": "head", "on": "no", "columns": {"pid": "kh", "day": "rq"}, **join},
        "columns": {"report_no": "no", "item_code": "item", "patient_no": "pid", "reported_date": "day", "result": "val"},
    }


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def items(*rows: tuple[str, str]) -> object:
    return cells(*({"no": no, "item": item, "val": "1"} for no, item in rows))


def test_a_header_table_is_joined_from_its_latest_delivery_on_or_before_the_day(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh,rq", "1,old,20240601"))
    land("hospital/H9/head/2024-06-30/h.csv", lines("NO,KH,rq", "1,p1,20240630", "2,p2,20240630"))
    land("hospital/H9/head/2024-07-01/h.csv", lines("no,kh,rq", "1,later,20240701"))
    mapping = mapping_of("lab_result", join_mapping())
    made = reshaped(settings, mapping, "lab_result", items(("2", "WBC"), (" 1", "WBC"), ("3", "WBC"), ("1", "CEA")))
    assert records(made, "no", "item", "pid", "day") == [
        (1, 0, "2", "WBC", "p2", "20240630"),
        (2, 0, " 1", "WBC", "p1", "20240630"),
        (3, 0, "3", "WBC", None, None),
        (4, 0, "1", "CEA", "p1", "20240630"),
    ]


def test_a_missing_joined_table_rejects_the_file_by_name(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-07-01/h.csv", lines("no,kh,rq", "1,p1,20240701"))
    with pytest.raises(Unjoinable) as error:
        reshaped(settings, mapping_of("lab_result", join_mapping()), "lab_result", items(("1", "WBC")))
    assert (error.value.code, error.value.reason_zh) == ("missing_join_table", "缺少需要关联的表：head")


def test_a_joined_table_without_the_columns_needed_is_named(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh", "1,p1"))
    with pytest.raises(Unjoinable, match="join_columns_missing: head: no column rq"):
        reshaped(settings, mapping_of("lab_result", join_mapping()), "lab_result", items(("1", "WBC")))


def test_a_join_key_that_stands_in_rows_that_differ_is_refused_and_equal_rows_are_not(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh,rq,x", "1,p1,20240601,a", "1,p1,20240601,b", "2,p2,20240601,a"))
    assert len(reshaped(settings, mapping_of("lab_result", join_mapping()), "lab_result", items(("1", "WBC"))).table) == 1
    land("hospital/H9/head/2024-06-02/h.csv", lines("no,kh,rq", "1,p1,20240601", "1,p7,20240601"))
    with pytest.raises(Unjoinable, match="join_key_repeated"):
        reshaped(settings, mapping_of("lab_result", join_mapping()), "lab_result", items(("1", "WBC")))


def test_the_first_or_last_row_of_a_key_may_be_taken_by_an_order(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh,rq,n", "1,ten,x,10", "1,nine,x,9", "1,none,x,"))
    for take, expected in (("first", "nine"), ("last", "ten")):
        mapping = mapping_of("lab_result", join_mapping(take=take, order_by="n"))
        assert records(reshaped(settings, mapping, "lab_result", items(("1", "WBC"))), "pid") == [(1, 0, expected)]


def test_increments_of_a_joined_table_may_be_read_together_and_the_newest_row_counts(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh,rq", "1,p1,20240601", "2,p2,20240601"))
    land("hospital/H9/head/2024-06-02/h.csv", lines("no,kh,rq", "1,p7,20240602"))
    mapping = mapping_of("lab_result", join_mapping(deliveries="all"))
    made = reshaped(settings, mapping, "lab_result", items(("1", "WBC"), ("2", "WBC")))
    assert records(made, "pid") == [(1, 0, "p7"), (2, 0, "p2")]


def test_joins_follow_one_another(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/items/2024-06-01/i.csv", lines("itemid,label", "50,Glucose"))
    land("hospital/H9/adm/2024-06-01/a.csv", lines("hadm,subj,t", "7,9,2180-01-01"))
    said = {
        "join": [
            {"folder": "adm", "on": {"hadm_id": "hadm"}, "columns": ["subj", "t"], "prefix": "adm_"},
            {"folder": "items", "on": "itemid", "columns": ["label"]},
        ],
        "columns": {
            "report_no": {"template": "{adm_subj}-{_row}"},
            "item_code": "label",
            "patient_no": "adm_subj",
            "reported_date": "adm_t",
            "result": "value",
        },
    }
    table = cells({"hadm_id": "7", "itemid": "50", "value": "1.2"}, {"hadm_id": "8", "itemid": "51", "value": "1.2"})
    made = reshaped(settings, mapping_of("lab_result", said, date_shift={"years": -160}), "lab_result", table)
    assert records(made, "=report_no", "label", "adm_subj", "=reported_date") == [
        (1, 0, "9-1", "Glucose", "9", "2020-01-01 00:00:00"),
        (2, 0, None, None, None, None),
    ]


def test_a_long_table_becomes_columns_of_a_joined_one(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H9/mx/2024-06-01/m.csv", lines("tjbh,xm,jg", "1,SBP,120", "1,DBP,80", "2,SSY,130", "1,XX,5", "2,DBP,"))
    said = {
        "join": {"folder": "mx", "on": "tjbh", "pivot": {"item": "xm", "value": "jg", "columns": {"ssy": ["SBP", "SSY"], "szy": "DBP"}}},
        "columns": {"exam_no": "tjbh", "systolic_mmhg": "ssy", "diastolic_mmhg": "szy"},
    }
    mapping = mapping_of("physical_exam", said, source="checkup")
    with pytest.raises(Unjoinable, match="missing_join_table"):
        reshaped(settings, mapping, "physical_exam", cells({"tjbh": "1"}))
    land("checkup/H9/mx/2024-06-01/m.csv", lines("tjbh,xm,jg", "1,SBP,120", "1,DBP,80", "2,SSY,130", "1,XX,5", "2,DBP,"))
    made = reshaped(settings, mapping, "physical_exam", cells({"tjbh": "1"}, {"tjbh": "2"}, {"tjbh": "3"}))
    assert records(made, "ssy", "szy") == [(1, 0, "120", "80"), (2, 0, "130", None), (3, 0, None, None)]
    land("checkup/H9/mx/2024-06-02/m.csv", lines("tjbh,xm,jg", "1,SBP,120", "1,SBP,121"))
    with pytest.raises(Unjoinable, match="join_key_repeated"):
        reshaped(settings, mapping, "physical_exam", cells({"tjbh": "1"}))


def test_what_the_reshaping_needs_and_the_file_lacks_is_named(settings: Settings) -> None:
    said = {
        "where": {"kind": "a"},
        "explode": "codes",
        "columns": {"visit_no": {"template": "{x}-{y}"}, "patient_no": "p", "visit_end_date": {"template": "{never}", "optional": True}},
    }
    reshaper = Reshaper(duck.connect(), settings, mapping_of("visit", said), "visit")
    with pytest.raises(MissingColumns) as error:
        reshaper.columns(("p", "x"))
    assert error.value.columns == ["codes", "kind", "y"]
    assert reshaper.columns(("p", "x", "y", "kind", "codes")) == ("p", "x", "y", "kind", "codes", "=visit_no")


def test_a_column_made_that_bears_the_name_of_a_delivered_one_is_refused(settings: Settings) -> None:
    said = {"unpivot": {"columns": {"wbc": {"item_code": "WBC"}}, "value": "result"}, "columns": {"report_no": "no"}}
    reshaper = Reshaper(duck.connect(), settings, mapping_of("lab_result", said), "lab_result")
    with pytest.raises(UnreadableFile, match="made_column"):
        reshaper.columns(("no", "wbc", "result"))


def test_columns_that_anything_uses_are_not_called_unmapped(settings: Settings) -> None:
    said = {
        "where": {"kind": "a"},
        "groups": {"columns": {"diagnosis_code": "d{n}"}, "numbers": [1, 2]},
        "columns": {"diagnosis_no": {"template": "{v}-{_part}"}, "patient_no": ["p", "pp"], "diagnosis_date": "d"},
        "ignore": ["x"],
    }
    reshaper = Reshaper(duck.connect(), settings, mapping_of("diagnosis", said), "diagnosis")
    assert reshaper.unmapped(("kind", "d1", "d2", "v", "pp", "d", "x", "z")) == ["z"]


def test_many_records_of_many_rows_stay_in_the_order_of_the_file(settings: Settings) -> None:
    said = {"explode": "c", "columns": {"diagnosis_no": {"template": "{v}-{_part}"}, "patient_no": "v", "diagnosis_code": "c", "diagnosis_date": "v"}}
    table = cells(*({"v": str(n), "c": ";".join("abcde"[: n % 6])} for n in range(30_000)))
    made = reshaped(settings, mapping_of("diagnosis", said), "diagnosis", table)
    place = [(r, p) for r, p, _ in records(made, "c")]
    assert place == sorted(place)
    assert len(place) == sum(n % 6 for n in range(30_000))
    assert made.without_record == {"empty": 5_000}
