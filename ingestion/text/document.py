"""A text being read: what every kind of report needs from it, worked out once and only when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from ingestion.text import assertion as context
from ingestion.text.lexicons import lexicon
from ingestion.text.measurements import Measurement, measurements
from ingestion.text.normalise import normalise
from ingestion.text.sections import NEW, Clause, Section, clauses, sections

FINDINGS = "findings"
SIDES = {"左": "left", "右": "right", "双": "both", "两": "both"}


class Evidence(NamedTuple):
    """Where a value stands: offsets into the text handed in (end exclusive) and the rule that read it, "<file or module>.<rule>"."""

    start: int
    end: int
    rule: str


class Field(NamedTuple):
    """A value read from a report. `lesion`: number of the lesion it belongs to (from 1), None for the report as a whole."""

    name: str
    value: str | float | int | bool | None
    unit: str | None
    evidence: Evidence
    lesion: int | None = None


class Mention(NamedTuple):
    """A term of a lexicon in the text, with its assertion: affirmed, negated, uncertain, historical, family, hypothetical or advice."""

    concept: str
    text: str
    start: int
    end: int
    category: str
    assertion: str
    rule: str
    attributes: dict[str, object]


class Document:
    """A text and its parts. Offsets everywhere are those of `text`; `norm` has the same length (half-width, lower case, × between numbers)."""

    def __init__(self, text: str, kind: str = "") -> None:
        self.text = text
        self.kind = kind
        self.norm = normalise(text)

    @cached_property
    def sections(self) -> list[Section]:
        """Sections in order, covering the text."""
        return sections(self.norm)

    @cached_property
    def clauses(self) -> list[Clause]:
        """Clauses in order."""
        return clauses(self.norm)

    @cached_property
    def _clause_starts(self) -> list[int]:
        return [clause.start for clause in self.clauses]

    @cached_property
    def _section_starts(self) -> list[int]:
        return [section.start for section in self.sections]

    def clause_at(self, offset: int) -> Clause:
        """The clause an offset stands in (the one before, for a mark between clauses)."""
        return self.clauses[max(0, bisect_right(self._clause_starts, offset) - 1)]

    def sentence_at(self, offset: int) -> tuple[int, int]:
        """Start and end of the sentence an offset stands in."""
        at = max(0, bisect_right(self._clause_starts, offset) - 1)
        number = self.clauses[at].sentence
        first = last = at
        while first > 0 and self.clauses[first - 1].sentence == number:
            first -= 1
        while last + 1 < len(self.clauses) and self.clauses[last + 1].sentence == number:
            last += 1
        return self.clauses[first].start, self.clauses[last].end

    def section_at(self, offset: int) -> Section:
        """The section an offset stands in."""
        return self.sections[max(0, bisect_right(self._section_starts, offset) - 1)]

    @cached_property
    def measurements(self) -> list[Measurement]:
        """Lengths with a unit or ×, in order, distances among them (cue `distance`)."""
        return measurements(self.text, self.norm)

    @cached_property
    def sizes(self) -> list[Measurement]:
        """Measurements that are sizes now: no distances, no thicknesses of other things, no earlier values."""
        return [one for one in self.measurements if one.cue != "distance" and not one.is_previous]

    @cached_property
    def _covered(self) -> list[tuple[int, int, int]]:
        return lexicon(FINDINGS).matches(self.norm)

    def know(self, spans: Sequence[tuple[int, int]]) -> None:
        """Tell of terms of a kind's own lexicon, before the first assertion: triggers look for them as they do for findings."""
        taken = [(start, -end, index) for index, start, end in self._covered] + [(start, -end, -1) for start, end in spans]
        known, reached = [], -1
        for start, minus_end, index in sorted(taken):
            if start >= reached:
                reached = -minus_end
                known.append((index, start, reached))
        self.__dict__["_spans"] = known

    @cached_property
    def _spans(self) -> list[tuple[int, int, int]]:
        return self._covered

    @cached_property
    def _scopes(self) -> dict[int, list[context.Scope]]:
        return context.scopes(self.norm, self.clauses, self._spans, lexicon(FINDINGS).of_category("symptom"))

    def assertion(self, start: int, end: int) -> str:
        """Assertion of what stands from `start` to `end`."""
        return self.assertion_and_trigger(start, end)[0]

    def assertion_and_trigger(self, start: int, end: int) -> tuple[str, str]:
        """Assertion of a span and the trigger that decided it ("" for the section's default or a plain affirmation)."""
        best, trigger, rank = "", "", len(context.PRIORITY)
        for scope in self._scopes.get(self.clause_at(start).index, ()):
            if scope.start <= start < scope.end and context.PRIORITY[scope.assertion] <= rank:
                best, trigger, rank = scope.assertion, scope.trigger, context.PRIORITY[scope.assertion]
        if not best or best == "historical":
            section = self.section_at(start).assertion
            if section:
                return section, ""
        return best or "affirmed", trigger

    def assess(self, starts: Sequence[int]) -> list[tuple[int, str]]:
        """Index of the clause and assertion at each of several offsets in order: quicker than asking one by one."""
        clauses, scopes, priority = self.clauses, self._scopes, context.PRIORITY
        defaults = [section for section in self.sections if section.assertion]
        at, last, result = 0, len(clauses) - 1, []
        for start in starts:
            while at < last and clauses[at + 1].start <= start:
                at += 1
            best, rank = "affirmed", 99
            for scope in scopes.get(at, ()):
                if scope.start <= start < scope.end and priority[scope.assertion] <= rank:
                    best, rank = scope.assertion, priority[scope.assertion]
            if defaults and best in {"affirmed", "historical"}:
                best = next((section.assertion for section in defaults if section.start <= start < section.end), None) or best
            result.append((at, best))
        return result

    def mentions(self, name: str) -> list[Mention]:
        """Terms of the lexicon `lexicons/<name>.yaml` in order, longest first, with their assertion."""
        book = lexicon(name)
        matches = self._covered if name == FINDINGS else book.matches(self.norm)
        entries, rules, text, scopes, doubts = book.entries, book.rules, self.text, self._scopes, context.doubts_no_symptom()
        priority = context.PRIORITY
        clauses = self.clauses
        last = len(clauses) - 1
        has_default = any(section.assertion for section in self.sections)
        at = 0
        result = []
        for index, start, end in matches:
            concept, category = entries[index]
            while at < last and clauses[at + 1].start <= start:
                at += 1
            best, trigger, rank = "affirmed", "", 99
            for opens, closes, assertion, word in scopes.get(at, ()):
                if opens <= start < closes and priority[assertion] <= rank:
                    best, trigger, rank = assertion, word, priority[assertion]
            if has_default and best in {"affirmed", "historical"}:
                default = self.section_at(start).assertion
                if default:
                    best, trigger = default, ""
            if trigger in doubts and category == "symptom":
                best, trigger = "affirmed", ""
            attributes = {"trigger": trigger} if trigger else {}
            result.append(NEW(Mention, (concept, text[start:end], start, end, category, best, rules[index], attributes)))
        return result

    @cached_property
    def findings(self) -> list[Mention]:
        """Findings of the general lexicon (lexicons/findings.yaml)."""
        return self.mentions(FINDINGS)

    def side(self, start: int, end: int) -> str | None:
        """Side named inside a span, else last named before it in its clause: left, right, both; None when no side stands there."""
        for piece in (self.norm[start:end], self.norm[self.clause_at(start).start : start]):
            found = [(piece.rfind(char), side) for char, side in SIDES.items() if char in piece]
            if found:
                return max(found)[1]
        return None
