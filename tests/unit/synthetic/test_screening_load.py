"""Generated screening goes through the pipeline: what is wrong in the lake's books is what was planted, and nothing else."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.settings import Settings
from ingestion import lake, load
from ingestion.field_qc import outcome
from ingestion.synthetic.deliver import Post
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.screening_forms import screening_records
from ingestion.synthetic.truth import Truth
from tests.unit.synthetic.screened import screened


def _raw(settings: Settings, feed: str) -> pa.Table:
    return lake.catalogue(settings).load_table(("raw", feed)).scan(selected_fields=("_file", "_row", "_status", "_verdicts")).to_arrow()


@pytest.mark.parametrize(("organisation", "family"), [("F1403", "free_screening"), ("S1402", "screening_centre")])
def test_an_organisations_feeds_load_with_balanced_books_and_only_planted_faults(
    settings: Settings, tmp_path: Path, organisation: str, family: str
) -> None:
    people = populate(7, 500)
    lives = live(people, 7)
    desk = screened(people, lives, organisation)
    truth = Truth(tmp_path / "truth")
    post = Post(settings.extracts, truth, seed=7)
    for made in screening_records(people, desk.lives, 7, organisation=organisation):
        post.deliver(made)
    truth.close(people, lives, seed=7, scale=500)
    books = load.load_organisation(settings, family, organisation, "test")["feeds"]
    told = json.loads((tmp_path / "truth" / "counts.json").read_text(encoding="utf-8"))["records"]
    planted = pq.read_table(tmp_path / "truth" / "planted_faults.parquet").to_pylist()
    due = defaultdict(set)
    for p in planted:
        if p["expected"] == "quarantined":
            due[p["feed"]].add((p["file_name"], p["row"]))
    known = {(p["feed"], p["file_name"], p["row"]) for p in planted}
    assert len(books) == 20
    for feed, book in books.items():
        raw = _raw(settings, feed)
        assert book["rows_read"] == book["rows_accepted"] + book["rows_quarantined"] == raw.num_rows
        cells = [raw[name].to_pylist() for name in ("_file", "_row", "_status", "_verdicts")]
        assert {(file, row) for file, row, status, _ in zip(*cells, strict=True) if status == "quarantined"} == due[feed], feed
        assert book["rows_read"] >= told[f"{organisation} {feed}"] > 0
        for file, row, _, verdicts in zip(*cells, strict=True):
            said = [v.split(":") for v in (verdicts or "").split("|") if v]
            wrong = [v for v in said if outcome(feed, v[0] or None, v[1])[0] != "info"]
            assert not wrong or (feed, file, row) in known, (feed, wrong)
