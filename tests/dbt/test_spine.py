"""Ten people through every layer: what each of them must look like in the features and the funnel."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from infra.settings import Settings


def one(warehouse: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> dict[str, Any]:
    cursor = warehouse.execute(sql, values)
    names = [c[0] for c in cursor.description]
    rows = cursor.fetchall()
    assert len(rows) == 1, f"{len(rows)} rows for {values}"
    return dict(zip(names, rows[0], strict=True))


def verdict(warehouse: duckdb.DuckDBPyConnection, person: str) -> dict[str, Any]:
    return one(warehouse, "select * from rule_verdict where person_id = ?", f"p-{person}")


@pytest.mark.parametrize(
    ("person", "expected", "score"),
    [
        ("wang", "high_risk", 5),
        ("li", "not_high_risk", 0),
        ("zhao", "undetermined", None),
        ("sun", "not_eligible", 3),
        ("zhou", "not_eligible", 5),
        ("wu", "high_risk", 4),
        ("chen", "high_risk", 5),
        ("xu", "not_eligible", 5),
    ],
)
def test_each_assessed_person_gets_the_verdict_of_the_scheme(warehouse, person: str, expected: str, score: int | None):
    found = verdict(warehouse, person)
    assert (found["verdict"], found["score"]) == (expected, score)


def test_an_open_verdict_says_in_chinese_which_answer_is_missing(warehouse):
    found = verdict(warehouse, "zhao")
    assert found["undetermined_because"] == "吸烟情况未填"
    assert (found["score_least"], found["score_most"]) == (3, 4)


def test_the_reasons_of_a_verdict_are_written_in_chinese(warehouse):
    found = verdict(warehouse, "wang")["reasons_zh"]
    reasons = (
        "年龄60岁及以上（2分）",
        "男性（1分）",
        "吸烟（现在或以前）（1分）",
        "体质指数不低于23（1分）",
        "合计5分",
        "高危标准为4分及以上",
    )
    assert found.split("；") == list(reasons)
    assert verdict(warehouse, "sun")["reasons_zh"] == "评估时年龄不在40至74岁"


def test_only_assessed_people_have_a_verdict_and_each_has_one(warehouse):
    assert warehouse.execute("select count(*), count(distinct person_id) from rule_verdict").fetchone() == (8, 8)


def test_the_screened_patient_is_followed_from_score_to_treatment(warehouse):
    path = one(warehouse, "select * from feat_high_risk where person_id = 'p-wang'")
    steps = [str(path[s]) for s in ("assessed_on", "fit_on", "positive_on", "colonoscopy_on", "pathology_on", "diagnosed_on", "treated_on")]
    assert steps == ["2025-02-20", "2025-03-05", "2025-03-05", "2025-03-20", "2025-03-27", "2025-03-27", "2025-04-20"]
    assert (path["state"], path["stage_number"]) == ("followed_up", "III")
    assert (path["screening_source"], path["channel"]) == ("national_standard", "platform")


def test_stage_comes_from_the_tnm_parts_and_agrees_with_the_stated_one(warehouse):
    patient = one(warehouse, "select * from feat_patient where person_id = 'p-wang'")
    assert (patient["derived_stage"], patient["is_m_assumed"], patient["stated_pathological_stage_number"]) == ("IIIB", True, "III")
    assert patient["is_stage_consistent"] is True
    assert (patient["nodes_examined"], patient["nodes_positive"], patient["first_treatment_class"]) == (15, 1, "surgery")
    assert (patient["detection_route"], patient["icd10_code"], patient["histology_code"]) == ("screening", "C18.700", "8140/3")


def test_a_tnm_part_without_its_letter_still_gives_the_stage_number(warehouse):
    patient = one(warehouse, "select * from feat_patient where person_id = 'p-zheng'")
    assert (patient["derived_stage"], patient["stage_number"], patient["stage_source"]) == ("IV", "IV", "derived")


def test_a_symptomatic_patient_is_told_apart_and_dies_of_the_cancer(warehouse):
    patient = one(warehouse, "select * from feat_patient where person_id = 'p-zheng'")
    assert (patient["detection_route"], patient["screening_source"]) == ("symptom_or_registry", None)
    assert patient["channel"] == "hospital_opportunistic"
    assert (str(patient["death_date"]), patient["is_death_of_this_cancer"], patient["days_observed"]) == ("2025-06-10", True, 65)
    assert (str(patient["first_treatment_date"]), patient["first_treatment_class"]) == ("2025-04-15", "systemic")


def test_an_adenoma_is_a_precancer_and_no_patient(warehouse):
    path = one(warehouse, "select * from feat_high_risk where person_id = 'p-chen'")
    assert (path["pathology_class"], path["state"], path["diagnosed_on"]) == ("precancer", "worked_up", None)


def test_a_cancer_diagnosed_before_the_assessment_enters_by_diagnosis(warehouse):
    path = one(warehouse, "select * from feat_cancer_path where person_id = 'p-xu'")
    assert (path["entry_route"], str(path["entered_on"]), path["is_high_risk"]) == ("diagnosis", "2023-03-01", False)


def test_a_suspected_diagnosis_makes_no_patient(warehouse):
    assert warehouse.execute("select count(*) from feat_patient where person_id = 'p-feng'").fetchone() == (0,)


def test_a_person_known_from_a_checkup_alone_is_a_resident(warehouse):
    person = one(warehouse, "select * from feat_resident where person_id = 'p-feng'")
    assert (person["is_known_from_checkup"], person["is_known_from_platform"], person["age_years"]) == (True, False, 54)
    path = one(warehouse, "select * from feat_cancer_path where person_id = 'p-feng'")
    assert (path["entry_route"], path["screening_source"], path["state"]) == ("test", "checkup", "positive")


def test_residents_are_everybody_once(warehouse):
    assert warehouse.execute("select count(*), count(distinct person_id) from feat_resident").fetchone() == (10, 10)


def test_a_corrected_record_supersedes_and_a_held_or_later_delivery_is_not_known(warehouse):
    answer = one(warehouse, "select * from meta_answer__questionnaire where person_id = 'p-li'")
    assert (str(answer["weight_kg"]), answer["smoking_status"], str(answer["delivered_on"])) == ("55.0", "0", "2025-04-01")


def test_a_newer_examination_gives_the_body_measures_of_the_resident(warehouse):
    person = one(warehouse, "select * from feat_resident where person_id = 'p-li'")
    assert (person["body_source"], str(person["bmi_kg_m2"]), str(person["last_fit_on"])) == ("physical_exam", "22.03", "2025-05-11")


def test_a_result_printed_with_a_sign_keeps_number_and_sign(warehouse):
    answer = one(warehouse, "select * from meta_form_response where feed = 'physical_exam' and field = 'cea_ng_ml'")
    assert (answer["raw_value"], answer["standard_value"], answer["comparator"], answer["verdict"]) == (">11.00", "11.000", ">", "kept")


def test_an_answer_set_aside_stays_readable_beside_the_accepted_ones(warehouse):
    answer = one(warehouse, "select * from meta_form_response where person_id = 'p-zhao' and field = 'smoking_status'")
    assert (answer["raw_value"], answer["standard_value"], answer["verdict"]) == ("戒了又抽", None, "set_aside")
    accepted = one(warehouse, "select * from meta_form_response where person_id = 'p-zhao' and field = 'height_cm'")
    assert (accepted["raw_value"], accepted["standard_value"]) == ("165.0", "165.0")
    assert (accepted["verdict"], accepted["source_row"]) == ("accepted", 3)


def test_the_answers_of_a_quarantined_row_are_in_the_metadata_database(warehouse):
    query = "select field, raw_value, source_row from meta_form_response where verdict = 'quarantined' order by field"
    assert warehouse.execute(query).fetchall() == [("height_cm", "1.65米", 9), ("smoking_status", "0", 9)]


def test_the_funnel_counts_every_person_in_one_row(warehouse):
    expected = {
        "entered": 10,
        "assessed": 7,
        "high_risk": 3,
        "high_risk_screened": 3,
        "positive": 4,
        "pathology": 3,
        "diagnosed": 3,
        "staged": 2,
        "treated": 2,
    }
    total = one(warehouse, f"select {', '.join(f'sum({column}) as {column}' for column in expected)} from mart_cockpit__funnel")
    assert {k: int(v) for k, v in total.items()} == expected


def test_the_funnel_names_place_organisation_and_channel(warehouse):
    row = one(warehouse, "select * from mart_cockpit__funnel where county_code = '140403' and channel = 'platform'")
    assert (row["city_name"], row["county_name"]) == ("长治市", "潞州区")
    assert (row["organisation_name"], row["channel_name"]) == ("平台NP14", "居民平台自评")


def test_each_criterion_of_a_verdict_can_be_read_on_its_own(warehouse):
    rows = warehouse.execute(
        "select criterion_id, outcome, points from rule_criterion_outcome where person_id = 'p-zhao' and kind = 'criterion' order by all"
    ).fetchall()
    assert rows == [("age", "true", 1), ("bmi", "true", 1), ("family", "false", 0), ("male", "true", 1), ("smoking", "unknown", None)]


def test_views_of_the_metadata_database_work_in_a_copy_of_the_published_tables(warehouse, lake: Settings, tmp_path):
    copy = tmp_path / "published.duckdb"
    with duckdb.connect(str(copy)) as target:
        target.execute(f"attach '{lake.warehouse.path}' as build (read_only)")
        of_build = "database_name = 'build'"
        for (name,) in target.execute(f"select table_name from duckdb_tables() where {of_build} and table_name like 'meta%'").fetchall():
            target.execute(f"create table main.{name} as from build.main.{name}")
        (sql,) = target.execute(f"select sql from duckdb_views() where {of_build} and view_name = 'meta_form_response'").fetchone()
        target.execute("detach build")
        target.execute(sql)
    with duckdb.connect(str(copy), read_only=True) as published:
        assert (
            published.execute("select count(*) from meta_form_response").fetchone()
            == warehouse.execute("select count(*) from meta_form_response").fetchone()
        )
