"""The validation report and Data Docs: what a QC clerk reads, and what must never stand there."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from expectations import data_docs
from expectations.gates import release_batch, run_checkpoint
from expectations.report import write_report
from infra.settings import Settings
from ingestion import ops
from ingestion.lake import LAKE, SUPPORT, append, table

from .conftest import DELIVERED, Deliver, fit_row

SECRET = "SECRETVALUE"


def fit_rows(count: int = 60, **changed: object) -> list[dict[str, object]]:
    return [fit_row(n, **changed) for n in range(count)]


def quarantine(settings: Settings, batch_id: str, organisation: str, rows: int) -> None:
    """Quarantine pointers as the loader writes them."""
    common = {
        "_source": "screening_centre",
        "_organisation": organisation,
        "_batch": batch_id,
        "_delivered_on": DELIVERED,
        "_file": "f.csv",
    }
    reason = {"feed": "screening_fit", "field": "test_date", "reason_code": "not_a_date", "reason_zh": "不是有效日期", "severity": "error"}
    found = [{**common, **reason, "_row": n, "value_class": "text"} for n in range(rows)]
    append(table(settings, LAKE, "quarantine", SUPPORT["quarantine"]), batch_id, [pa.Table.from_pylist(found, schema=SUPPORT["quarantine"])])


@pytest.fixture
def page(settings: Settings, deliver: Deliver) -> str:
    """The report of a run with a good batch, a held one, a rejected file and a repeated one; keys and codes hold a secret."""
    deliver(fit_rows(59) + [fit_row(59, fit_result_code=SECRET, screening_no=SECRET)])
    held = deliver(fit_rows(), organisation="S1402", quarantined=40)
    quarantine(settings, held, "S1402", 40)
    deliver([], organisation="S1403", status="rejected", reason_code="empty_file", reason_zh="文件为空")
    deliver([], organisation="S1404", status="duplicate")
    run_checkpoint(settings, "lake", "run-1")
    return write_report(settings, "run-1").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.S)))


def test_the_report_names_what_is_held_why_and_what_to_do(page: str) -> None:
    said = text_of(page)
    for words in (
        "部分通过：2 个批次被拦截",
        "S1402",
        "粪便免疫化学检测记录",
        "隔离行占读入行的比例不得超过 20%",
        "检查 100 项，不合格 40 项",
        "重新交付",
    ):
        assert words in said


def test_the_report_shows_books_rejected_and_repeated_files_and_reasons_of_quarantine(page: str) -> None:
    said = text_of(page)
    for words in (
        "文件为空",
        "整份拒收的文件（1 个）",
        "重复交付的文件（1 个",
        "不是有效日期 not_a_date 40",
        "✔ 平衡",
        "检测日期 test_date",
    ):
        assert words in said
    assert re.search(r"合计 4 1 1 160 120 40 25\.0%", said)


def test_books_that_do_not_balance_are_shown_as_such(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows(), rows_read=70)
    assert "✖ 不平" in text_of(write_report(settings, "run-1").read_text(encoding="utf-8"))


def test_report_and_data_docs_hold_no_outside_address_no_script_and_no_value_of_a_record(page: str, settings: Settings) -> None:
    files = [f for f in settings.reports.rglob("*") if f.is_file()]
    assert len([f for f in files if "data_docs" in f.parts]) > 4
    for file in files:
        content = file.read_text(encoding="utf-8")
        assert not re.search(r"https?://", content), file.name
        assert "<script" not in content and SECRET not in content, file.name


def test_every_link_of_the_report_leads_to_a_page_that_is_there(page: str, settings: Settings) -> None:
    for source in settings.reports.rglob("*.html"):
        for link in re.findall(r'href="([^"#]+)"', source.read_text(encoding="utf-8")):
            assert (source.parent / link).resolve().is_file(), f"{source.name} -> {link}"


def test_a_failed_check_of_the_province_heads_the_report_and_says_that_nothing_is_published(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows(), persons=False)
    run_checkpoint(settings, "lake", "run-1")
    said = text_of(write_report(settings, "run-1").read_text(encoding="utf-8"))
    assert "未通过：1 项全省严重检查不合格，本次不发布" in said
    assert "lake.identity.person_missing" in said


def test_a_good_run_passes_with_nothing_to_do_and_says_it_is_synthetic(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows(fit_value_ng_ml=10))
    run_checkpoint(settings, "lake", "run-1")
    said = text_of(write_report(settings.model_copy(update={"synthetic": True}), "run-1").read_text(encoding="utf-8"))
    assert "✔ 没有待处理事项" in said and "合成数据" in said and "2025年6月1日" in said
    assert "合成数据" not in text_of(write_report(settings, "run-1").read_text(encoding="utf-8"))


def test_a_release_by_hand_is_shown_with_its_reason(page: str, settings: Settings) -> None:
    held = ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.organisation == "S1402")[0]
    release_batch(settings, held["batch_id"], "质控员 017", "机构已说明")
    said = text_of(write_report(settings, "run-2").read_text(encoding="utf-8"))
    assert "人工放行的批次（1 个）" in said and "质控员 017" in said and "部分通过：1 个批次被拦截" in said


def test_the_report_of_an_empty_store_can_be_read(settings: Settings) -> None:
    assert "数据质控报告" in text_of(write_report(settings, "run-1").read_text(encoding="utf-8"))


def test_runs_are_listed_with_where_they_stopped_and_what_they_published(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows())
    step = {"position": 0, "seconds": 12.0, "rows": 1, "state": "done"}
    published = {
        "version": "v1", "run_id": "run-1", "as_of_date": date(2025, 6, 1), "path": "p", "tables": 3, "rows": 9, "build_fingerprint": "f",
        "published_at": ops.now(),
    }  # fmt: skip
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.run_step, [{**step, "run_id": "run-1", "step": "publish"}])
        ops.replace(connection, ops.run_step, [{**step, "run_id": "run-2", "step": "gate marts", "state": "stopped"}])
        ops.replace(connection, ops.publication, [published])
    said = text_of(write_report(settings, "run-2").read_text(encoding="utf-8"))
    assert "gate marts：关口拦停" in said and re.search(r"run-1 1 12 秒 完成 v1", said)
    assert said.index("run-2 （本次）") < said.index("run-1 1 12 秒")


def test_words_of_an_exception_are_taken_out_of_data_docs() -> None:
    page = "<head></head><b>raised an exception:<br><code >could not convert 张三</code><p>Traceback (most recent call last):\nx 张三</p>"
    assert "张三" not in data_docs.mended(page, "")


def test_the_report_is_replaced_in_one_step(settings: Settings) -> None:
    path = write_report(settings, "run-1")
    assert path == settings.reports / "index.html" and [p.name for p in Path(settings.reports).iterdir()] == ["index.html"]


def missing_delivery(organisation: str, feed: str, days: int, **changed: object) -> dict[str, object]:
    """A check result as `ingestion.deliveries` writes it."""
    return {
        "check_id": f"{organisation}{feed}{days}", "run_id": "run-1", "checkpoint": "delivery", "rule": "expected_delivery", "severity": "warning",
        "description_zh": f"{organisation} 应交，已逾期{days}天", "scope": "organisation", "organisation": organisation, "feed": feed, "examined": 1,
        "failed": 1, "observed": float(days), "verdict": "fail", "checked_at": ops.now(), **changed,
    }  # fmt: skip


def test_missing_deliveries_are_told_by_organisation_with_the_longest_delay(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows(fit_value_ng_ml=10))
    run_checkpoint(settings, "lake", "run-1")
    rows = [missing_delivery("S1402", "screening_fit", 5), missing_delivery("S1402", "screening_fit", 97)]
    late = missing_delivery("S1401", "screening_fit", 3, severity="info")
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.check_result, [*rows, late])
    said = text_of(write_report(settings, "run-1").read_text(encoding="utf-8"))
    assert "应交未交的数据（1 张表，1 个机构）" in said and "2 97 天 S1402 应交，已逾期97天；另有 1 次" in said
    assert "✔ 没有待处理事项" not in said and "通过，有 2 项警告" in said
    assert "应交数据（按机构） 0 3" in said, "a late one is a failed check and nothing to be done about"


def test_returned_defects_are_counted_by_organisation_with_a_link_to_the_file(settings: Settings) -> None:
    day = DELIVERED
    defect = {
        "source": "hospital", "organisation": "H1401", "feed": "patient", "kind": "row", "file_name": "p.csv", "delivered_on": day,
        "field": "sex_code",
        "reason_code": "out_of_range", "reason_zh": "超出合理范围", "severity": "error", "value_class": "number", "batch_id": "b", "load_no": 1,
        "first_seen": day, "returned_on": day, "deadline": day,
    }  # fmt: skip
    file = settings.home / "returns" / "H1401" / "2025-06-01.xlsx"
    file.parent.mkdir(parents=True)
    file.touch()
    with ops.transaction(settings.ops_url) as connection:
        states = ("open", "open", "overdue", "closed")
        ops.replace(connection, ops.defect, [{**defect, "defect_id": f"d{n}", "state": s} for n, s in enumerate(states)])
        place = str(file.relative_to(settings.home))
        row = {"organisation": "H1401", "returned_on": day, "content": "c", "file": place, "written_at": ops.now()}
        ops.replace(connection, ops.defect_return, [row])
    path = write_report(settings, "run-1")
    page = path.read_text(encoding="utf-8")
    assert "H1401 2 1 1 0 2025-06-01.xlsx" in text_of(page) and "合计 2 1 1 0" in text_of(page)
    assert (path.parent / "../returns/H1401/2025-06-01.xlsx").resolve() == file and 'href="../returns/H1401/2025-06-01.xlsx"' in page


def test_the_report_leads_to_the_data_dictionary_where_there_is_one(settings: Settings) -> None:
    from ingestion import dictionary

    assert dictionary.PAGE not in write_report(settings, "run-1").read_text(encoding="utf-8")
    (settings.home / "docs").mkdir(parents=True)
    (settings.home / "docs" / dictionary.PAGE).touch()
    assert f'href="../docs/{dictionary.PAGE}"' in write_report(settings, "run-1").read_text(encoding="utf-8")
