"""Whether a statement is affirmed, negated, uncertain, historical, of the family, hypothetical or advice: in the manner of ConText.

Triggers stand in lexicons/assertion.yaml. A trigger before (after) what it asserts has a scope that runs forward (backward) inside its clause, up to
a stop word. A trigger inside a longer term of a lexicon (无力, 无回声) is none. Beyond its clause reaches only a negated list that goes on after a
comma (无腹胀、腹痛，恶心，无黑便); only lists of symptoms do.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from ingestion.text.lexicons import automaton, read_data
from ingestion.text.normalise import normalise
from ingestion.text.sections import Clause

# Which of several scopes over one mention counts.
ASSERTIONS = ("negated", "family", "uncertain", "hypothetical", "advice", "historical")
PRIORITY = {name: rank for rank, name in enumerate(ASSERTIONS)}
# What may stand between the members of a list that goes on after a comma.
LIST_GLUE = frozenset('、和及与或等的 不适症状其他表现"”')
NEGATIVE_START = frozenset("无未不否")


class Scope(NamedTuple):
    """Part of the text over which a trigger holds."""

    start: int
    end: int
    assertion: str
    trigger: str


class Trigger(NamedTuple):
    """What a trigger does: assertions it gives forward, and backward as (direction, assertion), what it stops, whether it stops backward scopes."""

    before: tuple[str, ...]
    after: tuple[tuple[str, str], ...]
    stops: frozenset[str]
    is_back_stop: bool


Event = tuple[int, int, Trigger]
Span = tuple[int, int, int]


@cache
def triggers() -> tuple[AhoCorasick, tuple[Trigger, ...]]:
    """Matcher of the triggers of lexicons/assertion.yaml, and what each of them does."""
    data = read_data("assertion")
    roles: dict[str, list[tuple[str, str]]] = {}
    for assertion in ASSERTIONS:
        for direction, terms in data[assertion].items():
            for term in terms:
                roles.setdefault(normalise(term), []).append((direction, assertion))
    for assertion, terms in data["stop"].items():
        for term in terms:
            roles.setdefault(normalise(term), []).append(("stop", assertion))
    for direction in ("pseudo", "back_stop"):
        for term in data[direction]:
            roles.setdefault(normalise(term), []).append((direction, ""))
    result = []
    for own in roles.values():
        before = tuple(dict.fromkeys(assertion for direction, assertion in own if direction == "before"))
        after = tuple(dict.fromkeys(role for role in own if role[0].startswith("after")))
        # a new trigger ends the scope of every other assertion, but who it is said of does not (否认家族肿瘤史)
        stops = {assertion for direction, assertion in own if direction == "stop"}
        stops |= {name for name in ASSERTIONS if any(one not in {name, "family"} for one in before)}
        result.append(Trigger(before, after, frozenset(stops), any(direction == "back_stop" for direction, _ in own)))
    return automaton(tuple(roles)), tuple(result)


@cache
def doubts_no_symptom() -> frozenset[str]:
    """Triggers that make a diagnosis or lesion uncertain but no symptom: 咳嗽待查 is a cough."""
    return frozenset(normalise(term) for term in read_data("assertion")["doubts_no_symptom"])


def scopes(norm: str, clauses: list[Clause], covered: list[Span], symptoms: frozenset[int]) -> dict[int, list[Scope]]:
    """Scopes by index of their clause; `covered` holds the lexicon's matches (term, start, end), in order, `symptoms` the terms that are symptoms."""
    matcher, does = triggers()
    found = matcher.find_matches_as_indexes(norm)
    if not found:
        return {}
    result: dict[int, list[Scope]] = {}
    at_found = at_covered = 0
    count_found, count_covered = len(found), len(covered)
    carried = ""  # the negation that reached the end of the clause before
    sentence_before = -1
    for clause in clauses:
        index, clause_start, clause_end, sentence, _ = clause
        first = at_covered
        while at_covered < count_covered and covered[at_covered][1] < clause_end:
            at_covered += 1
        spans = covered[first:at_covered]
        events: list[Event] = []
        at_span, count_spans = 0, len(spans)
        while at_found < count_found:
            number, start, end = found[at_found]
            if start > clause_end:
                break
            at_found += 1
            if start < clause_start:
                continue
            while at_span < count_spans and spans[at_span][2] <= start:
                at_span += 1
            if at_span < count_spans:
                _, opens, closes = spans[at_span]
                if opens <= start and closes >= end and closes - opens > end - start:
                    continue
            events.append((start, end, does[number]))
        if events:
            own = _scopes_of(norm, clause, events, spans)
            if own:
                result[index] = own
            carried = next((s.trigger for s in reversed(own) if s.assertion == "negated" and s.end == clause_end and s.start > clause_start), "")
        elif carried and spans and sentence == sentence_before and _goes_on(norm, clause, spans, clauses, symptoms):
            result[index] = [Scope(clause_start, clause_end, "negated", carried)]
        else:
            carried = ""
        sentence_before = sentence
    return result


