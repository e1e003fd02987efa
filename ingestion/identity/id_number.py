"""Citizen ID numbers (GB 11643-1999) as SQL expressions over a text column: normalise, judge, read birth date and sex.

The 15-digit numbers of the first generation are brought to 18 digits (century 19, check digit computed).
"""

from __future__ import annotations

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"
# Province parts of GB/T 2260 area codes.
PROVINCES = (
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42"),
    *("43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82"),
)
# An area that GB/T 2260 does not hold; synthetic people carry it, so that no number can be a real person's.
SYNTHETIC_AREA = "1499"
FULL_WIDTH = "０１２３４５６７８９ＸｘX"
HALF_WIDTH = "0123456789XXX"


def check_digit(number: str) -> str:
    """The check digit that the first 17 digits ask for, null where they are no digits."""
    first = f"try_cast(substr({number}, 1, 17) as bigint)"
    total = " + ".join(f"{w} * ({first} // {10 ** (17 - i)} % 10)" for i, w in enumerate(WEIGHTS, 1))
    return f"substr('{CHECK_DIGITS}', cast(({total}) % 11 as integer) + 1, 1)"


def normalised(text: str) -> str:
    """The number with half-width digits, upper-case X and no blanks, a 15-digit one brought to 18."""
    plain = f"regexp_replace(upper(translate({text}, '{FULL_WIDTH}', '{HALF_WIDTH}')), '[\\s　]', '', 'g')"
    longer = f"substr({plain}, 1, 6) || '19' || substr({plain}, 7)"
    closer_look = f"case when regexp_full_match({plain}, '[0-9]{{15}}') then {longer} || {check_digit(f'({longer})')} else {plain} end"
    return f"case when regexp_full_match({text}, '[0-9]{{17}}[0-9X]') then {text} else {closer_look} end"


def birth_date(number: str) -> str:
    """Birth date inside an 18-digit number, null where it is no date."""
    return f"cast(try_strptime(substr({number}, 7, 8), '%Y%m%d') as date)"


def sex_code(number: str) -> str:
    """Sex inside an 18-digit number (GB/T 2261.1: odd sequence 1 male, even 2 female)."""
    return f"case when (ascii(substr({number}, 17, 1)) - 48) % 2 = 1 then '1' else '2' end"


def verdict(number: str, born: str, digit: str, *, synthetic: bool) -> str:
    """Reason code of a normalised number, null for a valid one: id_length, id_area, id_birth or id_checksum.

    born, digit  its birth date and the check digit it asks for, as columns: inside a condition they would be worked out many times over
    The area 1499xx is accepted from synthetic sources alone.
    """
    provinces = ", ".join(f"'{p}'" for p in PROVINCES)
    area = f"substr({number}, 1, 2) not in ({provinces})" + ("" if synthetic else f" or substr({number}, 1, 4) = '{SYNTHETIC_AREA}'")
    return (
        f"case when {number} is null then null"
        f" when not regexp_full_match({number}, '[0-9]{{17}}[0-9X]') then 'id_length'"
        f" when {area} then 'id_area'"
        f" when {born} is null then 'id_birth'"
        f" when substr({number}, 18, 1) is distinct from {digit} then 'id_checksum' end"
    )
