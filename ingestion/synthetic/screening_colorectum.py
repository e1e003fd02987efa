"""FIT kits, colonoscopies with their lesions, and the pathology of the specimens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import column, numbers
from ingestion.synthetic.cells import choose, constant, dates, days, decimal, draw, join, keep, missing, padded, pick, whole
from ingestion.synthetic.life import (
    ADVANCED,
    CANCER,
    COLONOSCOPY,
    FIT,
    INVALID,
    NEGATIVE,
    NO_RESULT,
    NON_ADVANCED,
    NONE,
    POSITIVE,
    Tests,
)
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, repeated, was_examined, yes_no

FIT_CODES = {NEGATIVE: 1, POSITIVE: 2, INVALID: 3, NO_RESULT: 4}


def fit_form(desk: Desk) -> Iterator[Records]:
    """One row per FIT kit."""
    if not desk.delivers("screening_fit"):
        return
    tests = desk.tests("colorectum", FIT)
    n, rng, day = len(tests), desk.random("fit"), tests.day
    code = np.array([FIT_CODES.get(i, 3) for i in range(6)])[tests.result]
    amount = np.where(tests.result == POSITIVE, 100 + rng.lognormal(4.6, 1.1, n), rng.uniform(2, 95, n))
    printed = choose(amount > 1000, constant(">1000", n), choose(amount < 10, constant("<10", n), decimal(amount, 1)))
    number = desk.numbers("colorectum", tests, "F")
    end, known = desk.tail(rng, day)
    columns = {
        **desk.head(number, tests, "test_date"),
        "sampled_date": dates(day - days(rng, 0, 3, n)),
        "fit_result_code": whole(code),
        "fit_value_ng_ml": keep(printed, (code <= 2) & (rng.random(n) < 0.8)),
        "kit_no": join("K", padded(rng.integers(10**7, size=n), 7)),
        **end,
    }
    yield desk.made("screening_fit", columns, tests.person, known + days(rng, 0, 5, n))


def _lesion_count(seen: np.ndarray, done: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(seen)
    none = done & (seen == NONE) & (rng.random(n) < 0.11)
    return np.where(done & (seen != NONE), 1 + draw(rng, [62, 24, 9, 4, 1], n), none.astype(int))


def colonoscopy_forms(desk: Desk) -> Iterator[Records]:
    """Colonoscopies, their lesions, and the pathology of the specimens."""
    if not desk.delivers("screening_colonoscopy"):
        return
    tests = desk.tests("colorectum", COLONOSCOPY)
    n, rng, person = len(tests), desk.random("colonoscopy"), tests.person
    life, done, seen = desk.lives.cancers["colorectum"], was_examined(tests), tests.seen
    number = desk.numbers("colorectum", tests, "C")
    count = _lesion_count(seen, done, rng)

    # the first lesion is what the examination found, the others are small
    exam, order = repeated(count)
    m, leading = len(exam), order == 0
    kind = np.where(leading, seen[exam], np.where(rng.random(m) < 0.5, NON_ADVANCED, NONE))
    site = np.where(leading, life.site[person][exam], draw(rng, numbers("colon_sites", "polyp_weight"), m))
    near, far = np.array(numbers("colon_sites", "near_cm")), np.array(numbers("colon_sites", "far_cm"))
    distance = np.rint(near[site] + rng.random(m) * (far - near)[site])
    size = np.select(
        [kind == CANCER, kind == ADVANCED, kind == NON_ADVANCED],
        [rng.integers(18, 56, m), np.where(rng.random(m) < 0.75, rng.integers(10, 31, m), rng.integers(6, 10, m)), rng.integers(3, 10, m)],
        rng.integers(2, 6, m),
    )
    # what the pathologist reads; a small advanced adenoma is one by its villous part or high-grade neoplasia
    villous = np.where(kind == ADVANCED, rng.integers(0, 70, m), rng.integers(0, 15, m))
    villous = np.where((kind == ADVANCED) & (size < 10), rng.integers(26, 70, m), villous)
    high_grade = (kind == ADVANCED) & (rng.random(m) < 0.2)
    plain = draw(rng, [4, 36, 4, 50, 6], m)
    pathology = np.select(
        [kind == CANCER, high_grade, (kind == ADVANCED) & (villous >= 75), (kind == ADVANCED) & (villous >= 25), kind >= NON_ADVANCED],
        [17, 14, 11, 12, np.where(rng.random(m) < 0.86, 10, 13)],
        np.array([1, 2, 5, 6, 3])[plain],
    )
    look = np.select([kind == CANCER, kind >= NON_ADVANCED], [9, np.where(rng.random(m) < 0.6, 7, 5)], np.where(pathology <= 3, 1, 6))
    polyp = ~np.isin(look, (1, 9))
    sampled = (kind == CANCER) | (rng.random(m) < 0.93)
    specimen = keep(join("B", number.take(pa.array(exam)), "-", whole(order + 1)), sampled)
    polyps = np.bincount(exam, polyp, minlength=n).astype(int)
    others = np.bincount(exam, ~polyp, minlength=n).astype(int)
    taken = np.bincount(exam, sampled, minlength=n) > 0
    end, known = desk.tail(rng, tests.day)
    yield desk.made("screening_colonoscopy", {**_form(desk, tests, rng, polyps, others, taken), "screening_no": number, **end}, person, known)
    if desk.delivers("screening_colonoscopy_lesion"):
        stalk = polyp & (rng.random(m) < 0.4)
        columns = {
            "screening_no": number.take(pa.array(exam)),
            "lesion_no": whole(order + 1),
            "site_code": pick(column("colon_sites", "form_code"), site),
            "distance_anus_cm": whole(distance),
            "lesion_type_code": whole(look),
            "specimen_no": specimen,
            "diameter_cm": decimal(size / 10, 1),
            "shape_code": pick("123", draw(rng, (80, 16, 4), m)),
            "has_stalk": keep(yes_no(stalk), polyp),
            "stalk_form_code": keep(pick("12", draw(rng, (40, 60), m)), stalk),
            "colour_code": pick("123", draw(rng, (70, 24, 6), m)),
            "has_bleeding": yes_no(rng.random(m) < np.where(kind == CANCER, 0.55, 0.04)),
        }
        yield desk.made("screening_colonoscopy_lesion", columns, person[exam], known[exam])
    if desk.delivers("screening_crc_pathology"):
        s = np.flatnonzero(sampled)
        yield _pathology(desk, tests, rng, number, specimen, exam[s], s, (kind[s], pathology[s], villous[s], site[s], distance[s]))


def _form(desk: Desk, tests: Tests, rng: np.random.Generator, polyps: np.ndarray, others: np.ndarray, taken: np.ndarray) -> dict:
    """What the colonoscopy form says of the examination."""
    n, done, seen = len(tests), was_examined(tests), tests.seen
    rectal = ~done & (rng.random(n) < 0.5)
    caecum = rng.random(n) < 0.96
    trouble = draw(rng, (99.4, 0.3, 0.25, 0.05), n)
    text = np.select([seen == CANCER, polyps > 1, polyps == 1, others > 0], [0, 1, 2, 3], 4)
    said = ["占位性病变，考虑癌，待病理", "结直肠多发息肉", "结直肠息肉", "结肠黏膜炎性改变", "所见结直肠黏膜未见明显异常"]
    result = np.select([seen == CANCER, seen >= NON_ADVANCED, (polyps + others) > 0], [1, 2, 3], 4)
    return {
        **desk.head(constant(None, n), tests),
        "rectal_exam_done": yes_no(rectal),
        "rectal_mass_found": keep(yes_no(np.zeros(n, dtype=bool)), rectal),
        "colonoscopy_done": yes_no(done),
        "operators_code": keep(pick("123", draw(rng, (82, 16, 2), n)), done),
        "is_sedated": keep(yes_no(rng.random(n) < 0.45), done),
        "depth_code": keep(choose(caecum, pick("12", draw(rng, (55, 45), n)), pick("345678", rng.integers(6, size=n))), done),
        "bowel_preparation_code": keep(pick("123", draw(rng, (66, 28, 6), n)), done),
        "duration_minutes": whole(rng.integers(8, 36, n), done),
        "complication_codes": keep(pick(["1", "3", "4", "3;4"], trouble), done),
        "bleeding_degree_text": keep(constant("少量渗血", n), done & np.isin(trouble, (1, 3))),
        "bleeding_ml": whole(rng.integers(2, 40, n), done & np.isin(trouble, (1, 3))),
        "complication_text": keep(constant("腹胀", n), done & (trouble >= 2)),
        "polyp_found": keep(yes_no(polyps > 0), done),
        "polyp_count": whole(polyps, done & (polyps > 0)),
        "other_lesion_found": keep(yes_no(others > 0), done),
        "other_lesion_text": keep(pick(["炎性改变", "占位"], (seen == CANCER).astype(int)), done & (others > 0)),
        "endoscopic_diagnosis": keep(pick(said, text), done),
        "pathology_taken": keep(yes_no(taken), done),
        "doctor_code": desk.staff(rng, n),
        "result_code": keep(whole(result), done),
    }


def _pathology(desk, tests, rng, number, specimen, exam, s, lesions) -> Records:  # noqa: ANN001
    """One specimen per sampled lesion."""
    kind, pathology, villous, site, distance = lesions
    n, person, day = len(s), tests.person[exam], tests.day[exam]
    life = desk.lives.cancers["colorectum"]
    cancer = kind == CANCER
    read, diagnosed = day + days(rng, 3, 9, n), life.diagnosis_date[person]
    read = np.where(cancer & ~missing(diagnosed) & (diagnosed >= day), diagnosed, read)
    adenoma = np.isin(pathology, (10, 11, 12))
    columns = {
        **desk.head(number.take(pa.array(exam)), tests.where(exam)),
        "specimen_no": specimen.take(pa.array(s)),
        "site_code": pick(column("colon_sites", "form_code"), site),
        "distance_anus_cm": whole(distance),
        "pathology_code": padded(pathology, 2),
        "hgin_pct": whole(rng.integers(5, 60, n), pathology == 14),
        "tubular_pct": whole(100 - villous, adenoma),
        "villous_pct": whole(villous, adenoma),
        "is_precancer": yes_no(np.isin(pathology, (7, 8, 10, 11, 12, 13, 14, 16))),
        "is_cancer": yes_no(cancer),
        "needs_consultation": yes_no(cancer & (rng.random(n) < 0.05)),
        "doctor_code": desk.staff(rng, n, "BL"),
        "reported_date": dates(read),
    }
    for name in ("birth_date", "mobile_phone"):  # the form has no place for them
        del columns[name]
    return desk.made("screening_crc_pathology", columns, person, read + days(rng, 0, 5, n))
