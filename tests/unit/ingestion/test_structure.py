"""The text stage: reports of the lake through the engine, with books, evidence, checks, and nothing done twice."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from infra.settings import Settings
from ingestion import lake, ops, structure, structured_texts
from ingestion.contracts import code_list, contracts
from ingestion.structured_texts import STRUCTURED, TEXTS, Structurer, WorkerDied
from ingestion.text.structure import KINDS, Evidence, Mention, Structured
from ingestion.text.structure import Field as Said
from tests.dbt.lake_fixture import Province

FEEDS = ("imaging_report", "medical_history")


def ask(settings: Settings, query: str) -> list[tuple]:
    """Rows of a query over the stage's tables and the feeds that tests compare them with."""
    with duckdb.connect() as connection:
        schemas = lake.lake_tables()
        for name in (*structure.TABLES, *FEEDS):
            connection.register(name, lake.table(settings, lake.LAKE, name, schemas[name]).scan().to_arrow())
        return connection.execute(query).fetchall()


CT = {"imaging_type_code": "CT", "body_part_name": "胸部", "exam_date": "2025-03-01"}
FOUND = "右肺上叶见结节，约8mm。"
IMPRESSION = "右肺结节，建议随诊。"


def engine(kind: str, text: str) -> Structured:
    """Knows nodules, headings it should not be asked about, and BI-RADS; fails on a text that says so."""
    if "坏掉" in text:
        raise RuntimeError("planted")
    findings = [
        Mention(m[0], m[0], m.start(), m.end(), "finding", "affirmed", "fake.word", {"side": "right", "size": 8})
        for m in re.finditer("结节|检查所见", text)
    ]
    fields = [Said("bi_rads", m[1], None, Evidence(m.start(1), m.end(1), "fake.bi_rads"), 1) for m in re.finditer(r"BI-RADS\s*(\d[ABC]?)", text)]
    return Structured(kind, fields, findings, [{"lesion_no": 1}] if fields else [])


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engine's place is taken; the list holds every text it was asked about."""
    asked: list[str] = []

    def noted(kind: str, text: str) -> Structured:
        asked.append(text)
        return engine(kind, text)

    monkeypatch.setattr(structured_texts, "structure", noted)
    monkeypatch.setattr(structure, "ENGINE_VERSION", "1.first")
    return asked


def deliver(settings: Settings, *batches: tuple[str, str, list[dict[str, Any]]], start: int = 0) -> None:
    """Batches of (organisation, feed, rows); `start` numbers them, so that a later delivery has batches of its own."""
    province = Province(settings)
    province.batches = start
    for organisation, feed, rows in batches:
        province.deliver(organisation, feed, "2025-04-01", rows, status="loaded")
    province.close()


def reports(settings: Settings) -> list[tuple]:
    query = "select record_key, kind, text_fields, is_structured, reason_code, items, findings, lesions from text_report order by all"
    return ask(settings, query)


def everything(settings: Settings) -> dict[str, list[tuple]]:
    return {name: ask(settings, f"select * from {name} order by all") for name in structure.TABLES}


def report(number: int, findings: str | None, impression: str | None = None, **more: Any) -> dict[str, Any]:
    return {"person": "li", "report_no": f"R{number}", **CT, "findings_text": findings, "impression_text": impression, **more}


def test_every_report_is_structured_or_counted_with_the_reason(settings: Settings) -> None:
    rows = [
        report(1, FOUND, IMPRESSION),
        report(2, "未见异常。"),
        report(3, "——／"),
        report(4, "坏掉了，结节。"),
        report(5, "结节" * 10_001),
        report(6, None, " \t"),
        report(7, FOUND, _deleted=True),
    ]
    endoscopy = {"person": "li", "report_no": "E1", "exam_type_code": "bronchoscopy", "exam_date": "2025-03-01", "findings_text": "声门活动好。"}
    deliver(settings, ("H1", "imaging_report", rows), ("H1", "endoscopy_report", [endoscopy]))
    assert structure.structure(settings, "run") == {"reports": 6, "structured": 1, "items": 0, "findings": 2}
    key = "H1/imaging_report/R{}/li".format
    assert reports(settings) == [
        ("H1/endoscopy_report/E1/li", None, "findings_text", False, "no_kind", 0, 0, 0),
        (key(1), "ldct", "findings_text;impression_text", True, None, 0, 2, 0),
        (key(2), "ldct", "findings_text", False, "nothing_recognised", 0, 0, 0),
        (key(3), "ldct", "findings_text", False, "no_content", 0, 0, 0),
        (key(4), "ldct", "findings_text", False, "engine_error", 0, 0, 0),
        (key(5), "ldct", "findings_text", False, "too_long", 0, 0, 0),
    ]
    reasons = {r for (r,) in ask(settings, "select distinct reason_code from text_report where reason_code is not null")}
    assert reasons == set(code_list("text_not_structured")), "every reason of the list occurs here, and no other"


