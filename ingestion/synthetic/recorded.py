"""How a source writes down who a person is: names, numbers and addresses as that source has them, with the usual variants.

What a source writes about a person depends on the seed, the person and the source alone (address and telephone on the day too), so that
all feeds of one source agree, and the truth can tell the variants by the same rule (`variants`).
"""

from __future__ import annotations

from functools import cache
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import Text, dates, join, missing, pick, whole
from ingestion.synthetic.people import ID_CHECK, People, check_digits

# Variants and how often, per kind of source (first letter of the organisation code; others write what is true).
VARIANTS = ("other_name", "rare_character", "no_id", "old_id", "wrong_id", "old_phone", "kin_phone")
OTHER_NAME, RARE_CHARACTER, NO_ID, OLD_ID, WRONG_ID, OLD_PHONE, KIN_PHONE = (1 << i for i in range(len(VARIANTS)))
RATES: dict[str, tuple[float, ...]] = {
    "N": (0.002, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0),
    "S": (0.003, 0.10, 0.004, 0.0, 0.0001, 0.005, 0.005),
    "F": (0.004, 0.15, 0.006, 0.001, 0.0001, 0.005, 0.008),
    "H": (0.006, 0.30, 0.020, 0.004, 0.0002, 0.010, 0.010),
    "T": (0.005, 0.30, 0.010, 0.001, 0.0001, 0.010, 0.010),
    "R": (0.004, 0.20, 0.005, 0.004, 0.0001, 0.020, 0.010),
    "C": (0.006, 0.30, 0.020, 0.006, 0.0003, 0.020, 0.010),
    "D": (0.008, 0.30, 0.015, 0.010, 0.0003, 0.020, 0.010),
}
# Born before this day, a person may still be filed under a 15-digit number.
OLD_NUMBERS_UNTIL = np.datetime64("1985-01-01")


def _lots(seed: int, person: np.ndarray, source: str, purpose: str) -> np.ndarray:
    """A number from 0 to 1 per person, the same whenever it is asked for (splitmix64)."""
    salt = (seed * 0x9E3779B97F4A7C15 + crc32(f"{source} {purpose}".encode())) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        x = person.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) / float(1 << 64)


@cache
def _replacements(*kinds: str) -> tuple[tuple[str, str], ...]:
    found = {row["character"]: row["other"] for row in reversed(rows("homophones")) if row["kind"] in kinds}
    return tuple(found.items())


def _has(name: Text, pairs: tuple[tuple[str, str], ...]) -> np.ndarray:
    pattern = "[" + "".join(character for character, _ in pairs) + "]"
    return pc.match_substring_regex(name, pattern).to_numpy(zero_copy_only=False)


def _rewritten(name: Text, pairs: tuple[tuple[str, str], ...]) -> Text:
    """The first of the pairs whose character a name holds, applied once."""
    done = np.zeros(len(name), dtype=bool)
    for character, other in pairs:
        hit = pc.match_substring(name, character).to_numpy(zero_copy_only=False) & ~done
        if hit.any():
            name = pc.if_else(pa.array(hit), pc.replace_substring(name, character, other, max_replacements=1), name)
            done |= hit
    return name


def variants(people: People, person: np.ndarray, source: str, *, day: np.ndarray | None = None) -> np.ndarray:
    """Bits of VARIANTS per entry: how the source's record of the person differs from the truth of that day."""
    rates = RATES.get(source[0])
    bits = np.zeros(len(person), dtype=np.uint8)
    if rates is None or len(person) == 0:
        return bits
    own = [_lots(people.seed, person, source, name) for name in VARIANTS]
    born = people.birth[person]
    possible = [own[i] < rate for i, rate in enumerate(rates)]
    for i, bit in ((2, NO_ID), (4, WRONG_ID)):
        bits |= (possible[i] * bit).astype(np.uint8)
    bits |= (possible[3] & (born < OLD_NUMBERS_UNTIL) & (bits & (NO_ID | WRONG_ID) == 0)).astype(np.uint8) * OLD_ID
    if people.phone_changed_on is not None:
        bits |= (possible[5] & ~missing(people.phone_changed_on[person])).astype(np.uint8) * OLD_PHONE
    if people.kin is not None:
        bits |= (possible[6] & (people.kin[person] >= 0) & (bits & OLD_PHONE == 0)).astype(np.uint8) * KIN_PHONE
    for i, bit, kinds in ((0, OTHER_NAME, ("homophone", "typing", "surname")), (1, RARE_CHARACTER, ("rare",))):
        at = np.flatnonzero(possible[i])
        if len(at):
            name = people.name.take(pa.array(person[at]))
            bits[at[_has(name, _replacements(*kinds))]] |= bit
    return bits


