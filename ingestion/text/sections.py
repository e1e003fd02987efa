"""Sections, sentences and clauses of a text, as offsets."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ingestion.text.lexicons import read_data
from ingestion.text.normalise import normalise

# Ends of clauses; which of them end a sentence is decided by what stands around them.
MARK = re.compile("[,。;!?\n.①②③④⑤⑥⑦⑧⑨⑩]")
LIST_NUMBER = re.compile("[0-9][0-9]?[、)]")
WIDE_GAP = re.compile("  +")
# 第3、4肋, S4、8, 12)/13): the number belongs to what stands before it.
NUMBERED_BEFORE = frozenset("0123456789.-~/×(第胸腰颈骶段组肋、abcdefghijklmnopqrstuvwxyz")
LATIN_OR_DIGIT = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
COMMA_LEVEL = frozenset(",? ")
HEADING_START = frozenset("\n。;]. [")
LONGEST_HEADING = 12
# Beyond these a text without marks is cut, so that the work per clause and sentence stays bounded.
LONGEST_CLAUSE = 300
LONGEST_SENTENCE = 1500


class Section(NamedTuple):
    """A section: `name` as in lexicons/sections.yaml ("" before the first heading); `assertion` of its content or None."""

    name: str
    start: int
    end: int
    assertion: str | None


class Clause(NamedTuple):
    """A clause without its closing mark; `sentence` numbers the sentence it stands in; `mark` is the closing mark ("" at the end)."""

    index: int
    start: int
    end: int
    sentence: int
    mark: str


@cache
def _headings() -> dict[str, tuple[str, str | None]]:
    return {
        normalise(heading): (name, section.get("assertion"))
        for name, section in read_data("sections")["sections"].items()
        for heading in section["headings"]
    }


def sections(norm: str) -> list[Section]:
    """Sections in order; they cover the whole text."""
    headings = _headings()
    found: list[tuple[int, str, str | None]] = []
    for mark in ":]\n":
        at = norm.find(mark)
        while at >= 0:
            end = at - 1 if norm[at - 1 : at] == " " else at
            start = end
            while start > 0 and end - start < LONGEST_HEADING and norm[start - 1] not in HEADING_START:
                start -= 1
            heading = headings.get(norm[start:end])
            if heading and (mark != "]" or norm[start - 1 : start] == "["):
                found.append((start, *heading))
            at = norm.find(mark, at + 1)
    if not found:
        return [Section("", 0, len(norm), None)]
    found.sort()
    ends = [start for start, *_ in found[1:]] + [len(norm)]
    first = [Section("", 0, found[0][0], None)] if found[0][0] > 0 else []
    return first + [Section(name, start, end, assertion) for (start, name, assertion), end in zip(found, ends, strict=True)]


def _boundaries(norm: str) -> list[tuple[int, int, bool]]:
    """Start, end and whether a sentence ends, of every boundary in order."""
    length = len(norm)
    result: list[tuple[int, int, bool]] = []
    for match in MARK.finditer(norm):
        at = match.start()
        mark = norm[at]
        if mark == ",":
            if norm[at - 1 : at].isdigit() and norm[at + 1 : at + 4].isdigit() and length > at + 3:  # 1,200
                continue
        elif mark == ".":
            before, after = norm[at - 1 : at], norm[at + 1 : at + 2]
            if "0" <= after <= "9" or ("a" <= before <= "z" and "a" <= after <= "z"):  # 4.5, e.g.
                continue
        result.append((at, at + 1, mark not in COMMA_LEVEL))
    marked = len(result)
    for match in LIST_NUMBER.finditer(norm):
        at, end = match.span()
        if (at == 0 or norm[at - 1] not in NUMBERED_BEFORE) and end < length and norm[end] not in LATIN_OR_DIGIT:
            result.append((at, end, True))
    if "  " in norm:
        result.extend((match.start(), match.end(), False) for match in WIDE_GAP.finditer(norm))
    if len(result) > marked:
        result.sort()
    return result


def clauses(norm: str) -> list[Clause]:
    """Clauses in order, split at commas, sentence ends, list numbers and wide gaps; empty ones are left out, but there is always one."""
    result: list[Clause] = []
    start = sentence = sentence_start = 0
    length = len(norm)
    for at, end, ends_sentence in [*_boundaries(norm), (length, length, True)]:
        while at - start > LONGEST_CLAUSE:
            result.append(Clause(len(result), start, start + LONGEST_CLAUSE, sentence, ""))
            start += LONGEST_CLAUSE
        if at > start:
            result.append(Clause(len(result), start, at, sentence, norm[at : at + 1]))
        if (ends_sentence or end - sentence_start > LONGEST_SENTENCE) and result and result[-1].sentence == sentence:
            sentence += 1
            sentence_start = end
        start = max(start, end)
    return result or [Clause(0, 0, length, 0, "")]
