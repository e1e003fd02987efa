"""Risk factors: what people would answer to the questionnaire, and what blood and smears would show."""

from __future__ import annotations

import numpy as np

from ingestion.synthetic.calibration import share, value
from ingestion.synthetic.cells import age_on, draw, stream
from ingestion.synthetic.life import COLORECTAL_RELATIVE, FAMILY_SLOTS, FIRST_DEGREE, Risk
from ingestion.synthetic.people import FEMALE, MALE, People

LUNG, BREAST, LIVER, ESOPHAGUS, STOMACH, _, _, _, _, _, CERVIX, OVARY = range(1, 13)
MOTHER, FATHER, SISTER, BROTHER, CHILD = FIRST_DEGREE
# Codes of multiple-choice answers and their chances among those who say yes to the disease.
RESPIRATORY = {"1": 0.45, "2": 0.12, "3": 0.06, "4": 0.2, "99": 0.2}
UPPER_GI = {"1": 0.01, "2": 0.4, "3": 0.05, "4": 0.15, "5": 0.01, "6": 0.01, "7": 0.1, "99": 0.35}
BOWEL = {"1": 0.45, "2": 0.45, "99": 0.15}


def first_degree(risk: Risk, *cancers: int) -> np.ndarray:
    """Whether a parent, sibling or child had one of these cancers."""
    return (np.isin(risk.relative_cancer, cancers) & np.isin(risk.relation, FIRST_DEGREE)).any(axis=1)


def _choices(rng: np.random.Generator, yes: np.ndarray, options: dict[str, float], name: str) -> dict[str, np.ndarray]:
    """Several answers: each with its own chance, at least one where the disease is there."""
    chances = list(options.values())
    chosen = rng.random((len(options), len(yes)), dtype=np.float32) < np.array(chances, dtype=np.float32)[:, None]
    none = np.flatnonzero(~chosen.any(axis=0))
    chosen[draw(rng, chances, len(none)), none] = True
    return {f"{name}.{code}": chosen[i] & yes for i, code in enumerate(options)}


def _family(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    affected = rng.random(n) < share("family_cancer_pct")
    relatives = np.where(affected, 1 + draw(rng, [76, 20, 4], n), 0).astype(np.int8)
    some = np.flatnonzero(affected)
    shape = (len(some), FAMILY_SLOTS)
    given = np.arange(FAMILY_SLOTS) < relatives[some][:, None]
    relation = (1 + draw(rng, [24, 26, 10, 10, 2, 7, 6, 6, 5, 2, 2], given.size)).reshape(shape)
    codes = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99])
    cancer = codes[draw(rng, [20, 7, 13, 14, 19, 12, 3, 2, 2, 1, 5, 1, 1, 2], given.size)].reshape(shape)
    # cancers of women are had by mothers and sisters
    womens = np.isin(cancer, (BREAST, CERVIX, OVARY))
    relation = np.where(womens & (relation == FATHER), MOTHER, np.where(womens & (relation == BROTHER), SISTER, relation))
    age = rng.normal(66, 10, shape).clip(28, 92)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((n, FAMILY_SLOTS), dtype=np.int8)
        out[some] = values * given
        return out

    return relatives, spread(relation), spread(cancer), spread(age.astype(int))