def _patched(column: Text, at: np.ndarray, texts: Text) -> Text:
    if len(at) == 0:
        return column
    mask = np.zeros(len(column), dtype=bool)
    mask[at] = True
    return pc.replace_with_mask(column, pa.array(mask), texts)


def _names(people: People, person: np.ndarray, bits: np.ndarray) -> Text:
    name = people.name.take(pa.array(person))
    for bit, kinds in ((OTHER_NAME, ("homophone", "typing", "surname")), (RARE_CHARACTER, ("rare",))):
        at = np.flatnonzero(bits & bit)
        if len(at):
            name = _patched(name, at, _rewritten(name.take(pa.array(at)), _replacements(*kinds)))
    return name


def _numbers(people: People, person: np.ndarray, bits: np.ndarray) -> Text:
    number = people.id_card.take(pa.array(person))
    at = np.flatnonzero(bits & OLD_ID)
    old = number.take(pa.array(at))
    number = _patched(number, at, join(pc.utf8_slice_codeunits(old, 0, 6), pc.utf8_slice_codeunits(old, 8, 17)))
    at = np.flatnonzero(bits & WRONG_ID)
    if len(at):
        # another sequence number of the same sex, with the check digit it asks for: nothing but other records can tell
        body = pc.utf8_slice_codeunits(number.take(pa.array(at)), 0, 17).cast(pa.int64()).to_numpy()
        body = np.where(body % 100 >= 80, body - 20, body + 20)
        number = _patched(number, at, join(whole(body), pick(list(ID_CHECK), check_digits(body))))
    at = np.flatnonzero(bits & NO_ID)
    return _patched(number, at, pa.nulls(len(at), pa.string()))


def _phones(people: People, person: np.ndarray, bits: np.ndarray, day: np.ndarray | None) -> Text:
    phone = people.phone.take(pa.array(person))
    if people.phone_changed_on is not None and people.new_phone is not None:
        changed = people.phone_changed_on[person]
        by = people.survey_date[person] if day is None else day
        at = np.flatnonzero(~missing(changed) & (changed <= by) & (bits & OLD_PHONE == 0))
        phone = _patched(phone, at, people.new_phone.take(pa.array(person[at])))
    at = np.flatnonzero(bits & KIN_PHONE)
    return _patched(phone, at, people.phone.take(pa.array(people.kin[person[at]]))) if len(at) and people.kin is not None else phone


def _addresses(people: People, person: np.ndarray, day: np.ndarray | None) -> Text:
    address = people.address.take(pa.array(person))
    if people.moved_on is None or people.new_address is None:
        return address
    moved = people.moved_on[person]
    by = people.survey_date[person] if day is None else day
    at = np.flatnonzero(~missing(moved) & (moved <= by))
    return _patched(address, at, people.new_address.take(pa.array(person[at])))


def as_recorded(people: People, person: np.ndarray, source: str, *, day: np.ndarray | None = None) -> dict[str, Text]:
    """Identifying columns of some people as one organisation holds them.

    source  organisation code
    day     day of writing per entry, for addresses and telephones that change; without it those of the survey time
    Returns person_name, id_card_no, sex_code, birth_date, mobile_phone, residence_address; a builder takes those its form has.
    """
    bits = variants(people, person, source)
    return {
        "person_name": _names(people, person, bits),
        "id_card_no": _numbers(people, person, bits),
        "sex_code": whole(people.sex[person]),
        "birth_date": dates(people.birth[person]),
        "mobile_phone": _phones(people, person, bits, day),
        "residence_address": _addresses(people, person, day),
    }
