"""Nothing the programme's result forms ask for is lost on the way into the contracts."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from ingestion.contracts import Contract, code_list, contracts

DATA = Path(__file__).parent / "data"
CERVIX = ("screening_cervical_hpv", "screening_cervical_cytology", "screening_colposcopy", "screening_cervical_histology")
SCREENING = [c for c in contracts().values() if c.feed.startswith("screening_")]
WOMEN = [c for c in SCREENING if c.subject and ("breast" in c.feed or c.feed in CERVIX)]


def _items() -> dict[str, list[str]]:
    """The items of each form: property, with its place where the form uses the property twice or gives none."""
    with (DATA / "programme_form_fields.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    used, items = Counter((r["form"], r["prop"]) for r in rows), defaultdict(list)
    for row in rows:
        if row["kind"] == "field":
            alone = row["prop"] and used[row["form"], row["prop"]] == 1
            items[row["form"]].append(row["prop"] if alone else f"{row['prop']}#{row['position']}")
    return items


FORMS = _items()


@pytest.mark.parametrize("form", FORMS)
def test_every_item_of_a_programme_form_is_a_field_of_a_contract(form: str) -> None:
    held = [item for c in SCREENING if c.source_form == form for f in c.fields if f.source_code for item in f.source_code.split(";")]
    assert sorted(set(held)) == sorted(FORMS[form])


def test_the_forms_are_the_ten_result_forms() -> None:
    assert len(FORMS) == 10 and sum(map(len, FORMS.values())) > 490


@pytest.mark.parametrize("contract", SCREENING, ids=lambda c: c.feed)
def test_screening_forms_come_from_centres_free_institutions_and_hospitals(contract: Contract) -> None:
    assert contract.source_families == ("screening_centre", "free_screening", "hospital") and contract.is_form


@pytest.mark.parametrize("contract", WOMEN, ids=lambda c: c.feed)
def test_a_man_on_a_form_for_women_is_quarantined(contract: Contract) -> None:
    assert [r.severity for r in contract.rules if r.name == "male_in_female_form"] == ["error"]


@pytest.mark.parametrize("contract", SCREENING, ids=lambda c: c.feed)
def test_only_key_person_and_date_faults_cost_a_screening_record(contract: Contract) -> None:
    costly = {f.name for f in contract.fields if f.severity == "error" and not f.derivation and f.classification != "free_text"}
    allowed = {f.name for f in contract.fields if f.primary_key or f.required or f.business_date or f.subject == "name"}
    assert costly - allowed <= {"survey_no", "specimen_no"}


def test_a_repeating_part_is_keyed_by_screening_number_and_running_number() -> None:
    parts = {c.feed: [f.name for f in c.primary_key] for c in SCREENING if c.feed.endswith(("_lesion", "_nodule"))}
    assert len(parts) == 5
    assert all(key[0] == "screening_no" and key[1] in {"lesion_no", "nodule_no"} and len(key) == 2 for key in parts.values())


def test_cervical_lists_hold_the_categories_of_the_rule_library() -> None:
    assert {"NILM", "ASC-US", "ASC-H", "LSIL", "HSIL", "SCC", "AGC-NOS", "AIS"} <= set(code_list("bethesda_category"))
    assert set(code_list("hpv_type")) == {"16", "18", "31", "33", "35", "39", "45", "51", "52", "56", "58", "59", "66", "68"}
    assert len(code_list("colposcopy_impression")) >= 4 and len(code_list("cervical_histology")) >= 8
    marked = ("bethesda_category", "colposcopy_impression", "transformation_zone", "cervical_histology", "hpv_type")
    assert all("[" in c.standard for name in marked for c in code_list(name).values())
