"""Where a screening result is written: an organisation, its numbers, and what every form begins and ends with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ingestion.contracts import contract
from ingestion.mappings import Mapping, UnknownOrganisation, load_mapping
from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import Text, age_on, constant, dates, days, draw, flags, join, keep, missing, padded, pick, stream, whole
from ingestion.synthetic.life import (
    FREE_INSTITUTIONS,
    HOSPITAL_OWN,
    HOSPITALS,
    INCOMPLETE,
    NATIONAL_FREE,
    NATIONAL_STANDARD,
    NEGATIVE,
    POSITIVE,
    STANDARD_CENTRES,
    Lives,
    Tests,
)
from ingestion.synthetic.people import People
from ingestion.synthetic.questionnaire import survey_numbers
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records

STAFF = 10
# Fields of a form's head that not every form has.
IN_SOME_HEADS = {"exam_date", "exam_hospital_name", "assessment_date"}
PLACES = {
    **{name: (NATIONAL_STANDARD, i) for i, name in enumerate(STANDARD_CENTRES)},
    **{name: (NATIONAL_FREE, i) for i, name in enumerate(FREE_INSTITUTIONS)},
    **{name: (HOSPITAL_OWN, i) for i, name in enumerate(HOSPITALS)},
}


def no_yes(where: np.ndarray) -> Text:
    """Codes of the lists that say 1 no, 2 yes."""
    return flags(where, "2", "1")


def yes_no(where: np.ndarray) -> Text:
    """Codes of the lists that say 1 yes, 2 no."""
    return flags(where, "1", "2")


def several(rng: np.random.Generator, codes: str, weights: tuple[float, ...], n: int, second: float = 0.25) -> Text:
    """One code of a list, for a share of the rows two different ones, in the order of the list."""
    first, other = draw(rng, weights, n), draw(rng, weights, n)
    low, high = np.minimum(first, other), np.maximum(first, other)
    two = (rng.random(n) < second) & (low != high)
    labels, size = codes.split(), len(weights)
    pairs = [f"{labels[i]};{labels[j]}" for i in range(size) for j in range(size)]
    return pick([*labels, *pairs], np.where(two, size + low * size + high, first))


def repeated(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For parts that repeat `count` times: position of the whole, and running number from 0."""
    whole_of = np.repeat(np.arange(len(count)), count)
    return whole_of, np.arange(len(whole_of)) - np.repeat(np.cumsum(count) - count, count)


def readable(tests: Tests) -> np.ndarray:
    """Tests that gave a result."""
    return np.isin(tests.result, (NEGATIVE, POSITIVE))


@dataclass(frozen=True)
class Desk:
    """An organisation that screens, and everybody's life.

    Tests of one round of a person share a screening number; `mark` tells forms of one cancer apart whose numbers are not shared.
    """

    organisation: str
    people: People
    lives: Lives
    seed: int

    @cached_property
    def mapping(self) -> Mapping | None:
        """The organisation's mapping; None for one that is not described yet."""
        try:
            return load_mapping(self.organisation)
        except UnknownOrganisation:
            return None

    def delivers(self, feed: str) -> bool:
        """Whether the organisation has this form: it is mapped, and its delivery is planned."""
        plan = document("delivery")["organisations"].get(self.organisation)
        return bool(plan and self.mapping and feed in self.mapping.feeds and (feed in plan["feeds"] or feed in plan.get("beside", ())))

    def tests(self, cancer: str, *modalities: int) -> Tests:
        """The organisation's tests of these modalities: one of a kind per person and round."""
        source, place = PLACES[self.organisation]
        tests = self.lives.cancers[cancer].tests.at(source, place, *modalities)
        key = (tests.person.astype(np.int64) * 16 + tests.round) * 16 + tests.modality
        _, first = np.unique(key, return_index=True)
        return tests if len(first) == len(tests) else tests.where(np.isin(np.arange(len(tests)), first))

    def random(self, *names: str) -> np.random.Generator:
        """A random stream of the organisation's own."""
        return stream(self.seed, "screening", self.organisation, *names)

    def numbers(self, cancer: str, tests: Tests, mark: str) -> Text:
        """Screening numbers: one for each person and round."""
        source, place = PLACES[self.organisation]
        of_all = self.lives.cancers[cancer].tests.at(source, place)
        known = np.unique(of_all.person.astype(np.int64) * 16 + of_all.round)
        index = np.searchsorted(known, tests.person.astype(np.int64) * 16 + tests.round)
        return join(f"{mark}24", padded(index, 7))

    def head(self, number: Text, tests: Tests, exam: str = "exam_date") -> dict[str, Text]:
        """What a form says of the person and the day."""
        people, person, day = self.people, tests.person, tests.day
        asked = people.survey_date[person]
        known = ~missing(asked) & (asked <= day)
        who = as_recorded(people, person, self.organisation, day=day)
        return {
            "screening_no": number,
            "survey_no": keep(survey_numbers(person), known),
            **{name: who[name] for name in ("person_name", "id_card_no", "sex_code", "birth_date")},
            "age_years": whole(age_on(people.birth[person], day)),
            "mobile_phone": who["mobile_phone"],
            "assessment_date": dates(np.where(known, asked, np.datetime64("NaT", "D"))),
            exam: dates(day),
            "exam_hospital_name": constant(self.mapping.name_zh if self.mapping else None, len(tests)),
        }

    def staff(self, rng: np.random.Generator, n: int, prefix: str = "YS") -> Text:
        """Staff codes of the organisation."""
        return join(prefix, padded(rng.integers(1, STAFF + 1, n), 3))

    def tail(self, rng: np.random.Generator, day: np.ndarray) -> tuple[dict[str, Text], np.ndarray]:
        """Who entered the form and when; and the day from which the record can be delivered."""
        n = len(day)
        entered = day + days(rng, 0, 3, n)
        return {"entered_by_code": self.staff(rng, n, "LR"), "entered_date": dates(entered)}, entered + days(rng, 0, 2, n)

    def made(self, feed: str, columns: dict[str, Text], person: np.ndarray, known_on: np.ndarray) -> Records:
        """The records with the fields that the organisation delivers, empty where the builder says nothing of a field."""
        if self.mapping is None:
            raise ValueError(f"organisation {self.organisation} has no mapping")
        if unknown := set(columns) - {f.name for f in contract(feed).fields} - IN_SOME_HEADS:
            raise KeyError(f"feed {feed} has no field {', '.join(sorted(unknown))}")
        known = self.mapping.resolved(feed).columns
        wanted = [f.name for f in contract(feed).fields if f.name in known and not f.derivation]
        n = len(person)
        return records(self.organisation, feed, {name: columns[name] if name in columns else constant(None, n) for name in wanted}, person, known_on)


def was_examined(tests: Tests) -> np.ndarray:
    """Examinations that were carried to their end."""
    return tests.result != INCOMPLETE
