"""Documents of identity in words: which numbers stand, which do not and why, and what a standing number says."""

from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ingestion.field_qc import reasons
from ingestion.identity import id_number


def complete(first_17: str) -> str:
    """The number with the check digit of its first 17 digits, by the standard's own definition: the weighted sum of all 18 is 1 modulo 11."""
    weights = [2 ** (17 - i) % 11 for i in range(17)]
    rest = (1 - sum(w * int(d) for w, d in zip(weights, first_17, strict=True))) % 11
    return first_17 + "0123456789X"[rest]


CASES = [
    # delivered, synthetic source, verdict, normalised number (None: as nothing)
    ("11010519491231002X", False, None, "11010519491231002X"),
    ("440524188001010014", False, None, "440524188001010014"),
    ("11010519491231002x", False, None, "11010519491231002X"),
    ("１１０１０５１９４９１２３１００２Ｘ", False, None, "11010519491231002X"),
    ("110105194912310 02ｘ", False, None, "11010519491231002X"),
    (" 110105 19491231 002X ", False, None, "11010519491231002X"),
    ("身份证：11010519491231002X", False, None, "11010519491231002X"),
    ("居民身份证号码11010519491231002x", False, None, "11010519491231002X"),
    ("110105491231002", False, "id_fifteen", "11010519491231002X"),
    ("１１０１０５ 491231 002", False, "id_fifteen", "11010519491231002X"),
    ("110105491331002", False, "id_birth", None),
    ("110105194912310021", False, "id_checksum", None),
    ("1101051949123100", False, "id_length", None),
    ("11010519491231002", False, "id_length", None),
    ("11010519491331002X", False, "id_birth", None),
    ("99010519491231002X", False, "id_area", None),
    ("11O10519491231002X", False, "id_length", None),
    (complete("14990119600101123"), True, None, complete("14990119600101123")),
    (complete("14990119600101123"), False, "id_area", None),
    (complete("14990119600101123")[:17] + "Y", True, "id_length", None),
    # people from Hong Kong, Macao and Taiwan, and foreigners, with a check digit
    (complete("81000019800101001"), False, "id_residence_permit", complete("81000019800101001")),
    (complete("82000019800101001"), False, "id_residence_permit", complete("82000019800101001")),
    (complete("83000019800101001"), False, "id_residence_permit", complete("83000019800101001")),
    (complete("81010119800101001"), False, "id_area", None),
    (complete("91484019800101001"), False, "id_foreign_residence", complete("91484019800101001")),
    (complete("90084019800101001"), False, "id_area", None),
    # and without
    ("H12345678", False, "id_hk_macao_permit", "hk_macao_permit:H12345678"),
    ("h1234567801", False, "id_hk_macao_permit", "hk_macao_permit:H12345678"),
    ("回乡证 M12345678（01）", False, "id_hk_macao_permit", "hk_macao_permit:M12345678"),
    ("台胞证：12345678", False, "id_taiwan_permit", "taiwan_permit:12345678"),
    ("台胞证1234567801", False, "id_taiwan_permit", "taiwan_permit:12345678"),
    ("USA140080010112", False, "id_foreign_residence_old", "foreign_residence_old:USA140080010112"),
    ("E12345678", False, "id_passport", "passport:E12345678"),
    ("Ea1234567", False, "id_passport", "passport:EA1234567"),
    ("护照 AB1234567", False, "id_passport", "passport:AB1234567"),
    ("护照号码：X1234567", False, "id_passport", "passport:X1234567"),
    # an organisation's own number or a date in the wrong column is none of these
    ("12345678", False, "id_length", None),
    ("19700101", False, "id_length", None),
    ("ZY1234567", False, "id_length", None),
    ("P0001234", False, "id_length", None),
    # nobody's number
    ("无", False, "id_none", None),
    ("未办理", False, "id_none", None),
    ("000000000000000000", False, "id_area", None),
    ("0000", False, "id_none", None),
    ("-", False, "id_none", None),
    # newborns under the mother's number
    ("11010519491231002X01", False, "id_newborn", None),
    ("11010519491231002X-1", False, "id_newborn", None),
    ("11010519491231002X之子", False, "id_newborn", None),
    ("11010519491231002xB1", False, "id_newborn", None),
    ("110105194912310021之女", False, "id_length", None),
    ("11010519491231002X1234", False, "id_length", None),
]


