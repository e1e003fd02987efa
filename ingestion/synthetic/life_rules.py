"""High risk by the answers of the questionnaire: one function per cancer, with the rule set it follows.

The truth is judged here in numpy, on its own, so that the rule library of the pipeline can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ingestion.synthetic.calibration import rows
from ingestion.synthetic.life import CANCERS, Risk
from ingestion.synthetic.life_risk import ESOPHAGUS, LIVER, LUNG, STOMACH, first_degree
from ingestion.synthetic.people import FEMALE, MALE, People, counties

UGI_CODES = ("1", "2", "3", "4", "5", "6")


def pack_years_at_least_20(risk: Risk) -> np.ndarray:
    """Packs of 20 a day times years, months counted."""
    a = risk.answers
    months = a["smoking_years"].astype(np.int32) * 12 + a["smoking_months"]
    return a["cigarettes_per_day"].astype(np.int32) * months >= 20 * 20 * 12


def lung_high(people: People, risk: Risk) -> np.ndarray:
    """NHC 2024 (rules.md A1): from 50, and 20 pack-years (stopped under 15 years ago), passive smoking, COPD, exposure, or family."""
    a = risk.answers
    smoked = pack_years_at_least_20(risk) & ((risk.smoking == 1) | (a["quit_years"] < 15))
    any_of = smoked | a["shs_home_30py_20y"] | a["shs_work_30py_20y"] | a["hx_resp_diseases.1"] | a["occ_exposure_ge1y"]
    return any_of | first_degree(risk, LUNG)


def breast_high(people: People, risk: Risk) -> np.ndarray:
    """T/CPMA 014-2020 (rules.md A2), as far as the questionnaire asks."""
    a = risk.answers
    family = a["fdr_breast_cancer"] | (a["sdr_breast_cancer_lt50_count"] >= 2) | (a["sdr_ovarian_cancer_lt50_count"] >= 2)
    hormones = (a["hrt_type"] == 2) & (a["hrt_half_years"] >= 1)
    any_one = (a["menarche_age"] <= 12) | (a["menopause_age"] >= 55) | (a["breast_biopsy_count"] > 0) | hormones
    late = ~a["live_birth_flag"] | (a["first_live_birth_age"] >= 30)
    not_fed = ~a["breastfeeding_flag"] | (a["breastfeeding_months"] < 4)
    estrogen = (a["hrt_type"] == 1) & (a["hrt_half_years"] >= 1)
    two = late.astype(np.int8) + not_fed + estrogen >= 2
    return (people.sex == FEMALE) & (family | any_one | two)


def _habits(risk: Risk) -> tuple[np.ndarray, ...]:
    a = risk.answers
    return (
        a["diet_hot_scalding"],
        a["diet_salt_preference"] == 1,
        a["diet_pickled_veg_freq"] == 1,
        pack_years_at_least_20(risk),
        a["alcohol_regular"],
    )


def _predisposed(people: People, risk: Risk) -> np.ndarray:
    high = {row["county_code"] for row in rows("high_incidence")}
    county = np.array([c.code in high for c in counties()])[people.county]
    ill = np.any([risk.answers[f"hx_ugi_diseases.{code}"] for code in UGI_CODES], axis=0)
    return county | first_degree(risk, ESOPHAGUS, STOMACH) | ill | risk.answers["hx_ugi_hgin"]


def upper_gi_high(people: People, risk: Risk) -> np.ndarray:
    """NHC 2024 (rules.md A3, A4) with a local reading: one strong factor or two habits.

    The text names habits without amounts and takes any one; read so, most people would be high-risk, against the 22-28 % of the
    programme, whose engine is not published. Helicobacter is not asked.
    """
    return _predisposed(people, risk) | (np.sum(_habits(risk), axis=0, dtype=np.int8) >= 2)


def upper_gi_literal(people: People, risk: Risk) -> np.ndarray:
    """NHC 2024 (rules.md A3, A4) read literally: any one factor, smoking from one cigarette a day."""
    return _predisposed(people, risk) | np.any(_habits(risk), axis=0) | (risk.smoking > 0)


def colorectum_high(people: People, risk: Risk) -> np.ndarray:
    """NHC 2024 (rules.md A5): four points or more."""
    return risk.score >= 4


def liver_high(people: People, risk: Risk) -> np.ndarray:
    """Library default (rules.md A6): chronic hepatitis B or C, cirrhosis, or a first-degree relative."""
    a = risk.answers
    return a["hx_liver_diseases.1"] | a["hx_liver_diseases.2"] | a["hx_liver_diseases.3"] | first_degree(risk, LIVER)


def cervix_high(people: People, risk: Risk) -> np.ndarray:
    """NHC work plan 2022 (rules.md A7): no risk gate, the eligible women are screened."""
    return people.sex == FEMALE


# Ages (both included) and sexes that a rule speaks of.
AGES: dict[str, dict[int, tuple[int, int]]] = {
    "lung": {MALE: (50, 74), FEMALE: (50, 74)},
    "breast": {FEMALE: (40, 74)},
    "upper_gi": {MALE: (45, 74), FEMALE: (45, 74)},
    "colorectum": {MALE: (40, 74), FEMALE: (40, 74)},
    "liver": {MALE: (35, 74), FEMALE: (45, 74)},
    "cervix": {FEMALE: (35, 64)},
}
RULE_SETS = {
    "lung": "lung.nhc.2024",
    "breast": "breast.tcpma.2020",
    "upper_gi": "upper_gi.nhc.2024 (local reading)",
    "colorectum": "colorectum.nhc.2024",
    "liver": "liver.library.default",
    "cervix": "cervix.nhc.2022",
}
RULES: dict[str, Callable[[People, Risk], np.ndarray]] = dict(
    zip(CANCERS, (lung_high, breast_high, upper_gi_high, colorectum_high, liver_high, cervix_high), strict=True)
)


def of_age(cancer: str, people: People, risk: Risk) -> np.ndarray:
    """Of the sex and age that the rule speaks of."""
    return np.any([(people.sex == sex) & (risk.age >= low) & (risk.age <= high) for sex, (low, high) in AGES[cancer].items()], axis=0)
