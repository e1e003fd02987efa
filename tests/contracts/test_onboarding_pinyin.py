"""Hospital A: a Chinese HIS with pinyin columns, two tables of visits, a wide laboratory table beside report heads with items, several
diagnoses in one cell and its own dictionary of diseases. One mapping file, and every record is in the lake as expected."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion import load
from tests.contracts.onboarding import table, write_mapping
from tests.unit.ingestion.lakehouse import ask, load_all

MAPPING = """
organisation: NEWA
source: hospital
name_zh: 汾河医院（合成）
synthetic: true
encoding: gb18030
null_values: ["", NULL, "-"]
feeds:
  patient:
    folder: tb_his_patinf
    columns:
      patient_no: kh
      person_name: xm
      id_card_no: zjhm
      sex_code: {source: xb, codes: {男: 1, 女: 2}, otherwise: 9}
      birth_date: {birth_from: {age: nl, at: "{tbrq}"}}
      mobile_phone: {first_of: [sjhm, jtdh]}
      residence_address: {template: "{jzd_she?}{jzd_shi?}{jzd_xia?}{jzd_mph?}"}
      registered_date: tbrq
    ignore: [klx]
  visit@outpatient:
    folder: tb_mz
    where: {gthbz: {not_equals: 2}}
    columns:
      visit_no: {template: "MZ{jzlsh}"}
      patient_no: kh
      visit_type_code: {constant: 1}
      visit_start_date: {template: "{jzrq} {jzsj?}", date_format: ["%Y%m%d %H:%M", "%Y%m%d"]}
      chief_complaint: zs
  visit@inpatient:
    folder: tb_zy
    columns:
      visit_no: {template: "ZY{jzlsh}"}
      patient_no: kh
      visit_type_code: {constant: 2}
      visit_start_date: [rysj, 入院日期, 入院时间]
      visit_end_date: cysj
    deleted: {column: zfbz, values: [1]}
  diagnosis:
    folder: tb_zy
    headers: {rysj: [入院日期, 入院时间]}
    where: "zfbz is null or zfbz <> '1'"
    explode: {columns: cyzd, separators: "；;", number_as: xh}
    columns:
      diagnosis_no: {template: "ZY{jzlsh}-{xh:02}"}
      visit_no: {template: "ZY{jzlsh}"}
      patient_no: kh
      diagnosis_name: cyzd
      diagnosis_code: {source: cyzd, replace: {"[（(].*": ""}, code_table: {folder: tb_dic_disease, key: dmxmc, value: dmxz}, otherwise: ""}
      diagnosis_date: {first_of: [cysj, rysj]}
      is_main: {source: xh, codes: {1: 1}, otherwise: 0}
  lab_result@wide:
    folder: tb_xcg
    unpivot:
      columns:
        bxb: {item_code: WBC, item_name: 白细胞计数, result_unit: 10^9/L}
        xhdb: {item_code: HGB, item_name: 血红蛋白, result_unit: g/L}
        xxb: {item_code: PLT, item_name: 血小板计数, result_unit: 10^9/L}
    columns:
      report_no: bgdh
      patient_no: kh
      reported_date: bgrq
  lab_result@items:
    folder: tb_lis_indicators
    join:
      - {folder: tb_lis_report, on: bgdh, columns: {patient: kh, visit: jzlsh, day: bgrq}}
    columns:
      report_no: bgdh
      item_code: {source: jczbdm, codes: {JG: CREA, ZDHS: TBIL}}
      item_name: jczbmc
      patient_no: patient
      visit_no: {template: "ZY{visit}"}
      result:
        source: jczbjg
        units:
          unit: jldw
          item: jczbdm
          unit_field: result_unit
          rules:
            - {unit: mg/dL, item: JG, factor: 88.4, to: umol/L}
            - {unit: mg/dL, item: ZDHS, factor: 17.1, to: umol/L}
      result_unit: jldw
      reported_date: day
