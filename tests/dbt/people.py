"""Ten people whose way is known: the lake that the dbt tests build, and the parity test builds twice.

As of 30 June 2025. Every line says why the person is there.
"""

from __future__ import annotations

from datetime import date

from tests.dbt.lake_fixture import Province

AS_OF = date(2025, 6, 30)
XIAODIAN, LUZHOU = "140105", "140403"


def answers(person: str, birth: str, sex: str, **given: object) -> dict[str, object]:
    """A questionnaire of a resident without any risk factor, but for what is given."""
    return {
        "person": person,
        "survey_date": "2025-02-20",
        "birth_date": birth,
        "sex_code": sex,
        "residence_county_code": XIAODIAN,
        "height_cm": "165.0",
        "weight_kg": "55.0",
        "smoking_status": "0",
        "hx_any_cancer": "0",
        "fh_any_cancer": "0",
        **given,
    }


def fill(province: Province) -> None:
    """Deliver everything."""
    _reference(province)
    _platform(province)
    _screening_centre(province)
    _hospital(province)
    _checkup(province)
    province.close()


def _reference(province: Province) -> None:
    kinds = {"NP14": "platform", "H1401": "hospital", "T1401": "checkup", "S1401": "screening_standard"}
    province.deliver(
        "REF",
        "organisation",
        "2025-01-05",
        [
            {"organisation_code": code, "organisation_name": f"机构{code}", "organisation_type_code": kind, "county_code": XIAODIAN}
            for code, kind in kinds.items()
        ],
    )
    province.deliver(
        "REF",
        "division",
        "2025-01-05",
        [
            {"division_code": "140000", "division_name": "山西省", "level_code": "province"},
            {"division_code": "140100", "division_name": "太原市", "level_code": "prefecture", "parent_code": "140000"},
            {"division_code": XIAODIAN, "division_name": "小店区", "level_code": "district", "parent_code": "140100"},
            {"division_code": "140400", "division_name": "长治市", "level_code": "prefecture", "parent_code": "140000"},
            {"division_code": LUZHOU, "division_name": "潞州区", "level_code": "district", "parent_code": "140400"},
        ],
    )
    province.deliver("REF", "department", "2025-01-05", [{"organisation_code": "H1401", "department_code": "D1", "department_name": "胃肠外科"}])
    province.deliver("REF", "doctor", "2025-01-05", [{"organisation_code": "H1401", "doctor_code": "Y1", "department_code": "D1"}])


def _platform(province: Province) -> None:
    batch = province.deliver(
        "NP14",
        "questionnaire",
        "2025-03-01",
        [
            # the whole way: high risk, FIT, colonoscopy, cancer, surgery, chemotherapy
            answers("wang", "1962-05-01", "1", weight_kg="70.0", smoking_status="1"),
            # no risk
            answers("li", "1979-08-08", "2", weight_kg="70.0"),
            # one answer short of a verdict
            answers("zhao", "1969-01-01", "1", weight_kg="70.0", smoking_status=None,
                    answers=[{"field": "smoking_status", "raw_value": "戒了又抽", "verdict": "set_aside", "reason_code": "code_unknown"}]),
            # too old
            answers("sun", "1944-06-01", "1"),
            # had a cancer
            answers("zhou", "1960-06-01", "1", weight_kg="70.0", smoking_status="1", hx_any_cancer="1"),
            # young mother with colorectal cancer: points at once
            answers("wu", "1980-06-01", "2", fh_any_cancer="1", fh_relation="1;2", fh_cancer_type="6;1", fh_age_at_dx="55;70"),
            # high risk, adenoma at colonoscopy
            answers("chen", "1961-03-03", "1", residence_county_code=LUZHOU, smoking_status="2", weight_kg="70.0"),
            # diagnosed in hospital two years before the assessment
            answers("xu", "1960-01-01", "1", smoking_status="1", weight_kg="70.0"),
        ],
    )  # fmt: skip
    province.quarantine(batch, 9, {"height_cm": "1.65米", "smoking_status": "0"}, "out_of_range")
    # li's weight was wrong: a correction supersedes
    province.deliver("NP14", "questionnaire", "2025-04-01", [answers("li", "1979-08-08", "2")])
    # a later delivery that the gate holds: nobody smokes because of it
    province.deliver("NP14", "questionnaire", "2025-05-01", [answers("li", "1979-08-08", "2", smoking_status="1", weight_kg="90.0")], status="held")
    # delivered after the as-of date: not known yet
    province.deliver("NP14", "questionnaire", "2025-07-05", [answers("li", "1979-08-08", "2", survey_date="2025-06-20", smoking_status="1")])


