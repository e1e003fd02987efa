"""The lives behind the records: calibrated, consistent in time, and complete enough to follow one cancer."""

from __future__ import annotations

import numpy as np
import pytest

from ingestion.synthetic.calibration import rows, targets
from ingestion.synthetic.cells import missing
from ingestion.synthetic.life import ADVANCED, CANCER, FIT_NEGATIVE, FIT_POSITIVE, NON_ADVANCED, SCREENED, Life
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, populate

LARGE = 100_000


@pytest.fixture(scope="module", params=[1, 7])
def lived(request: pytest.FixtureRequest) -> tuple[People, Life]:
    people = populate(request.param, LARGE)
    return people, live(people, request.param)


def _rates(people: People, life: Life) -> dict[str, float]:
    of_age = people.is_surveyed & (life.risk.age >= 40) & (life.risk.age <= 74)
    valid = np.isin(life.fit_result, (FIT_NEGATIVE, FIT_POSITIVE))
    found = life.state[life.colonoscopy_done]
    return {
        "high_risk_pct": 100 * life.high_risk[of_age].mean(),
        "colonoscopy_compliance_pct": 100 * life.colonoscopy_done[life.high_risk].mean(),
        "fit_positive_pct": 100 * (life.fit_result[valid] == FIT_POSITIVE).mean(),
        "crc_detection_pct": 100 * (found == CANCER).mean(),
        "advanced_adenoma_pct": 100 * (found == ADVANCED).mean(),
        "non_advanced_adenoma_pct": 100 * (found == NON_ADVANCED).mean(),
    }


def test_rates_lie_within_the_published_intervals(lived: tuple[People, Life]) -> None:
    rates = _rates(*lived)
    bounded = {name for name, target in targets().items() if target.low is not None}
    assert bounded == set(rates)
    for name, rate in rates.items():
        low, high = targets()[name].low, targets()[name].high
        assert low is not None and high is not None and low <= rate <= high, (name, rate)


def test_every_published_rate_names_its_source() -> None:
    assert [row["parameter"] for row in rows("calibration") if row["basis"] == "published" and not row["source"]] == []
    assert {row["basis"] for row in rows("calibration")} == {"published", "assumption"}


def test_high_risk_people_score_four_or_more_at_screening_age_without_known_cancer(lived: tuple[People, Life]) -> None:
    people, life = lived
    expected = people.is_surveyed & (life.risk.age >= 40) & (life.risk.age <= 74) & (life.risk.score >= 4)
    assert not (life.high_risk & ~expected).any()
    left_out = expected & ~life.high_risk
    known = life.known_other_cancer | (life.has_cancer & (life.diagnosis_date < people.survey_date))
    assert not (left_out & ~known).any()


def test_events_follow_each_other_in_time(lived: tuple[People, Life]) -> None:
    people, life = lived

    pairs = 0

    def ordered(first: np.ndarray, second: np.ndarray) -> bool:
        nonlocal pairs
        both = ~missing(first) & ~missing(second)
        pairs += both.sum()
        return bool((first[both] <= second[both]).all())

    assert ordered(people.birth, people.survey_date)
    assert ordered(people.survey_date, life.fit_date)
    assert ordered(people.survey_date, life.colonoscopy_date)
    cancer = life.has_cancer
    by_screening = life.route == SCREENED
    assert ordered(np.where(by_screening, life.colonoscopy_date, np.datetime64("NaT")), life.diagnosis_date)
    for treatment in (
        life.surgery_date,
        life.systemic_date,
        life.neoadjuvant_date,
        np.where(cancer, life.resection_date, np.datetime64("NaT")),
    ):
        assert ordered(life.diagnosis_date, treatment)
    assert ordered(life.neoadjuvant_date, life.surgery_date)
    for event in (life.fit_date, life.colonoscopy_date, life.diagnosis_date, life.surgery_date, life.systemic_date, life.resection_date):
        assert ordered(event, life.death_date)
    assert pairs > LARGE


def test_every_stage_and_every_treatment_occurs(lived: tuple[People, Life]) -> None:
    _, life = lived
    assert set(np.unique(life.stage_group[life.has_cancer])) == {1, 2, 3, 4}
    for treatment in (life.surgery_date, life.systemic_date, life.neoadjuvant_date, life.resection_date):
        assert (~missing(treatment)).sum() > 10


def test_the_smallest_province_has_a_cancer_found_by_screening() -> None:
    people = populate(11, 2_000)
    life = live(people, 11)
    assert (life.route == SCREENED).sum() >= 1


def test_id_numbers_and_phones_are_given_once(lived: tuple[People, Life]) -> None:
    people, _ = lived
    assert len(set(people.id_card.to_pylist())) == len(people)
    shared = len(people) - len(set(people.phone.to_pylist()))
    assert 0 < shared < 0.05 * len(people)
