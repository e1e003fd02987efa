"""The tables that say what the indices of a life mean."""

from __future__ import annotations

import re

import pytest

from ingestion.contracts import codes
from ingestion.synthetic.life import CANCERS, CHANNELS, SOURCES, histologies, metastasis_sites, sites, stages


def test_the_cancers_channels_and_sources_are_those_of_the_code_lists() -> None:
    listed = {name: [c.code for c in codes() if c.list == name] for name in ("cancer", "channel", "screening_source")}
    assert listed == {"cancer": list(CANCERS), "channel": list(CHANNELS), "screening_source": list(SOURCES)}


@pytest.mark.parametrize("cancer", CANCERS)
def test_every_organ_of_a_cancer_has_sites_histologies_and_all_four_stage_groups(cancer: str) -> None:
    organs = {row["organ"] for row in sites(cancer)}
    assert organs == {row["organ"] for row in stages(cancer)} == {row["organ"] for row in histologies(cancer)}
    for organ in organs:
        groups = {int(row["group"]) for row in stages(cancer) if row["organ"] == organ}
        assert {1, 2, 3, 4} <= groups
    assert all(re.fullmatch(r"C\d\d(\.\d)?", row["icd10"]) for row in sites(cancer))
    assert all(re.fullmatch(r"\d{4}/[23]", row["code"]) for row in histologies(cancer))


def test_the_stage_of_a_row_is_of_its_group() -> None:
    roman = {"0": 0, "I": 1, "II": 2, "III": 3, "IV": 4}
    for cancer in CANCERS:
        for row in stages(cancer):
            assert roman[re.match(r"0|IV|I{1,3}", row["stage"])[0]] == int(row["group"]), row


def test_the_first_metastasis_site_is_a_local_relapse() -> None:
    assert metastasis_sites()[0]["name_zh"] == "局部复发" and all(c in metastasis_sites()[0] for c in CANCERS)
