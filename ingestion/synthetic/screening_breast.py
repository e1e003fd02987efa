"""Breast ultrasound with its masses, and mammography of both sides, as the BI-RADS class of the examination says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import Text, choose, constant, decimal, draw, flags, keep, pick, whole
from ingestion.synthetic.life import BREAST_MG, BREAST_US, CANCER, HIGH, LOW, NONE, Tests, sites
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, no_yes, readable, repeated, several, yes_no

LEFT, RIGHT = 1, 2
# Quadrants by ICD-10, in the codes of the ultrasound form (upper outer 1, upper inner 2, lower outer 3, lower inner 4).
QUADRANTS = {"C50.2": 2, "C50.3": 4, "C50.4": 1, "C50.5": 3}
# The same quadrants in the codes of the mammography form (upper outer 1, lower outer 2, upper inner 3, lower inner 4).
MG_QUADRANT = np.array([0, 1, 3, 2, 4])
# Diagnoses of the ultrasound form by BI-RADS class, with weights.
DIAGNOSES = {2: ((1, 2, 4, 5), (52, 20, 6, 22)), 3: ((3, 5, 6), (55, 10, 35)), 4: ((7, 9), (70, 30)), 5: ((8, 7), (80, 20))}


@cache
def _of_site() -> tuple[np.ndarray, np.ndarray]:
    """Per row of the sites: side, and quadrant in the codes of the ultrasound form (0 for the centre)."""
    sides = [LEFT if row["name_zh"].startswith("左") else RIGHT for row in sites("breast")]
    return np.array(sides), np.array([QUADRANTS.get(row["icd10"], 0) for row in sites("breast")])


def _side(desk: Desk, tests: Tests) -> np.ndarray:
    """The side of a person's disease; of the others one of their own, the same in every examination."""
    life = desk.lives.cancers["breast"]
    return np.where(life.state[tests.person] > NONE, _of_site()[0][life.site[tests.person]], 1 + (tests.person * 7919 >> 3) % 2)


def _quadrant(desk: Desk, tests: Tests, rng: np.random.Generator) -> np.ndarray:
    of_site = _of_site()[1][desk.lives.cancers["breast"].site[tests.person]]
    anywhere = 1 + draw(rng, (48, 20, 20, 12), len(tests))
    return np.where((tests.seen >= LOW) & (of_site > 0), of_site, anywhere)


def _class(tests: Tests) -> np.ndarray:
    """BI-RADS 0 to 5; an examination without a result is incomplete."""
    return np.where(readable(tests), np.clip(tests.category, 0, 5), 0)


def _result(grade: np.ndarray) -> Text:
    return whole(np.select([grade >= 4, np.isin(grade, (0, 3))], [1, 2], 3))


