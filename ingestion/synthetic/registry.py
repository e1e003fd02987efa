"""The cancer registry: tumours of the programme's residents and of everybody else, late, incomplete and sometimes twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from ingestion.contracts import contract
from ingestion.synthetic.calibration import column, numbers, rows, share
from ingestion.synthetic.cells import DAY, NEVER, Text, choose, constant, dates, days, draw, join, keep, missing, padded, pick, stream, whole
from ingestion.synthetic.life import CANCERS, Lives, histologies, sites, stages
from ingestion.synthetic.people import FEMALE, MALE, People
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import NOBODY, Records, records
from ingestion.synthetic.strangers import NO_TUMOUR, Strangers, other_people

ORGANISATION = "CR14"
FIRST_DAY, FOLLOWED_UP = np.datetime64("2021-01-01"), np.datetime64("2024-11-30")
# Rows of the code list diagnosis_basis.
CERTIFICATE, CLINICAL, IMAGING, CYTOLOGY, HISTOLOGY = "0", "1", "2", "5", "7"
# Behaviour 2 is coded in chapter D of ICD-10.
IN_SITU = {"C34": "D02.2", "C50": "D05.1", "C15": "D00.1", "C16": "D00.2", "C18": "D01.0", "C19": "D01.1", "C20": "D01.2", "C53": "D06.9"}
# Where ICD-10 names a disease of the blood or an unknown site, ICD-O-3 names a place.
TOPOGRAPHY = {"C85.9": "C77.9", "C95.9": "C42.1", "C80": "C80.9"}
STAGE_GROUPS = ("0", "I", "II", "III", "IV")


@dataclass(frozen=True)
class Everybody:
    """The programme's people, then the strangers; `person` of a tumour or death is the position here."""

    cohort: People
    others: Strangers

    @property
    def birth(self) -> np.ndarray:
        return np.r_[self.cohort.birth, self.others.birth]

    @property
    def county(self) -> np.ndarray:
        return np.r_[self.cohort.county, self.others.county]

    def true_person(self, person: np.ndarray) -> np.ndarray:
        """Position in People, NOBODY for strangers."""
        return np.where(person < len(self.cohort), person, NOBODY)

    def columns(self, person: np.ndarray, source: str, day: np.ndarray) -> dict[str, Text]:
        """Who records are about, as a source wrote it down on a day."""
        known = person < len(self.cohort)
        stranger = person[~known] - len(self.cohort)
        index, others = pa.array(stranger), self.others
        theirs = {
            "person_name": others.name.take(index),
            "id_card_no": others.id_card.take(index),
            "sex_code": whole(others.sex[stranger]),
            "birth_date": dates(others.birth[stranger]),
            "mobile_phone": others.phone.take(index),
            "residence_address": others.address.take(index),
        }
        ours = as_recorded(self.cohort, person[known], source, day=day[known])
        order = pa.array(np.argsort(np.r_[np.flatnonzero(known), np.flatnonzero(~known)], kind="stable"))
        return {name: pa.concat_arrays([ours[name], text]).take(order) for name, text in theirs.items()}


@dataclass
class Tumours:
    """One entry per tumour; texts are codes. `stage_group` is -1 where nobody staged it; death_date is missing for the living."""

    person: np.ndarray
    incidence_date: np.ndarray
    icd10: np.ndarray
    morphology: np.ndarray
    t: np.ndarray
    n: np.ndarray
    m: np.ndarray
    stage_group: np.ndarray
    laterality: np.ndarray
    screened: np.ndarray
    death_date: np.ndarray
    died_of: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def take(self, at: np.ndarray) -> Tumours:
        """Some of the tumours, in the order given."""
        return Tumours(**{f.name: getattr(self, f.name)[at] for f in fields(self)})


def _joined(parts: list[Tumours]) -> Tumours:
    return Tumours(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Tumours)})


def _of(rows_: tuple[dict[str, str], ...], key: str, at: np.ndarray) -> np.ndarray:
    return np.array([r[key] for r in rows_])[at]


def _side(cancer: str, site: np.ndarray) -> np.ndarray:
    """Laterality of paired organs: 1 right, 2 left, 0 for the others."""
    labels = np.array([s["name_zh"][0] for s in sites(cancer)])[site] if cancer in {"lung", "breast"} else np.full(len(site), "")
    return np.where(labels == "右", "1", np.where(labels == "左", "2", np.where(labels == "", "0", "9")))


def _six(cancer: str, person: np.ndarray, day: np.ndarray, site: np.ndarray, stage: np.ndarray, histology: np.ndarray, **more: np.ndarray) -> Tumours:
    """Tumours of one of the six cancers."""
    return Tumours(
        person=person,
        incidence_date=day.astype(DAY),
        icd10=_of(sites(cancer), "icd10", site),
        morphology=_of(histologies(cancer), "code", histology),
        t=_of(stages(cancer), "t", stage),
        n=_of(stages(cancer), "n", stage),
        m=_of(stages(cancer), "m", stage),
        stage_group=_of(stages(cancer), "group", stage).astype(int),
        laterality=_side(cancer, site),
        **more,
    )