def _smoking(rng: np.random.Generator, male: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    n = len(male)
    now = np.where(male, share("smoker_male_pct"), share("smoker_female_pct"))
    ever = now + np.where(male, share("ex_smoker_male_pct"), share("ex_smoker_female_pct"))
    lot = rng.random(n)
    status = np.where(lot < now, 1, np.where(lot < ever, 2, 0)).astype(np.int8)
    smokes, stopped = status > 0, status == 2
    start = np.minimum(rng.normal(21, 4, n).clip(12, 35).astype(int), age - 2)
    quit_years = np.where(stopped, 1 + (rng.random(n) * np.minimum(20, age - start - 1)).astype(int), 0)
    years = np.maximum(age - start - quit_years, 1)
    daily = np.array([5, 8, 10, 15, 20, 30])[draw(rng, [10, 8, 28, 17, 32, 5], n)]
    never_woman = ~male & ~smokes
    answers = {
        "smoking_start_age": start * smokes,
        "cigarettes_per_day": daily * smokes,
        "smoking_years": years * smokes,
        "smoking_months": rng.integers(0, 12, n) * smokes,
        "quit_years": quit_years,
        "quit_months": rng.integers(0, 12, n) * stopped,
        "shs_home_30py_20y": never_woman & (rng.random(n) < share("passive_home_pct")),
        "shs_work_30py_20y": never_woman & (rng.random(n) < share("passive_work_pct")),
    }
    return status, answers


def _womens(rng: np.random.Generator, female: np.ndarray, age: np.ndarray, risk: Risk) -> dict[str, np.ndarray]:
    n = len(female)
    stop = np.minimum(rng.normal(49.5, 3.0, n).clip(40, 58).astype(int), age)
    stopped = female & (age >= stop) & (age > 45)
    birth = female & (rng.random(n) < 0.96)
    fed = birth & (rng.random(n) < 0.92)
    biopsy = female & (rng.random(n) < 0.03)
    second = risk.relation > CHILD
    young = second & (risk.relative_age < 50)
    breast = female * (young & (risk.relative_cancer == BREAST)).sum(axis=1)
    ovary = female * (young & (risk.relative_cancer == OVARY)).sum(axis=1)
    hormones = female * np.where(rng.random(n) < 0.02, rng.integers(1, 3, n), 0)
    return {
        "menarche_age": female * rng.normal(14.9, 1.4, n).clip(10, 19).astype(int),
        "menopause_flag": stopped,
        "menopause_age": stopped * stop,
        "hrt_type": hormones,
        "hrt_half_years": (hormones > 0) * rng.integers(1, 13, n),
        "live_birth_flag": birth,
        "first_live_birth_age": birth * rng.normal(24, 2.8, n).clip(17, 38).astype(int),
        "breastfeeding_flag": fed,
        "breastfeeding_months": fed * rng.integers(3, 37, n),
        "breast_biopsy_count": biopsy * (1 + (rng.random(n) < 0.15)),
        "fdr_breast_cancer": female & first_degree(risk, BREAST),
        # the list of relatives is short: distant ones are often told only when asked for
        "sdr_breast_cancer_lt50_count": np.where(female & (rng.random(n) < 0.008), breast + 1, breast),
        "sdr_ovarian_cancer_lt50_count": np.where(female & (rng.random(n) < 0.003), ovary + 1, ovary),
    }


def _colorectal_score(risk: Risk, male: np.ndarray) -> None:
    colorectal = (risk.relative_cancer == COLORECTAL_RELATIVE) & np.isin(risk.relation, FIRST_DEGREE)
    young = colorectal & (risk.relative_age < 60)
    # NHC 2024: BMI from the height and weight as written on the form, compared without rounding.
    risk.points = {
        "age": np.where(risk.age >= 60, 2, np.where(risk.age >= 50, 1, 0)).astype(np.int8),
        "male": male.astype(np.int8),
        "family": np.where(young.any(axis=1) | (colorectal.sum(axis=1) >= 2), 4, colorectal.any(axis=1)).astype(np.int8),
        "smoking": (risk.smoking > 0).astype(np.int8),
        "bmi": (risk.weight_tenths.astype(np.int64) * 1000 >= 23 * risk.height_cm.astype(np.int64) ** 2).astype(np.int8),
    }
    risk.score = np.sum(list(risk.points.values()), axis=0, dtype=np.int8)


def risk_factors(people: People, seed: int) -> Risk:
    """Everybody's risk factors, asked or not."""
    n, male, rng = len(people), people.sex == MALE, stream(seed, "life", "risk")
    day = np.where(people.is_surveyed, people.survey_date, np.datetime64("2024-07-01"))
    age = age_on(people.birth, day)
    height = np.rint(np.where(male, 168.5, 157.5) + rng.normal(0, 6.0, n)).clip(138, 196).astype(int)
    bmi = rng.normal(value("bmi_mean"), value("bmi_sd"), n).clip(15.5, 40)
    weight = np.rint(bmi * height**2 / 1000).astype(int)
    smoking, answers = _smoking(rng, male, age)
    relatives, relation, cancer, relative_age = _family(rng, n)
    risk = Risk(age.astype(np.int16), height.astype(np.int16), weight.astype(np.int16), smoking, relatives, relation, cancer, relative_age)
    _colorectal_score(risk, male)
    markers = {
        "hbsag": rng.random(n) < share("hbsag_pct") * np.where(male, 1.12, 0.9),
        "anti_hcv": rng.random(n) < share("anti_hcv_pct"),
        "hp": rng.random(n) < share("hp_pct"),
        "hpv": (people.sex == FEMALE) & (rng.random(n) < share("hpv_positive_pct")),
    }
    told = share("hepatitis_known_pct")
    chronic_b, chronic_c = markers["hbsag"] & (rng.random(n) < told), markers["anti_hcv"] & (rng.random(n) < told)
    cirrhosis = rng.random(n) < np.where(markers["hbsag"] | markers["anti_hcv"], 0.035, 0.003)
    other_liver = rng.random(n) < 0.02
    respiratory, upper, upper_other = (rng.random(n) < p for p in (0.07, 0.07, 0.06))
    bowel = rng.random(n) < 0.07
    salty = draw(rng, [share("salty_food_pct"), 0.58, 0.42 - share("salty_food_pct")], n) + 1
    pickled = 1 + draw(rng, (14, 14, 27, 45), n)
    answers |= {
        "occ_exposure_ge1y": rng.random(n) < 0.05,
        "diet_hot_scalding": rng.random(n) < share("hot_food_pct"),
        "diet_salt_preference": salty,
        "diet_pickled_veg_freq": pickled,
        "alcohol_regular": rng.random(n) < np.where(male, 0.22, 0.02),
        **_choices(rng, respiratory, RESPIRATORY, "hx_resp_diseases"),
        **_choices(rng, upper, UPPER_GI, "hx_ugi_diseases"),
        **_choices(rng, bowel, BOWEL, "hx_bowel_diseases"),
        "hx_liver_diseases.1": chronic_b,
        "hx_liver_diseases.2": chronic_c,
        "hx_liver_diseases.3": cirrhosis,
        "hx_liver_diseases.99": other_liver,
        "hx_ugi_hgin": upper & (rng.random(n) < 0.01),
        **_womens(rng, people.sex == FEMALE, age, risk),
    }
    answers["hx_ugi_diseases.99"] |= upper_other
    risk.answers = {name: a if a.dtype == bool else a.astype(np.int8) for name, a in answers.items()}
    risk.markers = markers
    return risk
