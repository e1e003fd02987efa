"""The data dictionary: everything the contracts say, nothing that a record says, and a page that stands alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from openpyxl import load_workbook

from infra.settings import Settings
from ingestion import dictionary
from ingestion.contracts import codes, contracts
from ingestion.dictionary.content import FAMILIES_ZH, gather
from ingestion.field_qc import reasons
from ingestion.mappings import all_mappings
from tests.unit.ingestion.lakehouse import load_all


@pytest.fixture
def page(settings: Settings) -> str:
    return dictionary.write(settings).read_text(encoding="utf-8")


def test_every_form_field_rule_code_list_and_reason_is_told(page: str) -> None:
    for c in contracts().values():
        assert f'<section class="form" id="{c.feed}">' in page and c.name_zh in page
        for f in c.fields:
            assert f'id="{c.feed}.{f.name}"' in page, (c.feed, f.name)
        for rule in c.rules:
            assert rule.name in page
    assert {c.list for c in codes()} == set(re.findall(r'<details class="list" id="list-([^"]+)"', page))
    assert all(r.name_zh in page and code in page for code, r in reasons().items())


def test_every_link_inside_the_page_leads_somewhere(page: str, settings: Settings) -> None:
    targets = set(re.findall(r'id="([^"]+)"', page))
    for link in re.findall(r'href="([^"]+)"', page):
        if link.startswith("#"):
            assert link[1:] in targets, link
        else:
            assert (settings.home / "docs" / link).exists(), link


def test_the_page_asks_for_nothing_from_elsewhere_and_is_well_formed(page: str) -> None:
    assert not re.search(r"https?://|<link|<img|@import|url\(", page)
    opened: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list) -> None:
            if tag not in {"meta", "input", "br"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Checker().feed(page)
    assert opened == []


def test_the_workbook_has_a_row_for_every_field_and_code(settings: Settings) -> None:
    dictionary.write(settings)
    book = load_workbook(settings.home / "docs" / dictionary.WORKBOOK, read_only=True)
    rows = {s.title: sum(1 for _ in s.iter_rows()) - 1 for s in book}
    assert rows["字段"] == sum(len(c.fields) for c in contracts().values())
    assert rows["代码表"] == len(codes())
    assert rows["数据表"] == len(contracts())


def test_every_family_has_a_chinese_name_and_every_feed_a_family() -> None:
    assert {c.source_families[0] for c in contracts().values()} <= set(FAMILIES_ZH)


def test_organisations_are_told_with_the_columns_they_deliver(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("H1", "hospital", {"surgery": {"columns": {"surgery_no": "流水号", "patient_no": "病案号", "surgery_date": "日期"}}})
    land("hospital/H1/surgery/2025-01-31/s.csv", "流水号,病案号,日期\n1,甲某,2024-05-01\n")
    load_all(settings)
    surgery = next(f for f in gather(settings).forms if f.contract.feed == "surgery")
    mine = next(s for s in surgery.sources if s.organisation == "H1")
    assert mine.columns == {"surgery_no": "流水号", "patient_no": "病案号", "surgery_date": "日期"} and mine.accepted == 1
    text = dictionary.write(settings).read_text(encoding="utf-8")
    assert "流水号" in text and "已接收 1 行" in text and "甲某" not in text


def test_answers_are_counted_where_a_version_is_published(settings: Settings) -> None:
    form = next(c for c in contracts().values() if c.is_form)
    field = form.lake_fields[0].name
    settings.serving.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.serving)) as connection:
        connection.execute(f'create table "meta_answer__{form.feed}" as select case when range < 3 then range end as "{field}" from range(5)')
    told = next(f for f in gather(settings).forms if f.contract.feed == form.feed)
    assert (told.records, told.answers) == (5, {field: 3})


def test_every_mapping_file_can_be_told() -> None:
    assert {m.organisation for m in all_mappings()} >= {"NP14", "H1401"}
