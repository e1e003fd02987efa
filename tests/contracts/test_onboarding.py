"""A hospital nobody has seen: other tables, other columns, other codes; one mapping file and its records are in the lake."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from infra.settings import Settings
from tests.unit.ingestion.lakehouse import ask, load_all

MAPPING = {
    "patient": {
        "folder": "MPI_Card",
        "delimiter": "|",
        "date_format": "%d.%m.%Y",
        "columns": {
            "patient_no": "CardNo",
            "person_name": "FullName",
            "id_card_no": "Citizen ID",
            "sex_code": {"source": "Gender", "codes": {"M": "1", "F": "2", "U": "9"}},
            "birth_date": "DOB",
            "mobile_phone": "Mobile",
            "residence_address": "Addr",
        },
        "ignore": ["Blood"],
    },
    "diagnosis": {
        "folder": "YS_MZ_JBZD",
        "date_format": "%Y%m%d%H%M",
        "columns": {
            "diagnosis_no": "JLXH",
            "visit_no": "JZXH",
            "patient_no": "BRID",
            "diagnosis_code": "ICD10",
            "diagnosis_name": "ZDMC",
            "diagnosis_date": "ZDRQ",
            "is_main": {"source": "ZZBZ", "codes": {"主": 1, "次": 0}},
            "is_suspected": {"constant": 0},
        },
    },
    "lab_result": {
        "folder": "lis",
        "columns": {
            "report_no": "rid",
            "item_code": "item",
            "patient_no": "pid",
            "result": {"source": "val", "factor": 17.1},
            "result_unit": {"constant": "umol/L"},
            "reported_date": "at",
        },
    },
}


def test_a_new_dialect_is_onboarded_by_its_mapping_file_alone(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("NEW01", "hospital", MAPPING, encoding="gb18030")
    land(
        "hospital/NEW01/MPI_Card/2024-12-31/export.txt",
        "CardNo|FullName|Citizen ID|Gender|DOB|Mobile|Addr|Blood\n9|慕容雪|11010519491231002X|F|31.12.1949|13912345678|山西省长治市潞州区某街9号|A\n",
        encoding="gb18030",
    )
    land(
        "hospital/NEW01/YS_MZ_JBZD/2024-12-31/zd.csv",
        "JLXH,JZXH,BRID,ICD10,ZDMC,ZDRQ,ZZBZ\n1,100,9,C18.700,乙状结肠恶性肿瘤,202405060708,主\n2,100,9,I10.x00,高血压,202405060709,次\n",
        encoding="gb18030",
    )
    land("hospital/NEW01/lis/2024-12-31/lis.jsonl", '{"rid": "r1", "item": "TBIL", "pid": "9", "val": "2.0", "at": "2024-05-06"}\n')
    load_all(settings)
    assert ask(settings, "select sex_code, birth_date::varchar, residence_county_code from patient") == [("2", "1949-12-31", "140403")]
    assert ask(settings, "select diagnosis_code, diagnosis_date::varchar, is_main, is_suspected from diagnosis order by diagnosis_no") == [
        ("C18.700", "2024-05-06", "1", "0"),
        ("I10.x00", "2024-05-06", "0", "0"),
    ]
    assert ask(settings, "select result, result_unit from lab_result") == [(Decimal("34.2000"), "umol/L")]
    same_person = (
        "select count(distinct m.person_id), count(*) from (select identity_id from patient union all select identity_id from diagnosis union all"
    )
    assert ask(settings, f"{same_person} select identity_id from lab_result) inner join identity_map as m using (identity_id)") == [(1, 4)]
    assert ask(settings, "select count(*) from quarantine") == [(0,)]


def test_a_check_up_export_in_the_form_of_a_real_one_loads_and_every_value_is_parsed_or_kept_with_its_reason(
    settings: Settings, land: Callable[..., Path]
) -> None:
    rows = [
        "vid,收缩压,舒张压,血清甘油三酯,血清高密度脂蛋白,血清低密度脂蛋白",
        "a1,118,76,0.91,1.33,2.4",
        "a2,弃查,弃查,> 12.00,1.1,3.05",
        "a3,131,942,3.3.1,0.98,-0.4",
    ]
    land("checkup/PE0001/physical_exam/2024-12-31/体检.csv", "\r\n".join(rows) + "\r\n", encoding="gb18030")
    books = load_all(settings)
    assert books["PE0001"]["physical_exam"]["rows_accepted"] == 3
    said = ask(settings, "select _row, field, raw_value, standard_value, comparator, verdict, reason_code from form_answer order by _row, field")
    assert said == [
        (2, "diastolic_mmhg", "弃查", None, None, "kept", "not_done"),
        (2, "systolic_mmhg", "弃查", None, None, "kept", "not_done"),
        (2, "triglyceride_mmol_l", "> 12.00", "12.000", ">", "kept", "comparator"),
        (3, "diastolic_mmhg", "942", None, None, "set_aside", "out_of_range"),
        (3, "ldl_mmol_l", "-0.4", None, None, "set_aside", "out_of_range"),
        (3, "triglyceride_mmol_l", "3.3.1", None, None, "set_aside", "not_a_number"),
    ]
