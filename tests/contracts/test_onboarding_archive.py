"""A whole dump in one zip archive, as public dumps come: one folder, a table a member, its dictionary among them, one of them without a header."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from infra.settings import Settings
from tests.contracts.onboarding import table, write_mapping, zipped
from tests.unit.ingestion.lakehouse import ask, load_all

MAPPING = """
organisation: NEWC
source: hospital
name_zh: 某合成英文数据（合成）
synthetic: true
feeds:
  patient:
    folder: dump
    member: patients.txt
    columns:
      patient_no: Id
      person_name: {template: "{LAST} {FIRST}"}
      sex_code: {source: GENDER, codes: {M: 1, F: 2}}
      birth_date: BIRTHDATE
  death:
    folder: dump
    member: patients.txt
    where: {DEATHDATE: {empty: false}}
    columns: {patient_no: Id, death_date: DEATHDATE}
  diagnosis:
    folder: dump
    member: conditions.txt
    join: {folder: dump, member: code_map.txt, on: {CODE: snomed}, columns: {icd10: icd10}}
    columns:
      diagnosis_no: {hash_of: [PATIENT, ENCOUNTER, CODE, START]}
      visit_no: ENCOUNTER
      patient_no: PATIENT
      diagnosis_code: icd10
      diagnosis_name: DESCRIPTION
      diagnosis_date: START
  lab_result:
    folder: observations
    header: [DATE, PATIENT, ENCOUNTER, CODE, DESCRIPTION, VALUE, UNITS, TYPE]
    where: {TYPE: numeric}
    columns:
      report_no: {template: "{ENCOUNTER}-{DATE}"}
      item_code: {source: CODE, codes: {2160-0: CREA}}
      item_name: DESCRIPTION
      patient_no: PATIENT
      visit_no: ENCOUNTER
      result:
        source: VALUE
        units: {unit: UNITS, item: CODE, unit_field: result_unit, rules: [{unit: mg/dL, item: 2160-0, factor: 88.4, to: umol/L}]}
      result_unit: UNITS
      reported_date: DATE
"""
PATIENTS = table("Id,BIRTHDATE,DEATHDATE,FIRST,LAST,GENDER", "b1-2e,1950-02-03,,Ann,Doe,F", "c7-9f,1940-12-31,2020-05-06,Bob,Roe,M")
CONDITIONS = table(
    "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION",
    "2019-03-04,,b1-2e,e1,254637007,Non-small cell lung cancer",
    "2019-03-04,2019-04-04,c7-9f,e2,10509002,Acute bronchitis",
)
CODES = table("snomed,icd10,text", "254637007,C34.9,lung")
OBSERVATIONS = table(
    "2019-03-04T05:06:07Z,b1-2e,e1,2160-0,Creatinine,1.0,mg/dL,numeric",
    "2019-03-04T05:06:07Z,b1-2e,e1,72166-2,Tobacco smoking status,Never smoker,,text",
)


def test_a_dump_in_one_archive_is_onboarded_by_its_mapping_file_alone(settings: Settings, land: Callable[..., Path]) -> None:
    write_mapping(settings.home, "NEWC", MAPPING)
    land("hospital/NEWC/dump/2024-12-31/all.zip", zipped(patients=PATIENTS, conditions=CONDITIONS, code_map=CODES, README="read me"))
    land("hospital/NEWC/observations/2024-12-31/o.csv.gz", gzip.compress(OBSERVATIONS.encode()))
    books = load_all(settings)["NEWC"]
    assert ask(settings, "select sex_code, birth_date::varchar from patient order by _row") == [("2", "1950-02-03"), ("1", "1940-12-31")]
    assert ask(settings, "select death_date::varchar, _row from death") == [("2020-05-06", 2)]
    assert ask(settings, "select diagnosis_code, diagnosis_date::varchar, visit_no from diagnosis order by _row") == [
        ("C34.9", "2019-03-04", "e1"),
        (None, "2019-03-04", "e2"),
    ]
    assert ask(settings, "select report_no, item_code, result, result_unit, reported_date::varchar from lab_result") == [
        ("e1-2019-03-04T05:06:07Z", "CREA", Decimal("88.4000"), "umol/L", "2019-03-04")
    ]
    assert {feed: (b["rows_delivered"], b["rows_without_record"], b["rows_accepted"], b["rows_quarantined"]) for feed, b in books.items()} == {
        "patient": (2, 0, 2, 0),
        "death": (2, 1, 1, 0),
        "diagnosis": (2, 0, 2, 0),
        "lab_result": (2, 1, 1, 0),
    }
