"""One more day for an existing province."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingestion.synthetic.deliver import organisations
from ingestion.synthetic.increment import deliver_increment
from ingestion.synthetic.province import generate
from tests.unit.synthetic.delivered import Delivered, delivered_files

ON = date(2025, 7, 1)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grown")
    generate(out, 1_500, 5)
    deliver_increment(out, 0.02, ON)
    return out


def _keys(f: Delivered) -> set[tuple]:
    names = [c.name for c in f.contract.primary_key]
    return {tuple(f.value(row, n) for n in names) for row in range(1, len(f.rows) + 1) if len(f.rows[row - 1]) == len(f.columns)}


def test_an_increment_brings_new_and_corrected_records_of_one_day(grown: Path) -> None:
    files = list(delivered_files(grown / "landing"))
    new = [f for f in files if f.delivered_on == ON]
    truth = pq.read_table(grown / "truth" / "increment_20250701.parquet").to_pylist()
    assert {f.feed for f in new} >= {"questionnaire", "visit", "diagnosis", "lab_result", "patient", "physical_exam"}
    in_files = [t for t in truth if organisations()[t["organisation"]]["feeds"][t["feed"]]["format"] != "database"]
    assert sum(len(f.rows) for f in new) == len(in_files)
    for f in new:
        if f.described.cuts_rows or not {c.name for c in f.contract.primary_key} <= set(f.mapping.columns):
            continue  # a row is not a record, or its key is made of other columns
        before = {
            key
            for old in files
            if old.delivered_on < ON and (old.organisation, old.feed) == (f.organisation, f.feed) and not old.is_resent
            for key in _keys(old)
        }
        kinds = {t["row"]: t["kind"] for t in truth if (t["organisation"], t["file_name"]) == (f.organisation, f.path.name)}
        names = [c.name for c in f.contract.primary_key]
        for row in range(1, len(f.rows) + 1):
            key = tuple(f.value(row, n) for n in names)
            if f.feed != "questionnaire":  # its key is person and date
                assert (key in before) == (kinds[row] == "corrected"), (f.path.name, row)


def test_an_increment_holds_no_date_after_its_day(grown: Path) -> None:
    for f in delivered_files(grown / "landing"):
        if f.delivered_on == ON:
            fields = [c.name for c in f.contract.fields if c.type == "date" and not c.may_be_future and c.name in f.mapping.columns]
            assert all((day := f.day(row, name)) is None or day <= ON for row in range(1, len(f.rows) + 1) for name in fields)


def test_new_diagnoses_quote_the_new_visits(grown: Path) -> None:
    new = {(f.organisation, f.feed): f for f in delivered_files(grown / "landing") if f.delivered_on == ON}
    quoted = 0
    for organisation in ("H1401", "H1402"):
        visit, diagnosis = new[organisation, "visit"], new[organisation, "diagnosis"]
        visits = {visit.value(row, "visit_no") for row in range(1, len(visit.rows) + 1)}
        renewed = {v for row in range(1, len(diagnosis.rows) + 1) if (v := diagnosis.value(row, "visit_no") or "").endswith("N0630")}
        assert renewed <= visits
        quoted += len(renewed)
    assert quoted > 3


def test_an_increment_needs_a_province(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        deliver_increment(tmp_path, 0.01, ON)
