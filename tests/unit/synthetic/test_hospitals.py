"""What seven hospitals and the regional platform hold agrees with the lives, and each writes it in its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingestion.contracts import contract
from ingestion.synthetic.builders import builders
from ingestion.synthetic.calibration import document, rows
from ingestion.synthetic.hospital import Hospital
from ingestion.synthetic.life import CANCERS, HOSPITALS, HPV, LIVER_US_AFP, Lives, histologies, stages
from ingestion.synthetic.life_course import live
from ingestion.synthetic.oncology import treatments
from ingestion.synthetic.people import FEMALE, People, populate
from ingestion.synthetic.records import Records

SCALE, SEED = 4_000, 7
REGION = "RP1401"


@cache
def province() -> tuple[People, Lives]:
    people = populate(SEED, SCALE)
    return people, live(people, SEED)


@cache
def made(organisation: str) -> dict[str, Records]:
    """All records of an organisation by feed."""
    found = {}
    for builder in builders()[organisation]:
        for records in builder(*province(), SEED):
            if not records.feed.startswith("screening_"):
                found[records.feed] = records
    return found


def column(records: Records, name: str) -> list[str | None]:
    return records.table[name].to_pylist()


def all_hospitals(feed: str) -> Iterator[Records]:
    return (made(organisation)[feed] for organisation in HOSPITALS)


@pytest.mark.parametrize("organisation", [*HOSPITALS, REGION])
def test_every_field_of_a_feed_is_filled_and_no_other(organisation: str) -> None:
    for feed, records in made(organisation).items():
        fields = {f.name for f in contract(feed).fields if not f.derivation}
        assert fields - {"visited_organisation_code"} <= set(records.table.column_names) <= fields, feed


@pytest.mark.parametrize("organisation", [*HOSPITALS, REGION])
def test_a_key_stands_for_one_record(organisation: str) -> None:
    for feed, records in made(organisation).items():
        keys = records.table.select([f.name for f in contract(feed).primary_key])
        assert keys.group_by(keys.column_names).aggregate([]).num_rows == len(records), feed


@pytest.mark.parametrize("organisation", [*HOSPITALS, REGION])
def test_what_is_done_at_a_visit_is_done_to_its_patient(organisation: str) -> None:
    found = made(organisation)
    visits = dict(zip(column(found["visit"], "visit_no"), column(found["visit"], "patient_no"), strict=True))
    assert set(visits.values()) <= set(column(found["patient"], "patient_no"))
    for feed, records in found.items():
        if "visit_no" in records.table.column_names:
            for visit, patient in zip(column(records, "visit_no"), column(records, "patient_no"), strict=True):
                assert visits[str(visit)] == patient, feed


@pytest.mark.parametrize("organisation", [*HOSPITALS, REGION])
def test_nothing_is_known_before_it_happens_or_after_death(organisation: str) -> None:
    _, lives = province()
    for feed, records in made(organisation).items():
        death = lives.death_date[records.person]
        for field in contract(feed).fields:
            if field.type != "date" or field.may_be_future or field.name not in records.table.column_names:
                continue
            days = records.table[field.name].combine_chunks().cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]")
            given = ~np.isnat(days)
            assert (days[given] <= records.known_on[given]).all(), (feed, field.name)
            if field.name in {"visit_start_date", "exam_date", "surgery_date", "start_date", "ordered_date", "recorded_date"}:
                assert (np.isnat(death) | (days <= death) | ~given).all(), (feed, field.name)


def test_women_alone_have_gynaecological_and_nobody_of_the_other_sex_has_organs_of_one() -> None:
    people, _ = province()
    for organisation in HOSPITALS:
        found = made(organisation)
        codes = np.array([c[:3] for c in column(found["diagnosis"], "diagnosis_code")])
        woman = people.sex[found["diagnosis"].person] == FEMALE
        assert not (np.isin(codes, ["C53", "N87", "N72", "D25"]) & ~woman).any()
        assert not ((codes == "N40") & woman).any()


def test_a_report_of_an_operation_states_the_true_stage_nodes_and_histology() -> None:
    _, lives = province()
    seen = {cancer: 0 for cancer in CANCERS}
    for records in all_hospitals("pathology_report"):
        stated = records.stated
        assert stated is not None
        texts, kinds = column(records, "diagnosis_text"), stated["kind"].to_pylist()
        for i, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
            if kind != "resection":
                continue
            said = {k: stated[k][i].as_py() for k in ("t_category", "n_category", "m_category", "histology_code", "nodes_positive", "nodes_examined")}
            person, match = records.person[i], None
            for cancer in CANCERS:
                own = lives.cancers[cancer]
                stage = stages(cancer)[own.tnm[person]]
                here = (stage["t"], stage["n"], stage["m"]) == (said["t_category"], said["n_category"], said["m_category"])
                if own.has_cancer[person] and here and histologies(cancer)[own.histology[person]]["code"] == said["histology_code"]:
                    match = cancer
            assert match, said
            plain = (text or "").replace(" ", "")
            assert re.search(f"(?i)y?p{said['t_category']}{said['n_category']}{said['m_category']}", plain), text
            if said["nodes_examined"]:
                assert f"{said['nodes_positive']}/{said['nodes_examined']}" in plain
            seen[match] += 1
    assert sum(seen.values()) > 20 and sum(n > 0 for n in seen.values()) >= 4, seen


@pytest.mark.parametrize("feed", ["imaging_report", "endoscopy_report"])
def test_a_text_prints_the_size_category_side_and_place_that_the_truth_says(feed: str) -> None:
    proved = 0
    roman = dict(zip(("0", "1", "2", "3", "4A", "4B", "4C", "5"), ("0", "Ⅰ", "Ⅱ", "Ⅲ", "Ⅳa", "Ⅳb", "Ⅳc", "Ⅴ"), strict=True))
    for records in all_hospitals(feed):
        assert records.stated is not None
        for findings, impression, said in zip(
            column(records, "findings_text"), column(records, "impression_text"), records.stated.to_pylist(), strict=True
        ):
            text = f"{findings} {impression}"
            if said["has_typing_error"]:
                continue
            if (size := said["size_mm"]) is not None:
                assert any(re.search(rf"(?<![\d.]){re.escape(n)}(?!\d)", text) for n in (f"{size:.0f}", f"{size:.1f}", f"{size / 10:.1f}")), (
                    text,
                    size,
                )
                proved += 1
            if said["category"]:
                assert said["category"] in text or roman[said["category"]] in text
            for part in ("site", "laterality", "density"):
                assert not said[part] or said[part] in text, (part, said[part], text)
    assert proved > 30


def test_every_kind_of_report_comes_in_three_styles_with_slips_copied_blocks_names_negations_and_advice() -> None:
    people, _ = province()
    styles: dict[str, set[int]] = {}
    slips = copied = compared = named = denied = advised = 0
    for feed in ("imaging_report", "endoscopy_report", "pathology_report"):
        for records in all_hospitals(feed):
            stated = records.stated
            assert stated is not None
            for kind, style in zip(stated["kind"].to_pylist(), stated["style"].to_pylist(), strict=True):
                styles.setdefault(kind if feed != "pathology_report" else "pathology", set()).add(style)
            slips += sum(stated["has_typing_error"].to_pylist())
            copied += sum(stated["is_copied"].to_pylist())
            texts = column(records, "findings_text" if feed != "pathology_report" else "diagnosis_text")
            names = people.name.take(pa.array(records.person)).to_pylist()
            named += sum(name in (text or "") for name, text in zip(names, texts, strict=True))
            denied += sum(bool(re.search("未见|无|(-)", text or "")) for text in texts)
            compared += sum("较前" in (text or "") or "对比" in (text or "") for text in texts)
            if "advice_text" in records.table.column_names:
                advised += sum(a is not None for a in column(records, "advice_text"))
    often = {kind for kind in document("report_texts") if kind in styles} - {
        "bronchoscopy",
        "brain_mr",
        "bone_scan",
        "liver_mr",
        "pelvis_mr",
        "abdomen_ct",
        "colposcopy",
    }
    assert all(len(styles[kind]) >= 3 for kind in (*often, "pathology")), styles
    assert min(slips, copied, compared, named, denied, advised) > 5


def test_a_slip_of_the_keyboard_is_in_the_text_that_is_said_to_have_one() -> None:
    typed = list(document("report_texts")["slips"].values())
    for records in all_hospitals("pathology_report"):
        assert records.stated is not None
        for text, has in zip(column(records, "diagnosis_text"), records.stated["has_typing_error"].to_pylist(), strict=True):
            assert not has or any(slip in (text or "") for slip in typed)


def test_texts_have_no_empty_clause_and_no_slot_left() -> None:
    for feed, fields in (
        ("imaging_report", ("findings_text", "impression_text")),
        ("endoscopy_report", ("findings_text",)),
        ("pathology_report", ("diagnosis_text",)),
    ):
        for records in all_hospitals(feed):
            for field in fields:
                assert [t for t in column(records, field) if t and re.search(r"，，|（）|[{}]|。。", t)] == []


def test_drugs_fit_the_tumour() -> None:
    people, lives = province()
    proved = 0
    for number in range(len(HOSPITALS)):
        hospital = Hospital(people, lives, number, SEED)
        found = treatments(hospital)
        lung, breast = hospital.tumours["lung"], hospital.tumours["breast"]
        for drug, person in zip(column(found, "drug_names"), found.person, strict=True):
            if drug in {"奥希替尼", "吉非替尼"}:
                assert lung.egfr[lung.row(np.array([person]))[0]]
                proved += 1
            if drug in {"来曲唑", "他莫昔芬"}:
                assert breast.er[breast.row(np.array([person]))[0]]
                proved += 1
    assert proved > 1


def test_treatment_has_doses_and_cycles_where_its_kind_has() -> None:
    for records in all_hospitals("treatment"):
        kinds = column(records, "treatment_type_code")
        doses, fractions = column(records, "dose_gy"), column(records, "fraction_count")
        for kind, dose, fraction in zip(kinds, doses, fractions, strict=True):
            assert (kind in {"radiotherapy", "brachytherapy"}) == (dose is not None) == (fraction is not None)


def test_first_treatment_mostly_follows_a_recorded_clinical_stage() -> None:
    staged = asked = 0
    for records in all_hospitals("diagnosis"):
        codes = np.array([c[:3] for c in column(records, "diagnosis_code")])
        main = np.isin(codes, ["C34", "C50", "C15", "C16", "C18", "C20", "C22", "C53"])
        given = records.table["stage_group"].is_valid().to_numpy() if hasattr(records.table["stage_group"].is_valid(), "to_numpy") else None
        assert given is not None
        staged += int((main & given).sum())
        asked += int(main.sum())
    assert 0.1 < staged / asked < 0.9


def test_units_differ_between_hospitals_and_say_the_same() -> None:
    factor = {row["code"]: float(row["alt_factor"]) for row in rows("lab_items")}
    medians = {}
    for organisation in ("H1401", "H1403"):
        records = made(organisation)["lab_result"]
        for code in ("TBIL", "GLU", "HGB"):
            one = records.table.filter(pc.equal(records.table["item_code"], code))
            number = pc.cast(one["result"].filter(pc.match_substring_regex(one["result"], r"^[\d.]+$")), pa.float64())
            medians[organisation, code] = float(np.median(number.to_numpy()))
            assert len(set(one["result_unit"].to_pylist())) == 1
    for code in ("TBIL", "GLU", "HGB"):
        assert medians["H1403", code] == pytest.approx(medians["H1401", code] * factor[code], rel=0.25)


def test_markers_of_the_lives_show_in_the_laboratory() -> None:
    _, lives = province()
    records = made("H1401")["lab_result"]
    hbsag = np.array([c == "HBsAg" for c in column(records, "item_code")])
    said = np.array([r == "阳性" for r in column(records, "result")])
    assert hbsag.any() and (said[hbsag] == lives.risk.markers["hbsag"][records.person[hbsag]]).all()


def test_opportunistic_tests_of_the_lives_are_in_the_clinical_feeds() -> None:
    _, lives = province()
    for number, organisation in enumerate(HOSPITALS):
        found = made(organisation)
        images = set(zip(found["imaging_report"].person.tolist(), column(found["imaging_report"], "exam_date"), strict=True))
        items = {(p, c) for p, c in zip(found["lab_result"].person.tolist(), column(found["lab_result"], "item_code"), strict=True)}
        liver = lives.cancers["liver"].tests.at(2, number, LIVER_US_AFP)
        seen = [(int(p), str(d)) in images for p, d in zip(liver.person, liver.day, strict=True)]
        assert np.mean(seen) > 0.9 if seen else True
        cervix = lives.cancers["cervix"].tests.at(2, number, HPV)
        assert all((int(p), "HPV16") in items for p in cervix.person) or np.mean([(int(p), "HPV16") in items for p in cervix.person]) > 0.9


def test_the_region_holds_what_its_hospitals_hold_of_its_residents() -> None:
    _, lives = province()
    region, numbers = made(REGION), 0
    said = {
        (n, item): result for n, item, result in zip(*(column(region["lab_result"], c) for c in ("report_no", "item_code", "result")), strict=True)
    }
    for organisation in HOSPITALS:
        own = made(organisation)["lab_result"]
        mine = lives.in_region[own.person]
        for i in np.flatnonzero(mine)[:200]:
            key = (f"{organisation}-{own.table['report_no'][i].as_py()}", own.table["item_code"][i].as_py())
            assert said[key] == own.table["result"][i].as_py()
            numbers += 1
    assert numbers > 50
    assert set(region["patient"].person) == set(np.flatnonzero(lives.in_region))
