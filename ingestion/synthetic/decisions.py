"""People's decisions as data: who no longer takes part and why, which records are one person, what a local code or a text means."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import document, share
from ingestion.synthetic.cells import DAY, NEVER, Text, constant, dates, days, join, keep, missing, padded, pick, stream
from ingestion.synthetic.death_registry import death_registry
from ingestion.synthetic.life import CANCERS, END, Lives
from ingestion.synthetic.people import People
from ingestion.synthetic.programme import OFFICE, ORGANISATION, listed, rule_records, target_records
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import NOBODY, Records, records
from ingestion.synthetic.registry import Registered, cancer_registry, everybody
from ingestion.synthetic.training import training_records

DECLINED, MOVED, LOST, INELIGIBLE, WITHDRAWN, ELSEWHERE, UNFIT, DEAD, RESUMED = range(9)
KINDS = ("declined", "moved", "lost", "ineligible", "withdrawn", "examined_elsewhere", "temporarily_unfit", "dead", "resumed")
STAFF = 20
# Provinces people move to.
ELSEWHERE_IN_CHINA = ("110000", "120000", "130100", "610100", "410100", "310000", "440300")
MOST_REVIEWS = 60


def _who_decides(people: People, life: Lives, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person, kind and cancer (index, or the number of cancers for all of them) of each decision on taking part."""
    n, every = len(people), len(CANCERS)
    surveyed = people.is_surveyed
    person, kind, cancer = [], [], []
    for number, name in enumerate(CANCERS):
        said_no = np.flatnonzero(life.cancers[name].declined & surveyed)
        told = said_no[rng.random(len(said_no)) < share("decline_recorded_pct")]
        person.append(told)
        kind.append(np.where(rng.random(len(told)) < 0.85, DECLINED, np.where(rng.random(len(told)) < 0.6, ELSEWHERE, UNFIT)))
        cancer.append(np.full(len(told), number))
    chances = [(MOVED, "moved_pct"), (LOST, "lost_pct"), (WITHDRAWN, "withdrawn_pct")]
    lot, start = rng.random(n), 0.0
    for what, parameter in chances:
        at = np.flatnonzero(surveyed & (lot >= start) & (lot < start + share(parameter)))
        start += share(parameter)
        person.append(at)
        kind.append(np.full(len(at), what))
        cancer.append(np.full(len(at), every))
    for what, affected, told in ((INELIGIBLE, life.known_other_cancer, 0.5), (DEAD, ~missing(life.death_date), 0.4)):
        at = np.flatnonzero(surveyed & affected & (rng.random(n) < told))
        person.append(at)
        kind.append(np.full(len(at), what))
        cancer.append(np.full(len(at), every))
    return np.concatenate(person), np.concatenate(kind), np.concatenate(cancer)


def participation_records(people: People, life: Lives, seed: int) -> Records:
    """Decisions on taking part, of residents who were asked; some are taken back, and then the later one names the earlier."""
    rng = stream(seed, "participation")
    person, kind, cancer = _who_decides(people, life, rng)
    effective = people.survey_date[person] + days(rng, 10, 150, len(person))
    effective = np.where(kind == DEAD, life.death_date[person], effective).astype(DAY)
    possible = (kind == DEAD) | (life.alive(person, effective) & (effective <= END - 40))
    person, kind, cancer, effective = person[possible], kind[possible], cancer[possible], effective[possible]
    decided = (
        effective + np.where(kind == DEAD, rng.integers(5, 60, len(person)), rng.integers(0, 12, len(person))).astype("timedelta64[D]")
    ).astype(DAY)

    back = np.flatnonzero(np.isin(kind, (DECLINED, UNFIT, LOST)) & (rng.random(len(person)) < 0.08))
    later = (decided[back] + days(rng, 20, 200, len(back))).astype(DAY)
    back, later = back[life.alive(person[back], later)], later[life.alive(person[back], later)]
    first = len(person)
    replaced = np.r_[np.full(first, -1), back]
    person, cancer = np.r_[person, person[back]], np.r_[cancer, cancer[back]]
    kind = np.r_[kind, np.full(len(back), RESUMED)]
    effective, decided = np.r_[effective, later], np.r_[decided, later]
    n = len(person)
    words = document("programme")["participation"]
    lines = [(k, text) for k, name in enumerate(KINDS) for text in words[name]]
    starts = np.array([next(i for i, (k, _) in enumerate(lines) if k == kind_) for kind_ in range(len(KINDS))])
    many = np.array([len(words[name]) for name in KINDS])
    reason = pick([text for _, text in lines], starts[kind] + (rng.random(n) * many[kind]).astype(int))
    scope = np.select([kind == WITHDRAWN, np.isin(kind, (DECLINED, ELSEWHERE, UNFIT))], [np.where(rng.random(n) < 0.7, 3, 4), 1], 4)
    who = as_recorded(people, person, ORGANISATION, day=decided)
    columns = {
        "decision_no": _number("CY", np.arange(n)),
        "patient_no": constant(None, n),
        **{name: who[name] for name in ("person_name", "id_card_no", "sex_code", "birth_date", "mobile_phone")},
        "cancer_code": pick([*CANCERS, "all"], cancer),
        "scope_code": pick(["assessment", "screening", "follow_up", "research", "all"], scope),
        "decision_code": pick(KINDS, kind),
        "effective_date": dates(effective),
        "destination_division_code": pick(ELSEWHERE_IN_CHINA, rng.integers(len(ELSEWHERE_IN_CHINA), size=n), kind == MOVED),
        "review_date": dates(np.where(kind == UNFIT, effective + 90, NEVER).astype(DAY)),
        **_signed(rng, decided, reason, keep(_number("CY", np.maximum(replaced, 0)), replaced >= 0)),
    }
    return records(ORGANISATION, "decision_participation", columns, person, decided + 1)


