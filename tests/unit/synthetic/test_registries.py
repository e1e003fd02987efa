"""Cancer registry, death registry and population: rates of a population, and residents who are found again."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.compute as pc
import pytest

from ingestion.contracts import code_list
from ingestion.synthetic.calibration import value
from ingestion.synthetic.cells import missing, parse_dates
from ingestion.synthetic.death_registry import death_registry
from ingestion.synthetic.life import CANCERS, Lives
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, counties, populate
from ingestion.synthetic.population import YEARS, population_records
from ingestion.synthetic.records import NOBODY
from ingestion.synthetic.registry import Everybody, Held, Tumours, cancer_registry, everybody

SCALE, SEED = 20_000, 11


@pytest.fixture(scope="module")
def lived() -> tuple[People, Lives]:
    people = populate(SEED, SCALE)
    return people, live(people, SEED)


@pytest.fixture(scope="module")
def known(lived: tuple[People, Lives]) -> tuple[Everybody, Tumours]:
    return everybody(*lived, SEED)


@pytest.fixture(scope="module")
def cases(known: tuple[Everybody, Tumours]) -> Held:
    return cancer_registry(*known, SEED)


@pytest.fixture(scope="module")
def deaths(lived: tuple[People, Lives], known: tuple[Everybody, Tumours]) -> Held:
    return death_registry(lived[1], *known, SEED)


def texts(held: Held, name: str) -> np.ndarray:
    return np.array([t or "" for t in held.records.table[name].to_pylist()])


def test_the_population_has_every_county_age_sex_and_year_once_and_adds_up() -> None:
    table = population_records(SCALE, SEED).table
    keys = list(zip(*(table[c].to_pylist() for c in ("population_year", "county_code", "sex_code", "age_group_code")), strict=True))
    assert len(keys) == len(set(keys)) == len(YEARS) * len(counties()) * 2 * len(code_list("age_group"))
    people = pc.sum(pc.filter(table["people_count"], pc.equal(table["population_year"], "2020")).cast("int64")).as_py()
    assert abs(people - SCALE * value("population_per_resident")) <= 1
    assert pc.min(table["people_count"].cast("int64")).as_py() >= 0


def test_new_cancers_a_year_come_close_to_the_crude_rate_of_the_province(cases: Held) -> None:
    year = texts(cases, "incidence_date").astype("U4")
    in_2023 = int((year == "2023").sum())
    crude = in_2023 / (SCALE * value("population_per_resident")) * 100_000
    assert 170 < crude < 300  # indicators.md E4: 221 per 100,000 in the registries of Shanxi


def test_residents_of_the_programme_are_a_part_of_what_the_registries_hold(cases: Held, deaths: Held) -> None:
    for held in (cases, deaths):
        share = (held.records.person != NOBODY).mean()
        assert 0.05 < share < 0.8


def test_most_diagnosed_cancers_are_registered_and_some_are_missed(lived: tuple[People, Lives], cases: Held) -> None:
    _, lives = lived
    registered = set(cases.records.person.tolist())
    diagnosed = [
        p
        for cancer in CANCERS
        for p in np.flatnonzero(lives.cancers[cancer].has_cancer & (lives.cancers[cancer].diagnosis_date >= np.datetime64("2021-01-01")))
    ]
    found = np.mean([p in registered for p in diagnosed])
    assert 0.85 < found < 1


def test_a_certificate_only_case_begins_on_the_day_of_death_and_has_no_histology(cases: Held) -> None:
    only = texts(cases, "diagnosis_basis_code") == "0"
    assert only.any() and not only.all()
    assert (texts(cases, "incidence_date")[only] == texts(cases, "death_date")[only]).all()
    assert set(texts(cases, "morphology_code")[only]) == {"8000"} and set(texts(cases, "stage_group_code")[only]) == {"9"}


def test_some_cases_are_reported_twice_under_two_numbers(cases: Held) -> None:
    assert len(set(texts(cases, "case_no"))) == len(cases.person)
    again = len(cases.person) - len(set(zip(cases.person.tolist(), (c[:3] for c in texts(cases, "icd10_code")), strict=True)))
    assert 0.005 < again / len(cases.person) < 0.06


def test_dates_of_a_case_follow_one_another(cases: Held) -> None:
    day = {n: parse_dates(cases.records.table[n]) for n in ("incidence_date", "reported_date", "registered_date", "last_contact_date", "death_date")}
    assert (day["incidence_date"] <= day["reported_date"]).all() and (day["reported_date"] <= day["registered_date"]).all()
    assert (day["incidence_date"] <= day["last_contact_date"]).all()
    dead = ~missing(day["death_date"])
    assert (day["incidence_date"][dead] <= day["death_date"][dead]).all()


def test_every_death_of_a_resident_has_one_certificate_with_its_day(lived: tuple[People, Lives], deaths: Held) -> None:
    _, lives = lived
    day = dict(zip(deaths.records.person.tolist(), parse_dates(deaths.records.table["death_date"]), strict=True))
    dead = np.flatnonzero(~missing(lives.death_date) & (lives.death_date >= np.datetime64("2024-01-01")))
    assert len(dead) > 50
    assert all(day[p] == lives.death_date[p] for p in dead.tolist())
    assert max(Counter(p for p in deaths.records.person.tolist() if p != NOBODY).values()) == 1


def test_who_dies_of_a_cancer_has_it_as_the_underlying_cause_at_the_end_of_the_chain(lived: tuple[People, Lives], deaths: Held) -> None:
    _, lives = lived
    cause = texts(deaths, "underlying_cause_code")
    lines = [texts(deaths, f"cause_{letter}_code") for letter in "abcd"]
    last = [next(line[i] for line in reversed(lines) if line[i]) for i in range(len(cause))]
    assert list(cause) == last
    by_cancer = np.array([p != NOBODY and bool(lives.died_of_cancer[p]) for p in deaths.records.person])
    assert by_cancer.any()
    assert all(c[0] in "CD" for c in cause[by_cancer])


def test_strangers_have_numbers_of_their_own(known: tuple[Everybody, Tumours]) -> None:
    who, _ = known
    ours, theirs = set(who.cohort.id_card.to_pylist()), who.others.id_card.to_pylist()
    assert len(theirs) == len(set(theirs)) > 500
    assert not ours & set(theirs)
