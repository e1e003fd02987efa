"""Keep identifying strings out of what leaves ingestion: free text is scrubbed, other cells are masked when they look like a person."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

MASK = "***"
MASKED_CELL = "［已隐去］"
WIDE_DIGITS, DIGITS = "０１２３４５６７８９Ｘｘ", "0123456789Xx"
# A citizen ID number of 18 or 15 places, blanks or dashes between its parts allowed; a mobile and a landline number.
ID_18 = "[1-9]\\d{5}[ -]?(?:18|19|20)\\d{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12]\\d|3[01])[ -]?\\d{3}[0-9Xx]"
ID_15 = "[1-9]\\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])\\d{3}"
MOBILE = "1[3-9]\\d[ -]?\\d{4}[ -]?\\d{4}"
LANDLINE = "0\\d{2,3}[- ]\\d{7,8}"
PATTERNS = (ID_18, ID_15, MOBILE, LANDLINE)
ADDRESS = "[\\x{4e00}-\\x{9fff}]{2,}(?:省|市|区|县|镇|乡)[\\x{4e00}-\\x{9fff}0-9０-９]{0,20}(?:路|街|巷|村|号|小区|组|室)"
HERE = Path(__file__).parent

HAN = "\\x{3400}-\\x{9fff}\\x{f900}-\\x{faff}\\x{20000}-\\x{2fa1f}"
# Numbers as people type them inside a text: parted anywhere or in other places, with a country code, in words, as an address of mail.
DATE_IN_ID = "(?:1[ -]?[89]|2[ -]?0)(?:[ -]?\\d){2}[ -]?(?:0[ -]?[1-9]|1[ -]?[0-2])[ -]?(?:0[ -]?[1-9]|[12][ -]?\\d|3[ -]?[01])"
IN_TEXTS = (
    f"[1-9](?:[ -]?\\d){{5}}[ -]?{DATE_IN_ID}(?:[ -]?\\d){{3}}[ -]?[0-9Xx]",
    ID_15,
    "(?:\\+?86[ -]?)?(?:1[3-9]\\d[ .-]?\\d{4}[ .-]?\\d{4}|1[3-9]\\d{2}[ .-]?\\d{3}[ .-]?\\d{4})",
    "(?:\\+?86[ -]?)?(?:1[3-9]\\d[ .-]?\\d{3}[ .-]?\\d{5}|1[3-9]\\d{3}[ -]?\\d{6})",
    "\\(?0\\d{2,3}\\)? ?[-—–]? ?[2-9]\\d{6,7}",
    "[零〇○一二三四五六七八九幺]{7,18}",
    "[A-Za-z0-9._+-]+@[A-Za-z0-9-]+[.][A-Za-z0-9.]+",
)
# Stands between a cue and a word that is no name while names are masked.
KEPT = "\ue000"


@cache
def _words() -> dict[str, list[str]]:
    return yaml.load((HERE / "scrub.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _any(*lists: str, before: str = "") -> str:
    """Alternatives of word lists, the longest first."""
    words = sorted({before + w for name in lists for w in _words()[name]}, key=lambda w: (-len(w), w))
    return "|".join(words)


SURNAMES = str(_words()["surnames"])


@cache
def _names() -> tuple[tuple[str, str], ...]:
    """Pattern and replacement for names behind a label, then behind a word for somebody else, each as long as what follows lets it be."""
    end = f'([，。,；;、：:（）()“”"*\\s0-9A-Za-z]|$|{_any("after_a_name")})'
    letters = f"[{HAN}](?:[ 　·•]?[{HAN}])"
    labelled = f"{letters}{{1,3}}"
    called = f"(?:(?:{_any('double_surnames')})[{HAN}]{{1,2}}|[{SURNAMES}][ 　]?[{HAN}]{{1,2}}|[{SURNAMES}]某{{1,2}})"
    label = f"((?:(?:{_any('name_labels')})\\s*[:：]?|(?:{_any('name_labels_with_colon')})\\s*[:：])\\s*)"
    other = f'((?:{_any("cues_of_others", "cues_of_patient")})[:：]?[ 　（(“"]?)'
    return (
        (f"{label}(?:{labelled}{end}|{labelled})", f"\\1{MASK}\\2"),
        (f"{other}{called}{end}", f"\\1{MASK}\\2"),
    )


@cache
def _unnamed() -> str:
    """Where nobody has said yet what the person is called: what follows 患者 or 为 and begins with a common surname."""
    called = f"(?:(?:{_any('double_surnames')})[{HAN}]{{1,2}}|[{SURNAMES}][ 　]?[{HAN}]{{1,2}})"
    end = f'([，。,；;、：:（）()“”"*\\s0-9A-Za-z]|$|{_any("after_a_name")})'
    return f'((?:{_any("cues_of_patient", "cues_of_others")}|为)[:：]?[ 　（(“"]?)(?:{called}{end}|{called})'


@cache
def _kept() -> str:
    """A cue with a word behind it that is no name though it begins like one."""
    return f'((?:{_any("cues_of_patient", "cues_of_others")}|为)[:：]?[ 　（(“"]?)({_any("clinical")})'


@cache
def _addresses() -> tuple[tuple[str, str], ...]:
    """Addresses: behind a label, from a known place to the door, and from a street or village to the door. A town alone stays."""
    place = f"(?:{_any('provinces', 'prefectures', 'counties')})"
    han = "\\x{4e00}-\\x{9fff}"
    street = f"[{han}0-9A-Za-z]{{1,8}}?(?:{_any('streets')})"
    door = f"[0-9A-Za-z一二三四五六七八九十百甲乙丙丁#-]{{1,6}}(?:{_any('doors')})"
    counted = "[0-9]{1,5}(?:号楼|号院|号|单元|室|栋|幢)"
    return (
        (f"((?:{_any('address_labels')})\\s*(?:为|是|在)?\\s*[:：]?\\s*)[{han}0-9A-Za-z#（）()-]{{4,40}}", f"\\1{MASK}"),
        (
            f"{place}+(?:(?:{street}){{1,3}}(?:{door}){{0,4}}|(?:{door}){{1,4}})"
            f"|[{han}]{{2,4}}(?:镇|乡|街道)[{han}]{{1,6}}(?:村|庄|屯|堡|社区|小区)(?:{door}){{0,4}}"
            f"|[{han}]{{2,6}}(?:路|街|大街|大道|巷|胡同|小区|花园|家属院|新村|村)(?:{counted}){{1,5}}",
            MASK,
        ),
    )


def _plain_digits(text: str) -> str:
    return f"translate({text}, '{WIDE_DIGITS}', '{DIGITS}')"


def _replaced(text: str, pattern: str, by: str) -> str:
    return f"regexp_replace({text}, '{pattern}', '{by}', 'g')"


def scrubbed(text: str, *, known_name: str | None = None, own_number: str | None = None) -> str:
    """SQL expression of a free text without names, person numbers, phones and addresses, as far as they can be recognised.

    known_name  expression of the person's name, null where nobody has said it yet; own_number  of the organisation's number for the person
    """
    plain = f"replace({_plain_digits(text)}, '{KEPT}', '')"
    if known_name:
        plain = _without_name(plain, known_name)
    result = f"case when regexp_matches({text}, '{_signs()}') then {_without_others(plain, known_name)} else {plain} end"
    if own_number:
        result = _without(result, f"case when length({own_number}) >= 5 then {own_number} end")
    return result


@cache
def _signs() -> str:
    """What a text has that tells of a person: most texts, such as names of diseases, have nothing of it and are passed by."""
    lists = ("cues_of_patient", "cues_of_others", "name_labels", "name_labels_with_colon", "number_labels", "address_labels", "streets")
    return f"[0-9０-９][ .-]?[0-9０-９][ .-]?[0-9０-９]|[零〇○一二三四五六七八九幺]{{7}}|@|为|省|市|县|区|{_any(*lists)}"


def _without_others(text: str, known_name: str | None) -> str:
    """Expression of a text without numbers of persons, addresses, and names behind labels and cues."""
    result = _replaced(text, "|".join(IN_TEXTS), MASK)
    result = _replaced(result, f"((?:{_any('number_labels')})\\s*(?:为|是|号码)?\\s*[:：]?\\s*)[0-9A-Za-z_-]{{4,30}}", f"\\1{MASK}")
    for pattern, by in _addresses():
        result = _replaced(result, pattern, by)
    result = _replaced(result, _kept(), f"\\1{KEPT}\\2")
    for pattern, by in _names():
        result = _replaced(result, pattern, by)
    if known_name:
        # as a lambda, so that what comes before is written (and its patterns are compiled) once
        unnamed = _replaced("said", _unnamed(), f"\\1{MASK}\\2")
        result = f"list_transform([{result}], lambda said: case when {known_name} is null then {unnamed} else said end)[1]"
    return f"replace({result}, '{KEPT}', '')"


def _without_name(text: str, known_name: str) -> str:
    """The known name masked as it stands and, up to four characters, with blanks between them."""
    for gap in (" ", "　"):
        further = " || ".join(f"case when length({known_name}) >= {n} then '{gap}' || substr({known_name}, {n}, 1) else '' end" for n in (3, 4))
        apart = f"left({known_name}, 1) || '{gap}' || substr({known_name}, 2, 1) || {further}"
        text = _without(text, f"case when length({known_name}) between 2 and 4 then {apart} end")
    return _without(text, f"case when length({known_name}) >= 2 then {known_name} end")


def _without(text: str, part: str) -> str:
    """A text without a part that may be null; KEPT stands in no text here."""
    return f"replace({text}, coalesce({part}, '{KEPT}'), '{MASK}')"


def looks_like_a_person(text: str, *, known_name: str | None = None) -> str:
    """SQL condition: the cell holds a person's number, phone, landline, address or known name, blanks, dashes and wide digits aside."""
    packed = f"regexp_replace({_plain_digits(text)}, '[\\s　-]', '', 'g')"
    number = f"(length({text}) >= 11 and regexp_matches({packed}, '{ID_18}|{ID_15}|1[3-9][0-9]{{9}}'))"
    other = f"regexp_matches({text}, '^{LANDLINE}$|{ADDRESS}')"
    return f"(coalesce({number} or {other}, false) or {names(text, known_name)})"


def names(text: str, known_name: str | None) -> str:
    """SQL condition: the text holds the known name."""
    return f"coalesce(length({known_name}) >= 2 and contains({text}, {known_name}), false)" if known_name else "false"


def is_id_number(text: str, *, known_name: str | None = None) -> str:
    """SQL condition: the cell is a citizen ID number or the known name; an organisation's serial number may look like a phone, hardly like these."""
    number = f"regexp_full_match(regexp_replace({_plain_digits(text)}, '[\\s　-]', '', 'g'), '{ID_18}')"
    return f"(coalesce(length({text}) >= 18 and {number}, false) or {names(text, known_name)})"
