"""Population by county, sex and age: the denominators of rates, of which the programme's residents are a part."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import column, numbers, value
from ingestion.synthetic.cells import constant, pick, stream, whole
from ingestion.synthetic.life import Lives
from ingestion.synthetic.people import FEMALE, MALE, People, counties, county_weights
from ingestion.synthetic.records import NOBODY, Records, records

ORGANISATION = "PB14"
YEARS = tuple(range(2019, 2026))
CENSUS_YEAR = 2020
YEARLY_CHANGE = -0.0025
AGE_GROUPS = 18
SEXES = (MALE, FEMALE)


@cache
def age_sex_shares() -> np.ndarray:
    """Share of the population by age group and sex (0 men, 1 women); adds up to one."""
    people, men = np.array(numbers("age_groups", "population_pct")), np.array(numbers("age_groups", "male_pct")) / 100
    shares = np.stack([people * men, people * (1 - men)], axis=1)
    return shares / shares.sum()


def population(residents: int, year: int) -> np.ndarray:
    """People of the whole province by age group and sex in a year, for a programme of so many residents."""
    return residents * value("population_per_resident") * (1 + YEARLY_CHANGE) ** (year - CENSUS_YEAR) * age_sex_shares()


def age_group(age: np.ndarray) -> np.ndarray:
    """Five-year age group of ages in years."""
    return np.minimum(age // 5, AGE_GROUPS - 1)


def population_records(residents: int, seed: int) -> Records:
    """Usual residents by year, county, sex and age group; counties differ a little in their age structure, from year to year they do not."""
    rng, weights = stream(seed, "population"), county_weights() / county_weights().sum()
    ageing = np.exp(rng.normal(0, 0.004, len(weights))[:, None] * (np.arange(AGE_GROUPS) - 8))
    cells = weights[:, None, None] * ageing[:, :, None] * age_sex_shares()
    cells *= (weights / cells.sum(axis=(1, 2)))[:, None, None]
    year, county, group, sex = (a.ravel() for a in np.indices((len(YEARS), *cells.shape)))
    totals = np.array([population(residents, y).sum() for y in YEARS])
    # rounded along the way, so that the people of a year add up however small the cells are
    count = np.diff(np.floor(np.cumsum(cells[county, group, sex] * totals[year]) + 0.5), prepend=0)
    n = len(count)
    published = np.array([f"{min(y + 1, 2025)}-03-15" for y in YEARS], dtype="datetime64[D]")[year]
    columns = {
        "population_year": whole(np.array(YEARS)[year]),
        "population_kind_code": constant("resident", n),
        "county_code": pick([c.code for c in counties()], county),
        "sex_code": whole(np.array(SEXES)[sex]),
        "age_group_code": pick(column("age_groups", "age_group"), group),
        "people_count": whole(count),
        "published_date": pa.array(published).cast(pa.string()),
    }
    return records(ORGANISATION, "population", columns, np.full(n, NOBODY), published)


def _builder(people: People, life: Lives, seed: int) -> Iterator[Records]:
    yield population_records(people.residents, seed)


BUILDERS = {ORGANISATION: _builder}
