"""Each hospital's dialect goes through the pipeline: what is wrong in the lake's books is what was planted, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.province import offer
from infra.settings import Settings
from ingestion import load
from ingestion.field_qc import outcome
from ingestion.mappings import load_mapping
from ingestion.synthetic.builders import builders
from ingestion.synthetic.database import put_rows
from ingestion.synthetic.deliver import Post, organisations
from ingestion.synthetic.dialects import UPDATE_TIME
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.truth import Truth
from tests.unit.ingestion.lakehouse import ask
from tests.unit.synthetic.test_programme_load import raw_rows

SCALE, SEED = 900, 7
LOADED = ("H1401", "H1402", "H1403", "H1404", "H1405", "H1406", "RP1401")


def deliver(settings: Settings, folder: Path, *wanted: str) -> tuple[dict[str, int], list[dict]]:
    """Generate what organisations deliver; the records of each feed, and the planted faults."""
    people = populate(SEED, SCALE)
    lives = live(people, SEED)
    truth = Truth(folder)
    post = Post(settings.extracts, truth, SEED)
    for organisation in wanted:
        for builder in builders()[organisation]:
            for made in builder(people, lives, SEED):
                if not made.feed.startswith("screening_"):
                    post.deliver(made)
    truth.close(people, lives, seed=SEED, scale=SCALE)
    told = json.loads((folder / "counts.json").read_text(encoding="utf-8"))["records"]
    return told, pq.read_table(folder / "planted_faults.parquet").to_pylist()


def only_planted_is_wrong(settings: Settings, organisation: str, books: dict[str, dict[str, int]], planted: list[dict]) -> None:
    known = {(p["feed"], p["file_name"], p["row"]) for p in planted if p["organisation"] == organisation}
    due = {(p["feed"], p["file_name"], p["row"]) for p in planted if p["organisation"] == organisation and p["expected"] == "quarantined"}
    found = set()
    plan = organisations()[organisation]
    for feed in books:
        if feed not in plan["feeds"]:
            continue  # a table that is only there to be joined
        for row in (r for r in raw_rows(settings, feed).to_pylist() if r["_organisation"] == organisation):
            said = [v.split(":") for v in (row["_verdicts"] or "").split("|") if v]
            wrong = [v for v in said if outcome(feed, v[0] or None, v[1])[0] != "info"]
            assert not wrong or (feed, row["_file"], row["_row"]) in known, (feed, wrong)
            if row["_status"] == "quarantined":
                found.add((feed, row["_file"], row["_row"]))
    assert found == due


@pytest.mark.parametrize("organisation", LOADED)
def test_a_dialect_loads_with_balanced_books_and_only_planted_faults(settings: Settings, tmp_path: Path, organisation: str) -> None:
    told, planted = deliver(settings, tmp_path / "truth", organisation)
    mapping = load_mapping(organisation)
    books = load.load_organisation(settings, mapping.source, organisation, "test")["feeds"]
    planned = {feed for feed in organisations()[organisation]["feeds"] if not feed.startswith("screening_")}
    for feed in planned:
        if not told.get(f"{organisation} {feed}"):
            continue
        book = books[feed]
        several = mapping.feeds[feed].unpivot or mapping.feeds[feed].explode  # records of one row
        assert several or book["rows_delivered"] == book["rows_read"] + book["rows_without_record"], feed
        assert book["rows_read"] == book["rows_accepted"] + book["rows_quarantined"] >= told[f"{organisation} {feed}"] > 0, feed
        assert book["rejected"] == 0, feed
    only_planted_is_wrong(settings, organisation, books, planted)


def test_a_database_is_pulled_dated_by_its_data_and_only_what_is_new_comes_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("H1407_DATABASE_URL", raising=False)
    (settings.extracts.parent / "SYNTHETIC").parent.mkdir(parents=True, exist_ok=True)
    (settings.extracts.parent / "SYNTHETIC").touch()
    told, planted = deliver(settings, tmp_path / "truth", "H1407")
    assert "H1407" not in load.organisations(settings, "hospital")
    offer(settings.extracts)
    assert "H1407" in load.organisations(settings, "hospital")
    books = load.load_organisation(settings, "hospital", "H1407", "first")["feeds"]
    for feed, book in books.items():
        assert book["rows_read"] == book["rows_accepted"] + book["rows_quarantined"] == told[f"H1407 {feed}"], feed
    only_planted_is_wrong(settings, "H1407", books, planted)
    landed = sorted((settings.extracts / "hospital" / "H1407").rglob("*.parquet"))
    days = {path.parent.name for path in landed}
    assert days and max(days) <= "2025-06-30"

    load.load_organisation(settings, "hospital", "H1407", "second")
    assert sorted((settings.extracts / "hospital" / "H1407").rglob("*.parquet")) == landed

    feed = load_mapping("H1407").with_defaults("visit")
    first = pq.read_table(next(path for path in landed if path.parents[1].name == "HIS_VISIT"))
    changed = first.slice(0, 1).set_column(first.column_names.index(UPDATE_TIME), UPDATE_TIME, [["2025-07-02 09:15:00"]])
    put_rows(settings.extracts.parent / "systems" / "H1407.db", feed, changed)
    load.load_organisation(settings, "hospital", "H1407", "third")
    (new,) = set((settings.extracts / "hospital" / "H1407").rglob("*.parquet")) - set(landed)
    assert new.parent.name == "2025-07-02" and "2025-07-02 09:15:00" in pq.read_table(new)[UPDATE_TIME].to_pylist()
    offer(tmp_path / "elsewhere" / "landing")
    assert "H1407" in load.organisations(settings, "hospital")  # it has landed by now


def test_a_deleted_record_is_marked_in_the_lake(settings: Settings, tmp_path: Path) -> None:
    _, planted = deliver(settings, tmp_path / "truth", "H1401")
    deleted = [p for p in planted if p["fault"] == "deleted_record"]
    load.load_organisation(settings, "hospital", "H1401", "test")
    ((marked,),) = ask(settings, "select count(*) from diagnosis where _deleted")
    assert marked == sum(p["feed"] == "diagnosis" for p in deleted) > 0