def _screening_centre(province: Province) -> None:
    province.deliver(
        "S1401",
        "screening_fit",
        "2025-03-10",
        [
            {"person": "wang", "screening_no": "F1", "test_date": "2025-03-05", "fit_result_code": "2", "fit_value_ng_ml": "180.00"},
            {"person": "wu", "screening_no": "F2", "test_date": "2025-03-06", "fit_result_code": "1"},
        ],
    )
    done = {"colonoscopy_done": "1", "depth_code": "1", "bowel_preparation_code": "1", "polyp_found": "2", "other_lesion_found": "2"}
    province.deliver(
        "S1401",
        "screening_colonoscopy",
        "2025-03-25",
        [
            {"person": "wang", "screening_no": "C1", "exam_date": "2025-03-20", **done, "other_lesion_found": "1"},
            {"person": "chen", "screening_no": "C2", "exam_date": "2025-03-21", **done, "polyp_found": "1", "polyp_count": 2},
        ],
    )
    province.deliver(
        "S1401",
        "screening_colonoscopy_lesion",
        "2025-03-25",
        [
            {"screening_no": "C1", "lesion_no": 1, "site_code": "7", "lesion_type_code": "9", "diameter_cm": "3.5", "specimen_no": "B1"},
            {"screening_no": "C2", "lesion_no": 1, "site_code": "8", "lesion_type_code": "7", "diameter_cm": "0.6", "specimen_no": "B2"},
        ],
    )
    province.deliver(
        "S1401",
        "screening_crc_pathology",
        "2025-04-01",
        [
            {"specimen_no": "B1", "screening_no": "C1", "pathology_code": "17", "is_cancer": "1", "is_precancer": "2", "reported_date": "2025-03-27"},
            {"specimen_no": "B2", "screening_no": "C2", "pathology_code": "10", "is_cancer": "2", "is_precancer": "1", "reported_date": "2025-03-28"},
        ],
    )
    province.deliver(
        "S1401",
        "screening_follow_up",
        "2025-06-20",
        [
            {
                "person": "wang",
                "follow_up_no": "SF1",
                "follow_up_date": "2025-06-15",
                "is_lost": "2",
                "has_cancer": "1",
                "vital_status_code": "1",
                "primary_site_icd10_code": "C18.7",
                "morphology_code": "8140/3",
                "pathological_stage_code": "3",
                "clinical_stage_code": "5",
                "diagnosis_date": "2025-03-27",
                "diagnosis_basis_code": "7",
            },
            {"person": "chen", "follow_up_no": "SF2", "follow_up_date": "2025-06-16", "is_lost": "2", "has_cancer": "2", "vital_status_code": "1"},
        ],
    )


