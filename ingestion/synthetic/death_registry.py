"""The death registry: a certificate for every death, with the chain of causes and the underlying one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import column, numbers
from ingestion.synthetic.cells import DAY, Text, age_on, dates, draw, join, keep, missing, padded, pick, stream
from ingestion.synthetic.life import START, Lives
from ingestion.synthetic.people import People, counties
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.registry import Everybody, Held, Tumours, everybody
from ingestion.synthetic.strangers import Strangers

ORGANISATION = "DR14"
# Where a tumour kills: the direct cause and what lies between, by choice.
CANCER_CHAINS = (("J96.9", "C78.0"), ("R64", ""), ("J18.9", ""), ("K92.2", "C78.7"), ("I46.9", "C79.9"), ("R57.9", "C78.7"))
PLACES = ("1", "2", "3", "4", "9")
INTERVALS = ("数小时", "1天", "3天", "1周", "2周", "1月")


def _deaths(life: Lives, others: Strangers) -> tuple[np.ndarray, np.ndarray]:
    """Who died since the first day of the records, and when; positions as in Everybody."""
    when = np.r_[life.death_date, others.death_date].astype(DAY)
    person = np.flatnonzero(~missing(when) & (when >= START))
    person = person[np.argsort(when[person], kind="stable")]
    return person, when[person]


def _tumour_of_death(person: np.ndarray, tumours: Tumours) -> np.ndarray:
    """ICD-10 code of the tumour that killed a person, empty for the others."""
    killing = np.flatnonzero(tumours.died_of)
    order = killing[np.argsort(tumours.person[killing], kind="stable")]
    if len(order) == 0:
        return np.full(len(person), "", dtype="U5")
    place = np.minimum(np.searchsorted(tumours.person[order], person), len(order) - 1)
    return np.where(tumours.person[order][place] == person, tumours.icd10[order][place], "")


def _other_cause(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    """Row of death_causes by age: below 40, below 70, above."""
    cause, band = np.zeros(len(age), dtype=np.int64), np.digitize(age, (40, 70))
    for k, weight in enumerate(("young", "middle", "old")):
        at = np.flatnonzero(band == k)
        cause[at] = draw(rng, numbers("death_causes", weight), len(at))
    return cause


def _chain(underlying: Text, direct: Text, between: Text) -> dict[str, Text]:
    """Lines a to d of the certificate: direct cause first, underlying cause last, no line left empty between."""
    given = [c.is_valid().to_numpy(zero_copy_only=False) for c in (direct, between)]
    n, lines = len(underlying), {}
    values = [np.array(c.fill_null("").to_pylist(), dtype="U8") for c in (direct, between, underlying)]
    place = np.stack([np.where(given[0], 0, -1), np.where(given[1], given[0].astype(int), -1), given[0].astype(int) + given[1]])
    for line, letter in enumerate("abcd"):
        text = np.full(n, "", dtype="U8")
        for value, at in zip(values, place, strict=True):
            text = np.where(at == line, value, text)
        lines[f"cause_{letter}_code"] = keep(pa.array(text), text != "")
    return lines


def death_registry(life: Lives, who: Everybody, tumours: Tumours, seed: int) -> Held:
    """One certificate per death, reported after some days, some of them after months."""
    rng = stream(seed, "death registry")
    person, day = _deaths(life, who.others)
    n = len(person)
    tumour = _tumour_of_death(person, tumours)
    by_tumour = tumour != ""
    cause = _other_cause(rng, age_on(who.birth[person], day))
    codes, names = column("death_causes", "cause"), column("death_causes", "name_zh")
    chain = rng.integers(len(CANCER_CHAINS), size=n)

    def either(of_tumour: Text, of_other: Text) -> Text:
        return pa.array(np.where(by_tumour, of_tumour.fill_null(""), of_other.fill_null("")).astype(str))

    def empty_as_null(text: Text) -> Text:
        return keep(text, np.array([bool(t) for t in text.to_pylist()], dtype=bool))

    underlying = either(pa.array(tumour), pick(codes, cause))
    direct = empty_as_null(either(pick([a for a, _ in CANCER_CHAINS], chain), pick(column("death_causes", "direct"), cause)))
    between = empty_as_null(either(pick([b for _, b in CANCER_CHAINS], chain), pick(column("death_causes", "direct_2"), cause)))
    lag = np.where(rng.random(n) < 0.05, rng.integers(60, 180, n), rng.integers(2, 45, n)).astype("timedelta64[D]")
    registered = day + lag
    at_hospital = rng.random(n) < np.where(by_tumour, 0.45, 0.3)
    county = who.county[person]
    level = draw(rng, (45, 30, 14, 6, 5), n)
    lines: dict[str, Text] = {}
    for name, text in _chain(underlying, direct, between).items():
        known = text.is_valid().to_numpy(zero_copy_only=False) & (rng.random(n) < 0.5)
        lines |= {name: text, name.replace("_code", "_interval"): keep(pick(INTERVALS, rng.integers(len(INTERVALS), size=n)), known)}
    tumour_name = join("恶性肿瘤（", pa.array(tumour), "）")
    reporters = [f"{c.name}疾病预防控制中心（合成）" for c in counties()]
    columns = {
        "certificate_no": join("SW", dates(registered, "%Y"), padded(np.arange(n), 7)),
        **who.columns(person, ORGANISATION, registered),
        "death_date": dates(day),
        "death_place_code": pick(PLACES, np.where(at_hospital, 0, 1 + draw(rng, (4, 84, 5, 7), n))),
        "death_county_code": pick([c.code for c in counties()], county),
        **lines,
        "other_condition_codes": keep(empty_as_null(pick(column("death_causes", "other"), cause)), ~by_tumour & (rng.random(n) < 0.4)),
        "underlying_cause_code": underlying,
        "underlying_cause_name": either(tumour_name, pick(names, cause)),
        "diagnosis_level_code": pick("12349", level),
        "diagnosis_basis_code": pick("24569", np.where(by_tumour, draw(rng, (62, 26, 9, 1, 2), n), draw(rng, (1, 55, 32, 8, 4), n))),
        "reporting_organisation_name": pick(reporters, county),
        "registered_date": dates(registered),
    }
    columns["mobile_phone"] = keep(columns["mobile_phone"], rng.random(n) < 0.3)
    return Held(records(ORGANISATION, "death_registration", columns, who.true_person(person), registered), person)


def _builder(people: People, life: Lives, seed: int) -> Iterator[Records]:
    yield death_registry(life, *everybody(people, life, seed), seed).records


BUILDERS = {ORGANISATION: _builder}
