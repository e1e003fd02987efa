"""People of the province whom the programme never met: the registries hold them beside its residents, so that rates are those of a population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.synthetic.calibration import column, numbers, rows
from ingestion.synthetic.cells import DAY, NEVER, Text, age_on, draw, stream
from ingestion.synthetic.life import CANCERS, END, START, histologies, sites, stages
from ingestion.synthetic.people import FEMALE, MALE, People, county_weights, strangers
from ingestion.synthetic.population import AGE_GROUPS, SEXES, age_group, population

FIRST_YEAR, LAST_YEAR = 2021, 2025
NO_TUMOUR = -1
# Stage groups at diagnosis of people whom nobody screened, and their deaths a year by group where a tumour has no rate of its own.
BY_SYMPTOM = (0.17, 0.29, 0.34, 0.20)
DEATH_A_YEAR = {
    "lung": (0.10, 0.20, 0.42, 0.62),
    "breast": (0.01, 0.02, 0.06, 0.25),
    "upper_gi": (0.07, 0.17, 0.36, 0.60),
    "colorectum": (0.02, 0.05, 0.12, 0.33),
    "liver": (0.15, 0.30, 0.52, 0.72),
    "cervix": (0.03, 0.07, 0.15, 0.38),
}


@dataclass(frozen=True)
class Strangers:
    """One entry per person; dates are missing where the event did not happen.

    tumour  row of registry_tumours, NO_TUMOUR for people whom only the death registry knows
    site, stage, histology  rows of `sites`, `stages`, `histologies` of one of the six cancers, else 0
    died_of_tumour  whether the tumour is the cause of death
    """

    sex: np.ndarray
    birth: np.ndarray
    county: np.ndarray
    name: Text
    id_card: Text
    phone: Text
    address: Text
    tumour: np.ndarray
    incidence_date: np.ndarray
    site: np.ndarray
    stage: np.ndarray
    histology: np.ndarray
    death_date: np.ndarray
    died_of_tumour: np.ndarray

    def __len__(self) -> int:
        return len(self.sex)


def outside_the_programme(people: People) -> np.ndarray:
    """Share of the population by age group and sex that is not among the programme's residents."""
    found = np.zeros((AGE_GROUPS, len(SEXES)))
    resident = people.is_resident
    group = age_group(age_on(people.birth[resident], np.datetime64("2024-07-01")))
    np.add.at(found, (group, (people.sex[resident] == FEMALE).astype(int)), 1)
    return np.clip(1 - found / np.maximum(population(people.residents, 2024), 1e-9), 0, 1)


def tumour_rates() -> np.ndarray:
    """New tumours a year and person by tumour, age group and sex."""
    share = np.array(numbers("age_groups", "population_pct")) / 100
    risks = {name: np.array(numbers("age_groups", f"{name}_risk")) for name in ("rising", "middle")}
    crude = np.stack([numbers("registry_tumours", f"{sex}_per_100k") for sex in ("male", "female")], axis=1) / 100_000
    shape = np.stack([risks[r] / (risks[r] * share).sum() for r in column("registry_tumours", "risk")])
    return shape[:, :, None] * crude[:, None, :]


def _several(rng: np.random.Generator, expected: np.ndarray) -> tuple[np.ndarray, ...]:
    """Positions of a table of expected numbers, each as often as chance gives."""
    return np.unravel_index(np.repeat(np.arange(expected.size), rng.poisson(expected.ravel())), expected.shape)


def within_group(rng: np.random.Generator, options: list[tuple[int, float]], n: int) -> np.ndarray:
    """Rows drawn with their weights."""
    return np.array([row for row, _ in options])[draw(rng, [w for _, w in options], n)] if n else np.zeros(0, dtype=np.int64)


