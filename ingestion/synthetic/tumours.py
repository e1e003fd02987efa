"""What a diagnosed tumour is like beyond its stage: size, nodes, grade, receptors, genes, fitness of the patient. One entry per patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import Text, join, pick, stream
from ingestion.synthetic.life import CancerLife, Lives, histologies, sites, stages

ORGANS = ("lung", "breast", "esophagus", "stomach", "colorectum", "liver", "cervix")
ADENOCARCINOMA = ("8140", "8250", "8256", "8551", "8265")
CNLC = ("Ia", "Ib", "IIa", "IIb", "IIIa", "IIIb", "IV")
CHILD_PUGH = ("A", "B", "C")
# Shares that the literature of Chinese patients gives roughly; assumptions of this generator.
SHARES = {"er": 0.72, "pr": 0.62, "egfr": 0.48, "alk": 0.05, "kras": 0.4, "dmmr": 0.08, "her2_stomach": 0.12, "hbv": 0.8}


@dataclass
class Tumours:
    """Diagnosed tumours of one cancer, in order of person.

    person             positions in People; `row` finds them
    organ              index into ORGANS
    size_mm, width_mm  largest diameter and the one across
    positive, examined lymph nodes at operation
    grade              1 well, 2 moderately, 3 poorly differentiated
    side               1 right, 2 left (paired organs), 0 none
    er, pr, her2, fish receptor states as booleans, HER2 score 0-3, amplification of a score 2
    ki67               percent
    egfr, alk, kras, dmmr   alterations
    pd_l1              percent
    mvi                0-2, liver
    vessel, nerve      invasion
    margin             a margin with tumour
    ecog               0-2 at diagnosis
    child_pugh         0-2, liver
    nodules            tumours in the liver
    cnlc               index into CNLC
    told               whether reports print the clinical stage
    """

    cancer: str
    person: np.ndarray
    organ: np.ndarray
    size_mm: np.ndarray
    width_mm: np.ndarray
    positive: np.ndarray
    examined: np.ndarray
    grade: np.ndarray
    side: np.ndarray
    er: np.ndarray
    pr: np.ndarray
    her2: np.ndarray
    fish: np.ndarray
    ki67: np.ndarray
    egfr: np.ndarray
    alk: np.ndarray
    kras: np.ndarray
    dmmr: np.ndarray
    pd_l1: np.ndarray
    mvi: np.ndarray
    vessel: np.ndarray
    nerve: np.ndarray
    margin: np.ndarray
    ecog: np.ndarray
    child_pugh: np.ndarray
    nodules: np.ndarray
    cnlc: np.ndarray
    told: np.ndarray

    def row(self, person: np.ndarray) -> np.ndarray:
        """Entry of each person; the first entry for people without this tumour, who must be left out by the caller."""
        if len(self.person) == 0:
            return np.zeros(len(person), dtype=np.int64)
        found = np.searchsorted(self.person, person)
        found[found == len(self.person)] = 0
        return np.where(self.person[found] == person, found, 0)


@cache
def _ranges(part: str) -> dict[tuple[str, str], tuple[int, int]]:
    return {(r["organ"], r["category"]): (int(r["low"]), int(r["high"])) for r in rows("pathology_numbers") if r["part"] == part}


def _range(part: str, organ: str, category: str) -> tuple[int, int]:
    """Range of a number for a category, or for the widest category its name begins with; (0, 0) where there is none."""
    found = _ranges(part)
    for end in range(len(category), -1, -1):
        if (organ, category[:end]) in found:
            return found[organ, category[:end]]
    return (0, 0)


@cache
def organ_of_site(cancer: str) -> np.ndarray:
    """Organ of each site row of a cancer, as index into ORGANS."""
    return np.array([ORGANS.index(row["organ"]) for row in sites(cancer)])


def _between(rng: np.random.Generator, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return low + (rng.random(len(low)) * (high - low + 1)).astype(np.int64)


def tumours(life: Lives, cancer: str, seed: int) -> Tumours:
    """The tumours of everybody diagnosed with a cancer; the same for every builder that asks."""
    own: CancerLife = life.cancers[cancer]
    person = np.flatnonzero(own.has_cancer)
    n, rng = len(person), stream(seed, "tumour", cancer)
    organ = organ_of_site(cancer)[own.site[person]]
    stage = own.tnm[person]
    sizes = {
        p: np.array([_range("t", ORGANS[o], r["t"]) for r in stages(cancer) for o in range(len(ORGANS))]).reshape(-1, len(ORGANS), 2) for p in "t"
    }["t"]
    nodes = np.array([_range("n", ORGANS[o], r["n"]) for r in stages(cancer) for o in range(len(ORGANS))]).reshape(-1, len(ORGANS), 2)
    counts = np.array([_range("examined", o, "") for o in ORGANS])
    size = np.maximum(_between(rng, *sizes[stage, organ].T), 3)
    positive = _between(rng, *nodes[stage, organ].T)
    examined = np.maximum(_between(rng, *counts[organ].T), positive)
    code = np.array([r["code"].partition("/")[0] for r in histologies(cancer)] or [""])[own.histology[person]]
    adeno = np.isin(code, ADENOCARCINOMA)
    er = rng.random(n) < SHARES["er"]
    her2 = (
        rng.choice(4, n, p=(0.35, 0.3, 0.2, 0.15))
        if cancer == "breast"
        else np.where(rng.random(n) < SHARES["her2_stomach"], 3, rng.integers(0, 2, n))
    )
    egfr = adeno & (rng.random(n) < SHARES["egfr"])
    stage_names = np.array([r["stage"] for r in stages(cancer)])[stage]
    fine = rng.random(n)
    nodules = np.where(np.char.startswith(stage_names, "II"), rng.integers(2, 5, n), 1)
    child = np.searchsorted([0.78, 0.97], fine)
    cnlc = np.select(
        [child == 2, np.char.startswith(stage_names, "IV"), stage_names == "IIIB", stage_names == "IIIA", nodules > 1, size > 50],
        [6, 5, 4, 3, np.where(size > 30, 2, 1), 1],
        0,
    )
    return Tumours(
        cancer=cancer,
        person=person,
        organ=organ,
        size_mm=size,
        width_mm=np.maximum(np.rint(size * rng.uniform(0.55, 1.0, n)).astype(np.int64), 2),
        positive=positive,
        examined=examined,
        grade=np.searchsorted([0.15, 0.75], rng.random(n)) + 1,
        side=1 + (rng.random(n) < 0.48),
        er=er,
        pr=er & (rng.random(n) < SHARES["pr"] / SHARES["er"]),
        her2=her2,
        fish=(her2 == 2) & (rng.random(n) < 0.25),
        ki67=rng.integers(1, 17, n) * 5,
        egfr=egfr,
        alk=adeno & ~egfr & (rng.random(n) < 2 * SHARES["alk"]),
        kras=rng.random(n) < SHARES["kras"],
        dmmr=rng.random(n) < SHARES["dmmr"],
        pd_l1=np.where(rng.random(n) < 0.5, 0, rng.integers(1, 19, n) * 5),
        mvi=np.searchsorted([0.55, 0.85], rng.random(n)),
        vessel=rng.random(n) < np.where(positive > 0, 0.6, 0.12),
        nerve=rng.random(n) < np.where(positive > 0, 0.4, 0.1),
        margin=rng.random(n) < 0.03,
        ecog=np.searchsorted([0.5, 0.9], rng.random(n)),
        child_pugh=child,
        nodules=nodules,
        cnlc=cnlc,
        told=rng.random(n) < 0.4,
    )


def stage_text(life: Lives, cancer: str, person: np.ndarray, pattern: str = "{t}{n}{m}") -> Text:
    """T, N and M of people with the cancer, put together as the pattern says."""
    found = [pattern.format(**{k: row[k] for k in "tnm"}) for row in stages(cancer)]
    return pick(found, life.cancers[cancer].tnm[person].astype(np.int64))


def stage_group(life: Lives, cancer: str, person: np.ndarray, tumour: Tumours) -> Text:
    """Stage group in the cancer's own system: CNLC for the liver, FIGO for the cervix, AJCC 8 for the others."""
    if cancer == "liver":
        return pick(CNLC, tumour.cnlc[tumour.row(person)])
    return pick([row["stage"] for row in stages(cancer)], life.cancers[cancer].tnm[person].astype(np.int64))


SYSTEMS = {"liver": "cnlc", "cervix": "figo2018"}


def tnm_text(life: Lives, cancer: str, person: np.ndarray, prefix: Text | str) -> Text:
    return join(prefix, stage_text(life, cancer, person))
