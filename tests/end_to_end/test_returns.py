"""What organisations are told after a run, held against what the generator spoilt."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from openpyxl import load_workbook

from ingestion import ops
from ingestion.returns.wording import asks_for_nothing
from tests.end_to_end.lakehouse import Lakehouse


def test_every_planted_fault_that_somebody_can_correct_is_returned_to_its_organisation(lakehouse: Lakehouse) -> None:
    planted = (
        lakehouse.lake()
        .execute(
            "select organisation, feed, file_name, row, expected_reason_code from truth.planted_faults"
            " where row is not null and expected in ('quarantined', 'set_aside', 'repaired')"
        )
        .fetchall()
    )
    wanted = {f for f in planted if not asks_for_nothing(f[4])}
    returned = {
        (d["organisation"], d["feed"], d["file_name"], d["row"], d["reason_code"]) for d in ops.rows(lakehouse.settings().ops_url, ops.defect)
    }
    answered = {f[:2] + f[4:] for f in returned}  # the store has the last place of a defect: a record wrong in two deliveries stands once
    missing = {f for f in wanted - returned if (f[0], f[1], f[4]) not in answered}
    assert len(wanted) > 100 and missing == set()
    assert len(wanted & returned) / len(wanted) > 0.9


def test_counts_agree_in_summary_report_files_and_published_version(lakehouse: Lakehouse) -> None:
    told = {d["organisation"]: d for d in lakehouse.summary["defects"]}
    assert len(told) > 3
    published = lakehouse.published()
    page = (lakehouse.home / "reports" / "index.html").read_text(encoding="utf-8")
    for organisation, counts in told.items():
        states = dict(
            published.execute(
                "select defect_state, sum(defects) from meta_defect where source_organisation_code = ? group by 1", [organisation]
            ).fetchall()
        )
        assert {s: counts[s] for s in ("open", "overdue", "closed", "withdrawn") if counts[s]} == states
        path = lakehouse.home / counts["file"]
        rows = list(csv.DictReader(path.with_suffix(".csv").read_text(encoding="utf-8-sig").splitlines()))
        assert sum(r["状态"] in {"待处理", "已超期"} for r in rows) == counts["open"] + counts["overdue"]
        assert {"需更正", "请核对", "说明"} <= set(load_workbook(path, read_only=True).sheetnames)
        assert f'href="../{counts["file"]}"' in page


def test_no_return_file_names_a_person(lakehouse: Lakehouse) -> None:
    people = lakehouse.lake().execute("select * from truth.person limit 3000").fetchdf()
    names = {str(v) for column in people.columns if "name" in column for v in people[column].dropna().unique() if len(str(v)) > 1}
    numbers = {str(v) for column in people.columns if "card" in column or "phone" in column for v in people[column].dropna().unique()}
    text = "\n".join(p.read_text(encoding="utf-8-sig") for p in sorted(Path(lakehouse.home / "returns").rglob("*.csv")))
    assert text and [n for n in numbers if n in text] == []
    assert len([n for n in names if n in text]) == 0


def test_expected_deliveries_are_check_results_of_the_published_version(lakehouse: Lakehouse) -> None:
    due = lakehouse.summary["deliveries"]
    verdicts = dict(
        lakehouse.published()
        .execute("select verdict, count(*) from meta_check_result where checkpoint = 'delivery' and rule = 'expected_delivery' group by 1")
        .fetchall()
    )
    assert due["due"] == sum(verdicts.values()) > 20
    assert verdicts.get("fail", 0) == len(due["late"]) + len(due["missing"])
    assert json.dumps(due, ensure_ascii=False).count("应于") == verdicts.get("fail", 0)
