"""Whether a statement is affirmed, negated, uncertain, historical, of the family, hypothetical or advice: triggers and their scopes, in the manner of ConText.

Triggers stand in lexicons/assertion.yaml. A trigger before (after) what it asserts has a scope that runs forward (backward) inside its clause, up to a
stop word; lists with 、 belong to one clause. A trigger inside a longer term of a lexicon (无力, 无回声) is none.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from ingestion.text.lexicons import automaton, read_data
from ingestion.text.normalise import normalise
from ingestion.text.sections import Clause

# Which of several scopes over one mention counts.
PRIORITY = {name: rank for rank, name in enumerate(("advice", "hypothetical", "family", "negated", "uncertain", "historical"))}


class Scope(NamedTuple):
    """Part of the text over which a trigger holds."""

    start: int
    end: int
    assertion: str
    trigger: str


@cache
def _triggers() -> tuple[AhoCorasick, tuple[tuple[tuple[str, str], ...], ...]]:
    data = read_data("assertion")
    roles: dict[str, set[tuple[str, str]]] = {}
    for assertion in PRIORITY:
        for direction, terms in data[assertion].items():
            for term in terms:
                roles.setdefault(normalise(term), set()).add((direction, assertion))
    for direction in ("pseudo", "stop", "back_stop"):
        for term in data[direction]:
            roles.setdefault(normalise(term), set()).add((direction, ""))
    return automaton(tuple(roles)), tuple(tuple(sorted(value)) for value in roles.values())


def scopes(norm: str, clauses: list[Clause], covered: list[tuple[int, int, int]]) -> list[Scope]:
    """Scopes of all triggers of the text, in order of their clauses; `covered` holds the lexicon's matches (_, start, end), in order."""
    matcher, roles = _triggers()
    found = matcher.find_matches_as_indexes(norm)
    if not found:
        return []
    result: list[Scope] = []
    cover = 0
    position = 0
    count = len(found)
    for clause in clauses:
        events: list[tuple[int, int, tuple[tuple[str, str], ...]]] = []
        while position < count and found[position][1] < clause.end:
            index, start, end = found[position]
            position += 1
            while cover < len(covered) and covered[cover][2] <= start:
                cover += 1
            if (
                cover < len(covered)
                and covered[cover][1] <= start
                and covered[cover][2] >= end
                and covered[cover][2] - covered[cover][1] > end - start
            ):
                continue
            if end <= clause.end + 1:
                events.append((start, end, roles[index]))
        if events:
            _scopes_of(norm, clause, events, result)
    return result


def _scopes_of(norm: str, clause: Clause, events: list[tuple[int, int, tuple[tuple[str, str], ...]]], result: list[Scope]) -> None:
    for place, (start, end, roles) in enumerate(events):
        for direction, assertion in roles:
            if direction == "before":
                stop = next((s for s, _, kinds in events[place + 1 :] if any(d in {"stop", "before"} for d, _ in kinds)), clause.end)
                if stop > end:
                    result.append(Scope(end, stop, assertion, norm[start:end]))
            elif direction == "after":
                if len(roles) > 1 and clause.end - end > 1 and any(d == "before" for d, _ in roles):
                    continue
                begin = next((e for _, e, kinds in reversed(events[:place]) if any(d in {"back_stop", "after"} for d, _ in kinds)), clause.start)
                if start > begin:
                    result.append(Scope(begin, start, assertion, norm[start:end]))
