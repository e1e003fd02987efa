"""Laboratory results of a hospital, one row per item, values as its analysers print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import Text, choose, constant, dates, decimal, flags, join, keep, padded, pick, stream
from ingestion.synthetic.life import CANCER, CANCERS, FIT, HIGH, HPV, LIVER_US_AFP, LOW, UGI_ENDOSCOPY, Lives
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.visits import Visits

if TYPE_CHECKING:
    from ingestion.synthetic.hospital import Hospital

PANELS = ("blood", "liver", "tumour", "lung", "breast", "gynaecology", "hepatitis", "virus", "gastric", "helicobacter", "breath", "stool", "hpv")
PANEL_NAMES = (
    "血常规",
    "生化",
    "肿瘤标志物",
    "肺癌标志物",
    "乳腺标志物",
    "妇科标志物",
    "乙肝丙肝",
    "病毒载量",
    "胃功能",
    "幽门螺杆菌",
    "呼气试验",
    "粪便",
    "HPV分型",
)
# Hospitals that print the other units (mg/dL, g/dL, ug/L), those that print only tumour markers in ug/L, and those with English names.
OTHER_UNITS, OTHER_MARKER_UNITS, IN_ENGLISH, SECOND_NAMES = {"H1403"}, {"H1404", "H1407"}, {"H1403"}, {"H1402", "H1406"}
WORDS = {"H1402": ("阴性(-)", "阳性(+)"), "H1403": ("Negative", "Positive"), "H1404": ("(-)", "(+)"), "H1406": ("阴性(-)", "阳性(+)")}
QUANTITATIVE = {"H1402", "H1404", "H1406", "H1407"}  # hospitals that measure HBsAg and its like
# How a marker rises with the stage of a cancer: item -> cancer -> factor of stage 0..4
RISES = {
    "cea": {"colorectum": (1, 1.3, 2.0, 3.2, 14), "lung": (1, 1.1, 1.4, 2.0, 5), "upper_gi": (1, 1.1, 1.3, 1.8, 4)},
    "afp": {"liver": (1, 6, 25, 90, 300)},
    "ca199": {"colorectum": (1, 1.1, 1.4, 2, 6), "upper_gi": (1, 1.1, 1.5, 2.2, 6), "liver": (1, 1.2, 1.5, 2, 3)},
    "cyfra": {"lung": (1, 1.2, 1.6, 2.2, 4)},
    "nse": {"lung": (1, 1.1, 1.2, 1.4, 1.8)},
    "ca153": {"breast": (1, 1.0, 1.2, 1.6, 4)},
    "scc": {"cervix": (1, 1.3, 2, 3.5, 6), "lung": (1, 1.1, 1.3, 1.5, 2)},
    "ca125": {"cervix": (1, 1.1, 1.3, 1.6, 2)},
}
# Factor of a value in cirrhosis
CIRRHOSIS = {"plt": 0.5, "alb": 0.85, "tbil": 1.8, "alt": 1.6, "ast": 1.9, "afp": 2.2}


def _ordered(v: Visits, rng: np.random.Generator) -> np.ndarray:
    """Visits × panels: what was ordered."""
    n = len(v)
    cancer = np.isin(v.kind, v_.CANCER_KINDS)
    inpatient = np.isin(v.kind, (v_.SURGERY, v_.SYSTEMIC, v_.INTERVENTIONAL, v_.WORKUP))
    exam = v.kind == v_.EXAM
    any_test = np.where(cancer, True, np.where(exam, rng.random(n) < 0.2, rng.random(n) < np.where(v.type == v_.INPATIENT, 0.8, 0.12)))

    def about(*numbers: int) -> np.ndarray:
        return np.isin(v.cancer, numbers)

    def of(*modalities: int) -> np.ndarray:
        return exam & np.isin(v.modality, modalities)

    chance = {
        "blood": np.where(cancer, np.where(inpatient, 0.95, 0.5), 0.9),
        "liver": np.where(of(LIVER_US_AFP), 1, np.where(cancer, np.where(inpatient, 0.85, 0.3), 0.5)),
        "tumour": np.where(of(LIVER_US_AFP), 1, np.where(cancer, 0.85, 0.1)),
        "lung": np.where(cancer & about(0), 0.7, 0.01),
        "breast": np.where(cancer & about(1), 0.7, 0.005),
        "gynaecology": np.where(cancer & about(5), 0.7, 0.005),
        "hepatitis": np.where(of(LIVER_US_AFP), 0.9, np.where(inpatient, 0.8, 0.1)),
        "virus": np.where(cancer & about(4), 0.8, 0.01),
        "gastric": np.where(of(UGI_ENDOSCOPY), 0.5, 0.02),
        "helicobacter": np.where(of(UGI_ENDOSCOPY), 0.4, 0.02),
        "breath": np.where(of(UGI_ENDOSCOPY), 0.4, 0.02),
        "stool": np.where(of(FIT), 1, 0.03),
        "hpv": np.where(of(HPV), 1, 0.0),
    }
    ordered = any_test[:, None] & (rng.random((n, len(PANELS))) < np.column_stack([chance[p] for p in PANELS]))
    for modality, panel in ((FIT, "stool"), (HPV, "hpv"), (LIVER_US_AFP, "tumour")):
        ordered[:, PANELS.index(panel)] |= of(modality)
    return ordered


def _carries(life: Lives, marker: str, person: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Whether a test of a person would be positive: the marker lived, or by chance where the lives do not know it."""
    if marker in life.risk.markers:
        return life.risk.markers[marker][person]
    return (stream(seed, "marker", marker).random(len(life.death_date)) < share)[person]


