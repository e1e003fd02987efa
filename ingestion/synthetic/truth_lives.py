"""The truth about people's lives: one row per person and cancer, every screening test, families, and how sources write people down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.synthetic.cells import missing
from ingestion.synthetic.life import (
    CHANNELS,
    HOSPITALS,
    MODALITIES,
    ORGANISATIONS_OF_SOURCE,
    POSITIVE,
    ROUTES,
    SOURCES,
    CancerLife,
    Lives,
    histologies,
    metastasis_sites,
    sites,
    stages,
)
from ingestion.synthetic.life_rules import RULE_SETS, upper_gi_literal
from ingestion.synthetic.people import People
from ingestion.synthetic.recorded import VARIANTS, variants

STATES = ("none", "low", "high", "cancer")
RESULTS = ("", "negative", "positive", "invalid", "no_result", "incomplete")


def _named(names: Iterable[str], index: np.ndarray, where: np.ndarray | None = None) -> pa.Array:
    """Names by position, as a dictionary; null where `where` is false or the position is negative."""
    keep = index >= 0 if where is None else (index >= 0) & where
    return pa.DictionaryArray.from_arrays(pa.array(np.where(keep, index, 0).astype(np.int16), mask=~keep), pa.array(list(names)))


def _days(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.date32())


def cancer_state(people: People, lives: Lives, cancer: CancerLife) -> pa.Table:
    """One row per person whom a cancer concerns: judged, tested, with a precursor, or with the cancer."""
    n = len(people)
    tests = cancer.tests
    first, positive = np.full(n, -1), np.zeros(n, dtype=bool)
    first[tests.person[::-1]] = np.arange(len(tests))[::-1]
    positive[tests.person[tests.result == POSITIVE]] = True
    person = np.flatnonzero(cancer.eligible | (first >= 0) | (cancer.state > 0) | cancer.has_cancer)
    own, test = cancer.has_cancer[person], first[person]
    screened, at = test >= 0, np.maximum(test, 0)
    if not len(tests):
        at = np.zeros(0, dtype=np.int64)
    literal = upper_gi_literal(people, lives.risk) & cancer.eligible if cancer.cancer == "upper_gi" else cancer.high_risk

    def of_test(values: np.ndarray) -> np.ndarray:
        return values[at].astype(np.int64) if len(tests) else np.full(len(person), -1)

    places = [name for names in ORGANISATIONS_OF_SOURCE for name in names]
    starts = np.cumsum([0, *(len(names) for names in ORGANISATIONS_OF_SOURCE)])
    options, rows = stages(cancer.cancer), np.arange(len(person))
    stage = cancer.tnm[person].astype(np.int64)
    columns = {
        "person_no": pa.array(person.astype(np.int32)),
        "cancer": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), dtype=np.int8)), pa.array([cancer.cancer])),
        "is_eligible": pa.array(cancer.eligible[person]),
        "channel": _named(CHANNELS, cancer.channel[person].astype(np.int64)),
        "rule_set": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), dtype=np.int8)), pa.array([RULE_SETS[cancer.cancer]])),
        "is_high_risk": pa.array(cancer.high_risk[person]),
        "is_high_risk_read_literally": pa.array(literal[person]),
        "is_invited": pa.array(cancer.invited[person]),
        "is_declined": pa.array(cancer.declined[person]),
        "is_screened": pa.array(screened),
        "first_test_date": _days(
            np.where(screened, tests.day[at], np.datetime64("NaT")) if len(tests) else np.full(len(person), np.datetime64("NaT"))
        ),
        "screening_source": _named(SOURCES, of_test(tests.source), screened),
        "screening_organisation": _named(places, starts[of_test(tests.source)] + of_test(tests.organisation), screened),
        "is_positive": pa.array(positive[person], mask=~screened),
        "state": _named(STATES, cancer.state[person].astype(np.int64)),
        "onset_date": _days(cancer.onset_date[person]),
        "has_cancer_diagnosis": pa.array(own),
        "route": _named(ROUTES, cancer.route[person].astype(np.int64), own),
        "diagnosis_date": _days(cancer.diagnosis_date[person]),
        "organ": _named([r["organ"] for r in sites(cancer.cancer)], cancer.site[person].astype(np.int64), cancer.state[person] > 0),
        "site_icd10_code": _named([r["icd10"] for r in sites(cancer.cancer)], cancer.site[person].astype(np.int64), cancer.state[person] > 0),
        **{f"{part}_category": _named([r[part] for r in options], stage, own) for part in "tnm"},
        "stage": _named([r["stage"] for r in options], stage, own),
        "stage_group": pa.array(cancer.stage_group[person], mask=~own),
        "morphology_code": _named([r["code"] for r in histologies(cancer.cancer)], cancer.histology[person].astype(np.int64), own),
        "hospital": _named(HOSPITALS, cancer.hospital[person].astype(np.int64)),
        "workup_date": _days(cancer.workup_date[person]),
        **{
            f"{kind}_date": _days(getattr(cancer, f"{kind}_date")[person])
            for kind in ("neoadjuvant", "surgery", "resection", "systemic", "radiotherapy", "interventional", "recurrence")
        },
        "first_treatment_date": _days(np.where(own, cancer.first_treatment[person], np.datetime64("NaT"))),
        "recurrence_icd10_code": _named(
            [r["icd10"] for r in metastasis_sites()], cancer.recurrence_site[person].astype(np.int64), ~missing(cancer.recurrence_date[person])
        ),
        "died_of_this_cancer": pa.array(cancer.died_of[person]),
    }
    return pa.table(columns)


def tests_table(cancer: CancerLife) -> pa.Table:
    """Every screening test of one cancer."""
    tests = cancer.tests
    places = [name for names in ORGANISATIONS_OF_SOURCE for name in names]
    starts = np.cumsum([0, *(len(names) for names in ORGANISATIONS_OF_SOURCE)])
    return pa.table(
        {
            "person_no": pa.array(tests.person.astype(np.int32)),
            "cancer": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(tests), dtype=np.int8)), pa.array([cancer.cancer])),
            "test_date": _days(tests.day),
            "modality": _named(MODALITIES, tests.modality.astype(np.int64)),
            "result": _named(RESULTS, tests.result.astype(np.int64)),
            "category": pa.array(tests.category),
            "seen": _named(STATES, tests.seen.astype(np.int64)),
            "screening_source": _named(SOURCES, tests.source.astype(np.int64)),
            "organisation": _named(places, starts[tests.source.astype(np.int64)] + tests.organisation),
            "channel": _named(CHANNELS, tests.channel.astype(np.int64)),
            "round": pa.array(tests.round),
        }
    )


def families(people: People) -> pa.Table:
    """Pairs of people of one family: twins, father and son, and people who share a telephone number."""
    parts = []
    for relation, other in (("twin", people.twin), ("father", people.son_of), ("kin", people.kin)):
        if other is not None:
            person = np.flatnonzero(other >= 0)
            same = people.phone.take(pa.array(person)).to_numpy(zero_copy_only=False) == people.phone.take(pa.array(other[person])).to_numpy(
                zero_copy_only=False
            )
            parts.append(
                pa.table(
                    {
                        "person_no": pa.array(person.astype(np.int32)),
                        "relation": pa.repeat(pa.scalar(relation), len(person)),
                        "other_person_no": pa.array(other[person].astype(np.int32)),
                        "is_phone_shared": pa.array(same),
                    }
                )
            )
    return pa.concat_tables(parts)


def recorded_variants(people: People, persons_of: dict[str, np.ndarray]) -> pa.Table:
    """How organisations write down people otherwise than they are: organisation, person, variants joined by a semicolon."""
    labels = [";".join(name for i, name in enumerate(VARIANTS) if mask >> i & 1) for mask in range(1 << len(VARIANTS))]
    parts = []
    for organisation in sorted(persons_of):
        person = np.unique(persons_of[organisation])
        bits = variants(people, person, organisation)
        odd = bits > 0
        parts.append(
            pa.table(
                {
                    "organisation": pa.repeat(pa.scalar(organisation), int(odd.sum())),
                    "person_no": pa.array(person[odd].astype(np.int32)),
                    "variants": pa.array(labels).take(pa.array(bits[odd].astype(np.int64))),
                }
            )
        )
    return pa.concat_tables(parts)


def write_lives(folder: Path, people: People, lives: Lives) -> None:
    """cancer_state.parquet, screening_test.parquet and family.parquet, cancer by cancer."""
    for name, make in (("cancer_state", lambda c: cancer_state(people, lives, c)), ("screening_test", tests_table)):
        writer = None
        for cancer in lives.cancers.values():
            table = make(cancer).unify_dictionaries()
            table = table.cast(pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]))
            writer = writer or pq.ParquetWriter(folder / f"{name}.parquet", table.schema, compression="zstd")
            writer.write_table(table)
        if writer:
            writer.close()
    pq.write_table(families(people), folder / "family.parquet", compression="zstd")
