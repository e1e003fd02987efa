"""Habits, exposures, diseases and reproductive history of people as a doctor takes them down: the same answers wherever they are asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import Text, decimal, draw, flags, keep, stream, whole
from ingestion.synthetic.life import FAMILY_SLOTS, Lives
from ingestion.synthetic.people import FEMALE, People

# Diseases: field -> (questionnaire answers any of which says so, share where the lives do not know it)
DISEASES: dict[str, tuple[tuple[str, ...], float]] = {
    "has_hypertension": ((), 0.28),
    "has_diabetes": ((), 0.12),
    "has_coronary_disease": ((), 0.07),
    "has_stroke": ((), 0.04),
    "has_copd": (("hx_resp_diseases.1", "hx_resp_diseases.2"), 0.04),
    "has_tuberculosis": (("hx_resp_diseases.4",), 0.015),
    "has_lung_fibrosis": (("hx_resp_diseases.3",), 0.006),
    "has_hepatitis_b": (("hx_liver_diseases.1",), 0.05),
    "has_hepatitis_c": (("hx_liver_diseases.2",), 0.008),
    "has_cirrhosis": (("hx_liver_diseases.3",), 0.01),
    "has_fatty_liver": ((), 0.18),
    "has_helicobacter": ((), 0.12),
    "has_atrophic_gastritis": (("hx_ugi_diseases.2",), 0.04),
    "has_gastric_ulcer": ((), 0.03),
    "has_gastric_polyp": (("hx_ugi_diseases.4",), 0.02),
    "has_gastric_remnant": (("hx_ugi_diseases.5",), 0.004),
    "has_reflux_oesophagitis": ((), 0.06),
    "has_colorectal_polyp": (("hx_bowel_diseases.1",), 0.04),
    "has_bowel_inflammation": (("hx_bowel_diseases.2",), 0.005),
    "has_chronic_diarrhoea": ((), 0.03),
    "has_chronic_constipation": ((), 0.06),
    "has_bloody_stool": ((), 0.02),
    "has_appendicitis": ((), 0.05),
    "has_cholecystitis": ((), 0.06),
    "has_breast_disease": ((), 0.08),
    "has_cervical_lesion": ((), 0.03),
    "has_hpv_infection": ((), 0.04),
}
OF_WOMEN = ("has_breast_disease", "has_cervical_lesion", "has_hpv_infection")
NAMES = {
    "has_hypertension": "高血压",
    "has_diabetes": "糖尿病",
    "has_coronary_disease": "冠心病",
    "has_stroke": "脑卒中",
    "has_copd": "慢性阻塞性肺疾病",
    "has_tuberculosis": "肺结核",
    "has_hepatitis_b": "乙型肝炎",
    "has_hepatitis_c": "丙型肝炎",
    "has_cirrhosis": "肝硬化",
    "has_fatty_liver": "脂肪肝",
    "has_atrophic_gastritis": "萎缩性胃炎",
    "has_gastric_ulcer": "胃溃疡",
    "has_colorectal_polyp": "结肠息肉",
}


def has(people: People, life: Lives, person: np.ndarray, disease: str, seed: int) -> np.ndarray:
    """Whether people have a disease: the answer lived, or by chance where the lives do not know it."""
    answers, share = DISEASES[disease]
    known = [np.asarray(life.risk.answers[a])[person].astype(bool) for a in answers if a in life.risk.answers]
    found = np.any(known, axis=0) if known else (stream(seed, "disease", disease).random(len(people)) < share)[person]
    if disease in OF_WOMEN:
        found &= people.sex[person] == FEMALE
    return found


def lived(life: Lives, name: str, person: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """A questionnaire answer of people as lived, or something else where the lives do not know it."""
    return np.asarray(life.risk.answers[name])[person] if name in life.risk.answers else otherwise


def diseases(people: People, life: Lives, person: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Every disease of some people."""
    return {name: has(people, life, person, name, seed) for name in DISEASES}


