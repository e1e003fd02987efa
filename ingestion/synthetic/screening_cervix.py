"""Cervical screening: HPV test, cytology, colposcopy, histology, as one chain under one screening number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa

from ingestion.contracts import code_list
from ingestion.synthetic.cells import Text, choose, dates, days, draw, flags, join, keep, missing, pick, whole
from ingestion.synthetic.life import CANCER, COLPOSCOPY, CYTOLOGY, HIGH, HPV, LOW, NONE, POSITIVE, Tests, histologies, stages
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, no_yes, readable, repeated, several, was_examined

TYPES = ("16", "18", "31", "33", "35", "39", "45", "51", "52", "56", "58", "59", "66", "68")
# Types other than 16 and 18 as they are met in China: 52 and 58 lead.
OTHER_WEIGHTS = np.array([6, 9, 4, 9, 3, 11, 24, 7, 17, 5, 6, 6], dtype=float)
CATEGORIES = ("NILM", "ASC-US", "LSIL", "ASC-H", "HSIL", "AGC-NOS", "SCC")
ROUTINE, CYTOLOGY_NEXT, COLPOSCOPY_NEXT, YEAR, REPEAT, TREAT, REFER = "1234567"


def _types(tests: Tests, rng: np.random.Generator) -> tuple[np.ndarray, Text]:
    """Per test which of TYPES were found, and the list as text."""
    n = len(tests)
    found = np.zeros((n, len(TYPES)), dtype=bool)
    positive = tests.result == POSITIVE
    leading = positive & (tests.category == 1)
    sixteen = leading & (rng.random(n) < 0.72)
    found[:, 0] = sixteen
    found[:, 1] = leading & (~sixteen | (rng.random(n) < 0.06))
    others = 2 + draw(rng, OTHER_WEIGHTS, n)
    with_other = positive & ((tests.category != 1) | (rng.random(n) < 0.2))
    found[np.flatnonzero(with_other), others[with_other]] = True
    second = 2 + draw(rng, OTHER_WEIGHTS, n)
    two = with_other & (rng.random(n) < 0.18)
    found[np.flatnonzero(two), second[two]] = True
    bits, label = np.unique(found @ (1 << np.arange(len(TYPES))), return_inverse=True)
    words = [";".join(name for i, name in enumerate(TYPES) if int(mask) >> i & 1) for mask in bits]
    return found, pick(words, label, positive)


def _hpv(desk: Desk) -> Records:
    tests = desk.tests("cervix", HPV)
    n, rng, can = len(tests), desk.random("hpv"), readable(tests)
    number, (found, listed) = desk.numbers("cervix", tests, "CX"), _types(tests, rng)
    positive, leading = tests.result == POSITIVE, found[:, :2].any(axis=1)
    genotyped = rng.random(n) < 0.9
    end, known = desk.tail(rng, tests.day + days(rng, 2, 6, n))
    head = desk.head(number, tests, "sampled_date")
    columns = {
        **head,
        "test_date": dates(tests.day + days(rng, 1, 2, n)),
        "sample_taker_code": flags(rng.random(n) < 0.05, "2", "1"),
        "method_code": choose(genotyped, "1", "2"),
        "hpv_result_code": choose(can, flags(positive, "2", "1"), "3"),
        "hpv16_code": keep(flags(found[:, 0]), can & genotyped),
        "hpv18_code": keep(flags(found[:, 1]), can & genotyped),
        "hpv_other12_code": keep(flags(found[:, 2:].any(axis=1)), can & genotyped),
        "hpv_type_codes": keep(listed, genotyped),
        "advice_code": choose(can, choose(positive, choose(leading, COLPOSCOPY_NEXT, CYTOLOGY_NEXT), ROUTINE), REPEAT),
        **end,
    }
    return desk.made("screening_cervical_hpv", columns, tests.person, known)


def _cytology(desk: Desk) -> Records:
    tests = desk.tests("cervix", CYTOLOGY)
    n, rng, can = len(tests), desk.random("cytology"), readable(tests)
    number, category = desk.numbers("cervix", tests, "CX"), np.clip(tests.category, 0, len(CATEGORIES) - 1)
    abnormal, names = can & (category > 0), code_list("bethesda_category")
    read = tests.day + days(rng, 3, 8, n)
    end, known = desk.tail(rng, read)
    said = [f"{names[code].name_zh}（{code}）" for code in CATEGORIES]
    columns = {
        **desk.head(number, tests, "sampled_date"),
        "test_date": dates(read),
        "method_code": flags(rng.random(n) < 0.06, "2", "1"),
        "adequacy_code": flags(~can, "2", "1"),
        "bethesda_code": pick(CATEGORIES, category, can),
        "organism_codes": keep(several(rng, "1 2 3 4", (12, 34, 50, 4), n, 0.05), can & (rng.random(n) < 0.13)),
        "has_inflammation": keep(no_yes(rng.random(n) < 0.3), can),
        "diagnosis_text": pick(said, category, can),
        "doctor_code": desk.staff(rng, n, "BL"),
        "advice_code": choose(can, choose(category >= 2, COLPOSCOPY_NEXT, choose(abnormal, YEAR, ROUTINE)), REPEAT),
        **end,
    }
    return desk.made("screening_cervical_cytology", columns, tests.person, known)


@cache
def _cancer_codes() -> np.ndarray:
    """Per row of the histologies: 8 for an adenocarcinoma, else 7."""
    return np.array([8 if row["code"].startswith(("814", "838", "848")) else 7 for row in histologies("cervix")])


@cache
def _microinvasive() -> np.ndarray:
    return np.array([row["t"].startswith(("T1a", "Tis")) for row in stages("cervix")])


def cervix_forms(desk: Desk) -> Iterator[Records]:
    """HPV, cytology, colposcopy and histology, each as far as the organisation does them."""
    if desk.delivers("screening_cervical_hpv"):
        yield _hpv(desk)
    if desk.delivers("screening_cervical_cytology"):
        yield _cytology(desk)
    if not desk.delivers("screening_colposcopy"):
        return
    tests = desk.tests("cervix", COLPOSCOPY)
    n, rng, person = len(tests), desk.random("colposcopy"), tests.person
    number, done, seen = desk.numbers("cervix", tests, "CX"), was_examined(tests), tests.seen
    positive = done & ((tests.result == POSITIVE) | (seen > NONE))
    biopsy = positive | (done & (rng.random(n) < 0.12))
    blocks = np.where(biopsy, 1 + draw(rng, (25, 40, 25, 10), n), 0)
    curettage = biopsy & (rng.random(n) < 0.3)
    impression = np.select(
        [seen == CANCER, seen == HIGH, seen == LOW, positive],
        [3 + draw(rng, (35, 65), n), 2 + draw(rng, (22, 74, 4), n), 1 + draw(rng, (18, 78, 4), n), 2],
        1,
    )
    shown = impression > 1
    end, known = desk.tail(rng, tests.day)
    said = ["宫颈光滑，未见明显异常", "薄醋白上皮，碘试验部分不着色", "厚醋白上皮，边界清楚，可见镶嵌及点状血管", "菜花样新生物，触之易出血"]
    columns = {
        **desk.head(number, tests),
        "indication_code": pick("1239", draw(rng, (48, 34, 15, 3), n)),
        "adequacy_code": flags(~done, "2", "1"),
        "transformation_zone_code": keep(pick("123", draw(rng, (45, 25, 30), n)), done),
        "acetowhite_found": keep(no_yes(shown), done),
        "iodine_negative_found": keep(no_yes(shown & (rng.random(n) < 0.85)), done),
        "atypical_vessels_found": keep(no_yes((impression == 4) | ((impression == 3) & (rng.random(n) < 0.2))), done),
        "lesion_quadrant_codes": keep(several(rng, "1 2 3 4", (25, 25, 25, 25), n, 0.35), done & shown),
        "impression_code": choose(done, whole(impression), "9"),
        "biopsy_taken": keep(no_yes(biopsy), done),
        "biopsy_count": whole(blocks, biopsy),
        "curettage_done": keep(no_yes(curettage), done),
        "findings_text": keep(pick(said, np.clip(impression, 1, 4) - 1), done),
        "doctor_code": desk.staff(rng, n),
        "advice_code": choose(biopsy, REFER, choose(done, YEAR, REPEAT)),
        **end,
    }
    yield desk.made("screening_colposcopy", columns, person, known)
    if desk.delivers("screening_cervical_histology"):
        yield _histology(desk, tests, rng, number, biopsy, curettage)


def _histology(desk: Desk, tests: Tests, rng: np.random.Generator, number: Text, biopsy: np.ndarray, curettage: np.ndarray) -> Records:
    """Biopsies of a colposcopy are one specimen, a curettage is another."""
    exam, order = repeated(biopsy.astype(int) + curettage)
    n, person, seen = len(exam), tests.person[exam], np.where(order == 0, tests.seen[exam], NONE)
    life, day = desk.lives.cancers["cervix"], tests.day[exam]
    invasive = np.where(_microinvasive()[life.tnm[person]] & life.has_cancer[person], 6, _cancer_codes()[life.histology[person]])
    code = np.select([seen == CANCER, seen == HIGH, seen == LOW], [invasive, 3 + draw(rng, (46, 47, 7), n), 2], np.where(rng.random(n) < 0.02, 99, 1))
    high = (code >= 3) & (code <= 8)
    read, diagnosed = day + days(rng, 4, 10, n), life.diagnosis_date[person]
    read = np.where((seen == CANCER) & ~missing(diagnosed) & (diagnosed >= day), diagnosed, read)
    names = code_list("cervical_histology")
    end, known = desk.tail(rng, read)
    stained = high | (rng.random(n) < 0.2)
    columns = {
        "specimen_no": join("CB", number.take(pa.array(exam)), "-", whole(order + 1)),
        "screening_no": number.take(pa.array(exam)),
        "sampled_date": dates(day),
        "reported_date": dates(read),
        "specimen_type_code": flags(order > 0, "2", "1"),
        "histology_code": whole(code),
        "p16_code": keep(flags(high & (rng.random(n) < 0.93)), stained),
        "diagnosis_text": pick([names[str(i)].name_zh if str(i) in names else "" for i in range(100)], code),
        "doctor_code": desk.staff(rng, n, "BL"),
        "advice_code": choose(high, TREAT, YEAR),
        **end,
    }
    return desk.made("screening_cervical_histology", columns, person, known)