def _hospital(province: Province) -> None:
    people = [("wang", "1", "1962-05-01", XIAODIAN), ("zheng", "2", "1955-02-02", LUZHOU), ("xu", "1", "1960-01-01", XIAODIAN)]
    province.deliver(
        "H1401",
        "patient",
        "2025-04-10",
        [
            {"person": p, "sex_code": s, "birth_date": b, "residence_county_code": c, "registered_date": "2025-04-01"}
            for p, s, b, c in people
        ],
    )
    province.deliver(
        "H1401",
        "visit",
        "2025-04-10",
        [
            {"person": "wang", "visit_no": "V1", "visit_type_code": "2", "visit_start_date": "2025-04-05", "department_code": "D1", "doctor_code": "Y1"},
            {"person": "zheng", "visit_no": "V2", "visit_type_code": "2", "visit_start_date": "2025-04-06"},
        ],
    )
    province.deliver(
        "H1401",
        "diagnosis",
        "2025-04-10",
        [
            {"person": "wang", "diagnosis_no": "D1", "visit_no": "V1", "diagnosis_code": "C18.700", "diagnosis_date": "2025-04-05", "is_main": "1", "is_suspected": "0"},
            {"person": "zheng", "diagnosis_no": "D2", "visit_no": "V2", "diagnosis_code": "c20.x00", "diagnosis_date": "2025-04-06", "is_main": "1", "is_suspected": "0"},
            {"person": "xu", "diagnosis_no": "D3", "diagnosis_code": "C18.0", "diagnosis_date": "2023-03-01", "is_main": "1", "is_suspected": "0"},
            # a suspicion is no diagnosis
            {"person": "feng", "diagnosis_no": "D4", "diagnosis_code": "C18.9", "diagnosis_date": "2025-05-20", "is_main": "1", "is_suspected": "1"},
            {"person": "zheng", "diagnosis_no": "D5", "diagnosis_code": "I10", "diagnosis_date": "2025-04-06", "is_main": "0", "is_suspected": "0"},
        ],
    )  # fmt: skip
    province.deliver(
        "H1401",
        "lab_result",
        "2025-04-10",
        [
            {"person": "wang", "report_no": "L1", "item_code": "CEA", "item_name": "癌胚抗原", "result": "1500", "result_comparator": ">",
             "result_text": ">1500", "result_unit": "ng/mL", "reported_date": "2025-04-06"},
            {"person": "zheng", "report_no": "L2", "item_code": "FOB", "item_name": "粪便隐血", "result_text": "阳性", "reported_date": "2025-04-03"},
        ],
    )  # fmt: skip
    province.deliver(
        "H1401",
        "endoscopy_report",
        "2025-04-10",
        [
            {"person": "zheng", "report_no": "E1", "exam_type_code": "colonoscopy", "exam_date": "2025-04-05", "reached_caecum": True,
             "has_polyp_or_mass": True, "largest_lesion_mm": "42.0"},
            {"person": "zheng", "report_no": "E2", "exam_type_code": "gastroscopy", "exam_date": "2025-04-05", "has_polyp_or_mass": False},
        ],
    )  # fmt: skip
    province.deliver(
        "H1401",
        "pathology_report",
        "2025-04-30",
        [
            {"person": "wang", "report_no": "P1", "reported_date": "2025-04-25", "site_icd10_code": "C18", "histology_code": "8140/3", "tnm_prefix": "p",
             "t_category": "T3", "n_category": "N1a", "nodes_positive": 1, "nodes_examined": 15},
            {"person": "zheng", "report_no": "P2", "reported_date": "2025-04-08", "site_icd10_code": "C20", "histology_code": "8480/3",
             "t_category": "T4", "n_category": "N2", "m_category": "M1"},
            # another organ
            {"person": "wang", "report_no": "P3", "reported_date": "2025-04-26", "site_icd10_code": "C16", "histology_code": "8140/3"},
        ],
    )  # fmt: skip
    province.deliver(
        "H1401",
        "surgery",
        "2025-04-30",
        [{"person": "wang", "surgery_no": "S1", "visit_no": "V1", "procedure_code": "45.7600", "surgery_date": "2025-04-20", "surgeon_code": "Y1"}],
    )
    province.deliver(
        "H1401",
        "treatment",
        "2025-05-31",
        [
            {"person": "wang", "treatment_no": "T1", "treatment_type_code": "chemotherapy", "start_date": "2025-05-20", "cycle_count": 6},
            {"person": "zheng", "treatment_no": "T2", "treatment_type_code": "targeted", "start_date": "2025-04-15"},
            {"person": "zheng", "treatment_no": "T3", "treatment_type_code": "other", "start_date": "2025-04-10"},
        ],
    )
    province.deliver(
        "H1401",
        "follow_up",
        "2025-06-25",
        [{"person": "wang", "follow_up_no": "FU1", "follow_up_date": "2025-06-22", "is_lost": "0", "vital_status_code": "1", "has_recurrence": "0", "karnofsky_score": 90}],
    )
    province.deliver("H1401", "death", "2025-06-25", [{"person": "zheng", "death_date": "2025-06-10", "cause_code": "C20"}])


def _checkup(province: Province) -> None:
    province.deliver(
        "T1401",
        "physical_exam",
        "2025-05-15",
        [
            # known from a check-up alone; FIT positive
            {"person": "feng", "exam_no": "X1", "exam_date": "2025-05-10", "sex_code": "1", "birth_date": "1970-07-07", "residence_county_code": XIAODIAN,
             "height_cm": "170.0", "weight_kg": "80.0", "fit_result_code": "2", "cea_ng_ml": "11.000", "cea_ng_ml_comparator": ">",
             "answers": [{"field": "cea_ng_ml", "raw_value": ">11.00", "standard_value": "11.000", "comparator": ">", "verdict": "comparator",
                          "reason_code": "comparator"}]},
            # newer body measures than in the questionnaire
            {"person": "li", "exam_no": "X2", "exam_date": "2025-05-11", "sex_code": "2", "birth_date": "1979-08-08", "height_cm": "165.0", "weight_kg": "60.0",
             "fit_result_code": "1"},
        ],
    )  # fmt: skip
