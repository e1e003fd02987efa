"""Laboratory results of a hospital, one row per item, values as its analysers print them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import Text, choose, constant, decimal, flags, join, padded, pick, stream
from ingestion.synthetic.life import Life
from ingestion.synthetic.visits import CANCER_KINDS, COLONOSCOPY, GENERAL, HOSPITALS, SURGERY, SYSTEMIC, Visits

PANELS = ("blood", "liver", "tumour", "hepatitis", "stool")
STAGE_FACTOR = np.array([1, 1.3, 2.0, 3.2, 14.0])


def _ordered(visits: Visits, rng: np.random.Generator) -> np.ndarray:
    """Visits × panels: what was ordered."""
    n = len(visits)
    cancer, general = np.isin(visits.kind, CANCER_KINDS), visits.kind == GENERAL
    any_test = np.where(general, rng.random(n) < 0.5, True)
    lots = rng.random((n, len(PANELS)))
    chance = np.column_stack(
        [
            np.full(n, 0.95),
            np.where(cancer, 0.9, 0.65),
            np.where(cancer, 0.97, 0.12),
            np.where(np.isin(visits.kind, (SURGERY, SYSTEMIC)), 0.9, 0.12),
            np.where(visits.kind == COLONOSCOPY, 0.4, 0.02),
        ]
    )
    return any_test[:, None] & (lots < chance)


def _printed(item: dict[str, str], hospital: int, value: np.ndarray, positive: np.ndarray) -> Text:
    n = len(value)
    if item["item"] == "fob" or (item["panel"] == "hepatitis" and HOSPITALS[hospital] == "H1401"):
        negative, yes = ("阴性", "阳性") if HOSPITALS[hospital] == "H1401" else ("阴性(-)", "阳性(+)")
        return flags(positive, yes, negative)
    value = np.where(positive, value * 4000, value) if item["panel"] == "hepatitis" else value
    text = decimal(value, int(item["places"]))
    if item["low_limit"]:
        text = choose(value < float(item["low_limit"]), constant(f"<{item['low_limit']}", n), text)
    if item["high_limit"]:
        text = choose(value > float(item["high_limit"]), constant(f">{float(item['high_limit']):.2f}", n), text)
    return text


def laboratory(life: Life, visits: Visits, hospital: int, seed: int) -> tuple[dict[str, Text], np.ndarray, np.ndarray]:
    """Item columns of all reports, the visit of each row, and the report date."""
    rng, items, name = stream(seed, "laboratory", hospital), rows("lab_items"), HOSPITALS[hospital].lower()
    ordered = _ordered(visits, rng)
    report_of = np.full(ordered.shape, -1)
    visit_rows, panel_columns = np.nonzero(ordered)
    report_of[visit_rows, panel_columns] = np.arange(len(visit_rows))
    turnaround = rng.integers(0, 2, len(visit_rows))
    visit_parts, report_parts, item_parts, text_parts = [], [], [], []
    for number, item in enumerate(items):
        visit = np.flatnonzero(ordered[:, PANELS.index(item["panel"])])
        person, n = visits.person[visit], len(visit)
        median = float(item["median"]) or 1.0
        value = np.exp(rng.normal(np.log(median), float(item["spread"]), n))
        if item["item"] == "cea":
            value = value * STAGE_FACTOR[np.where(np.isin(visits.kind[visit], CANCER_KINDS), life.stage_group[person], 0)]
            value = np.where(rng.random(n) < 0.0008, value * 1500, value)
        positive = rng.random(n) < (0.06 if item["panel"] == "hepatitis" else 0.08)
        visit_parts.append(visit)
        report_parts.append(report_of[visit, PANELS.index(item["panel"])])
        item_parts.append(np.full(n, number))
        text_parts.append(_printed(item, hospital, value, positive))
    visit, report, item = np.concatenate(visit_parts), np.concatenate(report_parts), np.concatenate(item_parts)
    order = np.lexsort((item, report))
    visit, report, item = visit[order], report[order], item[order]
    day = visits.start[visit] + turnaround[report].astype("timedelta64[D]")
    columns = {
        "report_no": join("JY" if hospital == 0 else "L", padded(report, 9)),
        "item_code": pick([row[f"{name}_code"] for row in items], item),
        "item_name": pick([row[f"{name}_name"] for row in items], item),
        "result": pa.concat_arrays(text_parts).take(pa.array(order)),
        "result_unit": pick([row["unit"] for row in items], item),
        "reference_range": pick([row["reference"] for row in items], item),
    }
    return columns, visit, day