def _of_the_programme(people: People, life: Lives, rng: np.random.Generator) -> list[Tumours]:
    """Tumours of residents and of the patients from elsewhere."""
    found = []
    for cancer in CANCERS:
        c = life.cancers[cancer]
        at = np.flatnonzero(c.has_cancer & (c.diagnosis_date >= FIRST_DAY))
        found.append(
            _six(
                *(cancer, at, c.diagnosis_date[at], c.site[at], c.tnm[at], c.histology[at]),
                screened=c.route[at] == 1,
                death_date=life.death_date[at],
                died_of=c.died_of[at],
            )
        )
    # what else residents had before they were asked
    at = np.flatnonzero(life.known_other_cancer)
    day = np.datetime64("2015-06-01") + days(rng, 0, 3100, len(at))
    kinds = [i for i, r in enumerate(rows("registry_tumours")) if not r["cancer"]]
    kind = np.zeros(len(at), dtype=np.int64)
    for sex, weight in ((MALE, "male_per_100k"), (FEMALE, "female_per_100k")):
        members = people.sex[at] == sex
        kind[members] = np.array(kinds)[draw(rng, np.array(numbers("registry_tumours", weight))[kinds], int(members.sum()))]
    late = (day >= FIRST_DAY) & (missing(life.death_date[at]) | (life.death_date[at] > day))
    found.append(_other(at[late], day[late], kind[late], life.death_date[at][late], np.zeros(int(late.sum()), dtype=bool)))
    return found


def _other(person: np.ndarray, day: np.ndarray, kind: np.ndarray, death: np.ndarray, died_of: np.ndarray) -> Tumours:
    """Tumours beside the six cancers; nobody stages them here."""
    n = len(person)
    codes = [f"{m}/{b}" for m, b in zip(column("registry_tumours", "morphology"), column("registry_tumours", "behaviour"), strict=True)]
    return Tumours(
        person=person,
        incidence_date=day.astype(DAY),
        icd10=np.array(column("registry_tumours", "icd10"))[kind],
        morphology=np.array(codes)[kind],
        t=np.full(n, ""),
        n=np.full(n, ""),
        m=np.full(n, ""),
        stage_group=np.full(n, -1),
        laterality=np.full(n, "9"),
        screened=np.zeros(n, dtype=bool),
        death_date=death,
        died_of=died_of,
    )


def _of_others(others: Strangers, first: int) -> list[Tumours]:
    """Tumours of strangers; their positions begin at `first`."""
    found, cancers = [], np.array([*column("registry_tumours", "cancer"), "-"])[others.tumour]
    for cancer in CANCERS:
        at = np.flatnonzero(cancers == cancer)
        found.append(
            _six(
                *(cancer, first + at, others.incidence_date[at], others.site[at], others.stage[at], others.histology[at]),
                screened=np.zeros(len(at), dtype=bool),
                death_date=others.death_date[at],
                died_of=others.died_of_tumour[at],
            )
        )
    at = np.flatnonzero((cancers == "") & (others.tumour != NO_TUMOUR))
    found.append(_other(first + at, others.incidence_date[at], others.tumour[at], others.death_date[at], others.died_of_tumour[at]))
    return found


def tumours(people: People, life: Lives, others: Strangers, seed: int) -> Tumours:
    """Every tumour diagnosed since 2021, whether the registry hears of it or not, by day of diagnosis."""
    rng = stream(seed, "tumours")
    found = _joined([*_of_the_programme(people, life, rng), *_of_others(others, len(people))])
    return found.take(np.lexsort((found.person, found.incidence_date)))


@dataclass(frozen=True)
class Registered:
    """What a reviewer sees of a registry's records: whose they are (position in Everybody), name and number."""

    organisation: str
    feed: str
    person: np.ndarray
    name: Text
    number: Text
    known_on: np.ndarray


@dataclass(frozen=True)
class Held:
    """Records of a registry, and whose they are: positions in Everybody."""

    records: Records
    person: np.ndarray

    def registered(self) -> Registered:
        """What a reviewer sees."""
        made = self.records
        key = contract(made.feed).primary_key[0].name
        name, number = (made.table[column].combine_chunks() for column in ("person_name", key))
        return Registered(made.organisation, made.feed, self.person, name, number, made.known_on)


