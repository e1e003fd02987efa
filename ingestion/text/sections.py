"""Sections, sentences and clauses of a text, as offsets."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ingestion.text.lexicons import read_data
from ingestion.text.normalise import normalise

# Ends of clauses; which of them end a sentence is decided by what stands around them.
BOUNDARY = re.compile(r"[,。;!?\n.①②③④⑤⑥⑦⑧⑨⑩]|  +|(?<![\d.\-~/×(a-z第胸腰颈骶段组肋、])\d{1,2}[、)](?=[^\da-z])")


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
def _headings() -> tuple[re.Pattern[str], dict[str, tuple[str, str | None]]]:
    owners = {
        normalise(heading): (name, section.get("assertion"))
        for name, section in read_data("sections")["sections"].items()
        for heading in section["headings"]
    }
    longest_first = "|".join(map(re.escape, sorted(owners, key=len, reverse=True)))
    return re.compile(rf"(?:^|(?<=[\n。;\]. ]))\[?({longest_first})\]?(?: ?[::]|(?=\n)|(?<=\]))"), owners


def sections(norm: str) -> list[Section]:
    """Sections in order; they cover the whole text."""
    pattern, owners = _headings()
    found = (
        [(match.start(), match.end(), *owners[match.group(1)]) for match in pattern.finditer(norm)]
        if (":" in norm or "]" in norm or "\n" in norm)
        else []
    )
    if not found:
        return [Section("", 0, len(norm), None)]
    ends = [start for start, *_ in found[1:]] + [len(norm)]
    first = [Section("", 0, found[0][0], None)] if found[0][0] > 0 else []
    return first + [Section(name, start, end, assertion) for (_, start, name, assertion), end in zip(found, ends, strict=True)]


def clauses(norm: str) -> list[Clause]:
    """Clauses in order, split at commas, sentence ends, list numbers and wide gaps; empty ones are left out, but there is always one."""
    result: list[Clause] = []
    start = sentence = 0
    length = len(norm)
    for match in BOUNDARY.finditer(norm):
        at, end = match.span()
        mark = norm[at]
        ends_sentence = True
        if mark == ",":
            if 0 < at < length - 3 and norm[at - 1].isdigit() and norm[at + 1 : at + 4].isdigit():  # 1,200
                continue
            ends_sentence = False
        elif mark == "?" or mark == " ":
            ends_sentence = False
        elif mark == ".":
            before = norm[at - 1] if at else " "
            after = norm[end] if end < length else " "
            if after.isdigit() or ("a" <= before <= "z" and "a" <= after <= "z"):  # 4.5, e.g.
                continue
        if at > start:
            result.append(Clause(len(result), start, at, sentence, mark))
            if ends_sentence:
                sentence += 1
        elif ends_sentence and result and result[-1].sentence == sentence:
            sentence += 1
        start = end
    if start < length:
        result.append(Clause(len(result), start, length, sentence, ""))
    return result or [Clause(0, 0, length, 0, "")]
