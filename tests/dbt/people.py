"""Ten people whose way is known: the lake that the dbt tests build, and the parity test builds twice.

As of 30 June 2025. Every line says why the person is there.
"""

from __future__ import annotations

from datetime import date

from tests.dbt.lake_fixture import Province, table

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
    province.deliver(
        "REF",
        "organisation",
        "2025-01-05",
        table("""
            organisation_code  organisation_name  organisation_type_code  county_code
            NP14               平台NP14           platform                140105
            H1401              医院H1401          hospital                140105
            T1401              体检T1401          checkup                 140105
            S1401              筛查S1401          screening_standard      140105
        """),
    )
    province.deliver(
        "REF",
        "division",
        "2025-01-05",
        table("""
            division_code  division_name  level_code  parent_code
            140000         山西省         province    -
            140100         太原市         prefecture  140000
            140105         小店区         district    140100
            140400         长治市         prefecture  140000
            140403         潞州区         district    140400
        """),
    )
    department = {"organisation_code": "H1401", "department_code": "D1"}
    province.deliver("REF", "department", "2025-01-05", [{**department, "department_name": "胃肠外科"}])
    province.deliver("REF", "doctor", "2025-01-05", [{**department, "doctor_code": "Y1"}])


def _platform(province: Province) -> None:
    unread = {"field": "smoking_status", "raw_value": "戒了又抽", "verdict": "set_aside", "reason_code": "code_unknown"}
    risky = {"weight_kg": "70.0", "smoking_status": "1"}
    batch = province.deliver(
        "NP14",
        "questionnaire",
        "2025-03-01",
        [
            # the whole way: high risk, FIT, colonoscopy, cancer, surgery, chemotherapy
            answers("wang", "1962-05-01", "1", **risky),
            # no risk
            answers("li", "1979-08-08", "2", weight_kg="70.0"),
            # one answer short of a verdict
            answers("zhao", "1969-01-01", "1", weight_kg="70.0", smoking_status=None, answers=[unread]),
            # too old
            answers("sun", "1944-06-01", "1"),
            # had a cancer
            answers("zhou", "1960-06-01", "1", **risky, hx_any_cancer="1"),
            # mother with colorectal cancer at 55: points at once
            answers("wu", "1980-06-01", "2", fh_any_cancer="1", fh_relation="1;2", fh_cancer_type="6;1", fh_age_at_dx="55;70"),
            # high risk, adenoma at colonoscopy
            answers("chen", "1961-03-03", "1", residence_county_code=LUZHOU, smoking_status="2", weight_kg="70.0"),
            # diagnosed in hospital two years before the assessment
            answers("xu", "1960-01-01", "1", **risky),
        ],
    )
    province.quarantine(batch, 9, {"height_cm": "1.65米", "smoking_status": "0"}, "out_of_range")
    # li's weight was wrong: a correction supersedes
    li = ("li", "1979-08-08", "2")
    province.deliver("NP14", "questionnaire", "2025-04-01", [answers(*li)])
    # a later delivery that the gate holds, and one after the as-of date: nobody smokes because of them
    province.deliver("NP14", "questionnaire", "2025-05-01", [answers(*li, **risky)], status="held")
    province.deliver("NP14", "questionnaire", "2025-07-05", [answers(*li, **risky, survey_date="2025-06-20")])


def _screening_centre(province: Province) -> None:
    province.deliver(
        "S1401",
        "screening_fit",
        "2025-03-10",
        table("""
            person  screening_no  test_date   fit_result_code  fit_value_ng_ml
            wang    F1            2025-03-05  2                180.00
            wu      F2            2025-03-06  1                -
        """),
    )
    province.deliver(
        "S1401",
        "screening_colonoscopy",
        "2025-03-25",
        table("""
            person  screening_no  exam_date   colonoscopy_done  depth_code  bowel_preparation_code  polyp_found  other_lesion_found
            wang    C1            2025-03-20  1                 1           1                       2            1
            chen    C2            2025-03-21  1                 1           1                       1            2
        """),
    )
    province.deliver(
        "S1401",
        "screening_colonoscopy_lesion",
        "2025-03-25",
        table("""
            screening_no  lesion_no  site_code  lesion_type_code  diameter_cm  specimen_no
            C1            1          7          9                 3.5          B1
            C2            1          8          7                 0.6          B2
        """),
    )
    province.deliver(
        "S1401",
        "screening_crc_pathology",
        "2025-04-01",
        table("""
            specimen_no  screening_no  pathology_code  is_cancer  is_precancer  reported_date
            B1           C1            17              1          2             2025-03-27
            B2           C2            10              2          1             2025-03-28
        """),
    )
    confirmed = {
        "primary_site_icd10_code": "C18.7",
        "morphology_code": "8140/3",
        "pathological_stage_code": "3",
        "clinical_stage_code": "5",
        "diagnosis_date": "2025-03-27",
        "diagnosis_basis_code": "7",
    }
    contact = {"is_lost": "2", "vital_status_code": "1"}
    province.deliver(
        "S1401",
        "screening_follow_up",
        "2025-06-20",
        [
            {"person": "wang", "follow_up_no": "SF1", "follow_up_date": "2025-06-15", **contact, "has_cancer": "1", **confirmed},
            {"person": "chen", "follow_up_no": "SF2", "follow_up_date": "2025-06-16", **contact, "has_cancer": "2"},
        ],
    )


