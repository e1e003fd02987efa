"""The regional health platform of Taiyuan: its residents' health records, and what the hospitals uploaded of their visits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import NEVER, Text, constant, dates, days, decimal, draw, flags, join, keep, missing, padded, pick, stream, whole
from ingestion.synthetic.clinic import histories
from ingestion.synthetic.habits import body, diseases, family, habits, lived, women
from ingestion.synthetic.hospital import Hospital
from ingestion.synthetic.imaging import imaging_reports
from ingestion.synthetic.laboratory import lab_results
from ingestion.synthetic.life import CANCERS, HOSPITALS, Lives, sites
from ingestion.synthetic.people import FEMALE, People
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records

ORGANISATION = "RP1401"
OPENED, LAST_UPDATE = np.datetime64("2010-01-01"), np.datetime64("2025-06-01")
# What hospitals upload, and the numbers in it that are unique only within a hospital.
UPLOADED: tuple[tuple[str, Callable[[Hospital], Records], tuple[str, ...]], ...] = (
    ("visit", Hospital.visit, ("visit_no",)),
    ("diagnosis", Hospital.diagnosis, ("diagnosis_no", "visit_no")),
    ("medical_history", histories, ("history_no", "visit_no")),
    ("lab_result", lab_results, ("report_no", "visit_no")),
    ("imaging_report", imaging_reports, ("report_no", "visit_no")),
)
SAYS_WHERE = ("visit", "diagnosis", "lab_result")
CHRONIC = {
    "has_hypertension": 2,
    "has_diabetes": 3,
    "has_coronary_disease": 4,
    "has_copd": 5,
    "has_stroke": 7,
    "has_tuberculosis": 9,
    "has_hepatitis_b": 10,
}


class Region:
    """The platform's view: its residents under its own numbers."""

    def __init__(self, people: People, life: Lives, seed: int):
        self.people, self.life, self.seed = people, life, seed
        rng = stream(seed, ORGANISATION, "residents")
        self.residents = np.flatnonzero(life.in_region)
        self.opened = OPENED + (rng.random(len(self.residents)) * (np.datetime64("2024-03-01") - OPENED).astype(int)).astype("timedelta64[D]")
        self.local = np.full(len(people), -1)
        self.local[self.residents[rng.permutation(len(self.residents))]] = np.arange(len(self.residents))

    def stream(self, *names: object) -> np.random.Generator:
        return stream(self.seed, ORGANISATION, *names)

    def patient_no(self, person: np.ndarray) -> Text:
        return join("1401", padded(self.local[person] + 1, 10))

    def patient(self) -> Records:
        person, rng, n = self.residents, self.stream("patient"), len(self.residents)
        columns = {
            "patient_no": self.patient_no(person),
            **as_recorded(self.people, person, ORGANISATION),
            "registered_date": dates(self.opened),
            "marital_status_code": pick(("10", "20", "30", "40"), draw(rng, (4, 82, 9, 5), n)),
            "occupation_code": pick(("11", "9", "14", "15", "16", "99"), draw(rng, (14, 22, 24, 24, 10, 6), n)),
            "insurance_type_code": pick(("1", "2", "7", "4"), draw(rng, (48, 44, 6, 2), n)),
        }
        return records(ORGANISATION, "patient", columns, person, np.full(n, np.datetime64("2024-06-01")) + days(rng, 0, 300, n))

    def uploaded(self, hospitals: list[Hospital], feed: str, make: Callable[[Hospital], Records], numbers: tuple[str, ...]) -> Records:
        """What all hospitals uploaded of one feed about residents of the region."""
        tables, persons, known, stated, extras = [], [], [], [], []
        for hospital in hospitals:
            made = make(hospital)
            mine = self.life.in_region[made.person]
            table = made.table.filter(pa.array(mine))
            person = made.person[mine]
            changed = {name: join(hospital.name, "-", table[name].combine_chunks()) for name in numbers}
            changed["patient_no"] = self.patient_no(person)
            for name, column in changed.items():
                table = table.set_column(table.column_names.index(name), name, column)
            if feed in SAYS_WHERE:
                table = table.append_column("visited_organisation_code", constant(hospital.name, len(person)))
            tables.append(table)
            persons.append(person)
            known.append(made.known_on[mine])
            extras.append({name: column.filter(pa.array(mine)) for name, column in made.extra.items()})
            if made.stated is not None:
                stated.append(made.stated.filter(pa.array(mine)))
        rng, person = self.stream("upload", feed), np.concatenate(persons)
        table = pa.concat_tables(tables).combine_chunks()
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        found = records(ORGANISATION, feed, columns, person, np.concatenate(known) + days(rng, 1, 12, len(person)))
        found.extra = {name: pa.concat_arrays([e[name] for e in extras]) for name in extras[0]}
        found.stated = pa.concat_tables(stated).combine_chunks() if stated else None
        return found

    def health_record(self) -> Records:
        """Health records of most residents, last updated when somebody called or they came for an examination."""
        people, life, rng = self.people, self.life, self.stream("health record")
        has = rng.random(len(self.residents)) < 0.92
        person, opened = self.residents[has], self.opened[has]
        n, woman = len(person), people.sex[person] == FEMALE
        updated = np.datetime64("2023-06-01") + days(rng, 0, int((LAST_UPDATE - np.datetime64("2023-06-01")).astype(int)), n)
        updated = np.maximum(updated, opened)
        death = life.death_date[person]
        dead = ~missing(death) & (death <= updated)
        ill = diseases(people, life, person, self.seed)
        codes, known = constant(None, n), np.zeros(n, dtype=bool)
        for key in CANCERS:
            own = life.cancers[key]
            here = own.has_cancer[person] & (own.diagnosis_date[person] < updated) & ~known
            known |= here
            codes = pa.compute.coalesce(codes, keep(pick([s["icd10"] for s in sites(key)], own.site[person].astype(np.int64)), here))
        chronic = _listed({**{code: ill[name] for name, code in CHRONIC.items()}, 6: known})
        year = updated.astype("datetime64[Y]").astype(int) + 1970
        since = whole(year - rng.integers(1, 20, n))
        high = {name: found for name, found in ill.items() if name not in ("has_hypertension", "has_diabetes", "has_coronary_disease", "has_stroke")}

        def told(share: float, where: np.ndarray | None = None) -> Text:
            answer = flags(rng.random(n) < share)
            return answer if where is None else keep(answer, where)

        measured = body(life, person, rng)
        screened = np.where(rng.random(n) < 0.3, updated - days(rng, 20, 900, n), NEVER)
        columns = {
            "record_no": join("DA1401", padded(self.local[person] + 1, 9)),
            "patient_no": self.patient_no(person),
            "created_date": dates(opened),
            "updated_date": dates(updated),
            "occupation_code": pick(("11", "9", "14", "15", "16", "99"), draw(rng, (14, 22, 24, 24, 10, 6), n)),
            "marital_status_code": pick(("10", "20", "30", "40"), draw(rng, (4, 82, 9, 5), n)),
            "blood_type_code": pick("123456", draw(rng, (24, 25, 28, 8, 10, 5), n)),
            "is_permanent_resident": told(0.95),
            **measured,
            "waist_cm": whole(np.rint(rng.normal(85, 9, n)).clip(55, 130)),
            "glucose_mmol_l": decimal(np.exp(rng.normal(np.log(5.3), 0.18, n)), 2),
            "hbsag_code": pick("012", np.where(rng.random(n) < 0.4, 0, 1 + ill["has_hepatitis_b"])),
            **habits(people, life, person, self.seed),
            "kitchen_fume_years": whole(rng.integers(0, 40, n), woman),
            "likes_hot_food": flags(lived(life, "diet_hot_scalding", person, rng.random(n) < 0.35).astype(bool)),
            "likes_salty_food": flags(lived(life, "diet_salt_preference", person, rng.integers(1, 4, n)) == 1),
            "likes_pickled_food": flags(lived(life, "diet_pickled_veg_freq", person, rng.integers(1, 5, n)) == 1),
            "exercises_weekly": told(0.4),
            "chronic_disease_codes": chronic,
            "hypertension_year": keep(since, ill["has_hypertension"]),
            "diabetes_year": keep(since, ill["has_diabetes"]),
            **{name: flags(found) for name, found in high.items()},
            "cancer_history_code": codes,
            **family(life, person),
            **women(people, life, person, self.seed),
            "has_hpv_vaccine": told(0.03, woman),
            "last_cervical_test_date": dates(np.where(woman, screened, NEVER)),
            "last_breast_test_date": dates(np.where(woman, screened + 1, NEVER)),
            "is_deceased": flags(dead),
        }
        return records(ORGANISATION, "resident_health_record", columns, person, np.maximum(updated, np.datetime64("2024-02-01")) + days(rng, 0, 5, n))


def _listed(found: dict[int, np.ndarray]) -> Text:
    """Codes of what is there, in order; 1 where nothing is."""
    ordered = dict(sorted(found.items()))
    given = np.stack(list(ordered.values()), axis=1)
    texts = pa.array(np.broadcast_to(np.array(list(ordered)), given.shape)[given]).cast(pa.string())
    offsets = pa.array(np.r_[0, np.cumsum(given.sum(axis=1))].astype(np.int32))
    codes = pa.compute.binary_join(pa.ListArray.from_arrays(offsets, texts), ";")
    return pa.compute.if_else(pa.array(given.any(axis=1)), codes, "1")


def regional_records(people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Every feed of the platform in turn."""
    region = Region(people, life, seed)
    yield region.patient()
    yield region.health_record()
    hospitals = [Hospital(people, life, number, seed) for number in range(len(HOSPITALS))]
    for feed, make, numbers in UPLOADED:
        yield region.uploaded(hospitals, feed, make, numbers)


BUILDERS = {ORGANISATION: regional_records}
