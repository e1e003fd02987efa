"""What every contract owes, whatever feed it describes."""

from __future__ import annotations

import re

import pytest

from ingestion import field_qc, lake
from ingestion.contracts import Contract, code_list, codes, contracts
from ingestion.mappings import FOLDER, feed_of, read_mapping

ALL = list(contracts().values())
FIELDS = [(c, f) for c in ALL for f in c.fields]


@pytest.mark.parametrize("contract", ALL, ids=lambda c: c.feed)
def test_a_contract_has_a_key_a_grain_and_a_chinese_name(contract: Contract) -> None:
    assert contract.primary_key and contract.grain.endswith(".")
    assert re.search("[\u4e00-\u9fff]", contract.name_zh)


def test_every_field_is_described_in_english_and_chinese() -> None:
    assert not [(c.feed, f.name) for c, f in FIELDS if not f.description.endswith(".") or not f.name_zh]


def test_field_names_say_their_unit() -> None:
    suffix = {
        "cm": "_cm",
        "kg": "_kg",
        "mmHg": "_mmhg",
        "mmol/L": "_mmol_l",
        "ng/mL": "_ng_ml",
        "mm": "_mm",
        "U/L": "_u_l",
        "g/L": "_g_l",
        "umol/L": "_umol_l",
    }
    assert not [(c.feed, f.name, f.unit) for c, f in FIELDS if f.unit in suffix and not f.name.endswith(suffix[f.unit])]


def test_every_code_list_that_is_named_exists_and_no_code_stands_twice() -> None:
    for _, field in FIELDS:
        if field.code_list:
            assert code_list(field.code_list)
    keys = [(c.list, c.code) for c in codes()]
    assert len(keys) == len(set(keys))


def test_names_numbers_phones_and_addresses_are_classified_identifying() -> None:
    telling = re.compile("(person|doctor|interviewer|reviewer)_name|id_card|phone|address$|signature|employer")
    assert [(c.feed, f.name) for c, f in FIELDS if telling.search(f.name)]
    assert not [(c.feed, f.name) for c, f in FIELDS if telling.search(f.name) and f.classification != "identifying"]


def test_no_identifying_field_has_a_column_in_the_lake() -> None:
    kept_out = {(c.feed, f.name) for c, f in FIELDS if f.classification in {"identifying", "local_id"}}
    assert len(kept_out) > 20
    assert not [(feed, name) for feed, name in kept_out if name in lake.lake_tables()[feed].names]


def test_every_reason_and_rule_has_a_chinese_name_and_an_advice() -> None:
    assert not [r.code for r in field_qc.reasons().values() if not r.name_zh or not r.advice_zh]
    assert not [r.name for c in ALL for r in c.rules if not r.description_zh]


def test_rules_name_fields_of_their_contract() -> None:
    assert not [(c.feed, r.name, f) for c in ALL for r in c.rules for f in r.fields if f not in {x.name for x in c.fields}]


def test_the_questionnaire_has_the_111_fields_of_the_form() -> None:
    fields = [f for f in contracts()["questionnaire"].fields if f.source_code]
    assert len(fields) == 111 and len({f.source_code for f in fields}) == 111


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda p: p.stem)
def test_a_shipped_mapping_fills_the_keys_of_its_feeds(path) -> None:  # noqa: ANN001
    mapping = read_mapping(path)
    assert mapping.organisation == path.stem
    for feed in mapping.feeds:
        filled = mapping.resolved(feed).columns
        missing = [f.name for f in contracts()[feed_of(feed)].primary_key if f.name not in filled]
        assert not missing, f"{path.name}, feed {feed}: key fields without a column: {missing}"
