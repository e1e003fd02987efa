"""Field quality control as case tables: what is delivered, what stands afterwards, and what is said of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from ingestion import field_qc
from ingestion.check import check as check_rows
from ingestion.contracts import Contract, Rule, contract
from ingestion.encoded import spread
from ingestion.lake_rows import lake_texts
from ingestion.mappings import FeedMapping
from tests.unit.ingestion.test_id_number import complete

DELIVERED_ON = date(2024, 12, 31)


def check(feed: str, row: dict[str, str | None], columns: dict | None = None, deleted: dict | None = None, described: Contract | None = None) -> dict:
    """One row through the compiled check of a feed: standardised values, comparators `c:<field>`, texts kept `t:<field>`, and what was said."""
    mapping = FeedMapping(columns=columns or {name: name for name in row if name != "zt"}, null_values=("", "NULL"), deleted=deleted)
    place = {"_row": [1], "_part": [0], "_file_no": [0], "_delivered_on": [DELIVERED_ON]}
    table = pa.table({**{k: pa.array([v], pa.string()) for k, v in row.items()}, **place})
    compiled = field_qc.compile_check(described or contract(feed), mapping, tuple(row), synthetic=True)
    found = check_rows(duckdb.connect(), compiled, table)
    told = {f: found.values(f)[0].as_py() for f in found.fields}
    told |= {f"c:{f}": spread(j.comparator, j.place)[0].as_py() for f, j in found.fields.items() if j.comparator is not None}
    if made := lake_texts(duckdb.connect(), contract(feed), found, None, None):
        told |= {f: values[0].as_py() for f, values in made.items() if contract(feed).field(f).derivation}
    told |= {f"t:{f}": found.clean_text(f)[0].as_py() for f in found.fields}
    return told | {"_ok": bool(found.ok[0]), "_deleted": bool(found.deleted[0]), "_verdicts": found.verdict_texts()[0].as_py()}


NUMBERS = [
    # delivered, value, comparator, reason
    ("1.25", Decimal("1.250"), None, None),
    (" 1.25　", Decimal("1.250"), None, None),
    ("１．２５", Decimal("1.250"), None, None),
    (">11.00", Decimal("11.000"), ">", "comparator"),
    ("> 11.00", Decimal("11.000"), ">", "comparator"),
    ("＜0.5", Decimal("0.500"), "<", "comparator"),
    ("4.15+", Decimal("4.150"), "+", "comparator"),
    ("6.15++", Decimal("6.150"), "++", "comparator"),
    ("7.75轻度乳糜", Decimal("7.750"), None, "trailing_text"),
    ("弃查", None, None, "not_done"),
    ("未查", None, None, "not_done"),
    ("2.2.8", None, None, "not_a_number"),
    ("张三", None, None, "not_a_number"),
    ("nan", None, None, "not_a_number"),
    ("-0.12", None, None, "out_of_range"),
    ("9999", None, None, "out_of_range"),
    ("99999999999999999999", None, None, "out_of_range"),
    ("", None, None, None),
    ("NULL", None, None, None),
]


@pytest.mark.parametrize(("delivered", "value", "comparator", "reason"), NUMBERS)
def test_a_laboratory_value_is_parsed_or_kept_with_its_reason(
    delivered: str, value: Decimal | None, comparator: str | None, reason: str | None
) -> None:
    row = check("physical_exam", {"exam_no": "1", "triglyceride_mmol_l": delivered})
    assert row["triglyceride_mmol_l"] == value
    assert row["c:triglyceride_mmol_l"] == comparator
    assert row["_verdicts"] == (f"triglyceride_mmol_l:{reason}" if reason else None)
    assert row["_ok"]


def test_height_in_metres_is_repaired_and_said() -> None:
    row = check("physical_exam", {"exam_no": "1", "height_cm": "1.65"})
    assert (row["height_cm"], row["_verdicts"]) == (Decimal("165.0"), "height_cm:unit_metres")


def test_a_pressure_in_kilopascals_becomes_whole_millimetres_of_mercury() -> None:
    columns = {"exam_no": "exam_no", "systolic_mmhg": {"source": "kpa", "factor": 7.50062}}
    row = check("physical_exam", {"exam_no": "1", "kpa": "17.1"}, columns)
    assert (row["systolic_mmhg"], row["_verdicts"]) == (128, None)


def test_a_dash_that_the_mapping_lists_is_a_result_and_elsewhere_says_that_nothing_was_done() -> None:
    columns = {"exam_no": "exam_no", "hbsag_code": {"source": "hbs", "codes": {"-": "0", "+": "1"}}, "anti_hcv_code": "hcv"}
    row = check("physical_exam", {"exam_no": "1", "hbs": "-", "hcv": "-"}, columns)
    assert (row["hbsag_code"], row["anti_hcv_code"]) == ("0", None)
    assert row["_verdicts"] == "hbsag_code:translated|anti_hcv_code:not_done"


def test_exchanged_height_and_weight_are_both_set_aside() -> None:
    row = check("physical_exam", {"exam_no": "1", "height_cm": "62", "weight_kg": "168"})
    assert row["height_cm"] is None and row["weight_kg"] is None
    assert "weight_kg:height_weight_swapped" in row["_verdicts"]


def test_a_rule_about_empty_fields_is_said_of_the_row() -> None:
    rule = Rule(name="place_missing", description="", description_zh="", severity="error", sql="procedure_name is null", fields=("procedure_name",))
    described = contract("surgery").model_copy(update={"rules": (rule,)})
    columns = {"surgery_no": "no", "patient_no": "pid", "surgery_date": "day", "procedure_name": "what"}
    row = {"no": "1", "pid": "7", "day": "2024-05-06"}
    found = check("surgery", {**row, "what": None}, columns, described=described)
    assert (found["_ok"], found["_verdicts"]) == (False, ":place_missing")
    assert check("surgery", {**row, "what": "x"}, columns, described=described)["_ok"]


DATES = [
    ("2024-05-06", date(2024, 5, 6), None, True),
    ("20240506", date(2024, 5, 6), None, True),
    ("2024/5/6", date(2024, 5, 6), None, True),
    ("2024年5月6日", date(2024, 5, 6), None, True),
    ("2024-05-06 07:08:09", date(2024, 5, 6), None, True),
    ("2024-02-30", None, "not_a_date", False),
    ("2025-01-01", None, "date_in_future", False),
    ("1866-01-01", None, "date_too_early", False),
    ("", None, "missing_required", False),
]


@pytest.mark.parametrize(("delivered", "value", "reason", "accepted"), DATES)
def test_a_date_is_read_in_its_usual_forms_and_never_lies_after_its_delivery(
    delivered: str, value: date | None, reason: str | None, accepted: bool
) -> None:
    row = check("surgery", {"surgery_no": "1", "patient_no": "p", "surgery_date": delivered})
    assert (row["surgery_date"], row["_ok"]) == (value, accepted)
    assert row["_verdicts"] == (f"surgery_date:{reason}" if reason else None)


def test_every_reason_of_a_row_is_given_not_the_first_alone() -> None:
    row = check("visit", {"visit_no": "", "patient_no": "", "visit_type_code": "9", "visit_start_date": "yesterday"})
    assert set(row["_verdicts"].split("|")) == {
        "visit_no:missing_required",
        "patient_no:missing_required",
        "visit_type_code:not_in_code_list",
        "visit_start_date:not_a_date",
    }
    assert not row["_ok"]


DELETED = {"column": "zt", "values": ["作废"]}


def test_a_row_marked_deleted_needs_only_its_key() -> None:
    columns = {"surgery_no": "no", "patient_no": "pid", "surgery_date": "day"}
    gone = check("surgery", {"no": "1", "pid": None, "day": "never", "zt": "作废"}, columns, DELETED)
    assert (gone["_deleted"], gone["_ok"], gone["_verdicts"], gone["surgery_date"]) == (True, True, None, None)
    there = check("surgery", {"no": "1", "pid": None, "day": "never", "zt": "有效"}, columns, DELETED)
    assert (there["_deleted"], there["_ok"]) == (False, False)
    nameless = check("surgery", {"no": None, "pid": None, "day": None, "zt": "作废"}, columns, DELETED)
    assert (nameless["_ok"], nameless["_verdicts"]) == (False, "surgery_no:missing_required")


def test_a_row_marked_deleted_needs_its_person_where_the_key_is_the_persons() -> None:
    row = check("questionnaire", {"survey_date": "2024-05-06", "sex_code": "x", "height_cm": "x", "zt": "作废"}, None, DELETED)
    assert row["_verdicts"] == "sex_code:not_in_code_list"


def test_a_file_without_the_column_that_marks_deletions_lacks_a_column() -> None:
    with pytest.raises(field_qc.MissingColumns, match="zt"):
        check("surgery", {"surgery_no": "1", "patient_no": "p", "surgery_date": "2024-05-06"}, None, DELETED)


def test_codes_of_the_organisation_become_canonical_codes() -> None:
    columns = {"patient_no": "no", "sex_code": {"source": "xb", "codes": {"男": 1, "女": 2}}}
    assert check("patient", {"no": "7", "xb": "女"}, columns)["sex_code"] == "2"
    unknown = check("patient", {"no": "7", "xb": "雄"}, columns)
    assert (unknown["sex_code"], unknown["_verdicts"], unknown["_ok"]) == (None, "sex_code:not_in_code_list", True)


def test_units_are_converted_before_the_range_is_judged() -> None:
    columns = {"exam_no": "no", "bilirubin_umol_l": {"source": "TBIL mg/dL", "factor": 17.1}}
    assert check("physical_exam", {"no": "1", "TBIL mg/dL": "1.0"}, columns)["bilirubin_umol_l"] == Decimal("17.10")


def test_multiple_choices_are_split_checked_and_joined() -> None:
    columns = {"survey_date": "d", "hx_bowel_diseases": {"source": "x", "separator": "、"}}
    assert check("questionnaire", {"d": "2024-05-01", "x": "1、 2"}, columns)["hx_bowel_diseases"] == "1;2"
    assert "hx_bowel_diseases:not_in_code_list" in check("questionnaire", {"d": "2024-05-01", "x": "1、7"}, columns)["_verdicts"]


SKIPS = [
    ({"sex_code": "1", "menarche_age": "14"}, "menarche_age:female_section", "menarche_age"),
    ({"smoking_status": "0", "cigarettes_per_day": "20"}, "cigarettes_per_day:smoking_detail_of_never_smoker", "cigarettes_per_day"),
    ({"hx_bowel": "0", "hx_bowel_diseases": "1"}, "hx_bowel_diseases:bowel_child_without_parent", "hx_bowel_diseases"),
    ({"smoking_status": "1", "quit_years": "3"}, "quit_years:quit_of_non_quitter", "quit_years"),
]


@pytest.mark.parametrize(("answers", "verdict", "field"), SKIPS)
def test_an_answer_against_the_skip_logic_is_set_aside_and_the_row_stays(answers: dict, verdict: str, field: str) -> None:
    row = check("questionnaire", {"survey_date": "2024-05-01", **answers})
    assert verdict in row["_verdicts"] and row[field] is None and row["_ok"]


def test_birth_date_and_sex_follow_a_valid_id_number() -> None:
    row = check("patient", {"patient_no": "1", "id_card_no": "11010519491231002X", "birth_date": "1950-01-01", "sex_code": "1"})
    assert (row["birth_date"], row["sex_code"]) == (date(1949, 12, 31), "2")
    assert set(row["_verdicts"].split("|")) == {"birth_date:id_birth_mismatch", "sex_code:id_sex_mismatch"}


def test_a_passport_leaves_birth_date_and_sex_as_stated() -> None:
    row = check("patient", {"patient_no": "1", "id_card_no": "E12345678", "birth_date": "1950-01-01", "sex_code": "1"})
    assert (row["birth_date"], row["sex_code"], row["id_card_no"]) == (date(1950, 1, 1), "1", "passport:E12345678")
    assert row["_verdicts"] == "id_card_no:id_passport" and row["_ok"]


def test_a_newborns_number_that_is_its_mothers_is_set_aside() -> None:
    mother = complete("14010519950303002")
    row = check("patient", {"patient_no": "1", "id_card_no": mother, "birth_date": "2024-05-01", "sex_code": "1"})
    assert (row["id_card_no"], row["birth_date"], row["sex_code"]) == (None, date(2024, 5, 1), "1")
    assert row["_verdicts"] == "id_card_no:id_newborn" and row["_ok"]


def test_a_questionable_area_is_said_and_the_number_stands() -> None:
    number = complete("14019919500101101")
    row = check("patient", {"patient_no": "1", "id_card_no": number, "birth_date": None, "sex_code": "1"})
    assert (row["id_card_no"], row["birth_date"]) == (number, date(1950, 1, 1))
    assert set(row["_verdicts"].split("|")) == {"id_card_no:id_area_unknown", "birth_date:from_id_card"} and row["_ok"]
    assert field_qc.outcome("patient", "id_card_no", "id_area_unknown")[:2] == ("warning", "questioned")


def test_birth_after_survey_quarantines_the_row() -> None:
    row = check("questionnaire", {"survey_date": "2024-05-01", "birth_date": "2024-06-01"})
    assert not row["_ok"] and "birth_date:born_after_survey" in row["_verdicts"]


def test_qualitative_laboratory_results_keep_their_text() -> None:
    row = check("lab_result", {"report_no": "1", "item_code": "HBSAG", "patient_no": "p", "result": "阴性(-)", "reported_date": "2024-05-01"})
    assert (row["result"], row["t:result"], row["_verdicts"]) == (None, "阴性(-)", None)


ADDRESSES = [
    ("山西省太原市小店区坞城街道幸福小区3号楼", "140105"),
    ("太原市小店区某街1号", "140105"),
    ("山西省晋城市城区西街", "140502"),
    ("阳泉市城区上站", "140302"),
    ("阳城县凤城镇", "140522"),
    ("城区东大街", None),
    ("北京市朝阳区", None),
]


@pytest.mark.parametrize(("address", "county"), ADDRESSES)
def test_the_county_is_read_from_the_address_where_it_is_unambiguous(address: str, county: str | None) -> None:
    assert check("patient", {"patient_no": "1", "residence_address": address})["residence_county_code"] == county


def test_a_file_without_a_mapped_column_is_refused_by_name() -> None:
    with pytest.raises(field_qc.MissingColumns, match="surgery_date"):
        check(
            "surgery",
            {"surgery_no": "1", "patient_no": "p"},
            {"surgery_no": "surgery_no", "patient_no": "patient_no", "surgery_date": "surgery_date"},
        )