def body(life: Lives, person: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    """Height, weight and blood pressure as measured."""
    n = len(person)
    high = np.rint(rng.normal(132, 16, n)).clip(90, 210)
    return {
        "height_cm": whole(life.risk.height_cm[person]),
        "weight_kg": decimal(life.risk.weight_tenths[person] / 10 + rng.integers(-1, 2, n), 1),
        "systolic_mmhg": whole(high),
        "diastolic_mmhg": whole(np.rint(high * 0.6 + rng.normal(0, 6, n)).clip(45, 120)),
    }


def habits(people: People, life: Lives, person: np.ndarray, seed: int) -> dict[str, Text]:
    """Smoking, drinking and exposures."""
    n, rng = len(people), stream(seed, "habits")
    smoking = life.risk.smoking[person]
    age = life.risk.age[person]
    amount = lived(life, "cigarettes_per_day", person, (5 * (1 + draw(rng, (10, 20, 25, 30, 5, 10), n)))[person])
    years = lived(life, "smoking_years", person, np.minimum(rng.integers(8, 42, n)[person], np.maximum(age - 16, 1)))
    quit_ = lived(life, "quit_years", person, rng.integers(1, 16, n)[person])
    man = people.sex[person] != FEMALE
    regular = lived(life, "alcohol_regular", person, rng.random(n)[person] < np.where(man, 0.22, 0.02)).astype(bool)
    drinks = np.where(regular, 1, np.where(rng.random(n)[person] < 0.05, 2, 0))
    exposed = lived(life, "occ_exposure_ge1y", person, rng.random(n)[person] < 0.05).astype(bool)
    agents = 1 + draw(rng, (20, 35, 45), n)[person]
    passive = lived(life, "shs_home_30py_20y", person, rng.random(n)[person] < 0.25).astype(bool)
    passive |= lived(life, "shs_work_30py_20y", person, np.zeros(len(person))).astype(bool)
    return {
        "smoking_status": whole(smoking),
        "cigarettes_per_day": whole(amount, smoking > 0),
        "smoking_years": whole(years, smoking > 0),
        "quit_years": whole(quit_, smoking == 2),
        "has_passive_smoking": flags(passive),
        "drinking_status": whole(drinks),
        "alcohol_g_per_day": whole(10 * (1 + draw(rng, (10, 25, 30, 20, 15), n)[person]), drinks == 1),
        "drinking_years": whole(np.minimum(rng.integers(5, 40, n)[person], np.maximum(age - 18, 1)), drinks > 0),
        "has_occupational_exposure": flags(exposed),
        "exposure_agent_codes": keep(whole(agents), exposed),
    }


def family(life: Lives, person: np.ndarray) -> dict[str, Text]:
    """Relatives with cancer."""
    risk = life.risk

    def listed(values: np.ndarray) -> Text:
        codes = values[person]
        given = codes > 0
        offsets = pa.array(np.r_[0, np.cumsum(given.sum(axis=1))].astype(np.int32))
        texts = pa.array(codes[given]).cast(pa.string())
        return keep(pa.compute.binary_join(pa.ListArray.from_arrays(offsets, texts), ";"), given.any(axis=1))

    assert risk.relation.shape[1] == FAMILY_SLOTS
    return {
        "has_family_cancer": flags(risk.relatives[person] > 0),
        "family_relation_codes": listed(risk.relation),
        "family_cancer_codes": listed(risk.relative_cancer),
        "family_cancer_ages": listed(risk.relative_age),
    }


def women(people: People, life: Lives, person: np.ndarray, seed: int) -> dict[str, Text]:
    """Reproductive history of women, empty for men."""
    n, rng = len(people), stream(seed, "women")
    woman, age = people.sex[person] == FEMALE, life.risk.age[person]

    def drawn(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high + 1, n)[person]

    menarche = lived(life, "menarche_age", person, drawn(11, 17))
    menopause = lived(life, "menopause_age", person, drawn(45, 55))
    births = drawn(1, 4) * lived(life, "live_birth_flag", person, drawn(0, 9) > 0).astype(bool)
    first = lived(life, "first_live_birth_age", person, drawn(19, 33))
    fed = lived(life, "breastfeeding_months", person, drawn(0, 24))
    lost = drawn(0, 3)
    return {
        "menarche_age": whole(np.clip(menarche, 8, 25), woman),
        "menopause_age": whole(np.clip(menopause, 30, 65), woman & (age > menopause) & (menopause > 0)),
        "pregnancy_count": whole(births + lost, woman),
        "live_birth_count": whole(births, woman),
        "first_birth_age": whole(np.clip(first, 14, 55), woman & (births > 0)),
        "breastfeeding_months": whole(fed, woman & (births > 0)),
        "abortion_count": whole(lost, woman),
        "hormone_therapy_months": whole(6 * lived(life, "hrt_half_years", person, np.zeros(len(person))), woman),
        "has_hysterectomy": keep(flags(drawn(0, 99) < 4), woman),
    }