def ultrasound_forms(desk: Desk) -> Iterator[Records]:
    """Ultrasound form and its masses."""
    if not desk.delivers("screening_breast_us"):
        return
    tests = desk.tests("breast", BREAST_US)
    n, rng, person = len(tests), desk.random("breast_us"), tests.person
    number, grade, side = desk.numbers("breast", tests, "BR"), _class(tests), _side(desk, tests)
    with_mass = grade >= 2
    count = np.where(with_mass, 1 + draw(rng, (58, 24, 12, 6), n), 0)
    exam, order = repeated(count)
    m = len(exam)
    # the leading mass bears the class of the examination; the others are cysts and adenosis of class 2, on either side
    leading = order == 0
    lesion_side = np.where(leading, side[exam], 1 + rng.integers(2, size=m))
    left = np.bincount(exam, lesion_side == LEFT, minlength=n).astype(int)
    node = (grade >= 4) & (rng.random(n) < np.where(tests.seen == CANCER, 0.25, 0.06)) | (rng.random(n) < 0.006)
    node_side, node_flow, hilum = np.where(grade >= 4, side, 1 + rng.integers(2, size=n)), node & (rng.random(n) < 0.5), rng.random(n) < 0.6
    node_length = 0.8 + rng.random(n) * 1.2
    duct = ~with_mass & (rng.random(n) < 0.02)
    thick = 0.8 + rng.random((2, n)) * 1.4
    whole_breast = thick * (1.6 + rng.random((2, n)) * 3)
    end, known = desk.tail(rng, tests.day)
    columns = {
        **desk.head(number, tests),
        "symmetry_code": flags(rng.random(n) < 0.02, "2", "1"),
        "gland_structure_code": flags(rng.random(n) < 0.86, "2", "1"),
        "lesion_found": yes_no(with_mass),
        "lesion_count": whole(count, with_mass),
        "left_lesion_count": whole(left, with_mass),
        "right_lesion_count": whole(count - left, with_mass),
        "axillary_node_found": yes_no(node),
        "axillary_node_count": whole(np.ones(n), node),
        "left_axillary_node_count": whole(node_side == LEFT, node),
        "right_axillary_node_count": whole(node_side == RIGHT, node),
        "axillary_node_length_cm": decimal(node_length, 1, node),
        "axillary_node_width_cm": decimal(node_length * 0.55, 1, node),
        "axillary_node_has_hilum": keep(no_yes(hilum), node),
        "axillary_node_hilum_code": keep(pick("12", draw(rng, (45, 55), n)), node & hilum),
        "axillary_node_has_flow": keep(no_yes(node_flow), node),
        "axillary_node_flow_rich_code": keep(pick("12", draw(rng, (35, 65), n)), node_flow),
        "axillary_node_flow_pattern_code": keep(pick("12", draw(rng, (70, 30), n)), node_flow),
        "axillary_node_resistance_index": decimal(0.55 + rng.random(n) * 0.25, 2, node_flow),
        "breast_type_code": pick("1234", draw(rng, (30, 42, 16, 12), n)),
        "duct_size_mm": decimal(1.5 + rng.random(n) * 3, 1, duct),
        "non_lesion_diagnosis_code": keep(flags(duct, "1", "2"), ~with_mass & (duct | (grade == 0))),
        "non_lesion_duct_mm": decimal(1.5 + rng.random(n) * 3, 1, duct),
        "non_lesion_diagnosis_text": keep(constant("腺体结构紊乱，建议X线摄影", n), ~with_mass & ~duct & (grade == 0)),
        "non_lesion_bi_rads_code": keep(whole(grade + 1), ~with_mass),
        "bi_rads_code": whole(grade + 1),
        "needs_consultation": no_yes((grade == 5) & (rng.random(n) < 0.2)),
        "result_code": _result(grade),
        **end,
    }
    for i, name in enumerate(("left", "right")):
        columns[f"{name}_parenchyma_cm"] = decimal(thick[i], 1)
        columns[f"{name}_breast_cm"] = decimal(whole_breast[i], 1)
        columns[f"{name}_ratio_code"] = flags(thick[i] > whole_breast[i] / 3, "2", "1")
    yield desk.made("screening_breast_us", columns, person, known)
    if desk.delivers("screening_breast_us_lesion"):
        yield _masses(desk, tests, rng, number, known, (exam, order), np.where(leading, grade[exam], 2), lesion_side)


