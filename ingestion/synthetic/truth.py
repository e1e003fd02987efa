"""The truth beside the extracts: who each record is about, how each person fares, what was planted. The pipeline never reads it."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.synthetic.calibration import column, document
from ingestion.synthetic.cells import NEVER, Text, dates, missing, pick, whole
from ingestion.synthetic.life import COLONOSCOPY, FIT, FIT_NEGATIVE, FIT_POSITIVE, HOSPITALS, NEGATIVE, POSITIVE, ROUTES, Life
from ingestion.synthetic.people import People, counties
from ingestion.synthetic.records import NOBODY, Records
from ingestion.synthetic.truth_lives import recorded_variants, write_lives

PLANTED = pa.schema(
    [
        ("organisation", pa.string()),
        ("feed", pa.string()),
        ("delivered_on", pa.date32()),
        ("file_name", pa.string()),
        ("row", pa.int64()),
        ("field", pa.string()),
        ("fault", pa.string()),
        ("expected", pa.string()),
        ("expected_reason_code", pa.string()),
    ]
)
RECORD_PERSON = pa.schema(
    [
        ("organisation", pa.dictionary(pa.int32(), pa.string())),
        ("feed", pa.dictionary(pa.int32(), pa.string())),
        ("delivered_on", pa.date32()),
        ("file_name", pa.dictionary(pa.int32(), pa.string())),
        ("row", pa.int32()),
        ("person_no", pa.int32()),
    ]
)
REPORT = pa.schema(
    [
        ("organisation", pa.string()),
        ("feed", pa.string()),
        ("report_no", pa.string()),
        ("person_no", pa.int32()),
        ("kind", pa.string()),
        ("style", pa.int8()),
        ("finding", pa.string()),
        ("site", pa.string()),
        ("laterality", pa.string()),
        ("category", pa.string()),
        ("size_mm", pa.float64()),
        ("width_mm", pa.float64()),
        ("lesion_count", pa.int32()),
        ("density", pa.string()),
        ("histology_code", pa.string()),
        ("differentiation", pa.string()),
        ("t_category", pa.string()),
        ("n_category", pa.string()),
        ("m_category", pa.string()),
        ("nodes_positive", pa.int32()),
        ("nodes_examined", pa.int32()),
        ("is_affirmed", pa.bool_()),
        ("is_uncertain", pa.bool_()),
        ("is_compared", pa.bool_()),
        ("is_copied", pa.bool_()),
        ("has_typing_error", pa.bool_()),
    ]
)
REFERENCES = pa.schema([("person_no", pa.int32()), ("organisation", pa.string()), ("local_no", pa.string())])


def organisations() -> dict[str, dict]:
    """The delivery plan by organisation."""
    return document("delivery")["organisations"]


def not_in_time(organisation: str) -> list[dict[str, str | None]]:
    """Expected deliveries of an organisation that do not come, or come late: organisation, expected, delivered (null where never)."""
    plan = organisations()[organisation]
    late = {day: came for day, came in plan.get("came_late", {}).items()} | {day: None for day in plan.get("missed", ())}
    return [{"organisation": organisation, "expected": day.isoformat(), "delivered": came and came.isoformat()} for day, came in sorted(late.items())]


def _same(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array([value]))


@dataclass
class Part:
    """What a process that delivered for some organisations knows; its larger tables lie in `folder`."""

    folder: Path
    planted: list[pa.Table]
    references: list[pa.Table]
    files: list[dict[str, object]]
    unique_records: dict[str, int]
    written_down: dict[str, list[np.ndarray]]


class Truth:
    """Collects the truth while files are written; `close` writes what is left."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._records = pq.ParquetWriter(folder / "record_person.parquet", RECORD_PERSON, compression="zstd")
        self._reports: pq.ParquetWriter | None = None
        self._planted: list[pa.Table] = []
        self._references: list[pa.Table] = []
        self.files: list[dict[str, object]] = []
        self.unique_records: dict[str, int] = defaultdict(int)
        self._written_down: dict[str, list[np.ndarray]] = defaultdict(list)

    def written_down(self, organisation: str, person: np.ndarray) -> None:
        """People whose names, numbers or addresses an organisation delivers."""
        self._written_down[organisation].append(np.unique(person[person != NOBODY]))

    def file(self, organisation: str, feed: str, delivered_on: date, file_name: str, person: np.ndarray, *, repeated: bool = False) -> None:
        """One delivered file: whom each row is about."""
        n = len(person)
        self.files.append(
            {
                "organisation": organisation,
                "feed": feed,
                "delivered_on": delivered_on.isoformat(),
                "file_name": file_name,
                "rows": n,
                "is_repeat": repeated,
            }
        )
        columns = [_same(organisation, n), _same(feed, n), pa.repeat(pa.scalar(delivered_on, pa.date32()), n), _same(file_name, n)]
        rows = pa.array(np.arange(1, n + 1, dtype=np.int32))
        self._records.write_table(pa.table([*columns, rows, pa.array(person.astype(np.int32))], schema=RECORD_PERSON), row_group_size=1 << 20)

    def planted(
        self,
        organisation: str,
        feed: str,
        delivered_on: date,
        file_names: Text,
        rows: np.ndarray,
        field: str | None,
        fault: str,
        expected: str,
        reason: str | None,
    ) -> None:
        """Faults of one kind in one delivery; rows count from 1, and are missing for a fault of a whole file."""
        n = len(rows)
        if n == 0:
            return
        columns = [
            *(pa.repeat(pa.scalar(v, pa.string()), n) for v in (organisation, feed)),
            pa.repeat(pa.scalar(delivered_on, pa.date32()), n),
            file_names,
            pa.array(rows, mask=rows < 1, type=pa.int64()),
            *(pa.repeat(pa.scalar(v, pa.string()), n) for v in (field, fault, expected, reason)),
        ]
        self._planted.append(pa.table(columns, schema=PLANTED))

    def stated(self, made: Records) -> None:
        """What the texts of reports say, in `report.parquet`: one row per report, null where the text says nothing of it."""
        given, n = made.stated, len(made)
        if given is None or n == 0:
            return
        known = {
            "organisation": pa.repeat(pa.scalar(made.organisation), n),
            "feed": pa.repeat(pa.scalar(made.feed), n),
            "report_no": made.table["report_no"].combine_chunks(),
            "person_no": pa.array(made.person.astype(np.int32)),
            **{name: given[name].combine_chunks() for name in given.column_names},
        }
        columns = [known[f.name].cast(f.type) if f.name in known else pa.nulls(n, f.type) for f in REPORT]
        self._report_writer().write_table(pa.table(columns, schema=REPORT), row_group_size=1 << 17)

    def references(self, organisation: str, person: np.ndarray, local: Text) -> None:
        """An organisation's own numbers of people."""
        table = pa.table([pa.array(person.astype(np.int32)), pa.repeat(pa.scalar(organisation), len(person)), local], schema=REFERENCES)
        self._references.append(table.filter(pa.array(person != NOBODY)))

    def part(self) -> Part:
        """Stop writing here, and hand on what was collected."""
        self._stop()
        return Part(self.folder, self._planted, self._references, self.files, dict(self.unique_records), dict(self._written_down))

    def absorb(self, part: Part) -> None:
        """Take over what another process collected, and remove its folder."""
        self._planted += part.planted
        self._references += part.references
        self.files += part.files
        for name, count in part.unique_records.items():
            self.unique_records[name] += count
        for name, persons in part.written_down.items():
            self._written_down[name] += persons
        for table in pq.ParquetFile(part.folder / "record_person.parquet").iter_batches(1 << 20):
            self._records.write_batch(
                pa.record_batch([c.cast(f.type) for c, f in zip(table.columns, RECORD_PERSON, strict=True)], schema=RECORD_PERSON)
            )
        if (part.folder / "report.parquet").exists():
            for table in pq.ParquetFile(part.folder / "report.parquet").iter_batches(1 << 17):
                self._report_writer().write_batch(table)
        shutil.rmtree(part.folder)

    def _report_writer(self) -> pq.ParquetWriter:
        if self._reports is None:
            self._reports = pq.ParquetWriter(self.folder / "report.parquet", REPORT, compression="zstd")
        return self._reports

    def _stop(self) -> None:
        self._records.close()
        if self._reports is not None:
            self._reports.close()

    def close(self, people: People, life: Life, *, seed: int, scale: int) -> None:
        """Write the tables about persons, the planted faults and the counts."""
        self._stop()
        planted = pa.concat_tables([PLANTED.empty_table(), *self._planted]).sort_by(
            [(name, "ascending") for name in ("organisation", "feed", "delivered_on", "file_name", "row", "field", "fault")]
        )
        pq.write_table(planted, self.folder / "planted_faults.parquet", compression="zstd")
        pq.write_table(_persons(people, self._references), self.folder / "person.parquet", compression="zstd")
        state = person_state(people, life)
        pq.write_table(state, self.folder / "person_state.parquet", compression="zstd")
        write_lives(self.folder, people, life)
        persons_of = {organisation: np.concatenate(found) for organisation, found in self._written_down.items()}
        pq.write_table(recorded_variants(people, persons_of), self.folder / "recorded_variant.parquet", compression="zstd")
        bowel = life.cancers["colorectum"]
        (_, fit), (_, scoped) = (bowel.tests.first(kind, len(people)) for kind in (FIT, COLONOSCOPY))
        summary = {
            "seed": seed,
            "scale": scale,
            "persons": len(people),
            "residents": people.residents,
            "surveyed": int(people.is_surveyed.sum()),
            "high_risk": int(bowel.high_risk.sum()),
            "fit_done": int(np.isin(fit, (FIT_NEGATIVE, FIT_POSITIVE)).sum()),
            "fit_positive": int((fit == FIT_POSITIVE).sum()),
            "colonoscopies": int(np.isin(scoped, (NEGATIVE, POSITIVE)).sum()),
            "cancers": int(bowel.has_cancer.sum()),
            "cancers_by_kind": {name: int(cancer.has_cancer.sum()) for name, cancer in life.cancers.items()},
            "screened_by_kind": {name: len(np.unique(cancer.tests.person)) for name, cancer in life.cancers.items()},
            "deliveries_not_in_time": [missed for organisation in organisations() for missed in not_in_time(organisation)],
            "rows": sum(int(str(f["rows"])) for f in self.files),
            "planted": dict(sorted(Counter(planted["fault"].to_pylist()).items())),
            "expected": dict(sorted(Counter(planted["expected"].to_pylist()).items())),
            "records": dict(sorted(self.unique_records.items())),
            "files": sorted(self.files, key=lambda f: tuple(str(f[k]) for k in ("organisation", "feed", "delivered_on", "file_name"))),
        }
        (self.folder / "counts.json").write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")


