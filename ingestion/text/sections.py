"""Sections, sentences and clauses of a text, as offsets."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ingestion.text.lexicons import read_data
from ingestion.text.normalise import normalise

# Ends of clauses; which of them end a sentence is decided by what stands around them.
# A point before a digit (4.5, and 1.结肠 has none behind) is no mark. Begins with a set of characters, which the search skips to.
MARK = re.compile("[,。;!?\n.①②③④⑤⑥⑦⑧⑨⑩](?!(?<=[.])[0-9])")
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


# Half the time of calling the named tuple, which counts where thousands are made.
NEW = tuple.__new__


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
    add = result.append
    for match in MARK.finditer(norm):
        at = match.start()
        mark = norm[at]
        if mark == ",":
            after = norm[at + 1 : at + 4]
            if len(after) == 3 and after.isdigit() and norm[at - 1 : at].isdigit():  # 1,200
                continue
            add((at, at + 1, False))
            continue
        if mark == "." and "a" <= norm[at - 1 : at] <= "z" and "a" <= norm[at + 1 : at + 2] <= "z":  # e.g.
            continue
        add((at, at + 1, mark not in COMMA_LEVEL))
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
    count = 0
    last_sentence = -1
    boundaries = _boundaries(norm)
    boundaries.append((length, length, True))
    for at, end, ends_sentence in boundaries:
        while at - start > LONGEST_CLAUSE:
            result.append(Clause(count, start, start + LONGEST_CLAUSE, sentence, ""))
            count += 1
            start += LONGEST_CLAUSE
        if at > start:
            result.append(NEW(Clause, (count, start, at, sentence, norm[at : at + 1])))
            count += 1
            last_sentence = sentence
        if last_sentence == sentence and (ends_sentence or end - sentence_start > LONGEST_SENTENCE):
            sentence += 1
            sentence_start = end
        if end > start:
            start = end
    return result or [Clause(0, 0, length, 0, "")]
