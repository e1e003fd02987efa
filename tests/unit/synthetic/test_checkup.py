"""The seven check-up centres: their dialects, and the screening tests they did."""

from __future__ import annotations

import numpy as np
import pytest

from ingestion.mappings import load_mapping
from ingestion.synthetic.checkup import BUILDERS, CYTOLOGY_CODES
from ingestion.synthetic.life import BREAST_US, CHECKUP, CHECKUP_CENTRES, CYTOLOGY, FIT, HPV, LDCT, LIVER_US_AFP, NEGATIVE, POSITIVE, Lives, Tests
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import People, populate
from ingestion.synthetic.records import Records

SEED = 4
TOLD = {
    FIT: ("colorectum", "fit_result_code", {NEGATIVE: "1", POSITIVE: "2"}),
    HPV: ("cervix", "hpv_result_code", {NEGATIVE: "1", POSITIVE: "2"}),
    LIVER_US_AFP: ("liver", "liver_us_result_code", {NEGATIVE: "0", POSITIVE: "1"}),
}


@pytest.fixture(scope="module")
def lived() -> tuple[People, Lives]:
    people = populate(SEED, 12_000)
    return people, live(people, SEED)


@pytest.fixture(scope="module")
def exams(lived: tuple[People, Lives]) -> dict[str, Records]:
    return {organisation: next(builder(*lived, SEED)) for organisation, builder in BUILDERS.items()}


def done(lived: tuple[People, Lives], centre: int, cancer: str, modality: int) -> Tests:
    tests = lived[1].cancers[cancer].tests.at(CHECKUP, centre, modality)
    return tests.where(np.isin(tests.result, (NEGATIVE, POSITIVE)))


def test_every_customer_is_examined_at_the_centre_of_their_life(lived: tuple[People, Lives], exams: dict[str, Records]) -> None:
    _, lives = lived
    for centre, organisation in enumerate(CHECKUP_CENTRES):
        made = exams[organisation]
        customers = np.flatnonzero(lives.checkup_of == centre)
        assert len(made) > 0 and set(customers[lives.alive(customers, lives.checkup_date[customers])]) <= set(made.person)
        numbers = made.table["exam_no"].to_pylist()
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("modality", list(TOLD))
def test_each_screening_test_of_a_centre_stands_in_an_examination_with_its_result(
    lived: tuple[People, Lives], exams: dict[str, Records], modality: int
) -> None:
    cancer, field, codes = TOLD[modality]
    seen = 0
    for centre, organisation in enumerate(CHECKUP_CENTRES):
        made, tests = exams[organisation], done(lived, centre, cancer, modality)
        told: dict[int, set[str]] = {}
        for person, text in zip(made.person.tolist(), made.table[field].to_pylist(), strict=True):
            if text is not None:
                told.setdefault(person, set()).add(text)
        for person, result in zip(tests.person.tolist(), tests.result.tolist(), strict=True):
            assert codes[result] in told[person]
            seen += 1
        assert set(told) <= set(lived[1].cancers[cancer].tests.at(CHECKUP, centre, modality).person.tolist())
    assert seen > 10


def test_classes_of_chest_breast_and_smear_are_those_of_the_test(lived: tuple[People, Lives], exams: dict[str, Records]) -> None:
    seen = 0
    for cancer, modality, field, told in (
        ("lung", LDCT, "ldct_category_code", str),
        ("breast", BREAST_US, "breast_bi_rads_code", str),
        ("cervix", CYTOLOGY, "cytology_code", CYTOLOGY_CODES.__getitem__),
    ):
        for centre, organisation in enumerate(CHECKUP_CENTRES):
            tests, made = done(lived, centre, cancer, modality), exams[organisation]
            values: dict[int, set[str]] = {}
            for person, text in zip(made.person.tolist(), made.table[field].to_pylist(), strict=True):
                values.setdefault(person, set()).add(text)
            for person, category in zip(tests.person.tolist(), tests.category.tolist(), strict=True):
                # mammography beside ultrasound may be worse
                assert told(category) in values[person] or (field == "breast_bi_rads_code" and max(v for v in values[person] if v) > str(category))
                seen += 1
    assert seen > 30


def test_centres_differ_in_columns_codes_units_and_in_what_a_row_is() -> None:
    mappings = [load_mapping(organisation).feeds["physical_exam"] for organisation in CHECKUP_CENTRES]
    assert len({m.columns["exam_no"].source for m in mappings}) >= 6
    assert len({tuple(m.columns["sex_code"].codes) for m in mappings}) >= 3
    assert {m.columns["height_cm"].factor for m in mappings} == {1.0, 100.0}
    assert {m.columns["systolic_mmhg"].factor for m in mappings} == {1.0, 7.50062}
    assert {m.columns["creatinine_umol_l"].factor for m in mappings if "creatinine_umol_l" in m.columns} == {1.0, 88.4}
    assert sum(bool(m.join) for m in mappings) == 2


@pytest.mark.parametrize("organisation", CHECKUP_CENTRES)
def test_a_centre_can_tell_every_screening_test_it_does(organisation: str) -> None:
    columns = load_mapping(organisation).feeds["physical_exam"].columns
    told = {"fit_result_code", "hpv_result_code", "hpv_types", "cytology_code", "breast_bi_rads_code", "ldct_category_code", "liver_us_result_code"}
    assert told <= set(columns)