def test_evidence_points_into_the_field_it_was_read_in_and_headings_are_no_evidence(settings: Settings) -> None:
    deliver(settings, ("H1", "imaging_report", [report(1, FOUND, IMPRESSION), report(2, None, IMPRESSION)]))
    structure.structure(settings, "run")
    found = ask(
        settings,
        """select f.record_key, text_field, span_start, span_end, evidence, side_code, attributes, rule,
            case text_field when 'findings_text' then findings_text else impression_text end[span_start + 1:span_end]
        from text_finding as f inner join imaging_report using (record_key) order by 1, 2""",
    )
    said = ("结节", "right", '{"size": 8}', "fake.word", "结节")
    assert found == [
        ("H1/imaging_report/R1/li", "findings_text", 5, 7, *said),
        ("H1/imaging_report/R1/li", "impression_text", 2, 4, *said),
        ("H1/imaging_report/R2/li", "impression_text", 2, 4, *said),
    ]
    lineage = ask(settings, "select distinct _organisation, _batch, _file, feed, identity_id, kind, engine_version from text_finding")
    assert lineage == [("H1", "b001", "imaging_report_2025-04-01_001.csv", "imaging_report", "H1-li", "ldct", structure.version())]


def test_evidence_is_short_however_long_the_finding(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(kind: str, text: str) -> Structured:
        return Structured(kind, [], [Mention("all", text, 0, len(text), "finding", "affirmed", "fake.all", {})], [])

    monkeypatch.setattr(structured_texts, "structure", greedy)
    deliver(settings, ("T1", "physical_exam", [{"person": "li", "exam_no": "1", "exam_date": "2025-03-01", "chest_ct_text": "长" * 100}]))
    structure.structure(settings, "run")
    assert ask(settings, "select length(evidence), span_start, span_end from text_finding") == [(60, 0, 100)]


def test_a_text_that_many_records_hold_is_read_once(settings: Settings, fake: list[str]) -> None:
    deliver(
        settings, ("H1", "imaging_report", [report(n, FOUND) for n in range(50)]), ("H2", "imaging_report", [report(n, FOUND) for n in range(50)])
    )
    assert structure.structure(settings, "run")["findings"] == 100
    assert fake == [f"检查所见：{FOUND}"]


def test_texts_of_one_record_with_kinds_of_their_own_are_reports_of_their_own(settings: Settings, fake: list[str]) -> None:
    texts = {"breast_us_text": "右乳结节，BI-RADS 4A类", "chest_ct_text": "结节", "past_history_text": "结节", "family_history_text": "母亲患病"}
    deliver(settings, ("T1", "physical_exam", [{"person": "li", "exam_no": "1", "exam_date": "2025-03-01", **texts}]))
    structure.structure(settings, "run")
    assert {(r[1], r[2]) for r in reports(settings)} == {
        ("breast_ultrasound", "breast_us_text"),
        ("ldct", "chest_ct_text"),
        ("clinical_note", "past_history_text;family_history_text"),
    }
    assert "既往史：结节\n家族史：母亲患病" in fake
    assert ask(settings, "select kind, item, value_text, value_number, lesion_no, text_field, evidence from text_field") == [
        ("breast_ultrasound", "bi_rads", "4A", None, 1, "breast_us_text", "4A")
    ]


KIND_CASES = [
    ("imaging_report", {"imaging_type_code": "LDCT", "body_part_name": None}, "ldct"),
    ("imaging_report", {"imaging_type_code": "CT", "body_part_name": "胸部"}, "ldct"),
    ("imaging_report", {"imaging_type_code": "CT", "body_part_name": None, "exam_item_name": "肺部CT平扫"}, "ldct"),
    ("imaging_report", {"imaging_type_code": "CT", "body_part_name": "腹部"}, "imaging"),
    ("imaging_report", {"imaging_type_code": "XRAY", "body_part_name": "胸部"}, "imaging"),
    ("imaging_report", {"imaging_type_code": "US", "body_part_name": "乳腺"}, "breast_ultrasound"),
    ("imaging_report", {"imaging_type_code": "US", "body_part_name": "肝胆胰脾"}, "liver_ultrasound"),
    ("imaging_report", {"imaging_type_code": "US", "body_part_name": "甲状腺"}, "imaging"),
    ("imaging_report", {"imaging_type_code": "MG", "body_part_name": None}, "mammography"),
    ("endoscopy_report", {"exam_type_code": "colonoscopy"}, "colonoscopy"),
    ("endoscopy_report", {"exam_type_code": "gastroscopy"}, "upper_gi_endoscopy"),
    ("endoscopy_report", {"exam_type_code": "colposcopy"}, "cervical"),
    ("endoscopy_report", {"exam_type_code": "other"}, None),
    ("pathology_report", {"specimen_text": "（宫颈）活检", "pathology_kind_code": "biopsy"}, "cervical"),
    ("pathology_report", {"specimen_text": "宫颈锥切标本", "pathology_kind_code": None}, "cervical"),
    ("pathology_report", {"specimen_text": "全子宫及宫颈", "pathology_kind_code": "resection"}, "pathology"),
    ("pathology_report", {"specimen_text": "宫颈切除标本", "pathology_kind_code": None}, "pathology"),
    ("pathology_report", {"specimen_text": "液基细胞学", "pathology_kind_code": "other"}, "cervical"),
    ("pathology_report", {"specimen_text": "（乙状结肠）活检", "pathology_kind_code": "biopsy"}, "pathology"),
    ("physical_exam", {"endoscopy_text": "肠镜：直肠息肉"}, "colonoscopy"),
    ("physical_exam", {"endoscopy_text": "慢性胃炎"}, "upper_gi_endoscopy"),
    ("visit", {"chief_complaint": "咳嗽"}, "clinical_note"),
    ("medical_history", {"family_history_text": "无"}, "clinical_note"),
    ("physical_exam", {"summary_text": "脂肪肝"}, "checkup_summary"),
    ("screening_cervical_cytology", {"diagnosis_text": "未见上皮内病变"}, "cervical"),
]


def test_the_kind_of_a_report_follows_examination_and_specimen(settings: Settings) -> None:
    batches = []
    for number, (feed, values, _) in enumerate(KIND_CASES):
        keys = {f.name: f"k{number:02}" for f in contracts()[feed].primary_key if f.in_lake and f.type == "string"}
        text = (
            {} if any(f in values for f in ("endoscopy_text", "chief_complaint", "family_history_text", "summary_text", "diagnosis_text")) else None
        )
        batches.append(
            (
                f"O{number:02}",
                feed,
                [
                    {
                        "person": "li",
                        **keys,
                        **({"findings_text": "结节"} if text is None and feed.split("_")[0] in ("imaging", "endoscopy") else {}),
                        **values,
                    }
                ],
            )
        )
    deliver(settings, *batches)
    structure.structure(settings, "run")
    found = dict(ask(settings, "select _organisation, kind from text_report"))
    assert {n: found.get(f"O{n:02}", "no report") for n in range(len(KIND_CASES))} == {n: kind for n, (_, _, kind) in enumerate(KIND_CASES)}


def test_contracts_name_kinds_of_the_engine_and_each_kind_is_named() -> None:
    named = {k.kind for c in contracts().values() for f in c.fields for k in f.report_kinds}
    assert named == set(KINDS) == set(code_list("report_kind"))
    assert not [(c.feed, f.name) for c in contracts().values() for f in c.fields if f.report_kinds and f.classification != "free_text"]


def test_a_second_run_reads_nothing_and_a_new_batch_alone_is_added(settings: Settings, fake: list[str]) -> None:
    deliver(settings, ("H1", "imaging_report", [report(1, FOUND)]))
    structure.structure(settings, "run")
    before = everything(settings)
    assert structure.structure(settings, "run")["reports"] == 0 and len(fake) == 1
    assert everything(settings) == before
    deliver(settings, ("H1", "imaging_report", [report(2, IMPRESSION)]), start=1)
    assert structure.pending(settings) == {"imaging_report": ["b002"]}
    assert structure.structure(settings, "run")["reports"] == 1
    assert ask(settings, "select _batch, count(*) from text_report group by all order by all") == [("b001", 1), ("b002", 1)]


@pytest.mark.parametrize("moment", structure.TABLES)
def test_killed_at_any_commit_and_run_again_all_is_there_once(settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    deliver(
        settings,
        ("H1", "imaging_report", [report(1, FOUND, "BI-RADS 3类"), report(2, "未见异常")]),
        ("H1", "visit", [{"person": "li", "visit_no": "1"}]),
    )
    commit = lake.commit_file

    def killed(table: lake.Table, batch_id: str, file: Any, **said: str) -> None:
        if table.name()[-1] == moment:
            raise KeyboardInterrupt
        commit(table, batch_id, file, **said)

    monkeypatch.setattr(lake, "commit_file", killed)
    with pytest.raises(KeyboardInterrupt):
        structure.structure(settings, "run")
    monkeypatch.setattr(lake, "commit_file", commit)
    deliver(settings, ("H2", "imaging_report", [report(1, FOUND)]), start=7)
    structure.structure(settings, "run")
    assert {name: len(rows) for name, rows in everything(settings).items()} == {"text_field": 1, "text_finding": 2, "text_report": 3}
    assert structure.pending(settings) == {}


def test_another_engine_reads_everything_anew_and_leaves_nothing_of_the_old(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(
        settings,
        ("H1", "imaging_report", [report(1, FOUND, "BI-RADS 3类")]),
        ("H1", "visit", [{"person": "li", "visit_no": "1", "chief_complaint": "结节"}]),
    )
    structure.structure(settings, "run")
    first = everything(settings)

    def another(kind: str, text: str) -> Structured:
        return Structured(kind, [], [Mention("other", text[-1], len(text) - 1, len(text), "finding", "affirmed", "fake.other", {})], [])

    with monkeypatch.context() as changed:
        changed.setattr(structure, "ENGINE_VERSION", "1.second")
        changed.setattr(structured_texts, "structure", another)
        assert structure.structure(settings, "run")["reports"] == 2
        assert ask(settings, "select distinct concept from text_finding") == [("other",)]
        assert ask(settings, "select distinct split_part(engine_version, '-', 1), count(*) from text_report group by all") == [("1.second", 2)]
        assert ask(settings, "select count(*) from text_field") == [(0,)]
    assert structure.structure(settings, "run")["reports"] == 2, "back to the first engine: what it once said is there no more"
    assert everything(settings) == first


def test_killed_while_the_engine_changes_the_older_words_do_not_stay(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(settings, ("H1", "imaging_report", [report(1, FOUND)]))
    structure.structure(settings, "run")
    first = everything(settings)
    monkeypatch.setattr(structure, "ENGINE_VERSION", "1.second")
    with monkeypatch.context() as killing:
        killing.setattr(structure, "_chunk", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            structure.structure(settings, "run")
    monkeypatch.setattr(structure, "ENGINE_VERSION", "1.first")
    structure.structure(settings, "run")
    assert everything(settings) == first


def checks(settings: Settings) -> dict[tuple[str, str], tuple]:
    rows = ops.rows(settings.ops_url, ops.check_result, ops.check_result.c.checkpoint == structure.CHECKPOINT)
    return {(r["organisation"], r["rule"]): (r["examined"], r["failed"], r["verdict"]) for r in rows}


def test_share_structured_errors_and_conflicts_are_checks_per_organisation_and_kind(settings: Settings) -> None:
    breast = {"imaging_type_code": "US", "body_part_name": "乳腺", "exam_date": "2025-03-01", "person": "li"}
    said = [("4A", "4A"), ("4", "4B"), ("3", "4A"), ("2", "2")]
    rows = [{**breast, "report_no": f"B{n}", "bi_rads_code": code, "impression_text": f"BI-RADS {text}类"} for n, (code, text) in enumerate(said)]
    silent = {**breast, "report_no": "B8", "bi_rads_code": "2", "impression_text": "BI-RADS未提及"}
    broken = {**breast, "report_no": "B9", "bi_rads_code": "2", "impression_text": "坏掉"}
    deliver(settings, ("H1", "imaging_report", [*rows, silent, broken]), ("H2", "imaging_report", rows[:1]))
    structure.structure(settings, "run")
    assert checks(settings) == {
        ("H1", "text_not_read.breast_ultrasound"): (6, 0, "pass"),
        ("H1", "text_not_structured.breast_ultrasound"): (6, 2, "fail"),
        ("H1", "text_engine_error.breast_ultrasound"): (6, 1, "fail"),
        ("H1", "text_conflict.breast_ultrasound.bi_rads"): (4, 1, "fail"),
        ("H2", "text_not_read.breast_ultrasound"): (1, 0, "pass"),
        ("H2", "text_not_structured.breast_ultrasound"): (1, 0, "pass"),
        ("H2", "text_engine_error.breast_ultrasound"): (1, 0, "pass"),
        ("H2", "text_conflict.breast_ultrasound.bi_rads"): (1, 0, "pass"),
    }
    assert ask(settings, "select record_key, compared_items, conflicting_items from text_report where conflicting_items is not null") == [
        ("H1/imaging_report/B2/li", "bi_rads", "bi_rads")
    ]


@pytest.mark.parametrize(
    ("code", "value", "agree"), [("4", "4A", True), ("T1", "t1b", True), ("1", "1.0", True), ("1", "12", False), ("N0", "N1", False)]
)
def test_the_coarser_of_two_sayings_agrees_with_the_finer_but_numbers_must_be_equal(code: str, value: str, agree: bool) -> None:
    assert structure._agree(code, value) is agree


def test_without_texts_the_tables_are_there_and_empty(settings: Settings) -> None:
    assert structure.structure(settings, "run")["reports"] == 0
    assert everything(settings) == dict.fromkeys(structure.TABLES, [])
    deliver(settings, ("H1", "imaging_report", [report(1, None)]), ("H1", "visit", []), ("H1", "diagnosis", []))
    assert structure.structure(settings, "run")["reports"] == 0
    assert everything(settings) == dict.fromkeys(structure.TABLES, [])
    assert structure.pending(settings) == {}


def test_workers_say_what_this_process_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.text import structure as real

    monkeypatch.setattr(structured_texts, "structure", real.structure)
    texts = [f"反复咳嗽{n}天，无发热。" for n in range(structured_texts.BATCH * 2 + 7)]
    rows = pa.table(
        {"text_no": range(len(texts)), "kind": ["clinical_note"] * len(texts), "text": texts, "pieces": ["chief_complaint:0:40"] * len(texts)}
    ).cast(TEXTS)
    with Structurer(workers=1) as alone, Structurer(workers=2, parallel_from=1) as helped:
        expected, made = alone.apply(rows), helped.apply(rows)
        assert helped.apply(rows.slice(3, 5)).equals(alone.apply(rows.slice(3, 5))), "workers answer again"
    assert made.equals(expected) and made.schema == STRUCTURED
    assert all(made["reason_code"].is_null().to_pylist())


def test_a_worker_that_dies_is_an_error_and_not_silence() -> None:
    rows = pa.table({"text_no": [0], "kind": ["imaging"], "text": ["肿块"], "pieces": ["impression_text:0:2"]}).cast(TEXTS)
    with Structurer(workers=2, parallel_from=1) as structurer:
        structurer.apply(rows)
        for worker in structurer._started:
            worker.process.kill()
            worker.process.wait()
        with pytest.raises(WorkerDied):
            structurer.apply(rows)


def test_every_text_of_a_feed_reaches_the_engine_whatever_its_neighbours_hold(settings: Settings, fake: list[str]) -> None:
    """The place of a piece follows from the texts before it: every combination of filled and empty texts."""
    fields = ("present_illness_text", "past_history_text", "personal_history_text", "family_history_text", "physical_examination_text")
    rows = []
    for n in range(1, 2 ** len(fields)):
        filled = {name: f"{'甲' * place}结节{n}" for place, name in enumerate(fields) if n >> place & 1}
        rows.append({"person": "li", "history_no": str(n), "recorded_date": "2025-03-01", **filled})
    deliver(settings, ("H1", "medical_history", rows))
    structure.structure(settings, "run")
    columns = " ".join(f"when '{name}' then {name}" for name in fields)
    query = f"select count(*), count(*) filter (where case text_field {columns} end[span_start + 1:span_end] = '结节') from text_finding"
    found = ask(settings, f"{query} inner join medical_history using (record_key)")
    assert found == [(sum(len(r) - 3 for r in rows),) * 2]