def _goes_on(norm: str, clause: Clause, spans: list[Span], clauses: list[Clause], symptoms: frozenset[int]) -> bool:
    """Whether a clause is nothing but a list of symptoms, and what follows shows that the negation before it still held."""
    at = clause.start
    for term, start, end in spans:
        if term not in symptoms or not LIST_GLUE.issuperset(norm[at:start]):
            return False
        at = end
    if not LIST_GLUE.issuperset(norm[at : clause.end]):
        return False
    follower = clauses[clause.index + 1] if clause.index + 1 < len(clauses) else None
    if "等" in norm[clause.start : clause.end] or follower is None or follower.sentence != clause.sentence:
        return True
    return norm[follower.start] in NEGATIVE_START


def _scopes_of(norm: str, clause: Clause, events: list[Event], spans: list[Span]) -> list[Scope]:
    result = []
    for place, (start, end, trigger) in enumerate(events):
        before, after, _, _ = trigger
        if not before and not after:
            continue
        looks_back = _looks_back(start, end, after, spans) if before and after else not before
        if before and not looks_back:
            for assertion in before:
                stop = clause.end
                for other, _, later in events[place + 1 :]:
                    if assertion in later.stops:
                        stop = other
                        break
                bracket = norm.find(")", end, stop)
                if bracket >= 0 and norm.find("(", end, bracket) < 0:
                    stop = bracket
                if norm.startswith("“", end):
                    quoted = norm.find("”", end, stop)
                    stop = quoted if quoted >= 0 else stop
                if stop > end:
                    result.append(Scope(end, stop, assertion, norm[start:end]))
        if after and looks_back:
            for direction, assertion in after:
                begin = _backward_start(norm, clause.start, start, assertion, events[:place])
                if direction == "after_item":
                    begin = max(begin, norm.rfind("、", begin, start) + 1)
                elif direction == "after_list":
                    begin = max(begin, _list_start(norm, start, spans))
                if start > begin:
                    result.append(Scope(begin, start, assertion, norm[start:end]))
    return result


def _backward_start(norm: str, clause_start: int, start: int, assertion: str, events: list[Event]) -> int:
    """How far back a trigger at `start` reaches: to the last stop, trigger of its kind, colon or open bracket."""
    begin = clause_start
    for _, other, earlier in reversed(events):
        if earlier.is_back_stop or ("after", assertion) in earlier.after:
            begin = other
            break
    begin = max(begin, norm.rfind(":", begin, start) + 1)
    bracket = norm.rfind("(", begin, start)
    return bracket + 1 if bracket >= 0 and norm.find(")", bracket, start) < 0 else begin


def _looks_back(start: int, end: int, after: tuple[tuple[str, str], ...], spans: list[Span]) -> bool:
    """Which way a trigger that stands before or behind is meant to look: 结核可能 back, 可能为结核 forward."""
    if not spans or spans[-1][1] < end:
        return True
    return ("after", "uncertain") in after and any(close == start for _, _, close in spans)


def _list_start(norm: str, end: int, spans: list[Span]) -> int:
    """Start of the list of terms that ends right before `end`."""
    start = end
    for _, begin, close in reversed(spans):
        if close > start:
            continue
        if start < end and not LIST_GLUE.issuperset(norm[close:start]):
            break
        start = begin
    return start
