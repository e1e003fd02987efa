"""Whether a statement is affirmed, negated, uncertain, historical, of the family, hypothetical or advice: in the manner of ConText.

Triggers stand in lexicons/assertion.yaml. A trigger before (after) what it asserts has a scope that runs forward (backward) inside its clause, up to
a stop word. A trigger inside a longer term of a lexicon (无力, 无回声) is none. Beyond its clause reaches only a negated list that goes on after a
comma (无腹胀、腹痛，恶心，无黑便).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from ingestion.text.lexicons import automaton, read_data
from ingestion.text.normalise import normalise
from ingestion.text.sections import Clause

# Which of several scopes over one mention counts.
ASSERTIONS = ("family", "negated", "uncertain", "hypothetical", "advice", "historical")
PRIORITY = {name: rank for rank, name in enumerate(ASSERTIONS)}
# What may stand between the members of a list that goes on after a comma.
LIST_GLUE = frozenset('、和及与或等的 不适症状其他表现"”')
NEGATIVE_START = frozenset("无未不否")

Role = tuple[str, str]
Event = tuple[int, int, tuple[Role, ...]]


class Scope(NamedTuple):
    """Part of the text over which a trigger holds."""

    start: int
    end: int
    assertion: str
    trigger: str


class Triggers(NamedTuple):
    """Matcher of triggers; `roles` of each: (direction, assertion); `stops`: words that end a forward scope, by assertion."""

    matcher: AhoCorasick
    roles: tuple[tuple[Role, ...], ...]


@cache
def triggers() -> Triggers:
    """Triggers of lexicons/assertion.yaml."""
    data = read_data("assertion")
    roles: dict[str, set[Role]] = {}
    for assertion in ASSERTIONS:
        for direction, terms in data[assertion].items():
            for term in terms:
                roles.setdefault(normalise(term), set()).add((direction, assertion))
    for assertion, terms in data["stop"].items():
        for term in terms:
            roles.setdefault(normalise(term), set()).add(("stop", assertion))
    for direction in ("pseudo", "back_stop"):
        for term in data[direction]:
            roles.setdefault(normalise(term), set()).add((direction, ""))
    return Triggers(automaton(tuple(roles)), tuple(tuple(sorted(value)) for value in roles.values()))


@cache
def doubts_no_symptom() -> frozenset[str]:
    """Triggers that make a diagnosis or lesion uncertain but no symptom: 咳嗽待查 is a cough."""
    return frozenset(normalise(term) for term in read_data("assertion")["doubts_no_symptom"])


def scopes(norm: str, clauses: list[Clause], covered: list[tuple[int, int, int]]) -> dict[int, list[Scope]]:
    """Scopes by index of their clause; `covered` holds the lexicon's matches (_, start, end), in order."""
    matcher, roles = triggers()
    found = matcher.find_matches_as_indexes(norm)
    if not found:
        return {}
    result: dict[int, list[Scope]] = {}
    at_found = at_covered = 0
    count_found, count_covered = len(found), len(covered)
    carried = ""  # the negation that reached the end of the clause before
    before: Clause | None = None
    for clause in clauses:
        spans: list[tuple[int, int, int]] = []
        while at_covered < count_covered and covered[at_covered][1] < clause.end:
            spans.append(covered[at_covered])
            at_covered += 1
        events: list[Event] = []
        at_span = 0
        while at_found < count_found and found[at_found][1] <= clause.end:
            index, start, end = found[at_found]
            at_found += 1
            if start < clause.start:
                continue
            while at_span < len(spans) and spans[at_span][2] <= start:
                at_span += 1
            if at_span < len(spans):
                _, opens, closes = spans[at_span]
                if opens <= start and closes >= end and closes - opens > end - start:
                    continue
            events.append((start, end, roles[index]))
        same_sentence = before is not None and before.sentence == clause.sentence
        if events:
            own = _scopes_of(norm, clause, events, spans)
            if own:
                result[clause.index] = own
            carried = next((s.trigger for s in reversed(own) if s.assertion == "negated" and s.end == clause.end and s.start > clause.start), "")
        elif carried and spans and same_sentence and _goes_on(norm, clause, spans, clauses):
            result[clause.index] = [Scope(clause.start, clause.end, "negated", carried)]
        else:
            carried = ""
        before = clause
    return result


def _goes_on(norm: str, clause: Clause, spans: list[tuple[int, int, int]], clauses: list[Clause]) -> bool:
    """Whether a clause is nothing but a list, and what follows shows that the negation before it still held."""
    at = clause.start
    for _, start, end in spans:
        if not LIST_GLUE.issuperset(norm[at:start]):
            return False
        at = end
    rest = norm[at : clause.end]
    if not LIST_GLUE.issuperset(rest):
        return False
    follower = clauses[clause.index + 1] if clause.index + 1 < len(clauses) else None
    if "等" in norm[clause.start : clause.end] or follower is None or follower.sentence != clause.sentence:
        return True
    return norm[follower.start] in NEGATIVE_START


def _scopes_of(norm: str, clause: Clause, events: list[Event], spans: list[tuple[int, int, int]]) -> list[Scope]:
    result = []
    for place, (start, end, roles) in enumerate(events):
        looks_back = _looks_back(start, end, roles, spans) if len(roles) > 1 else None
        for direction, assertion in roles:
            if direction == "before" and looks_back is not True:
                stop = clause.end
                for other, _, kinds in events[place + 1 :]:
                    if any((d == "stop" and a == assertion) or (d == "before" and a != assertion) for d, a in kinds):
                        stop = other
                        break
                bracket = norm.find(")", end, stop)
                if bracket >= 0 and norm.find("(", end, bracket) < 0:
                    stop = bracket
                if norm[end : end + 1] == "“":
                    quoted = norm.find("”", end, stop)
                    stop = quoted if quoted >= 0 else stop
                if stop > end:
                    result.append(Scope(end, stop, assertion, norm[start:end]))
            elif direction.startswith("after") and looks_back is not False:
                begin = clause.start
                for _, other, kinds in reversed(events[:place]):
                    if any(d == "back_stop" or (d == "after" and a == assertion) for d, a in kinds):
                        begin = other
                        break
                begin = max(begin, norm.rfind(":", begin, start) + 1)
                bracket = norm.rfind("(", begin, start)
                if bracket >= 0 and norm.find(")", bracket, start) < 0:
                    begin = bracket + 1
                if direction == "after_item":
                    begin = max(begin, norm.rfind("、", begin, start) + 1)
                elif direction == "after_list":
                    begin = max(begin, _list_start(norm, start, spans))
                if start > begin:
                    result.append(Scope(begin, start, assertion, norm[start:end]))
    return result


def _looks_back(start: int, end: int, roles: tuple[Role, ...], spans: list[tuple[int, int, int]]) -> bool | None:
    """Which way a trigger that stands before or behind is meant to look (结核可能 back, 可能为结核 forward); None for one that knows."""
    directions = {direction.partition("_")[0] for direction, _ in roles}
    if not {"before", "after"} <= directions:
        return None
    if not any(begin >= end for _, begin, _ in spans):
        return True
    return ("after", "uncertain") in roles and any(close == start for _, _, close in spans)


def _list_start(norm: str, end: int, spans: list[tuple[int, int, int]]) -> int:
    """Start of the list of terms that ends right before `end`."""
    start = end
    for _, begin, close in reversed(spans):
        if close > start:
            continue
        if start < end and not LIST_GLUE.issuperset(norm[close:start]):
            break
        start = begin
    return start
