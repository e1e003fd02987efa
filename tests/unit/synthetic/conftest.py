"""One province of 5,000 residents for all tests of the generator."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingestion.synthetic.province import generate
from tests.unit.synthetic.delivered import Delivered, delivered_files

SCALE, SEED = 3_000, 7


@pytest.fixture(scope="session")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("province")
    generate(out, SCALE, SEED)
    return out


@pytest.fixture(scope="session")
def files(province: Path) -> list[Delivered]:
    return list(delivered_files(province / "landing"))


@pytest.fixture(scope="session")
def planted(province: Path) -> list[dict]:
    return pq.read_table(province / "truth" / "planted_faults.parquet").to_pylist()


@pytest.fixture(scope="session")
def dirty(planted: list[dict]) -> dict[tuple, set[str]]:
    """Faults by file and row."""
    found: dict[tuple, set[str]] = {}
    for p in planted:
        found.setdefault((p["organisation"], p["feed"], p["delivered_on"], p["file_name"], p["row"]), set()).add(p["fault"])
    return found


@pytest.fixture(scope="session")
def persons(province: Path) -> dict[tuple, int]:
    """The true person of each delivered row."""
    table = pq.read_table(province / "truth" / "record_person.parquet")
    columns = ("organisation", "feed", "delivered_on", "file_name", "row", "person_no")
    return {key[:-1]: key[-1] for key in zip(*(table[c].to_pylist() for c in columns), strict=True)}


@pytest.fixture(scope="session")
def written(province: Path) -> dict[tuple[str, int], str]:
    """Variants in which an organisation writes down a person, by organisation and person."""
    rows = pq.read_table(province / "truth" / "recorded_variant.parquet").to_pylist()
    return {(r["organisation"], r["person_no"]): r["variants"] for r in rows}