def _positive(item: str, life: Lives, v: Visits, visit: np.ndarray, seed: int) -> np.ndarray:
    """Whether a qualitative item is positive."""
    person, finding = v.person[visit], v.finding[visit]
    match item:
        case "hbsag" | "hbvdna":
            return _carries(life, "hbsag", person, 0.06, seed)
        case "hbeag":
            return _carries(life, "hbsag", person, 0.06, seed) & (person % 4 == 0)
        case "hcv":
            return _carries(life, "anti_hcv", person, 0.01, seed)
        case "hp" | "ubt":
            return _carries(life, "hp", person, 0.4, seed)
        case "fob":
            chance = stream(seed, "fob").random(len(v))[visit]
            return np.where(v.is_test[visit], finding > 0, chance < np.select([finding == CANCER, finding == HIGH], [0.79, 0.3], 0.05))
        case "hpv16" | "hpv18" | "hpvother":
            has = np.where(v.category[visit] >= 0, v.category[visit] > 0, _carries(life, "hpv", person, 0.11, seed))
            kind = np.where(v.category[visit] > 0, v.category[visit], 1 + (person % 4 > 0))  # 1: type 16 or 18, 2: others
            own = {"hpv16": (kind == 1) & (person % 3 < 2), "hpv18": (kind == 1) & (person % 3 == 2), "hpvother": kind == 2}[item]
            return has & own
    return np.zeros(len(visit), dtype=bool)


def _value(item: dict[str, str], life: Lives, v: Visits, visit: np.ndarray, rng: np.random.Generator, seed: int) -> np.ndarray:
    person, name = v.person[visit], item["item"]
    value = np.exp(rng.normal(np.log(float(item["median"]) or 1.0), float(item["spread"]), len(visit)))
    about = np.isin(v.kind[visit], v_.CANCER_KINDS)
    for cancer, factors in RISES.get(name, {}).items():
        stage = np.where(about & (v.cancer[visit] == CANCERS.index(cancer)), life.cancers[cancer].stage_group[person], 0)
        value = value * np.array(factors)[stage] * np.where((stage > 0) & (name == "afp"), np.exp(rng.normal(0, 1.2, len(visit))), 1)
    liver = life.cancers["liver"].state[person] >= LOW
    if name in CIRRHOSIS:
        value = np.where(liver, value * CIRRHOSIS[name], value)
    if name in ("pg1", "pg2"):
        atrophy = np.isin(life.cancers["upper_gi"].state[person], (LOW, HIGH, CANCER))
        value = np.where(atrophy & (person % 2 == 0), value * (0.45 if name == "pg1" else 1.1), value)
    if name in ("cea", "afp"):
        value = np.where(rng.random(len(visit)) < 0.0008, value * 1500, value)
    if name == "ubt":
        value = np.where(_positive("ubt", life, v, visit, seed), value * 14, value)
    if name == "hbvdna":
        value = np.where(_positive("hbvdna", life, v, visit, seed), value, 5)
    if name == "hbeag":
        value = np.where(_positive("hbeag", life, v, visit, seed), value * 40, value)
    if name in ("hbsag", "hcv"):
        value = np.where(_positive(name, life, v, visit, seed), value * 4000, value)
    return value


def _in_other_unit(item: dict[str, str], hospital: str) -> bool:
    marker = item["panel"] in ("tumour", "lung", "breast", "gynaecology", "gastric")
    return hospital in OTHER_UNITS or (hospital in OTHER_MARKER_UNITS and marker)


