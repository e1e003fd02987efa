"""What holds for every generated province: bytes, layout, identities, dates, one life behind all records."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.contracts import contract
from ingestion.mappings import feed_of, load_mapping
from ingestion.synthetic import province as province_module
from ingestion.synthetic.deliver import organisations
from ingestion.synthetic.people import populate
from ingestion.synthetic.province import NotOurs, generate
from ingestion.synthetic.recorded import VARIANTS, as_recorded
from ingestion.synthetic.records import NOBODY
from ingestion.synthetic.truth_lives import families, recorded_variants
from tests.unit.synthetic.conftest import SCALE
from tests.unit.synthetic.delivered import Delivered

# Rows that hold something else than the clean record.
HARMLESS = {"late_record", "correction", "repeated_row"}
WEIGHTS, CHECK = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"


def _digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_and_scale_give_the_same_bytes(tmp_path: Path) -> None:
    generate(tmp_path / "one", 600, 3)
    generate(tmp_path / "two", 600, 3)
    first = _digests(tmp_path / "one")
    assert {Path(name).suffix for name in first} >= {".csv", ".zip", ".jsonl", ".parquet", ".xlsx"}
    assert first == _digests(tmp_path / "two")


def test_another_seed_gives_another_province(tmp_path: Path) -> None:
    generate(tmp_path / "one", 300, 3)
    generate(tmp_path / "two", 300, 4)
    name = "landing/national_platform/NP14/questionnaire/2024-12-31/risk_questionnaire_20241231.csv"
    assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()


def test_a_new_province_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    generate(tmp_path / "out", 300, 3)
    stale = tmp_path / "out" / "landing" / "hospital" / "H1401" / "patient" / "2025-07-01" / "left.csv"
    stale.parent.mkdir(parents=True)
    stale.write_text("kh\n", encoding="utf-8")
    generate(tmp_path / "out", 300, 4)
    assert not stale.exists()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(NotOurs, match="SYNTHETIC"):
        generate(foreign, 300, 3)
    assert (foreign / "notes.txt").read_text(encoding="utf-8") == "keep me"


def test_the_tree_says_that_it_is_synthetic(province: Path, files: list[Delivered]) -> None:
    assert "synthetic" in (province / "SYNTHETIC").read_text(encoding="utf-8")
    (listed,) = (f for f in files if f.feed == "organisation")
    names = [listed.value(row, "organisation_name") for row in range(1, len(listed.rows) + 1)]
    assert len(names) >= 6
    assert all(name and name.endswith("（合成）") for name in names)


@pytest.mark.parametrize("organisation", list(organisations()))
def test_a_mapping_covers_every_feed_of_its_organisation_and_what_the_contract_requires(organisation: str) -> None:
    mapping = load_mapping(organisation)
    assert mapping.synthetic
    plan = organisations()[organisation]
    assert {feed_of(entry) for entry in mapping.feeds} == {*plan["feeds"], *plan.get("beside", ())}
    for entry in mapping.feeds:
        filled = mapping.resolved(entry).columns
        assert {f.name for f in contract(feed_of(entry)).fields if f.required or f.primary_key} <= set(filled), entry


def test_each_file_has_the_columns_its_mapping_names(files: list[Delivered]) -> None:
    for f in (f for f in files if not f.is_resent):
        mapping = load_mapping(f.organisation)
        entries = [mapping.with_defaults(entry) for entry in mapping.feeds_in_folder(f.path.parents[1].name)]
        made = {column for m in entries for column in (*m.made, *(c for join in m.join for c in join.made()))}
        named = {column for m in entries for column in (*m.references(), *m.ignore)} - made
        assert set(f.columns) == named, f.path.name


def test_every_organisation_delivers_and_every_feed_is_delivered(files: list[Delivered]) -> None:
    found = {(f.organisation, f.feed) for f in files}
    planned = {(o, feed) for o, plan in organisations().items() for feed, spec in plan["feeds"].items() if spec["format"] != "database"}
    assert found <= planned
    # a small organisation may have no colposcopy in a small province
    assert {feed for _, feed in found} == {feed for _, feed in planned} and {o for o, _ in found} == {o for o, _ in planned}


def test_the_questionnaire_has_all_111_fields_of_the_form(files: list[Delivered]) -> None:
    questionnaire = next(f for f in files if f.feed == "questionnaire")
    assert len(questionnaire.columns) == 111
    empty = [c for i, c in enumerate(questionnaire.columns) if not any(row[i] for row in questionnaire.rows if len(row) == 111)]
    assert empty == []


def test_id_numbers_carry_the_area_that_does_not_exist_and_a_valid_check_digit(
    files: list[Delivered], dirty: dict, persons: dict, written: dict
) -> None:
    checked = 0
    for f in files:
        if not {"id_card_no", "birth_date", "sex_code"} <= set(f.mapping.columns) or f.is_resent:
            continue
        for row in range(1, len(f.rows) + 1):
            variants = written.get((f.organisation, persons.get((*f.key, row))), "")
            if dirty.get((*f.key, row), set()) - HARMLESS or {"no_id", "old_id"} & set(variants.split(";")):
                continue
            number = f.value(row, "id_card_no")
            assert number and re.fullmatch(r"1499(0[1-9]|[1-9]\d)\d{11}[\dX]", number), (f.path.name, row)
            assert CHECK[sum(w * int(d) for w, d in zip(WEIGHTS, number, strict=False)) % 11] == number[17]
            birth = f.day(row, "birth_date")
            assert birth and f"{birth:%Y%m%d}" == number[6:14]
            assert (int(number[16]) % 2 == 1) == (f.code(row, "sex_code") == "1")
            checked += 1
    assert checked > SCALE


def test_a_person_has_the_same_name_number_and_birth_date_wherever_no_variant_is_told(
    files: list[Delivered], dirty: dict, persons: dict, written: dict
) -> None:
    seen: dict[int, set[tuple]] = defaultdict(set)
    sources: dict[int, set[str]] = defaultdict(set)
    for f in files:
        if not {"person_name", "id_card_no", "birth_date", "sex_code"} <= set(f.mapping.columns):
            continue
        for row in range(1, len(f.rows) + 1):
            person = persons.get((*f.key, row))
            if person is None or dirty.get((*f.key, row), set()) - HARMLESS or (f.organisation, person) in written:
                continue
            seen[person].add((f.value(row, "person_name"), f.value(row, "id_card_no"), f.day(row, "birth_date"), f.code(row, "sex_code")))
            sources[person].add(f.organisation)
    seen.pop(NOBODY, None)
    assert {person: found for person, found in seen.items() if len(found) > 1} == {}
    assert sum(len(found) > 1 for found in sources.values()) > SCALE / 20


def test_every_kind_of_variant_is_written_by_some_source(tmp_path: Path) -> None:
    people = populate(5, 60_000)
    everybody = np.arange(len(people))
    found: set[str] = set()
    for organisation in ("H1401", "T1401", "DR14"):
        told = recorded_variants(people, {organisation: everybody})
        found |= {name for text in set(told["variants"].to_pylist()) for name in text.split(";")}
        person = told["person_no"].to_numpy()
        as_written, truly = as_recorded(people, person, organisation), as_recorded(people, person, "PG14")
        same = [as_written[name].equals(truly[name]) for name in ("person_name", "id_card_no", "mobile_phone")]
        assert not any(same)
        others = np.setdiff1d(everybody, person)
        assert all(as_recorded(people, others, organisation)[name].equals(as_recorded(people, others, "PG14")[name]) for name in truly)
    assert found == set(VARIANTS)


def test_twins_and_fathers_with_sons_share_what_families_share() -> None:
    people = populate(5, 20_000)
    elder = np.flatnonzero(people.twin >= 0)
    assert len(elder) >= 100 and (people.birth[elder] == people.birth[people.twin[elder]]).all() and (people.twin[people.twin[elder]] == elder).all()
    names = people.name.to_pylist()
    son = np.flatnonzero(people.son_of >= 0)
    assert len(son) >= 50
    for child, parent in ((i, people.son_of[i]) for i in son):
        assert names[child][0] == names[parent][0] and people.birth[child] - people.birth[parent] > np.timedelta64(20 * 365, "D")
    told = families(people)
    assert set(told["relation"].to_pylist()) == {"twin", "father", "kin"} and any(told["is_phone_shared"].to_pylist())
    assert len(set(people.id_card.to_pylist())) == len(people)


def test_people_move_and_change_numbers_from_a_day_on() -> None:
    people = populate(5, 20_000)
    moved = np.flatnonzero(~np.isnat(people.moved_on))
    before, after = (as_recorded(people, moved, "PG14", day=people.moved_on[moved] + shift)["residence_address"] for shift in (-1, 1))
    assert len(moved) > 300 and before.equals(people.address.take(pa.array(moved))) and not before.equals(after)
    changed = np.flatnonzero(~np.isnat(people.phone_changed_on))
    before, after = (as_recorded(people, changed, "PG14", day=people.phone_changed_on[changed] + shift)["mobile_phone"] for shift in (-1, 1))
    assert sum(a == b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True)) == 0


def test_two_processes_write_the_bytes_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(tmp_path / "one", 400, 3)
    monkeypatch.setattr(province_module, "SEVERAL_PROCESSES_FROM", 0)
    generate(tmp_path / "two", 400, 3)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_deliveries_that_miss_their_day_are_told(province: Path, files: list[Delivered]) -> None:
    counts = json.loads((province / "truth" / "counts.json").read_text(encoding="utf-8"))
    told = {(m["organisation"], m["expected"], m["delivered"]) for m in counts["deliveries_not_in_time"]}
    assert ("F1402", "2025-03-31", None) in told and ("T1405", "2025-03-31", "2025-05-20") in told
    days = {(f.organisation, f.delivered_on.isoformat()) for f in files}
    assert all((organisation, expected) not in days for organisation, expected, _ in told)
    assert all((organisation, came) in days for organisation, _, came in told if came)


def test_no_date_lies_after_its_delivery_unless_planted(files: list[Delivered], dirty: dict) -> None:
    planted = 0
    for f in (f for f in files if not f.is_resent):
        fields = [c for c in f.contract.fields if c.type == "date" and not c.may_be_future and c.name in f.mapping.columns]
        for row in range(1, len(f.rows) + 1):
            faults = dirty.get((*f.key, row), set())
            if faults & {"column_count", "survey_date_impossible"}:
                continue
            late = [c.name for c in fields if (day := f.day(row, c.name)) and day > f.delivered_on]
            if late:
                assert any(fault.endswith("_in_future") for fault in faults), (f.path.name, row, late)
                planted += 1
    assert planted > 0


def test_counts_name_every_file_with_its_rows(province: Path, files: list[Delivered]) -> None:
    counts = json.loads((province / "truth" / "counts.json").read_text(encoding="utf-8"))
    plans = organisations()
    landed = [c for c in counts["files"] if plans[c["organisation"]]["feeds"][c["feed"]]["format"] != "database"]
    told = {(c["organisation"], c["feed"], c["delivered_on"], c["file_name"]): c["rows"] for c in landed}
    assert told == {(f.organisation, f.feed, f.delivered_on.isoformat(), f.path.name): len(f.rows) for f in files}
    assert counts["residents"] == SCALE


def test_every_own_number_in_the_truth_is_delivered_or_still_to_come(province: Path, files: list[Delivered], persons: dict) -> None:
    numbers = {
        (f.organisation, f.value(row, name)): persons[(*f.key, row)]
        for f in files
        for feed, name in (("patient", "patient_no"), ("physical_exam", "client_no"))
        if f.feed == feed and (*f.key, 1) in persons  # the truth follows no row of a file that is refused whole
        for row in range(1, len(f.rows) + 1)
        if len(f.rows[row - 1]) == len(f.columns) and f.value(row, name)
    }
    told = {
        (r["organisation"], r["local_no"]): person["person_no"]
        for person in pq.read_table(province / "truth" / "person.parquet").to_pylist()
        for r in person["references"]
        if r["organisation"] != "NP14"
    }
    assert len(numbers) > 500
    assert numbers.items() <= told.items()
