"""Upper gastrointestinal endoscopy with its lesions, and the pathology of their biopsies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import NEVER, choose, constant, dates, days, decimal, draw, flags, join, keep, missing, pick, whole
from ingestion.synthetic.life import CANCER, HIGH, LOW, NONE, POSITIVE, UGI_ENDOSCOPY, sites, stages
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, repeated, several, was_examined, yes_no

OESOPHAGUS, STOMACH = 1, 2
# Codes of the form for a gastric subsite (ICD-10), and the same place in the list of the pathology form. The form counts the cardia
# with the oesophagus; the pathology form counts it with the stomach.
GASTRIC_SITES = {"C16.1": (1, 6), "C16.2": (14, 18), "C16.3": (13, 17), "C16.4": (11, 16), "C16.5": (9, 14), "C16.6": (10, 15)}
GASTRIC_DEFAULT = (12, 12)
OTHER_PLACES = np.array([(6, 11), (7, 12), (9, 14), (10, 15), (13, 17), (14, 18)])
# Third of the oesophagus by ICD-10: cm from the incisors.
THIRDS = {"C15.0": (18, 20), "C15.3": (18, 24), "C15.4": (24, 32), "C15.5": (32, 39), "C15.1": (20, 32)}


@cache
def _places() -> tuple[np.ndarray, ...]:
    """Per row of the sites: whether it is the stomach beyond the cardia, whether the cardia, form code, pathology code, cm from and to."""
    codes = [row["icd10"] for row in sites("upper_gi")]
    cardia = np.array([c == "C16.0" for c in codes])
    stomach = np.array([c.startswith("C16") for c in codes])
    form, biopsy = np.array([GASTRIC_SITES.get(c, GASTRIC_DEFAULT) for c in codes]).T
    near, far = np.array([(39, 41) if c == "C16.0" else THIRDS.get(c, (24, 34)) for c in codes]).T
    return stomach & ~cardia, cardia, form, biopsy, near, far


@cache
def _early() -> np.ndarray:
    """Per row of the stages: carcinoma in the mucosa or submucosa without nodes."""
    return np.array([row["t"].startswith(("Tis", "T1")) and row["n"] == "N0" for row in stages("upper_gi")])


def upper_gi_forms(desk: Desk) -> Iterator[Records]:
    """Endoscopy form, its lesions and the pathology of the specimens."""
    if not desk.delivers("screening_ugi_endoscopy"):
        return
    tests = desk.tests("upper_gi", UGI_ENDOSCOPY)
    n, rng, person = len(tests), desk.random("upper_gi"), tests.person
    life, number, can = desk.lives.cancers["upper_gi"], desk.numbers("upper_gi", tests, "UG"), was_examined(tests)
    positive = can & ((tests.result == POSITIVE) | (tests.seen > NONE))
    minor = can & ~positive & (rng.random(n) < 0.14)
    count = np.where(positive, 1 + draw(rng, (80, 17, 3), n), minor.astype(int))

    exam, order = repeated(count)
    m, leading = len(exam), (order == 0) & positive[exam]
    seen = np.where(leading, tests.seen[exam], NONE)
    in_stomach, in_cardia, form_code, biopsy_code, near, far = (column[life.site[person][exam]] for column in _places())
    elsewhere = OTHER_PLACES[rng.integers(len(OTHER_PLACES), size=m)]
    true = leading & (seen > NONE)
    gastric = np.where(true, in_stomach, rng.random(m) < 0.7)
    cardia = np.where(true, in_cardia, ~gastric & (rng.random(m) < 0.1))
    form = np.where(true, form_code, elsewhere[:, 0])
    biopsy = np.where(cardia, 5, np.where(true, biopsy_code, elsewhere[:, 1]))
    near = np.where(true, near, np.where(cardia, 39, 24))
    far = np.where(true, far, np.where(cardia, 41, 38))
    top = np.floor(near + rng.random(m) * (far - near))
    length = np.where(seen == CANCER, rng.integers(2, 6, m), rng.integers(0, 3, m))
    sampled = positive[exam] | (rng.random(m) < 0.3)
    specimen = keep(join("UB", number.take(pa.array(exam)), "-", whole(order + 1)), sampled)
    cancer = life.has_cancer[person] & (tests.seen == CANCER)

    with_oesophagus = np.bincount(exam, ~gastric, minlength=n) > 0
    with_stomach = np.bincount(exam, gastric, minlength=n) > 0
    taken = np.bincount(exam, sampled, minlength=n) > 0
    hp = desk.lives.risk.markers.get("hp", np.zeros(len(desk.people), dtype=bool))[person]
    tested = can & (rng.random(n) < 0.8)
    result = np.select([tests.seen == CANCER, tests.seen >= LOW, count > 0], [1, 2, 3], 4)
    said = ["早期癌或进展期癌可能，待病理", "黏膜病变，性质待定", "慢性非萎缩性胃炎伴糜烂", "慢性萎缩性胃炎？", "慢性非萎缩性胃炎", "食管炎"]
    kind = np.select(
        [tests.seen == CANCER, tests.seen >= LOW, with_oesophagus & ~with_stomach, count > 0],
        [0, 1, 5, 2 + (rng.random(n) < 0.4)],
        np.where(rng.random(n) < 0.85, 4, 3),
    )
    end, known = desk.tail(rng, tests.day)
    columns = {
        **desk.head(number, tests),
        "oesophageal_lesion_found": keep(yes_no(with_oesophagus), can),
        "gastric_lesion_found": keep(yes_no(with_stomach), can),
        "pathology_taken": keep(flags(taken), can),
        "endoscopic_diagnosis": pick(said, kind, can),
        "doctor_code": desk.staff(rng, n),
        "hp_result_code": choose(tested, flags(hp), "2"),
        "needs_consultation": keep(flags(cancer & (rng.random(n) < 0.1), "2", "1"), can),
        "result_code": keep(whole(result), can),
        **end,
    }
    yield desk.made("screening_ugi_endoscopy", columns, person, known)
    if desk.delivers("screening_ugi_endoscopy_lesion"):
        grave = seen >= HIGH
        dyed = ~gastric & (true | (rng.random(m) < 0.5))
        lugol = np.select([seen == CANCER, seen == HIGH, seen == LOW], [1, 1 + draw(rng, (55, 40, 5), m), 2 + draw(rng, (45, 55), m)], 3)
        dull = several(rng, "1 5 7 12 13", (24, 28, 14, 22, 12), m, 0.3)
        sharp = several(rng, "1 7 8 9 10", (30, 25, 12, 18, 15), m, 0.4)
        columns = {
            "screening_no": number.take(pa.array(exam)),
            "lesion_no": whole(order + 1),
            "organ_code": whole(np.where(gastric, STOMACH, OESOPHAGUS)),
            "oesophageal_site_code": keep(flags(cardia, "2", "1"), ~gastric),
            "gastric_site_code": whole(form, gastric),
            "distance_from_cm": decimal(top, 0, ~gastric),
            "distance_to_cm": decimal(top + length, 0, ~gastric),
            "clock_from": whole(rng.integers(1, 7, m), ~gastric),
            "clock_to": whole(rng.integers(7, 13, m), ~gastric),
            "oesophageal_lesion_codes": keep(choose(grave, sharp, dull), ~gastric),
            "gastric_lesion_codes": keep(
                choose(grave, several(rng, "1 3 10 12", (35, 35, 10, 20), m), several(rng, "2 4 5 9 12", (10, 26, 20, 12, 32), m)), gastric
            ),
            "lugol_code": keep(whole(np.where(dyed, lugol, 4)), ~gastric),
            "indigo_carmine_code": keep(choose(grave, "3", choose(rng.random(m) < 0.8, "4", "1")), gastric),
            "biopsy_site_text": keep(join("病变处取", whole(rng.integers(1, 4, m)), "块"), sampled),
        }
        yield desk.made("screening_ugi_endoscopy_lesion", columns, person[exam], known[exam])
    if desk.delivers("screening_ugi_pathology"):
        yield _pathology(desk, tests, rng, number, exam, specimen, np.flatnonzero(sampled), (seen, gastric, cardia, biopsy, top, length))


def _pathology(desk, tests, rng, number, exam, specimen, s, lesions) -> Records:  # noqa: ANN001
    """One specimen per sampled lesion; what it says is what the lesion is."""
    seen, gastric, cardia, biopsy, top, length = (values[s] for values in lesions)
    n, person = len(s), tests.person[exam[s]]
    life, glandular = desk.lives.cancers["upper_gi"], gastric | cardia
    early = _early()[life.tnm[person]] & life.has_cancer[person]
    squamous = np.select(
        [seen == CANCER, seen == HIGH, seen == LOW],
        [np.where(early, 14, 15), np.where(rng.random(n) < 0.1, 13, 10), 8],
        draw(rng, (30, 15, 35, 15, 5), n),
    )
    squamous = np.where(seen == NONE, np.array([1, 4, 5, 6, 7])[np.minimum(squamous, 4)], squamous)
    gland = np.select(
        [seen == CANCER, seen == HIGH, seen == LOW],
        [np.where(early, 22, np.where(rng.random(n) < 0.06, 24, 23)), 21, 20],
        np.where(rng.random(n) < 0.3, 18, 17),
    )
    atrophy = glandular & ((gland == 18) | ((seen > NONE) & (rng.random(n) < 0.5)))
    # half of the low states of the stomach are atrophy with metaplasia, without neoplasia
    only_metaplasia = glandular & (seen == LOW) & (rng.random(n) < 0.4)
    metaplasia = only_metaplasia | (atrophy & (rng.random(n) < 0.45))
    atrophy |= only_metaplasia
    code = np.where(glandular, np.where(only_metaplasia, 18, gland), squamous)
    both = glandular & (code >= 20) & atrophy & (rng.random(n) < 0.6)
    text = pick([f"{i:02d}" for i in range(100)], code)
    inflamed = glandular & (code < 20)
    reported = tests.day[exam[s]] + days(rng, 3, 9, n)
    diagnosed = life.diagnosis_date[person]
    reported = np.where((seen == CANCER) & ~missing(diagnosed) & (diagnosed >= tests.day[exam[s]]), diagnosed, reported)
    end, known = desk.tail(rng, reported)
    head = desk.head(number.take(pa.array(exam)), tests.where(exam))
    columns = {
        **{name: column.take(pa.array(s)) for name, column in head.items()},
        "specimen_no": specimen.take(pa.array(s)),
        "pathology_no": join("P", whole(rng.integers(10_000, 99_999, n))),
        "organ_code": whole(np.where(glandular, 1, 2)),
        "distance_from_cm": decimal(top, 0, ~glandular),
        "distance_to_cm": decimal(top + length, 0, ~glandular),
        "gastric_biopsy_site_code": whole(biopsy, glandular),
        "lamina_propria_code": flags(rng.random(n) < 0.8),
        "pathology_codes": choose(both, join("18;", text), text),
        "oesophagitis_basis_codes": keep(several(rng, "1 2 3 5 6", (28, 28, 22, 14, 8), n, 0.5), ~glandular & np.isin(code, (5, 6, 7))),
        "gastritis_type_code": keep(pick("12", draw(rng, (72, 28), n)), inflamed),
        "gastritis_degree_code": keep(pick("12", draw(rng, (80, 20), n)), inflamed),
        "gastritis_depth_code": keep(pick("123", draw(rng, (62, 32, 6), n)), inflamed),
        "atrophy_code": keep(flags(atrophy), glandular),
        "metaplasia_code": keep(flags(metaplasia), glandular),
        "remark_text": keep(constant("建议随访", n), (seen == LOW) & (rng.random(n) < 0.4)),
        "doctor_code": desk.staff(rng, n, "BL"),
        "reported_date": dates(np.where(missing(reported), NEVER, reported)),
        **end,
    }
    return desk.made("screening_ugi_pathology", columns, person, known)