def _hospital(province: Province) -> None:
    province.deliver(
        "H1401",
        "patient",
        "2025-04-10",
        table("""
            person  sex_code  birth_date  residence_county_code  registered_date
            wang    1         1962-05-01  140105                 2025-04-01
            zheng   2         1955-02-02  140403                 2025-04-01
            xu      1         1960-01-01  140105                 2025-04-01
        """),
    )
    province.deliver(
        "H1401",
        "visit",
        "2025-04-10",
        table("""
            person  visit_no  visit_type_code  visit_start_date  department_code  doctor_code
            wang    V1        2                2025-04-05        D1               Y1
            zheng   V2        2                2025-04-06        -                -
        """),
    )
    # feng's cancer is a suspicion and no diagnosis; xu's is older than the assessment
    province.deliver(
        "H1401",
        "diagnosis",
        "2025-04-10",
        table("""
            person  diagnosis_no  visit_no  diagnosis_code  diagnosis_date  is_main  is_suspected
            wang    D1            V1        C18.700         2025-04-05      1        0
            zheng   D2            V2        c20.x00         2025-04-06      1        0
            xu      D3            -         C18.0           2023-03-01      1        0
            feng    D4            -         C18.9           2025-05-20      1        1
            zheng   D5            -         I10             2025-04-06      0        0
        """),
    )
    province.deliver(
        "H1401",
        "lab_result",
        "2025-04-10",
        table("""
            person  report_no  item_code  item_name  result  result_comparator  result_text  result_unit  reported_date
            wang    L1         CEA        癌胚抗原   1500    >                  >1500        ng/mL        2025-04-06
            zheng   L2         FOB        粪便隐血   -       -                  阳性         -            2025-04-03
        """),
    )
    province.deliver(
        "H1401",
        "endoscopy_report",
        "2025-04-10",
        table("""
            person  report_no  exam_type_code  exam_date   findings_text
            zheng   E1         colonoscopy     2025-04-05  循腔进镜至回盲部，直肠距肛门8cm见肿物，大小约4.2cm×3.0cm，活检4块。
            zheng   E2         gastroscopy     2025-04-05  食管黏膜光滑，未见异常。胃窦黏膜光滑，未见溃疡及肿物。
        """),
    )
    # P3 is of an organ that the programme does not follow
    province.deliver(
        "H1401",
        "pathology_report",
        "2025-04-30",
        table("""
            person  report_no  reported_date  specimen_text   diagnosis_text
            wang    P1         2025-04-25     乙状结肠切除标本  （乙状结肠）腺癌，pT3N1a。
            zheng   P2         2025-04-08     直肠活检         （直肠）黏液腺癌，T4N2M1。
            wang    P3         2025-04-26     前列腺穿刺       （前列腺）腺癌。
        """),
    )
    # the node count comes with a second report of the operation
    province.deliver(
        "H1401",
        "pathology_report",
        "2025-05-02",
        table("""
            person  report_no  reported_date  specimen_text   diagnosis_text
            wang    P4         2025-04-28     乙状结肠切除标本  （乙状结肠）腺癌，肠周淋巴结见癌转移（1/15）。
        """),
    )
    province.deliver(
        "H1401",
        "surgery",
        "2025-04-30",
        table("""
            person  surgery_no  visit_no  procedure_code  surgery_date  surgeon_code
            wang    S1          V1        45.7600         2025-04-20    Y1
        """),
    )
    province.deliver(
        "H1401",
        "treatment",
        "2025-05-31",
        table("""
            person  treatment_no  treatment_type_code  start_date  cycle_count
            wang    T1            chemotherapy         2025-05-20  6
            zheng   T2            targeted             2025-04-15  -
            zheng   T3            other                2025-04-10  -
        """),
    )
    province.deliver(
        "H1401",
        "follow_up",
        "2025-06-25",
        table("""
            person  follow_up_no  follow_up_date  is_lost  vital_status_code  has_recurrence  karnofsky_score
            wang    FU1           2025-06-22      0        1                  0               90
        """),
    )
    province.deliver("H1401", "death", "2025-06-25", [{"person": "zheng", "death_date": "2025-06-10", "cause_code": "C20"}])


def _checkup(province: Province) -> None:
    printed = {"field": "cea_ng_ml", "raw_value": ">11.00", "standard_value": "11.000", "comparator": ">", "verdict": "kept"}
    # feng is known from a check-up alone, FIT positive; li's body was measured again
    feng, li = table("""
        person  exam_no  exam_date   sex_code  birth_date  height_cm  weight_kg  fit_result_code  residence_county_code
        feng    X1       2025-05-10  1         1970-07-07  170.0      80.0       2                140105
        li      X2       2025-05-11  2         1979-08-08  165.0      60.0       1                -
    """)
    marker = {"cea_ng_ml": "11.000", "cea_ng_ml_comparator": ">", "answers": [{**printed, "reason_code": "comparator"}]}
    province.deliver("T1401", "physical_exam", "2025-05-15", [{**feng, **marker}, li])
