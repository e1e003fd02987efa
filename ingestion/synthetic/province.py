"""A whole synthetic province: live the lives, write what each source would deliver, keep the truth beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ingestion.synthetic.checkup import exam_records
from ingestion.synthetic.deliver import Post
from ingestion.synthetic.hospital import Hospital
from ingestion.synthetic.life import Life
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, populate
from ingestion.synthetic.questionnaire import questionnaires, survey_numbers
from ingestion.synthetic.records import Records
from ingestion.synthetic.reference import reference_records
from ingestion.synthetic.screening import colonoscopy_records, fit_records, follow_up_records
from ingestion.synthetic.truth import Truth
from ingestion.synthetic.visits import HOSPITALS

MARKER = "SYNTHETIC"
LOCAL_NUMBERS = {"patient": "patient_no", "physical_exam": "client_no"}


class NotOurs(RuntimeError):
    """The output folder holds something that this program did not write."""


def all_records(people: People, life: Life, seed: int) -> Iterator[Records]:
    """Every feed of every organisation, one at a time."""
    yield from reference_records(seed)
    yield questionnaires(people, life, seed)
    yield fit_records(people, life, seed)
    yield from colonoscopy_records(people, life, seed)
    yield follow_up_records(people, life, seed)
    yield exam_records(people, life, seed)
    for number in range(len(HOSPITALS)):
        yield from Hospital(people, life, number, seed).feeds()


def clear(out: Path) -> None:
    """Make room for a new province. Raises NotOurs for a folder with other content."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise NotOurs(f"{out} is not empty and holds no {MARKER} marker; choose another folder")
        for name in ("landing", "systems", "truth"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)


def generate(out: Path, scale: int, seed: int) -> dict[str, int]:
    """Write landing, truth and marker; returns the number of files and rows. The same scale and seed give the same bytes."""
    clear(out)
    (out / MARKER).write_text(f"synthetic data, no real person: scale={scale} seed={seed}\n本目录全部为合成数据\n", encoding="utf-8")
    people = populate(seed, scale)
    life = live(people, seed)
    truth = Truth(out / "truth")
    post = Post(out / "landing", truth, seed)
    surveyed = np.flatnonzero(people.is_surveyed)
    truth.references("NP14", surveyed, survey_numbers(surveyed))
    for made in all_records(people, life, seed):
        if made.feed in LOCAL_NUMBERS:
            person, first = np.unique(made.person, return_index=True)
            truth.references(made.organisation, person, made.table[LOCAL_NUMBERS[made.feed]].combine_chunks().take(first))
        post.deliver(made)
    truth.close(people, life, seed=seed, scale=scale)
    return {"files": len(truth.files), "rows": sum(int(str(f["rows"])) for f in truth.files)}