def judged(delivered: str, *, synthetic: bool) -> tuple[str | None, str]:
    """Verdict and normalised number of a text."""
    read = f"select *, {id_number.birth_date('n')} as born, {id_number.check_digit('n')} as digit from (select {id_number.normalised('$d')} as n)"
    sql = f"select {id_number.verdict('$d', 'n', 'born', 'digit', synthetic=synthetic)}, n from ({read})"
    return duckdb.connect().execute(sql, {"d": delivered}).fetchone()


@pytest.mark.parametrize(("delivered", "synthetic", "verdict", "number"), CASES)
def test_a_document_is_recognised_and_judged_by_its_form(delivered: str, synthetic: bool, verdict: str | None, number: str | None) -> None:
    found = judged(delivered, synthetic=synthetic)
    assert found[0] == verdict
    if number:
        assert found[1] == number


@pytest.mark.parametrize("place", range(18))
def test_any_wrong_digit_is_noticed(place: int) -> None:
    number = complete("14010519680229112")
    assert judged(number, synthetic=False)[0] is None
    for digit in set("0123456789") - {number[place]}:
        assert judged(number[:place] + digit + number[place + 1 :], synthetic=False)[0] in {"id_checksum", "id_area", "id_birth"}


def test_every_verdict_has_its_name_in_the_catalogue_of_reasons() -> None:
    said = {v for _, _, v, _ in CASES if v} | {"id_area_unknown", "id_area_abolished"}
    assert said <= reasons().keys()
    assert {reasons()[c].outcome for c in ("id_area_unknown", "id_area_abolished")} == {"questioned"}
    assert {code for code in reasons() if code.startswith("id_")} == said | {"id_birth_mismatch", "id_sex_mismatch"}


AREAS = [
    # area and birth year, remark
    ("140105", 1968, None),  # made in 1997, long after the birth: numbers came with the first card
    ("140102", 1968, None),  # 南城区 of Taiyuan until 1996
    ("140102", 1996, None),
    ("140102", 1997, None),  # lists of neighbouring years differ by one
    ("140102", 1998, "id_area_abolished"),
    ("142401", 1970, None),  # 榆次市 until 1998
    ("142401", 2001, "id_area_abolished"),
    ("140215", 1970, None),
    ("140199", 1970, "id_area_unknown"),
    ("149001", 1970, None),  # 古交市 1988-1994
    ("149901", 1970, None),
    ("140000", 1970, None),
    ("510107", 1970, None),
    ("519999", 1970, "id_area_unknown"),
]


@pytest.mark.parametrize(("area", "year", "remark"), AREAS)
def test_the_area_is_looked_up_in_its_history(area: str, year: int, remark: str | None) -> None:
    assert id_number.area_remarks(pa.array([None, f"{area}{year}0101001X"])).to_pylist() == [None, remark]


def test_birth_date_and_sex_are_read_from_numbers_and_from_no_other_document() -> None:
    sql = (
        f"select {id_number.birth_date('n')}, {id_number.sex_code('n')}"
        " from (values ('11010519491231002X'), ('440524188001010014'), ('passport:E12345678')) as t (n)"
    )
    assert [(d and str(d), s) for d, s in duckdb.sql(sql).fetchall()] == [("1949-12-31", "2"), ("1880-01-01", "1"), (None, None)]


def test_a_newborn_under_its_mothers_number_is_told_from_a_wrong_birth_date() -> None:
    delivered = date(2024, 12, 31)
    cases = [
        # stated birth, birth and sex in the number, the mother's
        (date(2024, 5, 1), date(1995, 3, 3), "2", True),
        (date(2024, 5, 1), date(1995, 3, 3), "1", False),
        (date(2024, 5, 1), date(1960, 3, 3), "2", False),
        (date(2024, 5, 1), date(2019, 3, 3), "2", False),
        (date(1996, 3, 3), date(1969, 3, 3), "2", False),
        (None, date(1995, 3, 3), "2", False),
    ]
    stated, born, sex, expected = zip(*cases, strict=True)
    found = id_number.is_mothers(
        pa.array(stated, pa.date32()), pa.array(born, pa.date32()), pa.array(sex), pa.array([delivered] * len(cases), pa.date32())
    )
    assert np.array_equal(found, expected)
