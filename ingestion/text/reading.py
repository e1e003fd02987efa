"""What the readers of several kinds share: hits of a lexicon, and a list of fields being filled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ingestion.text.document import Document, Evidence, Field
from ingestion.text.lexicons import Lexicon

Value = str | float | int | bool | None
ROMAN = {"ⅰ": "I", "ⅱ": "II", "ⅲ": "III", "ⅳ": "IV", "1": "I", "2": "II", "3": "III", "4": "IV", "0": "0"}
ARABIC = {"ⅰ": 1, "ⅱ": 2, "ⅲ": 3, "ⅳ": 4, "i": 1, "ii": 2, "iii": 3, "iv": 4, "1": 1, "2": 2, "3": 3, "4": 4}


Found = tuple[str, str, int, int]
"""What a pattern found: category, concept, start, end."""


class Hit(NamedTuple):
    """A term of a lexicon, or what a pattern found, in the text: its assertion and the index of its clause."""

    category: str
    concept: str
    start: int
    end: int
    assertion: str = "affirmed"
    clause: int = 0


def hits(doc: Document, book: Lexicon, asserted: frozenset[str] = frozenset()) -> list[Hit]:
    """Terms of a lexicon in order, with their assertion; triggers look for terms of the categories `asserted` as they do for findings."""
    entries, matches = book.entries, book.matches(doc.norm)
    if asserted:
        doc.know([(start, end) for index, start, end in matches if entries[index][1] in asserted])
    said = doc.assess([start for _, start, _ in matches])
    result = []
    for (index, start, end), (clause, assertion) in zip(matches, said, strict=True):
        concept, category = entries[index]
        result.append(Hit(category, concept, start, end, assertion, clause))
    return result


def placed(doc: Document, values: list[Found]) -> list[Hit]:
    """What patterns found, as hits in order."""
    values.sort(key=lambda value: value[2])
    said = doc.assess([value[2] for value in values])
    return [Hit(*value, assertion, clause) for value, (clause, assertion) in zip(values, said, strict=True)]


def by_category(found: Iterable[Hit]) -> dict[str, list[Hit]]:
    """Hits by category, in order."""
    groups: dict[str, list[Hit]] = {}
    for hit in found:
        groups.setdefault(hit.category, []).append(hit)
    return groups


class Fields:
    """Fields of one report; of several values for one field (and lesion) the first counts."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.all: list[Field] = []
        self._known: set[tuple[str, int | None]] = set()

    def add(
        self, name: str, value: Value, start: int, end: int, *, unit: str | None = None, lesion: int | None = None, rule: str | None = None
    ) -> None:
        """One field with its evidence; nothing happens where the field has a value or the value is None."""
        if value is None:
            return
        key = (name, lesion)
        if key not in self._known:
            self._known.add(key)
            self.all.append(Field(name, value, unit, Evidence(start, end, f"{self.module}.{rule or name}"), lesion))

    def has(self, name: str, lesion: int | None = None) -> bool:
        return (name, lesion) in self._known


def roman(written: str) -> str:
    """A stage or grade in Roman letters (Ⅲ, iii, 3 → III)."""
    return "".join(ROMAN.get(char, char.upper()) for char in written)


NEGATIVE = re.compile(
    r"未见|未查见|未发现|未检出|未侵犯|未累及|未及|未找到|无(?!法)|阴性|阴$|\(-+\)|\( ?-|-(?=[,;。、 ]|$)|净|末见|未受|否|没有|不见"
)
POSITIVE = re.compile(r"可见|查见|找到|见|有|阳性|\(\+|\+|侵犯|累及|受累|浸润|存在")
DOUBTFUL = re.compile(r"可疑|疑似|疑|不除外|可能|不能排除|\?|待排")


def stated(norm: str, start: int, end: int, stop: int, begin: int) -> str | None:
    """present, absent or suspected: what the words behind `start`–`end` (up to `stop`), else those before it (from `begin`), say of it."""
    behind = norm[end:stop]
    if DOUBTFUL.search(behind) or DOUBTFUL.search(norm, begin, start):
        return "suspected"
    if NEGATIVE.search(behind):
        return "absent"
    before = norm[begin:start]
    if NEGATIVE.search(before):
        return "absent"
    if POSITIVE.search(behind) or POSITIVE.search(before) or POSITIVE.search(norm, start, end):
        return "present"
    return None
