"""Outreach of the national platform: activities in every county, and whom they brought to the questionnaire."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.contracts import code_list
from ingestion.synthetic.calibration import share, value
from ingestion.synthetic.cells import DAY, constant, dates, days, draw, join, keep, padded, pick, stream, whole
from ingestion.synthetic.life import CANCERS, Lives
from ingestion.synthetic.people import FIRST_SURVEY, LAST_SURVEY, People, counties
from ingestion.synthetic.questionnaire import survey_numbers
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import NOBODY, Records, records
from ingestion.synthetic.reference import staff

ORGANISATION = "NP14"
RESIDENTS_PER_ACTIVITY, FEWEST, MOST = 400, 2, 40
EARLIEST = FIRST_SURVEY - 30


def _activities(people: People, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """County and first day of each activity, by county and day; the first of a county lies before anybody is asked."""
    at_home = np.bincount(people.county[people.is_resident], minlength=len(counties()))
    many = np.clip(at_home // RESIDENTS_PER_ACTIVITY, FEWEST, MOST)
    county = np.repeat(np.arange(len(many)), many)
    day = EARLIEST + days(rng, 0, int((LAST_SURVEY - EARLIEST).astype(int)), len(county))
    first = np.r_[True, county[1:] != county[:-1]]
    day = np.where(first, EARLIEST + days(rng, 0, 6, len(county)), day).astype(DAY)
    order = np.lexsort((day, county))
    return county[order], day[order]


def activity_numbers(index: np.ndarray) -> pa.Array:
    """Number of an activity."""
    return join("XC14", padded(index + 1, 6))


def outreach_records(people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Activities, and the contacts that they made."""
    rng = stream(seed, "outreach")
    county, start = _activities(people, rng)
    surveyed = np.flatnonzero(people.is_surveyed)
    came = surveyed[rng.random(len(surveyed)) < share("outreach_reached_pct")]
    others = np.flatnonzero(people.is_resident & ~people.is_surveyed)
    refused = rng.choice(others, min(len(others), round(len(came) * value("outreach_refused_ratio"))), replace=False)
    person = np.r_[came, np.sort(refused)]
    answered = np.arange(len(person)) < len(came)
    asked = np.where(answered, people.survey_date[person], LAST_SURVEY)
    span = np.where(answered, 20, int((LAST_SURVEY - FIRST_SURVEY).astype(int)))
    contact = np.maximum(asked - (rng.random(len(person)) * (span + 1)).astype("timedelta64[D]"), EARLIEST + 7).astype(DAY)
    alive = life.alive(person, contact)
    person, answered, contact = person[alive], answered[alive], contact[alive]
    # the latest activity of the county until then
    key = county * 100_000 + start.astype(np.int64)
    activity = np.searchsorted(key, people.county[person] * 100_000 + contact.astype(np.int64), side="right") - 1
    yield _activity_records(rng, county, start, np.bincount(activity, minlength=len(county)))
    yield _contact_records(rng, people, person, answered, contact, activity)


def _activity_records(rng: np.random.Generator, county: np.ndarray, start: np.ndarray, contacts: np.ndarray) -> Records:
    n = len(county)
    kinds = list(code_list("outreach_kind"))
    kind = draw(rng, (30, 25, 12, 10, 4, 3, 8, 5, 3), n)
    named = [code_list("outreach_kind")[k].name_zh for k in kinds]
    end = (start + np.where(kind == kinds.index("theme_week"), 6, rng.integers(0, 2, n)).astype("timedelta64[D]")).astype(DAY)
    cancers = np.stack([rng.random(n) < 0.4 for _ in CANCERS], axis=1)
    cancers[~cancers.any(axis=1)] = True
    bits = cancers @ (1 << np.arange(len(CANCERS)))
    labels = [";".join(c for i, c in enumerate(CANCERS) if mask >> i & 1) for mask in range(1 << len(CANCERS))]
    reached = contacts + rng.integers(10, 400, n)
    columns = {
        "activity_no": activity_numbers(np.arange(n)),
        "activity_name": join(pick([c.name for c in counties()], county), "防癌", pick(named, kind)),
        "activity_kind_code": pick(kinds, kind),
        "start_date": dates(start),
        "end_date": dates(end),
        "organisation_code": constant(ORGANISATION, n),
        "county_code": pick([c.code for c in counties()], county),
        "cancer_codes": pick(labels, bits),
        "planned_count": whole(np.rint(reached * rng.uniform(0.7, 1.4, n) / 10) * 10),
        "reached_count": whole(reached),
        "staff_count": whole(rng.integers(2, 16, n)),
    }
    return records(ORGANISATION, "outreach_activity", columns, np.full(n, NOBODY), end + 2)


def _contact_records(
    rng: np.random.Generator, people: People, person: np.ndarray, answered: np.ndarray, contact: np.ndarray, activity: np.ndarray
) -> Records:
    n, who = len(person), as_recorded(people, person, ORGANISATION, day=contact)
    codes = [code for _, code in staff("platform")]
    no = pick(["registered", "considering", "declined", "not_reached"], draw(rng, (20, 25, 35, 20), n))
    columns = {
        "contact_no": join("CD14", padded(np.arange(n) + 1, 8)),
        "activity_no": activity_numbers(activity),
        **{name: who[name] for name in ("person_name", "id_card_no", "sex_code", "birth_date", "mobile_phone")},
        "contact_date": dates(contact),
        "contact_way_code": pick(list(code_list("outreach_way")), draw(rng, (34, 28, 12, 10, 10, 6), n)),
        "response_code": pa.compute.if_else(pa.array(answered), "assessed", no),
        "survey_no": keep(survey_numbers(person), answered),
        "staff_code": pick(codes, rng.integers(len(codes), size=n)),
    }
    known = np.where(answered, people.survey_date[person], contact) + rng.integers(1, 8, n).astype("timedelta64[D]")
    return records(ORGANISATION, "outreach_contact", columns, person, known)


BUILDERS = {ORGANISATION: outreach_records}