"""

PATIENTS = table(
    "kh,klx,xm,zjhm,xb,nl,sjhm,jtdh,jzd_she,jzd_shi,jzd_xia,jzd_mph,tbrq",
    "A01,1,郝建国,140104195003072013,男,,13800001111,,山西省,太原市,杏花岭区,某路9号,20240301",
    "A02,1,赵晓梅,,女,64岁,-,13900002222,山西省,长治市,潞州区,某街3号,20240301",
)
OUTPATIENTS = table(
    "jzlsh,kh,jzrq,jzsj,gthbz,zs",
    "1,A01,20240305,09:30,1,咳嗽一月",
    "2,A02,20240306,,,体检",
    "3,A02,20240306,,2,退号",
)
INPATIENTS = table(
    "jzlsh,kh,入院时间,cysj,zfbz,cyzd",
    "1,A01,20240310,20240320,0,肺恶性肿瘤（右上叶）；高血压病; ；冠状动脉粥样硬化性心脏病",
    "2,A02,20240311,20240312,1,误登记",
    "3,A02,20240313,20240315,,肺恶性肿瘤",
    "4,A02,20240401,20240402,,",
)
DISEASES = table("id,dmxz,dmxmc", "1,C34.900,肺恶性肿瘤", "2,I10.x00,高血压病", "3,C34.900,肺恶性肿瘤")
BLOOD_COUNTS = table("bgdh,kh,bgrq,bxb,xhdb,xxb", "W1,A01,20240311,6.1,132,-", "W2,A02,20240313,1.2E1,,201")
REPORTS = table("bgdh,kh,jzlsh,bgrq", "R1,A01,1,20240311", "R2,A02,3,20240314")
ITEMS = table(
    "bgdh,jczbdm,jczbmc,jczbjg,jldw",
    "R1,JG,肌酐,1.25,mg/dl",
    "R1,ZDHS,总胆红素,15.2,μmol/L",
    "R2,JG,肌酐,71,umol/L",
    "R9,JG,肌酐,80,umol/L",
)
LANDING = "hospital/NEWA/{}/{}/x.csv"


@pytest.fixture
def dump(settings: Settings, land: Callable[..., Path]) -> Callable[..., None]:
    write_mapping(settings.home, "NEWA", MAPPING)

    def put(**tables: str) -> None:
        for name, text in tables.items():
            land(LANDING.format(name, "2024-06-30"), text, encoding="gb18030")

    return put


def test_a_pinyin_his_is_onboarded_by_its_mapping_file_alone(settings: Settings, dump: Callable[..., None]) -> None:
    dump(
        tb_his_patinf=PATIENTS,
        tb_mz=OUTPATIENTS,
        tb_zy=INPATIENTS,
        tb_dic_disease=DISEASES,
        tb_xcg=BLOOD_COUNTS,
        tb_lis_indicators=ITEMS,
        tb_lis_report=REPORTS,
    )
    books = load_all(settings)["NEWA"]

    assert ask(settings, "select sex_code, birth_date::varchar, residence_county_code, registered_date::varchar from patient order by _row") == [
        ("1", "1950-03-07", "140107", "2024-03-01"),
        ("2", "1959-09-01", "140403", "2024-03-01"),
    ]
    assert ask(
        settings, "select visit_no, visit_type_code, visit_start_date::varchar, visit_end_date::varchar from visit where not _deleted order by 1"
    ) == [
        ("MZ1", "1", "2024-03-05", None),
        ("MZ2", "1", "2024-03-06", None),
        ("ZY1", "2", "2024-03-10", "2024-03-20"),
        ("ZY3", "2", "2024-03-13", "2024-03-15"),
        ("ZY4", "2", "2024-04-01", "2024-04-02"),
    ]
    assert ask(settings, "select record_key from visit where _deleted") == [("NEWA|ZY2",)]
    assert ask(
        settings,
        "select diagnosis_no, visit_no, diagnosis_code, diagnosis_date::varchar, is_main, _row, _part, diagnosis_name from diagnosis order by 1",
    ) == [
        ("ZY1-01", "ZY1", "C34.900", "2024-03-20", "1", 1, 0, "肺恶性肿瘤（右上叶）"),
        ("ZY1-02", "ZY1", "I10.x00", "2024-03-20", "0", 1, 1, "高血压病"),
        ("ZY1-04", "ZY1", None, "2024-03-20", "0", 1, 3, "冠状动脉粥样硬化性心脏病"),
        ("ZY3-01", "ZY3", "C34.900", "2024-03-15", "1", 3, 0, "肺恶性肿瘤"),
    ]
    assert ask(settings, "select report_no, item_code, result, result_unit, visit_no, reported_date::varchar from lab_result order by 1, 2") == [
        ("R1", "CREA", Decimal("110.5000"), "umol/L", "ZY1", "2024-03-11"),
        ("R1", "TBIL", Decimal("15.2000"), "μmol/L", "ZY1", "2024-03-11"),
        ("R2", "CREA", Decimal("71.0000"), "umol/L", "ZY3", "2024-03-14"),
        ("W1", "HGB", Decimal("132.0000"), "g/L", None, "2024-03-11"),
        ("W1", "WBC", Decimal("6.1000"), "10^9/L", None, "2024-03-11"),
        ("W2", "PLT", Decimal("201.0000"), "10^9/L", None, "2024-03-13"),
        ("W2", "WBC", Decimal("12.0000"), "10^9/L", None, "2024-03-13"),
    ]
    people = "select identity_id from patient union all select identity_id from visit union all select identity_id from diagnosis"
    assert ask(settings, f"select count(distinct person_id) from ({people}) inner join identity_map using (identity_id)") == [(2,)]

    balances = {
        feed: (b["rows_delivered"], b["rows_without_record"], b["rows_read"], b["rows_accepted"], b["rows_quarantined"]) for feed, b in books.items()
    }
    assert balances == {
        "patient": (2, 0, 2, 2, 0),
        "visit": (3 + 4, 1, 2 + 4, 6, 0),
        "diagnosis": (4, 2, 4, 4, 0),
        "lab_result": (2 + 4, 0, 4 + 4, 7, 1),
        "tb_dic_disease": (0, 0, 0, 0, 0),
        "tb_lis_report": (0, 0, 0, 0, 0),
    }
    assert ask(settings, "select feed, field, reason_code, _row, _part from quarantine order by field") == [
        ("lab_result", "patient_no", "missing_required", 4, 0),
        ("lab_result", "reported_date", "missing_required", 4, 0),
    ]
    assert ask(settings, "select count(*) from check_result where rule = 'unmapped_column'") == [(0,)]
    assert {b["rejected"] for b in books.values()} == {0}


def test_items_without_their_report_heads_are_rejected_by_name_and_taken_when_the_heads_have_come(
    settings: Settings, dump: Callable[..., None]
) -> None:
    dump(tb_lis_indicators=ITEMS)
    assert load.load_organisation(settings, "hospital", "NEWA", "r1")["feeds"]["lab_result"]["rejected"] == 1
    assert ask(settings, "select status, reason_code, reason_zh from batch_ledger") == [
        ("rejected", "missing_join_table", "缺少需要关联的表：tb_lis_report")
    ]
    assert load.load_organisation(settings, "hospital", "NEWA", "r2")["feeds"]["lab_result"]["rows_accepted"] == 0
    dump(tb_lis_report=REPORTS)
    books = load.load_organisation(settings, "hospital", "NEWA", "r3")["feeds"]["lab_result"]
    assert (books["rejected"], books["rows_read"], books["rows_accepted"]) == (0, 4, 3)


def test_a_report_head_that_stands_twice_with_other_content_rejects_the_items(settings: Settings, dump: Callable[..., None]) -> None:
    dump(tb_lis_indicators=ITEMS, tb_lis_report=REPORTS + "R1,A02,3,20240311\n")
    load.load_organisation(settings, "hospital", "NEWA", "r1")
    said = ask(settings, "select reason_code, reason_zh from batch_ledger where status = 'rejected'")
    assert [code for code, _ in said] == ["join_key_repeated"]
    assert "tb_lis_report 的关联键（bgdh）有 1 个值对应多行" in said[0][1]


def test_loading_the_same_dump_again_changes_nothing(settings: Settings, dump: Callable[..., None]) -> None:
    dump(tb_zy=INPATIENTS, tb_dic_disease=DISEASES)
    first = load.load_organisation(settings, "hospital", "NEWA", "r1")["feeds"]
    again = load.load_organisation(settings, "hospital", "NEWA", "r2")["feeds"]
    assert again == first
    assert ask(settings, "select count(*) from visit") == [(4,)]