def _persons(people: People, references: list[pa.Table]) -> pa.Table:
    """One row per person with the own numbers that organisations gave."""
    found = pa.concat_tables([REFERENCES.empty_table(), *references])
    order = np.lexsort(
        (
            found["local_no"].to_numpy(zero_copy_only=False).astype(str),
            found["organisation"].to_numpy(zero_copy_only=False).astype(str),
            found["person_no"].to_numpy(),
        )
    )
    found = found.take(pa.array(order))
    counts = np.bincount(found["person_no"].to_numpy(), minlength=len(people))
    offsets = pa.array(np.r_[0, np.cumsum(counts)].astype(np.int32))
    pairs = pa.StructArray.from_arrays([found["organisation"].combine_chunks(), found["local_no"].combine_chunks()], ["organisation", "local_no"])
    return pa.table(
        {
            "person_no": pa.array(np.arange(len(people), dtype=np.int32)),
            "is_resident": pa.array(people.is_resident),
            "person_name": people.name,
            "id_card_no": people.id_card,
            "mobile_phone": people.phone,
            "residence_address": people.address,
            "sex_code": whole(people.sex),
            "birth_date": pa.array(people.birth),
            "county_code": pick([c.code for c in counties()], people.county),
            "references": pa.ListArray.from_arrays(offsets, pairs),
        }
    )