def cancer_registry(who: Everybody, all_tumours: Tumours, seed: int) -> Held:
    """What the registry holds: most tumours by report, some by their death certificate alone, some twice, some never."""
    rng = stream(seed, "cancer registry")
    n = len(all_tumours)
    missed = rng.random(n) < share("registry_missed_pct")
    by_death = missed & all_tumours.died_of & ~missing(all_tumours.death_date)
    kept = np.flatnonzero(~missed | by_death)
    twice = kept[(rng.random(len(kept)) < share("registry_duplicate_pct")) & ~missed[kept]]
    is_again = np.r_[np.zeros(len(kept), dtype=bool), np.ones(len(twice), dtype=bool)]
    at = np.r_[kept, twice]
    found, by_death = all_tumours.take(at), by_death[at]
    n = len(found)
    traced = by_death & (rng.random(n) < share("registry_traced_pct"))
    certificate_only = by_death & ~traced

    incidence = np.where(certificate_only, found.death_date, found.incidence_date).astype(DAY)
    incidence = np.where(is_again & ~certificate_only, incidence + days(rng, 0, 40, n), incidence).astype(DAY)
    incidence = np.where(~missing(found.death_date) & (incidence > found.death_date), found.death_date, incidence).astype(DAY)
    reported = incidence + days(rng, 8, 120, n)
    reported = np.where(by_death, found.death_date + days(rng, 20, 90, n), reported).astype(DAY)
    registered = (reported + days(rng, 20, 210, n)).astype(DAY)
    # before its first delivery the registry asks once more who has died
    seen = np.maximum(registered, FOLLOWED_UP)
    dead = ~missing(found.death_date) & (found.death_date < seen)
    contact = np.where(dead, found.death_date, np.maximum(incidence, seen - days(rng, 3, 60, n))).astype(DAY)

    without = rng.random(n) < share("registry_no_morphology_pct")
    basis = np.select(
        [certificate_only, without & (rng.random(n) < 0.25), without & (rng.random(n) < 0.8), without],
        [CERTIFICATE, CLINICAL, IMAGING, CYTOLOGY],
        HISTOLOGY,
    )
    no_histology = np.isin(basis, (CERTIFICATE, CLINICAL, IMAGING))
    morphology = np.where(no_histology, "8000/3", found.morphology)
    behaviour = np.array([m[-1] for m in morphology], dtype="U1")
    organ = np.array([c[:3] for c in found.icd10], dtype="U3")
    icd10 = np.where(behaviour == "2", np.array([IN_SITU.get(o, o) for o in organ]), found.icd10)
    staged = (found.stage_group >= 0) & ~certificate_only & (rng.random(n) < 0.82)
    # what carries no invasion has no other stage
    in_situ = behaviour == "2"
    t, nodes, m = (np.where(in_situ, instead, value) for instead, value in (("Tis", found.t), ("N0", found.n), ("M0", found.m)))
    group = np.where(staged, np.where(in_situ, 0, found.stage_group), len(STAGE_GROUPS))
    source = np.select(
        [certificate_only, traced, found.screened & (rng.random(n) < 0.5), is_again],
        ["death", "trace_back", "screening", np.where(rng.random(n) < 0.5, "insurance", "pathology")],
        "hospital",
    )
    at_hospital = rng.integers(7, size=n)
    reporters = [*(f"H14{k:02d}" for k in range(1, 8)), "疾控中心（合成）"]
    paired = np.isin(organ, ("C34", "C50"))
    columns = {
        "case_no": join("ZL14", dates(registered, "%Y"), padded(np.arange(n), 7)),
        **who.columns(found.person, ORGANISATION, registered),
        "reporting_organisation_name": pick(reporters, np.where(np.isin(source, ("hospital", "pathology", "screening")), at_hospital, 7)),
        "report_source_code": pa.array(source),
        "incidence_date": dates(incidence),
        "icd10_code": pa.array(icd10),
        "topography_code": pa.array([TOPOGRAPHY.get(c, c) for c in found.icd10.tolist()], pa.string()),
        "morphology_code": pa.array(np.array([code[:4] for code in morphology], dtype="U4")),
        "behaviour_code": pa.array(behaviour),
        "grade_code": pick("1239", np.where(no_histology | in_situ, 3, draw(rng, (14, 38, 30, 18), n))),
        "laterality_code": pick("0129", np.where(paired, np.searchsorted(["0", "1", "2", "9"], found.laterality), 0)),
        "diagnosis_basis_code": pa.array(basis),
        "t_category": keep(pa.array(t), staged & (t != "")),
        "n_category": keep(pa.array(nodes), staged & (nodes != "")),
        "m_category": keep(pa.array(m), staged & (m != "")),
        "stage_group_code": pick([*STAGE_GROUPS, "9"], group),
        "primary_number": constant("1", n),
        "vital_status_code": choose(dead, constant("2", n), "1"),
        "last_contact_date": dates(contact),
        "death_date": dates(np.where(dead, found.death_date, NEVER)),
        "death_icd10_code": keep(pa.array(found.icd10), dead & found.died_of),
        "reported_date": dates(reported),
        "registered_date": dates(registered),
    }
    columns["mobile_phone"] = keep(columns["mobile_phone"], rng.random(n) < 0.6)
    made = records(ORGANISATION, "cancer_registry_case", columns, who.true_person(found.person), registered)
    return Held(made, found.person)


def everybody(people: People, life: Lives, seed: int) -> tuple[Everybody, Tumours]:
    """The people of the province as far as the registries hold them, and their tumours."""
    others = other_people(people, seed)
    return Everybody(people, others), tumours(people, life, others, seed)


def _builder(people: People, life: Lives, seed: int) -> Iterator[Records]:
    yield cancer_registry(*everybody(people, life, seed), seed).records


BUILDERS = {ORGANISATION: _builder}
