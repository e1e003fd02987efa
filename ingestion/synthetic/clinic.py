"""Histories, orders and front pages: what doctors write down and order at a visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import column, rows
from ingestion.synthetic.cells import NEVER, Text, choose, constant, dates, days, decimal, draw, flags, join, keep, missing, padded, pick, whole
from ingestion.synthetic.habits import NAMES, body, diseases, family, habits, women
from ingestion.synthetic.imaging import ENDOSCOPY, IMAGING, choose_at, endoscopy_plan, imaging_plan
from ingestion.synthetic.life import BREAST_US, CANCERS, COLONOSCOPY, CYTOLOGY, UGI_ENDOSCOPY, histologies, stages
from ingestion.synthetic.people import FEMALE
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.tumours import SYSTEMS, stage_group

if TYPE_CHECKING:
    from ingestion.synthetic.hospital import Hospital

RELATIONS = {1: "母亲", 2: "父亲", 3: "姐妹", 4: "兄弟", 5: "子女"}
FAMILY_CANCERS = {1: "肺癌", 2: "乳腺癌", 3: "肝癌", 4: "食管癌", 5: "胃癌", 6: "结直肠癌", 7: "胰腺癌", 11: "宫颈癌"}


def histories(hospital: Hospital) -> Records:
    """A history at the first visit of each patient and at every stay."""
    v, life, people, rng = hospital.visits, hospital.life, hospital.people, hospital.stream("history")
    first = np.zeros(len(v), dtype=bool)
    first[np.unique(v.person, return_index=True)[1]] = True
    visit = np.flatnonzero(first | ((v.type == v_.INPATIENT) & (rng.random(len(v)) < 0.9)))
    person, n = v.person[visit], len(visit)
    ill = diseases(people, life, person, hospital.seed)
    told = habits(people, life, person, hospital.seed)
    relatives, reproductive = family(life, person), women(people, life, person, hospital.seed)
    cancer_code, known = constant(None, n), np.zeros(n, dtype=bool)
    for number, key in enumerate(CANCERS):
        own = life.cancers[key]
        earlier = own.has_cancer[person] & (own.diagnosis_date[person] < v.start[visit])
        at = np.flatnonzero(earlier & ~known)
        known |= earlier
        cancer_code = choose_at(cancer_code, at, pick(hospital.codes[0], hospital.site_code(np.full(len(at), number), person[at])))
    woman = people.sex[person] == FEMALE

    def last(modality: int, where: np.ndarray) -> Text:
        """Day of the last examination a patient tells of."""
        day = np.full(len(people), NEVER)
        tests = life.cancers[CANCERS[v_.CANCER_OF[modality]]].tests
        at = tests.modality == modality
        day[tests.person[at]] = tests.day[at]
        found = day[person]
        return dates(np.where((found < v.start[visit]) & where, found, NEVER))

    department = hospital.department()[visit]
    columns = {
        "history_no": join("BS", padded(np.arange(n), 8)),
        **hospital.of_visit(visit),
        "recorded_date": dates(v.start[visit]),
        **body(life, person, rng),
        **told,
        **{name: flags(found) for name, found in ill.items()},
        "has_cancer_history": flags(known),
        "cancer_history_code": cancer_code,
        **relatives,
        **reproductive,
        "last_mammography_date": last(BREAST_US, woman),
        "last_cervical_test_date": last(CYTOLOGY, woman),
        "last_colonoscopy_date": last(COLONOSCOPY, np.ones(n, dtype=bool)),
        "last_gastroscopy_date": last(UGI_ENDOSCOPY, np.ones(n, dtype=bool)),
        "present_illness_text": join(
            "患者",
            hospital.complaint(hospital.stream("visit")).take(pa.array(visit)),
            "，为求进一步诊治来我院。病程中精神、食欲可，",
            pick(["体重无明显变化。", "体重下降约2kg。", "大小便正常。"], rng.integers(3, size=n)),
        ),
        "past_history_text": past_history(ill, known, rng),
        "personal_history_text": personal_history(told, n, rng),
        "family_history_text": family_history(life.risk, person, rng),
        "physical_examination_text": pick(
            [
                "心肺听诊未闻及异常，腹软，无压痛，浅表淋巴结未触及肿大。",
                "双肺呼吸音清，肝脾肋下未触及，双下肢无水肿。",
                "神清，锁骨上淋巴结未触及，腹部未触及包块。",
            ],
            rng.integers(3, size=n),
        ),
        "department_code": join("KS", padded(department + 1, 2)),
        "doctor_code": hospital.doctor(department, rng),
    }
    return records(hospital.name, "medical_history", columns, person, v.end[visit] + days(rng, 0, 3, n))


def past_history(ill: dict[str, np.ndarray], known: np.ndarray, rng: np.random.Generator) -> Text:
    """Past diseases in words: what there is, and what is denied."""
    n = len(known)
    text, some = constant("", n), np.zeros(n, dtype=bool)
    years = whole(rng.integers(1, 20, n))
    for name, word in NAMES.items():
        text = choose(ill[name], join(text, f"“{word}”病史", years, "年；"), text)
        some |= ill[name]
    denied = pick(
        ["否认高血压、糖尿病、冠心病病史，否认肝炎、结核等传染病史。", "既往体健。", "否认慢性病史。否认手术外伤史。"], rng.integers(3, size=n)
    )
    return join(choose(some, join("既往", text, "否认其他慢性病史。"), denied), flags(known, "有恶性肿瘤病史。", ""), "否认药物过敏史。")


def personal_history(told: dict[str, Text], n: int, rng: np.random.Generator) -> Text:
    """Habits in words, in three ways of writing."""
    status = told["smoking_status"]
    years, amount = pc.fill_null(told["smoking_years"], "0"), pc.fill_null(told["cigarettes_per_day"], "0")
    style = rng.integers(3, size=n)
    current = choose(
        style == 0,
        join("吸烟", years, "年，平均", amount, "支/日，未戒"),
        choose(style == 1, join("吸烟史：", years, "年×", amount, "支/天"), join("嗜烟", years, "余年，日", amount, "支")),
    )
    former = join("曾吸烟", years, "年，", amount, "支/日，已戒烟", pc.fill_null(told["quit_years"], "数"), "年")
    smoking = choose(
        pc.equal(status, "1").to_numpy(zero_copy_only=False),
        current,
        choose(pc.equal(status, "2").to_numpy(zero_copy_only=False), former, constant("否认吸烟史", n)),
    )
    alcohol = pc.fill_null(told["alcohol_g_per_day"], "0")
    drinking = choose(
        pc.equal(told["drinking_status"], "1").to_numpy(zero_copy_only=False), join("饮酒，折合酒精约", alcohol, "g/日"), constant("否认饮酒史", n)
    )
    exposed = choose(
        pc.equal(told["has_occupational_exposure"], "1").to_numpy(zero_copy_only=False),
        constant("有粉尘及煤烟接触史", n),
        "否认毒物及放射性物质接触史",
    )
    return join("生于原籍，久居本地。", smoking, "；", drinking, "；", exposed, "。")


def family_history(risk: object, person: np.ndarray, rng: np.random.Generator) -> Text:
    """Family history in words."""
    n = len(person)
    relation, cancer, some = risk.relation[person, 0], risk.relative_cancer[person, 0], risk.relatives[person] > 0
    who = pick([RELATIONS.get(i, "亲属") for i in range(12)], np.clip(relation, 0, 11))
    what = pick([FAMILY_CANCERS.get(i, "恶性肿瘤") for i in range(14)], np.clip(cancer, 0, 13))
    has_ = choose(rng.random(n) < 0.5, join(who, "患“", what, "”。"), join(who, "有", what, "病史，余家族成员体健。"))
    return choose(some, has_, pick(["否认家族性遗传病史及肿瘤病史。", "父母体健，否认家族肿瘤史。"], rng.integers(2, size=n)))


def orders(hospital: Hospital) -> Records:
    """Orders: drugs for complaints, examinations and tests, operations and treatment, consultations before treatment."""
    v, rng, items = hospital.visits, hospital.stream("orders"), rows("order_items")
    code = {row["code"]: i for i, row in enumerate(items)}
    by_reason = {row["reason"]: i for i, row in enumerate(items) if row["reason"]}
    n, parts = len(v), []

    def add(where: np.ndarray, item: int | np.ndarray, after: int = 0) -> None:
        parts.append((where, np.broadcast_to(item, len(where)), np.full(len(where), after)))

    images, scopes = imaging_plan(hospital, hospital.stream("imaging")), endoscopy_plan(hospital, hospital.stream("endoscopy"))
    for plan, kinds in ((images, IMAGING), (scopes, ENDOSCOPY)):
        add(plan.visit, np.array([by_reason[k] for k in kinds])[plan.kind])
    drug = np.array([by_reason.get(c, -1) for c in column("diagnoses", "icd10")])[hospital.reason]
    at = np.flatnonzero((v.kind == v_.GENERAL) & (drug >= 0) & (rng.random(n) < 0.8))
    add(at, drug[at])
    inpatient = v.type == v_.INPATIENT
    at = np.flatnonzero(inpatient)
    add(at, np.where(v.kind[at] == v_.SURGERY, code["H0002"], code["H0001"]))
    add(at[rng.random(len(at)) < 0.9], code["J0001"])
    add(at[rng.random(len(at)) < 0.9], code["J0002"])
    add(at[rng.random(len(at)) < 0.5], code["Y0010"], 1)
    work = np.flatnonzero(v.kind == v_.WORKUP)
    add(work, code["J0003"])
    add(work[rng.random(len(work)) < 0.62], code["Z0001"])
    for kind, item in (
        (v_.SURGERY, "S0001"),
        (v_.RESECTION, "S0002"),
        (v_.RADIOTHERAPY, "Z0002"),
        (v_.INTERVENTIONAL, "Z0003"),
        (v_.SYSTEMIC, "X0001"),
        (v_.SYSTEMIC, "Y0011"),
    ):
        add(np.flatnonzero(v.kind == kind), code[item], 1 if kind == v_.RESECTION else 0)
    add(np.flatnonzero(v.kind == v_.SURGERY), code["Y0012"], 1)
    visit = np.concatenate([p[0] for p in parts])
    item = np.concatenate([p[1] for p in parts]).astype(np.int64)
    after = np.concatenate([p[2] for p in parts])
    order = np.lexsort((item, after, visit))
    visit, item, after = visit[order], item[order], after[order]
    m, person = len(visit), v.person[visit]
    day = np.minimum(v.start[visit] + after.astype("timedelta64[D]"), v.end[visit])
    length = np.array([int(row["days"] or 0) for row in items])[item]
    standing = np.array([row["term"] == "1" for row in items])[item] & inpatient[visit]
    department = hospital.department()[visit]
    cancelled = rng.random(m) < 0.012

    def of(name: str) -> Text:
        values = [row[name] for row in items]
        return keep(pick(values, item), np.array([x != "" for x in values])[item])

    columns = {
        "order_no": join("YZ", padded(np.arange(m), 9)),
        **hospital.of_visit(visit),
        "order_group_no": join("G", padded(visit, 8)),
        "order_category_code": of("category"),
        "order_term_code": choose(inpatient[visit], of("term"), constant("2", m)),
        "item_code": of("code"),
        "item_name": of("name_zh"),
        "drug_specification": of("specification"),
        "dose": of("dose"),
        "dose_unit": of("unit"),
        "frequency_name": of("frequency"),
        "route_name": of("route"),
        "day_count": whole(length, length > 0),
        "body_site_name": keep(of("name_zh"), np.array([row["category"] == "exam" for row in items])[item] & (rng.random(m) < 0.3)),
        "order_note": keep(pick(["急", "空腹", "遵医嘱", "已告知患者及家属"], rng.integers(4, size=m)), rng.random(m) < 0.05),
        "ordered_date": dates(day),
        "executed_date": dates(np.where(cancelled, NEVER, day)),
        "stopped_date": dates(np.where(standing, v.end[visit], NEVER)),
        "department_code": join("KS", padded(department + 1, 2)),
        "executing_department_code": join("KS", padded(department + 1, 2)),
        "doctor_code": hospital.doctor(department, rng),
        "is_cancelled": flags(cancelled),
    }
    return records(hospital.name, "medical_order", columns, person, v.end[visit] + days(rng, 0, 2, m))


def front_pages(hospital: Hospital) -> Records:
    """Front page of every finished stay, with the tumour annex where the stay was for a cancer."""
    v, life, rng = hospital.visits, hospital.life, hospital.stream("front page")
    visit = np.flatnonzero(v.type == v_.INPATIENT)
    person, n = v.person[visit], len(visit)
    codes, names = hospital.codes
    main, _ = hospital.main_diagnosis
    # the stay of a person before this one
    order = np.lexsort((v.start[visit], person))
    nth = np.empty(n, dtype=np.int64)
    same = np.r_[False, person[order][1:] == person[order][:-1]]
    start = np.maximum.accumulate(np.where(same, 0, np.arange(n)))
    nth[order] = np.arange(n) - start + 1
    number, kind = v.cancer[visit], v.kind[visit]
    text = {name: constant(None, n) for name in ("t", "n", "m", "stage", "system", "morphology", "histology")}
    ill = np.zeros(n, dtype=bool)
    diagnosed = np.full(n, NEVER)
    procedure_day = np.full(n, NEVER)
    for c, key in enumerate(CANCERS):
        own, tumour = life.cancers[key], hospital.tumours[key]
        at = np.flatnonzero((number == c) & own.has_cancer[person])
        if len(at) == 0:
            continue
        ill[at] = True
        who = person[at]
        stage = own.tnm[who].astype(np.int64)
        for slot in "tnm":
            text[slot] = choose_at(text[slot], at, pick([r[slot] for r in stages(key)], stage))
        text["stage"] = choose_at(text["stage"], at, stage_group(life, key, who, tumour))
        text["system"] = choose_at(text["system"], at, constant(SYSTEMS.get(key, "ajcc8"), len(at)))
        kinds = histologies(key) or ({"code": "8140/3", "name_zh": "腺癌"},)
        text["morphology"] = choose_at(text["morphology"], at, pick([h["code"] for h in kinds], own.histology[who].astype(np.int64)))
        text["histology"] = choose_at(text["histology"], at, pick([h["name_zh"] for h in kinds], own.histology[who].astype(np.int64)))
        diagnosed[at] = np.where(own.diagnosis_date[who] <= v.end[visit[at]], own.diagnosis_date[who], NEVER)
        procedure_day[at] = np.where(kind[at] == v_.SURGERY, own.surgery_date[who], NEVER)
    own_code = hospital.site_code(np.maximum(number, 0), person)
    annex = ill & (rng.random(n) < 0.85)
    operated = kind == v_.SURGERY
    hepatitis = life.risk.markers.get("hbsag", hospital.stream("hbsag").random(len(life.death_date)) < 0.06)[person]
    tested = rng.random(n) < 0.7
    length = (v.end[visit] - v.start[visit]).astype(np.int64)
    died = v.end[visit] == life.death_date[person]
    rescued = np.where(died, 1, np.where(rng.random(n) < 0.01, 1, 0))
    department = hospital.department()[visit]
    cost = np.rint(np.exp(rng.normal(np.where(operated, 10.8, 9.0), 0.4, n)) * (1 + length / 40))
    parts = rng.dirichlet((4, 3, 2, 3, 2, 2), n) if n else np.zeros((0, 6))
    room = join("KS", padded(department + 1, 2))
    agree = lambda share: pick("0123", draw(rng, (100 - share - 6, share, 4, 2), n))  # noqa: E731
    columns = {
        **hospital.of_visit(visit),
        "medical_record_no": join("BA", padded(hospital.local[person] + 1, 8)),
        "stay_number": whole(nth),
        "insurance_type_code": pick(("1", "2", "7", "4"), draw(rng, (38, 54, 6, 2), n)),
        "admission_route_code": pick("123", draw(rng, (20, 77, 3), n)),
        "admission_condition_code": pick("123", draw(rng, (3, 12, 85), n)),
        "was_treated_elsewhere": flags(rng.random(n) < 0.3),
        "admission_date": dates(v.start[visit]),
        "admission_department_code": room,
        "transfer_department_code": keep(room, rng.random(n) < 0.04),
        "discharge_date": dates(v.end[visit]),
        "discharge_department_code": room,
        "stay_days": whole(np.maximum(length, 1)),
        "discharge_way_code": choose(died, constant("5", n), pick("1234", draw(rng, (94, 3, 1, 2), n))),
        "outpatient_diagnosis_code": hospital.icd(codes, np.where(ill, own_code, main[visit])),
        "admission_diagnosis_code": hospital.icd(codes, np.where(ill, own_code, main[visit])),
        "main_diagnosis_code": hospital.icd(codes, main[visit]),
        "main_diagnosis_name": pick(names, main[visit]),
        "other_diagnosis_codes": keep(hospital.icd(codes, own_code), ill & (own_code != main[visit])),
        "confirmed_date": dates(np.where(missing(diagnosed), v.start[visit] + np.minimum(1, length).astype("timedelta64[D]"), diagnosed)),
        "outcome_code": choose(died, constant("4", n), pick("123", draw(rng, (25, 68, 7), n))),
        "hospital_infection_name": keep(constant("肺部感染", n), rng.random(n) < 0.01),
        "outpatient_discharge_agreement_code": agree(88),
        "admission_discharge_agreement_code": agree(90),
        "preoperative_postoperative_agreement_code": choose(operated, agree(92), constant("0", n)),
        "clinical_pathology_agreement_code": choose(ill, agree(85), constant("0", n)),
        "radiology_pathology_agreement_code": choose(ill, agree(70), constant("0", n)),
        "pathology_no": keep(join("BL", dates(v.start[visit], "%y"), padded(rng.integers(0, 9999, n), 7)), operated),
        "pathology_diagnosis_name": keep(text["histology"], annex),
        "morphology_code": keep(text["morphology"], annex),
        "t_category": keep(text["t"], annex),
        "n_category": keep(text["n"], annex),
        "m_category": keep(text["m"], annex),
        "stage_group": keep(text["stage"], annex),
        "staging_system_code": keep(text["system"], annex),
        "has_surgery": flags(operated),
        "main_procedure_code": keep(pick(["32.41", "85.43", "43.7", "45.73", "50.22", "68.69"], np.maximum(number, 0)), operated),
        "main_procedure_name": keep(
            pick(["肺叶切除术", "乳腺癌根治术", "胃切除术", "结肠切除术", "肝部分切除术", "广泛性子宫切除术"], np.maximum(number, 0)), operated
        ),
        "main_procedure_date": dates(procedure_day),
        "anaesthesia_code": choose(operated, constant("general", n), "none"),
        "incision_healing_code": keep(pick("129", draw(rng, (92, 6, 2), n)), operated),
        "radiotherapy_dose_gy": decimal(np.minimum(length, 30) * 2.0, 1, kind == v_.RADIOTHERAPY),
        "systemic_regimen_name": keep(constant("详见化疗医嘱", n), kind == v_.SYSTEMIC),
        "drug_allergy_text": choose(rng.random(n) < 0.05, constant("青霉素过敏", n), "无"),
        "blood_type_code": pick("123456", draw(rng, (27, 28, 31, 9, 1, 4), n)),
        "hbsag_code": choose(tested, flags(hepatitis, "2", "1"), constant("0", n)),
        "hcv_antibody_code": choose(tested, flags(rng.random(n) < 0.01, "2", "1"), constant("0", n)),
        "hiv_antibody_code": choose(tested, constant("1", n), "0"),
        "rescue_count": whole(rescued),
        "rescue_success_count": whole(np.where(died, 0, rescued)),
        "red_cell_units": decimal(rng.integers(1, 5, n) * 2.0, 1, operated & (rng.random(n) < 0.2)),
        "plasma_ml": whole(rng.integers(1, 5, n) * 200, operated & (rng.random(n) < 0.1)),
        "has_transfusion_reaction": flags(np.zeros(n, dtype=bool)),
        "has_tumour_report": flags(ill & (rng.random(n) < 0.9)),
        "has_infection_report": flags(hepatitis & tested & (rng.random(n) < 0.3)),
        "is_followed_up": flags(ill),
        "follow_up_weeks": whole(rng.integers(1, 6, n) * 4, ill),
        "death_date": dates(np.where(died, v.end[visit], NEVER)),
        "death_cause_name": keep(pick(names, main[visit]), died),
        "has_autopsy": keep(constant("0", n), died),
        "record_quality_code": pick(("甲", "乙", "丙"), draw(rng, (93, 6, 1), n)),
        "chief_doctor_code": hospital.doctor(department, rng),
        "attending_doctor_code": hospital.doctor(department, rng),
        "resident_doctor_code": hospital.doctor(department, rng),
        "total_cost_yuan": decimal(cost, 2),
        "drug_cost_yuan": decimal(cost * parts[:, 0], 2),
        "examination_cost_yuan": decimal(cost * parts[:, 1], 2),
        "laboratory_cost_yuan": decimal(cost * parts[:, 2], 2),
        "operation_cost_yuan": decimal(cost * parts[:, 3], 2, operated),
        "treatment_cost_yuan": decimal(cost * parts[:, 4], 2),
    }
    return records(hospital.name, "medical_record_front_page", columns, person, v.end[visit] + days(rng, 1, 12, n))