def person_state(people: People, life: Life) -> pa.Table:
    """One row per person: the course of colorectal screening, disease and treatment as it really was."""
    bowel = life.cancers["colorectum"]
    cancer = bowel.has_cancer
    (fit_date, fit_result), (colonoscopy_date, colonoscopy) = (bowel.tests.first(kind, len(people)) for kind in (FIT, COLONOSCOPY))
    scoped = np.isin(colonoscopy, (NEGATIVE, POSITIVE))
    tnm = {part: pick(column("tnm", part), bowel.tnm, cancer) for part in ("t", "n", "m", "stage")}

    def day(values: np.ndarray) -> pa.Array:
        return dates(values).cast(pa.date32())

    treatments = [bowel.neoadjuvant_date, bowel.surgery_date, bowel.systemic_date, bowel.resection_date]
    treated = cancer & np.any([~missing(t) for t in treatments], axis=0)
    columns = {
        "person_no": pa.array(np.arange(len(people), dtype=np.int32)),
        "is_resident": pa.array(people.is_resident),
        "survey_date": day(people.survey_date),
        "age_at_survey": pa.array(life.risk.age, mask=~people.is_surveyed),
        "is_known_cancer": pa.array(life.known_cancer(np.arange(len(people)), np.where(people.is_surveyed, people.survey_date, NEVER))),
        "is_high_risk": pa.array(bowel.high_risk),
        "nhc_2024_score": pa.array(life.risk.score, mask=~people.is_surveyed),
        **{f"points_{name}": pa.array(points, mask=~people.is_surveyed) for name, points in life.risk.points.items()},
        "is_screened": pa.array(~missing(fit_date) | scoped),
        "fit_date": day(fit_date),
        "fit_result_code": whole(fit_result, fit_result > 0),
        "colonoscopy_date": day(colonoscopy_date),
        "is_colonoscopy_done": pa.array(scoped),
        "neoplasia": pick(["none", "non_advanced_adenoma", "advanced_adenoma", "cancer"], bowel.state),
        "has_cancer_diagnosis": pa.array(cancer),
        "route": pick(ROUTES, bowel.route, cancer),
        "diagnosis_date": day(bowel.diagnosis_date),
        "site_icd10_code": pick(column("colon_sites", "icd10"), bowel.site, cancer),
        **{f"{part}_category" if part != "stage" else "stage": text for part, text in tnm.items()},
        "stage_group": whole(bowel.stage_group, cancer),
        "hospital": pick(HOSPITALS, bowel.hospital.astype(np.int64), ~missing(bowel.workup_date)),
        "workup_date": day(bowel.workup_date),
        "surgery_date": day(bowel.surgery_date),
        "systemic_treatment_date": day(bowel.systemic_date),
        "neoadjuvant_date": day(bowel.neoadjuvant_date),
        "endoscopic_resection_date": day(bowel.resection_date),
        "is_treated": pa.array(treated),
        "is_dead": pa.array(~missing(life.death_date)),
        "death_date": day(life.death_date),
        "died_of_cancer": pa.array(life.died_of_cancer),
    }
    return pa.table(columns)