def _number(kind: str, index: np.ndarray) -> Text:
    return join(kind, padded(index + 1, 7))


def _signed(rng: np.random.Generator, day: np.ndarray, reason: Text, supersedes: Text) -> dict[str, Text]:
    """Who decided, when, why, and instead of what."""
    n = len(day)
    return {
        "decided_by": join("YS", padded(rng.integers(1, STAFF + 1, n), 3)),
        "decided_organisation_code": constant(OFFICE, n),
        "decided_at": dates(day),
        "reason": reason,
        "supersedes": supersedes,
    }


def linkage_records(cases: Registered, deaths: Registered, seed: int) -> Records:
    """A reviewer's verdicts on pairs of a registry case and a death certificate: the same person, a namesake, or not to be told."""
    rng = stream(seed, "linkage review")
    _, of_case, of_death = np.intersect1d(cases.person, deaths.person, return_indices=True)
    same = rng.permutation(len(of_case))[: MOST_REVIEWS // 2]
    pairs = [(of_case[same], of_death[same])]
    # namesakes: the same name, another person
    names = {name: i for i, name in enumerate(cases.name.to_pylist())}
    namesakes = [
        (names[name], i) for i, name in enumerate(deaths.name.to_pylist()) if name in names and cases.person[names[name]] != deaths.person[i]
    ]
    pairs.append(tuple(np.array(namesakes[: MOST_REVIEWS // 2], dtype=np.int64).reshape(-1, 2).T))
    case, death = (np.concatenate(part) for part in zip(*pairs, strict=True))
    n, same_person = len(case), cases.person[case] == deaths.person[death]
    verdict = np.where(rng.random(n) < 0.1, 2, np.where(same_person, 0, 1))
    day = np.maximum(cases.known_on[case], deaths.known_on[death]) + days(rng, 5, 40, n)
    columns = {
        "decision_no": _number("PP", np.arange(n)),
        "left_identity_id": constant(None, n),
        "left_organisation_code": constant(cases.organisation, n),
        "left_feed": constant(cases.feed, n),
        "left_record_no": cases.number.take(pa.array(case)),
        "right_identity_id": constant(None, n),
        "right_organisation_code": constant(deaths.organisation, n),
        "right_feed": constant(deaths.feed, n),
        "right_record_no": deaths.number.take(pa.array(death)),
        "verdict_code": pick(["same", "different", "unsure"], verdict),
        **_signed(rng, day, pick(["证件号与住址一致", "同名不同人，出生日期不符", "资料不足，待补充"], verdict), constant(None, n)),
    }
    return records(ORGANISATION, "decision_linkage_review", columns, np.full(n, NOBODY), day)


def code_records() -> Records:
    """What local codes mean that no mapping file lists; a first, wrong decision is replaced."""
    found = [
        {
            "decision_no": f"DM{number:04d}",
            "organisation_code": said["organisation"],
            "feed": said["feed"],
            "field_name": said["field"],
            "local_code": said["local"],
            "local_name": said["name"],
            "verdict_code": said["verdict"],
            "canonical_code": said.get("canonical"),
            "valid_from": said["from"],
            "valid_to": None,
            "decided_by": "YS004",
            "decided_organisation_code": OFFICE,
            "decided_at": said["decided"],
            "reason": said["reason"],
            "supersedes": f"DM{said['replaces']:04d}" if said.get("replaces") else None,
        }
        for number, said in enumerate(document("programme")["codes"], 1)
    ]
    return listed("decision_code_mapping", found, [str(row["decided_at"]) for row in found])


def text_records() -> Records:
    """What texts mean that no word list reads."""
    found = [
        {
            "decision_no": f"WB{number:04d}",
            "organisation_code": said.get("organisation"),
            "text_kind_code": said["kind"],
            "text": said["text"],
            "verdict_code": said["verdict"],
            "canonical_code": said.get("canonical"),
            "assertion_code": None,
            "valid_from": None,
            "valid_to": None,
            "decided_by": "YS004",
            "decided_organisation_code": OFFICE,
            "decided_at": said["decided"],
            "reason": said["reason"],
            "supersedes": None,
        }
        for number, said in enumerate(document("programme")["texts"], 1)
    ]
    return listed("decision_text_code", found, [str(row["decided_at"]) for row in found])


def programme_office(people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Everything the programme office delivers."""
    yield target_records()
    yield rule_records()
    yield from training_records(seed)
    yield code_records()
    yield text_records()
    yield participation_records(people, life, seed)
    who, tumours = everybody(people, life, seed)
    cases, deaths = cancer_registry(who, tumours, seed), death_registry(life, who, tumours, seed)
    yield linkage_records(cases.registered(), deaths.registered(), seed)


BUILDERS = {ORGANISATION: programme_office}
