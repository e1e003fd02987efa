"""A whole synthetic province: live the lives, write what each source would deliver, keep the truth beside it."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingestion.synthetic.builders import builders
from ingestion.synthetic.deliver import Post, organisations
from ingestion.synthetic.life import Lives
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, populate
from ingestion.synthetic.questionnaire import survey_numbers
from ingestion.synthetic.records import Records
from ingestion.synthetic.truth import Part, Truth

MARKER = "SYNTHETIC"
# Two cores; a small province is quicker alone. Hospitals and the platform have most to write.
PROCESSES, SEVERAL_PROCESSES_FROM, LARGE_FIRST = 2, 30_000, "HNPSFTCDER"
LOCAL_NUMBERS = {"patient": "patient_no", "physical_exam": "client_no"}


class NotOurs(RuntimeError):
    """The output folder holds something that this program did not write."""


def records_of(organisation: str, people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Every feed that the delivery plan of an organisation names, one at a time."""
    planned = organisations().get(organisation, {"feeds": ()})["feeds"]
    if planned:
        yield from (made for make in builders()[organisation] for made in make(people, life, seed) if made.feed in planned)


def all_records(people: People, life: Lives, seed: int) -> Iterator[Records]:
    """Every feed of every organisation, one at a time."""
    for organisation in builders():
        yield from records_of(organisation, people, life, seed)


def clear(out: Path) -> None:
    """Make room for a new province. Raises NotOurs for a folder with other content."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise NotOurs(f"{out} is not empty and holds no {MARKER} marker; choose another folder")
        for name in ("landing", "systems", "truth"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Work:
    """Everything a process needs to deliver for an organisation."""

    out: Path
    people: People
    life: Lives
    seed: int

    def deliver(self, organisation: str) -> Part:
        """Write the deliveries of one organisation."""
        truth = Truth(self.out / "truth" / f".{organisation}")
        post = Post(self.out / "landing", truth, self.seed)
        for made in records_of(organisation, self.people, self.life, self.seed):
            if made.feed in LOCAL_NUMBERS:
                person, first = np.unique(made.person, return_index=True)
                truth.references(made.organisation, person, made.table[LOCAL_NUMBERS[made.feed]].combine_chunks().take(first))
            post.deliver(made)
        return truth.part()


# What forked processes find in place, so that the lives are held once.
_work: list[Work] = []


def _deliver(organisation: str) -> Part:
    return _work[-1].deliver(organisation)


def _parts(work: Work) -> Iterator[Part]:
    """The deliveries of every organisation in order; of large provinces by two processes, those with most records first."""
    names = list(builders())
    if len(work.people) < SEVERAL_PROCESSES_FROM:
        yield from map(work.deliver, names)
        return
    _work.append(work)
    try:
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
            started = {name: pool.submit(_deliver, name) for name in sorted(names, key=lambda name: (LARGE_FIRST.find(name[0]), name))}
            for name in names:
                yield started.pop(name).result()
    finally:
        _work.clear()


def generate(out: Path, scale: int, seed: int) -> dict[str, int]:
    """Write landing, truth and marker; returns the number of files and rows. The same scale and seed give the same bytes."""
    clear(out)
    (out / MARKER).write_text(f"synthetic data, no real person: scale={scale} seed={seed}\n本目录全部为合成数据\n", encoding="utf-8")
    people = populate(seed, scale)
    life = live(people, seed)
    truth = Truth(out / "truth")
    surveyed = np.flatnonzero(people.is_surveyed)
    truth.references("NP14", surveyed, survey_numbers(surveyed))
    for part in _parts(Work(out, people, life, seed)):
        truth.absorb(part)
    truth.close(people, life, seed=seed, scale=scale)
    return {"files": len(truth.files), "rows": sum(int(str(f["rows"])) for f in truth.files)}
