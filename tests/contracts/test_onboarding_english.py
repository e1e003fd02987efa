"""Hospital B: a de-identified English dump, pipe-separated text in zip archives: visits and patients in one table, repeated diagnosis columns
in codes of its own, dates shifted by 160 years, an age instead of a birth date, laboratory items named in a dictionary table."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion import load
from tests.contracts.onboarding import table, write_mapping, zipped
from tests.unit.ingestion.lakehouse import ask, load_all

MAPPING = """
organisation: NEWB
source: hospital
name_zh: 某英文脱敏数据（合成）
synthetic: true
null_values: ["", "?"]
date_shift: {years: -160}
feeds:
  patient:
    folder: encounters
    delimiter: "|"
    distinct: subject_id
    columns:
      patient_no: subject_id
      sex_code: {source: gender, codes: {M: 1, F: 2}, otherwise: 9}
      birth_date: {birth_from: {age: anchor_age, at: "{anchor_year}"}}
  visit:
    folder: encounters
    delimiter: "|"
    columns:
      visit_no: encounter_id
      patient_no: subject_id
      visit_type_code: {source: class, codes: {AMB: 1, IMP: 2, EMER: 3}}
      visit_start_date: {source: admittime}
      visit_end_date: {date_plus: {base: "{admittime}", add: stay_minutes, unit: minutes}}
  diagnosis:
    folder: encounters
    delimiter: "|"
    groups: {columns: {code: "diag_{n}"}, numbers: 1-9, number_as: seq}
    columns:
      diagnosis_no: {template: "{encounter_id}-{seq}"}
      visit_no: encounter_id
      patient_no: subject_id
      diagnosis_code:
        source: code
        code_table: {file: icd9_to_icd10.csv, key: icd9, value: icd10}
        replace: {"^([A-Z][0-9]{2})([0-9A-Z]+)$": "\\\\1.\\\\2"}
      diagnosis_date: admittime
      is_main: {source: seq, codes: {"1": 1}, otherwise: 0}
  lab_result:
    folder: labevents
    delimiter: "|"
    where: {flag: {not_equals: cancelled}}
    join:
      - {folder: encounters, on: encounter_id, columns: [subject_id]}
      - {folder: d_labitems, on: itemid, columns: {label: label, fluid: fluid}, where: {category: [Chemistry, Hematology]}}
    columns:
      report_no: {hash_of: [encounter_id, charttime, itemid]}
      item_code: {source: label, codes: {Creatinine: CREA, White Blood Cells: WBC}}
      item_name: {template: "{label} ({fluid})"}
      patient_no: subject_id
      visit_no: encounter_id
      result:
        source: value
        units: {unit: uom, item: label, unit_field: result_unit, rules: [{unit: mg/dL, item: Creatinine, factor: 88.4, to: umol/L}]}
      result_unit: uom
      reported_date: charttime
"""
CODES = table("icd9,icd10,text", "162.9,C34.9,lung", "401.9,I10,hypertension")
ENCOUNTERS = table(
    "encounter_id|subject_id|gender|anchor_age|anchor_year|class|admittime|stay_minutes|diag_1|diag_2|diag_3",
    "e1|s1|F|64|2180|IMP|2180-02-27T23:30:00Z|2880|162.9|401.9|?",
    "e2|s1|F|64|2180|AMB|2181-05-06 10:00:00|?|?|?|C3490",
    "e3|s2|?|> 89|2182|EMER|2182-12-31 00:00:00|30|?|?|?",
)
LABS = table(
    "encounter_id|itemid|charttime|value|uom|flag",
    "e1|50912|2180-02-28 06:00:00|1.5|mg/dL|",
    "e1|51301|2180-02-28 06:00:00|7.25|K/uL|abnormal",
    "e3|50912|2182-12-31 00:10:00|80|umol/L|cancelled",
    "e9|50912|2182-12-31 00:10:00|80|umol/L|",
    "e3|99999|2182-12-31 00:10:00|5|?|",
)
ITEMS = table(
    "itemid|label|fluid|category",
    "50912|Creatinine|Blood|Chemistry",
    "51301|White Blood Cells|Blood|Hematology",
    "99999|Scribble|Other|Notes",
)


@pytest.fixture
def dump(settings: Settings, land: Callable[..., Path]) -> None:
    write_mapping(settings.home, "NEWB", MAPPING, icd9_to_icd10=CODES)
    for name, text in {"encounters": ENCOUNTERS, "labevents": LABS, "d_labitems": ITEMS}.items():
        land(f"hospital/NEWB/{name}/2024-12-31/{name}.zip", zipped(part=text))


def test_a_shifted_english_dump_is_onboarded_by_its_mapping_file_alone(settings: Settings, dump: None) -> None:
    books = load_all(settings)["NEWB"]

    assert ask(settings, "select sex_code, birth_date::varchar, _row from patient order by _row") == [("2", "1956-06-30", 1), (None, "1932-06-30", 3)]
    assert ask(settings, "select visit_no, visit_type_code, visit_start_date::varchar, visit_end_date::varchar from visit order by 1") == [
        ("e1", "2", "2020-02-27", "2020-02-29"),
        ("e2", "1", "2021-05-06", None),
        ("e3", "3", "2022-12-31", "2022-12-31"),
    ]
    assert ask(settings, "select diagnosis_no, diagnosis_code, diagnosis_date::varchar, is_main, _part from diagnosis order by 1") == [
        ("e1-1", "C34.9", "2020-02-27", "1", 0),
        ("e1-2", "I10", "2020-02-27", "0", 1),
        ("e2-3", "C34.90", "2021-05-06", "0", 2),
    ]
    assert ask(settings, "select item_code, item_name, result, result_unit, visit_no, reported_date::varchar from lab_result order by 1") == [
        ("CREA", "Creatinine (Blood)", Decimal("132.6000"), "umol/L", "e1", "2020-02-28"),
        ("WBC", "White Blood Cells (Blood)", Decimal("7.2500"), "K/uL", "e1", "2020-02-28"),
    ]
    assert ask(settings, "select count(distinct report_no), min(length(report_no)) from lab_result") == [(2, 24)]
    same_person = "select identity_id from patient where _row = 1 union all select identity_id from visit where visit_no in ('e1', 'e2')"
    assert ask(settings, f"select count(distinct person_id), count(*) from ({same_person}) inner join identity_map using (identity_id)") == [(1, 3)]

    balances = {
        feed: (b["rows_delivered"], b["rows_without_record"], b["rows_read"], b["rows_accepted"], b["rows_quarantined"]) for feed, b in books.items()
    }
    assert balances == {
        "patient": (3, 1, 2, 2, 0),
        "visit": (3, 0, 3, 3, 0),
        "diagnosis": (3, 1, 3, 3, 0),
        "lab_result": (5, 1, 4, 2, 2),
        "d_labitems": (0, 0, 0, 0, 0),
    }
    assert ask(settings, "select field, reason_code, _row from quarantine order by _row, field") == [
        ("patient_no", "missing_required", 4),
        ("item_code", "missing_required", 5),
    ]


def test_codes_learnt_from_a_file_beside_the_mapping_change_how_files_are_judged(settings: Settings, dump: None) -> None:
    load.load_organisation(settings, "hospital", "NEWB", "r1")
    first = load.load_mapping("NEWB").said("diagnosis")
    write_mapping(settings.home, "NEWB", MAPPING, icd9_to_icd10=CODES + "250.00,E11.9,diabetes\n")
    assert load.load_mapping("NEWB").said("diagnosis") != first
