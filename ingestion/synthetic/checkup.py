"""The check-up centre: one wide row per examination, physical and laboratory values as printed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import choose, constant, dates, days, decimal, draw, flags, join, keep, padded, stream, whole
from ingestion.synthetic.life import END, Life
from ingestion.synthetic.people import People
from ingestion.synthetic.records import Records, records

ORGANISATION = "T1401"
FIRST_EXAM = np.datetime64("2024-02-20")
# field, median, spread of the logarithm, decimal places
VALUES = (
    ("glucose_mmol_l", 5.4, 0.17, 2),
    ("cholesterol_mmol_l", 4.8, 0.19, 2),
    ("triglyceride_mmol_l", 1.4, 0.5, 2),
    ("hdl_mmol_l", 1.32, 0.2, 2),
    ("ldl_mmol_l", 2.8, 0.25, 2),
    ("alt_u_l", 21, 0.5, 1),
    ("ast_u_l", 22, 0.35, 1),
    ("albumin_g_l", 45, 0.06, 1),
    ("bilirubin_umol_l", 13, 0.35, 1),
    ("platelet_10e9_l", 218, 0.24, 0),
    ("hemoglobin_g_l", 143, 0.1, 0),
    ("afp_ng_ml", 2.5, 0.45, 2),
    ("cea_ng_ml", 1.8, 0.5, 2),
)


def exam_records(people: People, life: Life, seed: int) -> Records:
    """Examinations of residents who go to the centre; the same person keeps the centre's client number."""
    rng = stream(seed, "checkup")
    goes = people.is_resident & (rng.random(len(people)) < share("checkup_pct"))
    person = np.flatnonzero(goes)
    day = FIRST_EXAM + (rng.random(len(person)) * (END - FIRST_EXAM).astype(int)).astype("timedelta64[D]")
    again = np.flatnonzero((rng.random(len(person)) < 0.15) & (day + 330 <= END - 20))
    client = np.r_[np.arange(len(person)), again]
    person, day = np.r_[person, person[again]], np.r_[day, day[again] + 330 + rng.integers(0, 20, len(again))]
    alive = life.alive(person, day)
    person, day, client = person[alive], day[alive], client[alive]
    n, index = len(person), pa.array(person)
    systolic = rng.normal(128, 16, n).clip(86, 215)
    pressure_gap = rng.normal(49, 9, n).clip(22, 90)
    values = {name: np.exp(rng.normal(np.log(median), spread, n)) for name, median, spread, _ in VALUES}
    cancer = life.has_cancer[person]
    values["cea_ng_ml"] = np.where(cancer, values["cea_ng_ml"] * 4, values["cea_ng_ml"])
    printed = {name: decimal(values[name], places) for name, _, _, places in VALUES}
    printed["afp_ng_ml"] = choose(values["afp_ng_ml"] < 0.91, constant("<0.91", n), printed["afp_ng_ml"])
    for marker in ("afp_ng_ml", "cea_ng_ml"):
        printed[marker] = keep(printed[marker], rng.random(n) < 0.6)
    positive = rng.random(n) < np.array([0.042, 0.08, 0.3, 0.79])[life.state[person]]
    fat, high = rng.random(n) < 0.3, systolic >= 140
    summary = choose(
        fat,
        join("脂肪肝；", choose(high, "血压偏高，建议内科随诊。", "建议低脂饮食。")),
        choose(high, "血压偏高，建议内科随诊。", "未见明显异常。"),
    )
    columns = {
        "exam_no": join("TJ", dates(day, "%y%m%d"), padded(np.arange(n), 7)),
        "client_no": join("K", padded(client + 100_001, 7)),
        "person_name": people.name.take(index),
        "id_card_no": people.id_card.take(index),
        "sex_code": whole(people.sex[person]),
        "birth_date": dates(people.birth[person]),
        "mobile_phone": people.phone.take(index),
        "residence_address": people.address.take(index),
        "exam_date": dates(day),
        "height_cm": decimal(life.risk.height_cm[person] + rng.integers(-9, 10, n) / 10, 1),
        "weight_kg": decimal(life.risk.weight_tenths[person] / 10 + rng.normal(0, 1.2, n), 1),
        "waist_cm": whole(
            (life.risk.weight_tenths[person] * 2400 / life.risk.height_cm[person] ** 2 + 26 + rng.normal(0, 3, n)).clip(55, 140)
        ),
        "systolic_mmhg": whole(systolic),
        "diastolic_mmhg": whole((systolic - pressure_gap).clip(45, 125)),
        **printed,
        "fit_result_code": keep(flags(positive, "2", "1"), rng.random(n) < 0.82),
        "hbsag_code": keep(flags(rng.random(n) < 0.05), rng.random(n) < 0.7),
        "smoking_status": keep(whole(life.risk.smoking[person]), rng.random(n) < 0.9),
        "summary_text": choose(positive, join("便潜血阳性，建议肠镜检查；", summary), summary),
    }
    extra = {"套餐名称": pa.array(["基础套餐", "肿瘤早筛套餐", "单位团检"]).take(pa.array(draw(rng, (50, 20, 30), n)))}
    made = records(ORGANISATION, "physical_exam", columns, person, day + days(rng, 1, 6, n), **extra)
    return made
