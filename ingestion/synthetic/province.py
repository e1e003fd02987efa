"""A whole synthetic province: live the lives, write what each source would deliver, keep the truth beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ingestion.synthetic.builders import builders
from ingestion.synthetic.deliver import Post, organisations
from ingestion.synthetic.life import Lives
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, populate
from ingestion.synthetic.questionnaire import survey_numbers
from ingestion.synthetic.records import Records
from ingestion.synthetic.truth import Truth

MARKER = "SYNTHETIC"
LOCAL_NUMBERS = {"patient": "patient_no", "physical_exam": "client_no"}


class NotOurs(RuntimeError):
    """The output folder holds something that this program did not write."""


def all_records(people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Every feed that the delivery plan of an organisation names, one at a time."""
    for organisation, makers in builders().items():
        planned = organisations().get(organisation, {"feeds": ()})["feeds"]
        if planned:
            yield from (made for make in makers for made in make(people, life, seed) if made.feed in planned)


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