def _masses(
    desk: Desk,
    tests: Tests,
    rng: np.random.Generator,
    number: Text,
    known: np.ndarray,
    place: tuple[np.ndarray, np.ndarray],
    grade: np.ndarray,
    side: np.ndarray,
) -> Records:
    exam, order = place
    m = len(exam)
    bad, cancer = grade >= 4, (order == 0) & (tests.seen[exam] == CANCER)
    quadrant = np.where(order == 0, _quadrant(desk, tests, rng)[exam], 1 + draw(rng, (48, 20, 20, 12), m))
    diagnosis = np.zeros(m, dtype=int)
    for level, (choices, weights) in DIAGNOSES.items():
        diagnosis = np.where(grade == level, np.array(choices)[draw(rng, weights, m)], diagnosis)
    size = np.select(
        [cancer, bad, grade == 3],
        [0.6 + rng.random(m) ** 1.4 * 3, 0.6 + rng.random(m) * 1.6, 0.6 + rng.random(m) * 1.6],
        0.3 + rng.random(m) ** 2 * 1.8,
    )
    flow = rng.random(m) < np.select([cancer, bad], [0.75, 0.5], 0.12)
    cyst = diagnosis == 1
    # clock positions by side and quadrant: upper outer of the left breast lies at 1 to 2
    hour = np.array([[1, 10, 4, 8], [10, 1, 8, 4]])[side - 1, quadrant - 1] + rng.integers(0, 2, m)

    def found(chance_bad: float, chance: float) -> Text:
        return yes_no(rng.random(m) < np.where(bad, chance_bad, chance))

    columns = {
        "screening_no": number.take(pa.array(exam)),
        "lesion_no": whole(order + 1),
        "side_code": whole(side),
        "quadrant_code": whole(quadrant),
        "clock_position": whole(hour),
        "nipple_distance_cm": decimal(0.5 + rng.random(m) * 5, 1),
        "muscle_relation_code": flags(cancer & (rng.random(m) < 0.12), "2", "1"),
        "skin_relation_code": flags(cancer & (rng.random(m) < 0.1), "2", "1"),
        "length_cm": decimal(size, 1),
        "width_cm": decimal(size * (0.55 + rng.random(m) * 0.35), 1),
        "shape_code": flags(rng.random(m) < np.where(bad, 0.72, 0.06), "2", "1"),
        "border_code": flags(rng.random(m) < np.where(bad, 0.68, 0.05), "2", "1"),
        "echo_code": whole(np.where(cyst, 1, np.where(rng.random(m) < 0.92, 2, 3))),
        "homogeneity_code": pick("123", np.where(bad, draw(rng, (22, 58, 20), m), draw(rng, (84, 5, 11), m))),
        "strong_spot_found": found(0.35, 0.04),
        "strong_clump_found": found(0.08, 0.02),
        "anechoic_area_found": found(0.08, 0.05),
        "posterior_echo_code": pick("123", np.where(cyst, 2, np.where(bad, draw(rng, (52, 44, 4), m), draw(rng, (93, 4, 3), m)))),
        "has_lateral_shadow": no_yes(rng.random(m) < 0.05),
        "has_flow": no_yes(flow),
        "flow_rich_code": keep(choose(rng.random(m) < np.where(bad, 0.6, 0.15), "1", "2"), flow),
        "resistance_index": decimal(np.where(bad, 0.66, 0.55) + rng.random(m) * 0.16, 2, flow),
        "diagnosis_code": whole(diagnosis),
        "bi_rads_code": whole(grade + 1),
    }
    return desk.made("screening_breast_us_lesion", columns, tests.person[exam], known[exam])


def mammography_form(desk: Desk) -> Iterator[Records]:
    """Mammography form: the diseased side has the class of the examination, the other class 1 or 2."""
    if not desk.delivers("screening_breast_mg"):
        return
    tests = desk.tests("breast", BREAST_MG)
    n, rng, person = len(tests), desk.random("breast_mg"), tests.person
    number, grade, side = desk.numbers("breast", tests, "BR"), _class(tests), _side(desk, tests)
    # class 4 is split on this form: 4A, 4B, 4C
    split = np.where(
        tests.seen == CANCER, draw(rng, (18, 42, 40), n), np.where(tests.seen == HIGH, draw(rng, (50, 40, 10), n), draw(rng, (78, 20, 2), n))
    )
    code = np.select([grade <= 3, grade == 4], [grade + 1, 5 + split], 8)
    quiet = 1 + (rng.random(n) < 0.25)
    quadrant = MG_QUADRANT[_quadrant(desk, tests, rng)]
    earlier, by_ultrasound = rng.random(n) < 0.12, rng.random(n) < 0.2
    end, known = desk.tail(rng, tests.day + 1)
    columns = {
        **desk.head(number, tests),
        "view_codes": pick(["1", "1;2"], draw(rng, (94, 6), n)),
        "digital_side_code": constant("3", n),
        "indication_code": flags(by_ultrasound, "2", "1"),
        "suspicious_us_side_code": whole(side, by_ultrasound),
        "prior_films_used": no_yes(earlier),
        "prior_film_age_code": keep(pick("123", draw(rng, (30, 45, 25), n)), earlier),
        "density_code": pick("1234", draw(rng, (8, 30, 48, 14), n)),
        "bi_rads_code": whole(code),
        "advice_code": _advice(code),
        "needs_consultation": no_yes((grade >= 5) & (rng.random(n) < 0.2)),
        "result_code": _result(grade),
        **end,
    }
    for name, this in (("left", side == LEFT), ("right", side == RIGHT)):
        own = np.where(this, code, np.minimum(quiet + 1, np.maximum(code, 2)))
        columns |= _breast(name, own, np.where(this, tests.seen, 0), quadrant, rng)
        columns[f"{name}_bi_rads_code"] = whole(own)
        columns[f"{name}_advice_code"] = _advice(own)
    yield desk.made("screening_breast_mg", columns, person, known)


