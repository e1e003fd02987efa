"""Registries, programme office, outreach and check-up centres go through the pipeline: what is wrong in the books is what was planted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from infra.settings import Settings
from ingestion import export, lake, load
from ingestion.field_qc import outcome
from ingestion.identity.linking import link
from ingestion.mappings import load_mapping
from ingestion.synthetic.builders import builders
from ingestion.synthetic.deliver import Post, organisations
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.truth import Truth
from tests.unit.ingestion.lakehouse import ask

SCALE, SEED = 1_500, 7
OURS = (*(f"T140{n}" for n in range(1, 8)), "CR14", "DR14", "PB14", "PG14", "NP14")


Books = dict[str, dict[str, dict[str, int]]]


def loaded(settings: Settings, folder: Path, *wanted: str) -> Books:
    """Books by organisation and feed, after everything of these organisations has been generated and loaded."""
    people = populate(SEED, SCALE)
    lives = live(people, SEED)
    truth = Truth(folder)
    post = Post(settings.extracts, truth, SEED)
    for organisation in wanted:
        planned = organisations()[organisation]["feeds"]
        for builder in builders()[organisation]:
            for made in builder(people, lives, SEED):
                if made.feed in planned:
                    post.deliver(made)
    truth.close(people, lives, seed=SEED, scale=SCALE)
    books = {}
    for organisation in wanted:
        feeds = load.load_organisation(settings, load_mapping(organisation).source, organisation, "test")["feeds"]
        books[organisation] = {feed: book for feed, book in feeds.items() if feed in organisations()[organisation]["feeds"]}
    return books


def raw_rows(settings: Settings, feed: str) -> pa.Table:
    fields = ("_organisation", "_file", "_row", "_status", "_verdicts")
    return lake.catalogue(settings).load_table((lake.RAW, feed)).scan(selected_fields=fields).to_arrow()


def test_our_organisations_load_with_balanced_books_only_planted_faults_and_their_effects(settings: Settings, tmp_path: Path) -> None:
    found = loaded(settings, tmp_path / "truth", *OURS)
    link(settings)
    export.export(settings)
    told = json.loads((tmp_path / "truth" / "counts.json").read_text(encoding="utf-8"))["records"]
    planted = pq.read_table(tmp_path / "truth" / "planted_faults.parquet").to_pylist()
    due = Counter((p["organisation"], p["feed"]) for p in planted if p["expected"] == "quarantined")
    known = {(p["organisation"], p["feed"], p["file_name"], p["row"]) for p in planted}
    assert {(o, feed) for o in found for feed in found[o]} == {(o, feed) for o in found for feed in organisations()[o]["feeds"]}
    for organisation, books in found.items():
        for feed, book in books.items():
            assert book["rows_delivered"] == book["rows_read"] + book["rows_without_record"]
            assert book["rows_read"] == book["rows_accepted"] + book["rows_quarantined"] >= told[f"{organisation} {feed}"] > 0, (organisation, feed)
            assert book["rows_quarantined"] == due[organisation, feed], (organisation, feed)
            assert book["rejected"] == sum(p["expected"] == "rejected" for p in planted if (p["organisation"], p["feed"]) == (organisation, feed))
    for feed in sorted({feed for books in found.values() for feed in books}):
        for row in raw_rows(settings, feed).to_pylist():
            said = [v.split(":") for v in (row["_verdicts"] or "").split("|") if v]
            wrong = [v for v in said if outcome(feed, v[0] or None, v[1])[0] != "info"]
            assert not wrong or (row["_organisation"], feed, row["_file"], row["_row"]) in known, (row["_organisation"], feed, wrong)
    # every cell of the population has come
    (people,) = ask(settings, "select sum(people_count) from population where population_year = 2024 and population_kind_code = 'resident'")[0]
    assert abs(people - SCALE * 5.5 * 0.9975**4) < 2
    # no certificate of a failed exam has reached the lake
    exams = ask(settings, "select count(*), count(certificate_no) filter (where is_passed = '0' or score < pass_mark) from training_exam")
    assert exams[0][0] > 1_500 and exams[0][1] == 0
    # units: whatever a centre writes, medians are those of people
    values = ", ".join(f"median({v})" for v in ("height_cm", "systolic_mmhg", "glucose_mmol_l", "creatinine_umol_l"))
    by_centre = ask(settings, f"select _organisation, {values} from physical_exam group by all")
    assert len(by_centre) == 7
    for _, height, systolic, glucose, creatinine in by_centre:
        assert 150 < height < 175 and 115 < systolic < 140 and 4.8 < glucose < 6 and (creatinine is None or 55 < creatinine < 90)
    # a resident who died is one person in questionnaire, certificate and registry
    together = """
        select count(distinct m.person_id) from death_registration as d inner join identity_map as m using (identity_id)
        where m.person_id in (select person_id from questionnaire inner join identity_map using (identity_id))
    """
    assert ask(settings, together)[0][0] >= 5


def test_the_decision_on_a_code_counts_in_the_next_delivery_of_the_centre(settings: Settings, tmp_path: Path) -> None:
    loaded(settings, tmp_path / "truth", "T1403", "PG14")
    folder = settings.extracts / "checkup" / "T1403" / "physical_exam"
    line = '{"examId": "X1", "clientId": "K1", "examDate": "01/07/2025", "hpTest": "WEAK"}\n'
    given = sorted(folder.rglob("*.jsonl"))[0].read_text(encoding="utf-8").splitlines()[0]
    record = {**dict.fromkeys(json.loads(given)), **json.loads(line)}
    later = folder / "2025-09-30"
    later.mkdir()
    (later / "exams.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    load.load_organisation(settings, "checkup", "T1403", "later")
    assert ask(settings, "select hp_result_code from physical_exam where exam_no = 'X1'") == [("1",)]