def _details(rng: np.random.Generator, tumour: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Site, stage row, histology row and stage group (1 to 4) of each tumour of the six cancers; organs agree."""
    n = len(tumour)
    site, stage, histology = (np.zeros(n, dtype=np.int64) for _ in range(3))
    group = 1 + draw(rng, BY_SYMPTOM, n)
    names = np.array(column("registry_tumours", "cancer"))[tumour] if n else np.array([], dtype=str)
    for cancer in CANCERS:
        at = np.flatnonzero(names == cancer)
        site[at] = draw(rng, [float(s["weight"]) for s in sites(cancer)], len(at))
        organs = np.array([s["organ"] for s in sites(cancer)])[site[at]]
        for organ in dict.fromkeys(s["organ"] for s in sites(cancer)):
            here = at[organs == organ]
            types = [(i, float(h["weight"])) for i, h in enumerate(histologies(cancer)) if h["organ"] == organ and h["code"].endswith("3")]
            histology[here] = within_group(rng, types, len(here))
            for g in range(1, 5):
                members = here[group[here] == g]
                options = [(i, float(s["weight"])) for i, s in enumerate(stages(cancer)) if s["organ"] == organ and int(s["group"]) == g]
                stage[members] = within_group(rng, options, len(members))
    return site, stage, histology, group


def _born(rng: np.random.Generator, group: np.ndarray, day: np.ndarray) -> np.ndarray:
    years = group * 5 + rng.random(len(group)) * np.where(group == AGE_GROUPS - 1, 9, 5)
    return np.maximum(day - (years * 365.25 + 1).astype("timedelta64[D]"), np.datetime64("1915-01-01")).astype(DAY)


def other_people(people: People, seed: int) -> Strangers:
    """People outside the programme who fell ill since 2021 or died since 2024."""
    rng, outside = stream(seed, "strangers"), outside_the_programme(people)
    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    part = np.where(years == LAST_YEAR, (END - np.datetime64(f"{LAST_YEAR}-01-01")).astype(int) / 365, 1.0)
    people_a_year = np.stack([population(people.residents, y) * p for y, p in zip(years, part, strict=True)]) * outside
    year, tumour, group, sex = _several(rng, tumour_rates()[None] * people_a_year[:, None])
    ill = len(year)
    first = years[year].astype(str).astype("datetime64[D]") if ill else np.zeros(0, dtype=DAY)
    incidence = (first + (rng.random(ill) * 365 * part[year]).astype("timedelta64[D]")).astype(DAY)
    site, stage, histology, stage_group = _details(rng, tumour)
    yearly = np.array(
        [[float(r["death_year_pct"]) / 100] * 4 if r["death_year_pct"] else DEATH_A_YEAR[r["cancer"]] for r in rows("registry_tumours")]
    )
    survival = rng.exponential(1.0, ill) / -np.log1p(-yearly[tumour, stage_group - 1]) * 365.25 + 20
    death = (incidence + np.minimum(survival, 30_000).astype("timedelta64[D]")).astype(DAY)
    death = np.where(death <= END, death, NEVER).astype(DAY)

    span = (END - START).astype(int) / 365
    dead_a_year = np.array(numbers("age_groups", "death_per_1000"))[:, None] / 1000
    by_tumour = np.zeros((AGE_GROUPS, len(SEXES)))
    lately = death >= START
    np.add.at(by_tumour, (group[lately], sex[lately]), 1)
    expected = np.maximum(population(people.residents, 2024) * outside * dead_a_year * span - by_tumour, 0)
    other_group, other_sex = _several(rng, expected)
    dead = len(other_group)
    day = (START + rng.integers(0, int((END - START).astype(int)), dead).astype("timedelta64[D]")).astype(DAY)

    sex_code = np.where(np.r_[sex, other_sex] == 0, MALE, FEMALE)
    birth = np.r_[_born(rng, group, incidence), _born(rng, other_group, day)]
    county = draw(rng, county_weights(), ill + dead)
    name, id_card, phone, address = strangers(rng, sex_code, birth, county)
    none, no_date = np.zeros(dead, dtype=np.int64), np.full(dead, NEVER)
    return Strangers(
        sex=sex_code,
        birth=birth,
        county=county,
        name=name,
        id_card=id_card,
        phone=phone,
        address=address,
        tumour=np.r_[tumour, none + NO_TUMOUR],
        incidence_date=np.r_[incidence, no_date],
        site=np.r_[site, none],
        stage=np.r_[stage, none],
        histology=np.r_[histology, none],
        death_date=np.r_[death, day],
        died_of_tumour=np.r_[~np.isnat(death), none.astype(bool)],
    )