def _printed(item: dict[str, str], hospital: str, value: np.ndarray, positive: np.ndarray) -> Text:
    n = len(value)
    qualitative = not item["unit"] or (item["panel"] == "hepatitis" and hospital not in QUANTITATIVE)
    if qualitative:
        negative, yes = WORDS.get(hospital, ("阴性", "阳性"))
        return flags(positive, yes, negative)
    other = _in_other_unit(item, hospital)
    factor, places = (float(item["alt_factor"]), int(item["alt_places"])) if other else (1.0, int(item["places"]))
    text = decimal(value * factor, places)
    if item["low_limit"]:
        limit = float(item["low_limit"])
        text = choose(value < limit, constant(f"<{item['low_limit']}", n), text)
    if item["high_limit"]:
        text = choose(value > float(item["high_limit"]), constant(f">{float(item['high_limit']):.2f}", n), text)
    return text


def _flag(item: dict[str, str], value: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """0 N, 1 H, 2 L, 3 A by the item's own reference range."""
    low, dash, high = item["reference"].partition("-")
    if dash and low.replace(".", "").isdigit():
        return np.where(value > float(high), 1, np.where(value < float(low), 2, 0))
    if item["reference"].startswith("<"):
        return np.where(value >= float(item["reference"][1:]), 1, 0)
    return np.where(positive, 3, 0)


def laboratory(life: Lives, v: Visits, hospital: str, seed: int) -> tuple[dict[str, Text], np.ndarray, np.ndarray]:
    """Item columns of all reports, the visit of each row, and the report date."""
    rng, items = stream(seed, "laboratory", hospital), rows("lab_items")
    ordered = _ordered(v, rng)
    report_of = np.full(ordered.shape, -1)
    visit_rows, panel_columns = np.nonzero(ordered)
    report_of[visit_rows, panel_columns] = np.arange(len(visit_rows))
    turnaround = rng.integers(0, 2, len(visit_rows))
    visit_parts, report_parts, item_parts, flag_parts, text_parts = [], [], [], [], []
    for number, item in enumerate(items):
        visit = np.flatnonzero(ordered[:, PANELS.index(item["panel"])])
        positive = _positive(item["item"], life, v, visit, seed)
        value = _value(item, life, v, visit, rng, seed)
        visit_parts.append(visit)
        report_parts.append(report_of[visit, PANELS.index(item["panel"])])
        item_parts.append(np.full(len(visit), number))
        flag_parts.append(_flag(item, value, positive))
        text_parts.append(_printed(item, hospital, value, positive))
    visit, report, item, flag = (np.concatenate(p) for p in (visit_parts, report_parts, item_parts, flag_parts))
    order = np.lexsort((item, report))
    visit, report, item, flag = visit[order], report[order], item[order], flag[order]
    day = v.start[visit] + turnaround[report].astype("timedelta64[D]")
    name = "name_en" if hospital in IN_ENGLISH else "name_b" if hospital in SECOND_NAMES else "name_a"
    other = [_in_other_unit(row, hospital) for row in items]
    plain = [not row["unit"] or (row["panel"] == "hepatitis" and hospital not in QUANTITATIVE) for row in items]
    units = ["" if p else row["alt_unit"] if o else row["unit"] for row, o, p in zip(items, other, plain, strict=True)]
    ranges = [row["alt_reference"] if o else row["reference"] for row, o in zip(items, other, strict=True)]
    panel = np.array([PANELS.index(row["panel"]) for row in items])[item]
    loinc = [row["loinc"] for row in items]
    columns = {
        "report_no": join("JY", padded(report, 9)),
        "item_code": pick([row["code"] for row in items], item),
        "item_name": pick([row[name] for row in items], item),
        "result": pa.concat_arrays(text_parts).take(pa.array(order)),
        "result_unit": keep(pick(units, item), np.array([u != "" for u in units])[item]),
        "reference_range": pick(ranges, item),
        "panel_name": pick(PANEL_NAMES, panel),
        "specimen_name": pick([row["specimen"] for row in items], item),
        "sampled_date": dates(v.start[visit]),
        "abnormal_flag_code": pick(("N", "H", "L", "A"), flag),
        "loinc_code": keep(pick(loinc, item), np.array([x != "" for x in loinc])[item]),
        "method_name": pick(["化学发光法", "酶法", "PCR荧光探针法", "流式细胞法"], np.array([0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 1, 1, 2])[panel]),
    }
    return columns, visit, day


def lab_results(hospital: Hospital) -> Records:
    """The laboratory results of a hospital."""
    items, visit, day = laboratory(hospital.life, hospital.visits, hospital.name, hospital.seed)
    columns = {**items, **hospital.of_visit(visit), "reported_date": dates(day)}
    return records(hospital.name, "lab_result", columns, hospital.visits.person[visit], day + 1)