def _advice(code: np.ndarray) -> Text:
    """Advice by the form's class code (1 to 8 for classes 0, 1, 2, 3, 4A, 4B, 4C, 5)."""
    return pick("1223444" + "5", np.clip(code, 1, 8) - 1)


def _breast(name: str, code: np.ndarray, seen: np.ndarray, quadrant: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    """What the form says of one breast whose class is `code`."""
    n = len(code)
    abnormal, bad, benign = code != 2, code >= 5, code == 3
    mass = (bad & (rng.random(n) < 0.7)) | ((code == 4) & (rng.random(n) < 0.6)) | (benign & (rng.random(n) < 0.3))
    calcium = (bad & (~mass | (rng.random(n) < 0.4))) | ((code == 4) & ~mass & (rng.random(n) < 0.5)) | (benign & ~mass)
    distortion = (bad & (rng.random(n) < 0.12)) | ((code == 1) & (rng.random(n) < 0.1))
    asymmetry = ((code == 4) & ~mass & ~calcium) | ((code == 1) & ~distortion) | (bad & (rng.random(n) < 0.08))
    node = (seen == CANCER) & (rng.random(n) < 0.2)
    suspicious = calcium & bad
    other = benign & (rng.random(n) < 0.03)
    columns = {
        "abnormality_found": no_yes(abnormal),
        "mass_found": no_yes(mass),
        "mass_shape_code": keep(pick("1234", np.where(bad, draw(rng, (8, 14, 26, 52), n), draw(rng, (36, 56, 6, 2), n))), mass),
        "mass_margin_code": keep(pick("12345", np.where(bad, draw(rng, (4, 20, 16, 30, 30), n), draw(rng, (80, 20, 0, 0, 0), n))), mass),
        "mass_density_code": keep(pick("1234", np.where(bad, draw(rng, (60, 38, 2, 0), n), draw(rng, (10, 62, 22, 6), n))), mass),
        "mass_size_code": keep(pick("1234", np.where(bad, draw(rng, (28, 46, 24, 2), n), draw(rng, (52, 38, 10, 0), n))), mass),
        "calcification_found": no_yes(calcium),
        "calcification_type_code": keep(flags(suspicious, "2", "1"), calcium),
        "benign_calcification_codes": keep(several(rng, "1 2 3 5 6", (8, 26, 30, 26, 10), n, 0.15), calcium & ~suspicious),
        "calcification_form_code": keep(pick("1234", draw(rng, (34, 20, 34, 12), n)), suspicious),
        "calcification_distribution_code": keep(pick("12345", draw(rng, (4, 16, 56, 10, 14), n)), suspicious),
        "distortion_found": no_yes(distortion),
        "asymmetry_found": no_yes(asymmetry),
        "nipple_retracted": no_yes((seen == CANCER) & (rng.random(n) < 0.06)),
        "skin_changed": no_yes((seen == CANCER) & (rng.random(n) < 0.05)),
        "axillary_node_found": no_yes(node),
        "other_found": no_yes(other),
        "other_text": keep(constant("腋下副乳", n), other),
    }
    for part, where in (("mass", mass), ("calcification", calcium), ("distortion", distortion), ("asymmetry", asymmetry)):
        columns[f"{part}_quadrant_code"] = whole(quadrant, where)
        columns[f"{part}_clock"] = whole(rng.integers(1, 13, n), where)
        columns[f"{part}_depth_code"] = keep(pick("123", draw(rng, (24, 52, 24), n)), where)
        columns[f"{part}_nipple_distance_cm"] = decimal(0.5 + rng.random(n) * 7, 1, where)
    return {f"{name}_{field}": values for field, values in columns.items()}
