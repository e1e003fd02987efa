"""Diagnosis texts to ICD-10: sites and tumour words are found, read from left to right, and put together clause by clause.

A tumour word takes the sites named before it since the last tumour word; 转移 makes them secondary. Words before or after say how sure
and when. What no rule puts together stays unmapped and goes to the clerk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ingestion.codes.lexicon import STAGING, Condition, Histology, Meaning, Normalised, names, normalised, sites, words
from ingestion.codes.model import CODED, EMPTY, NO_TUMOUR, PARTLY, UNMAPPED, Code, Coded

FULL, MOST, SOME = 0.95, 0.85, 0.7
# The organ is said by the histology alone; the nature of a primary is said by where metastases came from.
IMPLIED, IMPRECISE = 0.9, 0.7
STATED = re.compile(r"(?<![a-z0-9])(c\d\d|d[0-4]\d)(\.\d)?(?:x\d\d|\d\d)?(?![a-z0-9])")
CLAUSE_END = frozenset(";；。!\n,，+|")
JOINS = frozenset("、/&")
BRACKETS = frozenset("()")
PUNCTUATION = frozenset("[]{}【】<>《》\"'“”‘’:：.·-_*~#= ")
TUMOUR_CUE = re.compile(r"癌|瘤|恶性|占位|肿物|肿块|新生物|息肉|瘤变|转移|化生")
HISTORY_BEHAVIOURS = frozenset({"malignant", "in_situ", "secondary", "uncertain", "benign", "polyp", "low_grade"})
# A tumour word without a site of its own tells more of a lesion named just before: 息肉癌变, 占位（癌？）.
TOLD_MORE = frozenset({"finding", "polyp", "benign", "uncertain", "low_grade"})
CLASS_OF_DIGIT = {"0": "benign", "1": "uncertain", "2": "in_situ", "3": "malignant", "6": "secondary"}
NUMBERED = re.compile(r"(?<![a-z0-9./-])\(?\d{1,2}[.、)）](?!\d)")


@dataclass(slots=True)
class Place:
    """A site as named: organ, its parts, side."""

    organ: str
    parts: list[str]
    side: str | None
    start: int
    end: int
    joined: bool


@dataclass(slots=True)
class Token:
    start: int
    end: int
    meanings: list[Meaning]
    letter: str = ""

    def of(self, kind: str) -> Meaning | None:
        return next((m for m in self.meanings if m.kind == kind), None)


@dataclass(slots=True)
class Group:
    """The codes that one tumour word made."""

    codes: list[Code]
    places: list[Place]
    behaviour: str


@dataclass(slots=True)
class Waiting:
    """A tumour word that found no site yet, with what words around it said."""

    kind: str
    histology: Histology | None
    token: Token
    assertion: str


@dataclass(slots=True)
class Clause:
    """What is being read: sites without a tumour word, flags that words before have set, and what was made."""

    pending: list[Place] = field(default_factory=list)
    side: str | None = None
    joined: bool = False
    secondary_next: bool = False
    origin_next: bool = False
    suspected: bool = False
    negated: bool = False
    history: bool = False
    recurrence: bool = False
    family: bool = False
    bracket: int = 0
    groups: list[Group] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


def diagnosis(text: str | None, *, site: str | None = None) -> Coded:
    """Read a diagnosis in words. `site`: organ (of sites.yml) where the column says it; used for tumour words without a site."""
    if not text or not text.strip():
        return Coded(text or "", EMPTY)
    whole = normalised(text)
    whole = replace(whole, text=NUMBERED.sub(lambda m: ";" * len(m[0]), whole.text))
    return _Reader(whole, text, site).read()


class _Reader:
    def __init__(self, whole: Normalised, text: str, site: str | None):
        self.whole, self.text, self.site = whole, text, site
        self.made: list[Group] = []
        self.clause = Clause()
        self.unplaced = 0
        self.cue_seen = False

    def read(self) -> Coded:
        tokens, unread = self._tokens()
        for position, token in enumerate(tokens):
            if token.letter in CLAUSE_END:
                self._end_clause()
            elif token.letter in JOINS:
                self.clause.joined = True
            elif token.letter in BRACKETS:
                self.clause.bracket = len(self.clause.groups) if token.letter == "(" else 0
            else:
                self._take(token, tokens[position + 1 :])
        self._end_clause()
        self._place_what_waits()
        codes = _once(c for g in self.made for c in g.codes)
        codes = tuple(replace(c, confidence=round(c.confidence * self._sure(c, unread), 2)) for c in codes)
        left, left_over = self.unplaced > 0, "".join(self.whole.text[i] for i in unread)
        tumour = left or self.cue_seen or bool(TUMOUR_CUE.search(left_over))
        status = (PARTLY if left else CODED) if codes else UNMAPPED if tumour else NO_TUMOUR
        return Coded(self.text, status, codes, left_over)

    def _sure(self, code: Code, unread: list[int]) -> float:
        """How much of the clause that a code stands in was read."""
        text, places = self.whole.text, self.whole.places
        first = next(i for i, p in enumerate(places) if p >= code.start)
        last = max(i for i, p in enumerate(places) if p < code.end)
        start = max((i + 1 for i in range(first) if text[i] in CLAUSE_END), default=0)
        end = next((i for i in range(last, len(text)) if text[i] in CLAUSE_END), len(text))
        missed = sum(start <= i < end for i in unread)
        return FULL if not missed else MOST if missed <= 0.3 * (end - start) else SOME

    def _tokens(self) -> tuple[list[Token], list[int]]:
        """Words and signs in order, and the places of characters that nothing knows."""
        text = self.whole.text
        known = [Token(s, e, m) for s, e, m in words().found(text)]
        covered = [(m.start(), m.end()) for m in STAGING.finditer(text)] + [(m.start(), m.end()) for m in STATED.finditer(text)]
        silent = {i for s, e in covered for i in range(s, e)}
        inside = {i for t in known for i in range(t.start, t.end)}
        signs, unread = [], []
        for i, c in enumerate(text):
            if i in inside:
                continue
            if c in CLAUSE_END or c in JOINS or c in BRACKETS:
                signs.append(Token(i, i + 1, [], c))
            elif i not in silent and c not in PUNCTUATION:
                unread.append(i)
        return sorted(known + signs, key=lambda t: t.start), unread

    def _take(self, token: Token, rest: list[Token]) -> None:
        c = self.clause
        if (found := token.of("condition")) is not None:
            self._condition(found.value, token)
        elif (behaviour := token.of("behaviour")) is not None or token.of("histology") is not None:
            histology = token.of("histology")
            # 癌 names a behaviour, no histology
            said = histology.value if histology and not (histology.value.generic and behaviour) else None
            kind = behaviour.value if behaviour else CLASS_OF_DIGIT[said.code[-1]]
            self._tumour(kind, said, token)
        elif (found := token.of("site")) is not None:
            self._site(found.value, [], token)
        elif (found := token.of("part")) is not None:
            self._site(found.value[0], [found.value[1]], token)
        elif token.of("inside") is not None:
            self._inside([m.value for m in token.meanings if m.kind == "inside"], token)
        elif (found := token.of("laterality")) is not None:
            c.side = found.value if c.side in (None, found.value) else "3"
        elif token.of("becomes_secondary"):
            c.secondary_next = True
        elif token.of("origin"):
            if c.pending:
                self._emit("malignant", None, c.pending, token, weight=MOST)
                c.pending = []
            else:
                c.origin_next = True
        else:
            self._modifier(token, rest)

    def _modifier(self, token: Token, rest: list[Token]) -> None:
        c = self.clause
        more = _content_before_end(rest)
        before, after = token.of("suspected_before"), token.of("suspected_after")
        if before or after:
            is_prefix = more and (not c.groups if not before else True)
            if is_prefix:
                c.suspected = True
            else:
                self._mark_last(assertion="suspected")
        elif token.of("history_after"):
            self._mark_history()
        elif token.of("history_before"):
            c.history = True
        elif token.of("recurrence"):
            self._mark_recurrence(more)
        elif token.of("negated_before"):
            c.negated = c.negated or more
        elif token.of("family_before"):
            c.family = True
        elif token.of("family_after"):
            self._to_family()
        elif token.of("screening_after"):
            self._to_screening(token)

    def _site(self, organ: str, parts: list[str], token: Token) -> None:
        c = self.clause
        last = c.pending[-1] if c.pending else None
        if last and last.organ == organ and not (c.joined and not parts and not last.parts):
            last.parts += [p for p in parts if p not in last.parts]
            last.side, last.end = last.side or c.side, token.end
        else:
            c.pending.append(Place(organ, list(parts), c.side, token.start, token.end, c.joined))
        c.side, c.joined = None, False

    def _inside(self, listed: list[tuple[str, str]], token: Token) -> None:
        """A part that is one only within its organ: 上段 of an oesophagus named in the clause."""
        c = self.clause
        organs = [p.organ for p in c.pending] or [p.organ for g in c.groups[-1:] for p in g.places] or ([self.site] if self.site else [])
        for organ, part in listed:
            if organ in organs:
                self._site(organ, [part], token)
                return

    def _tumour(self, kind: str, histology: Histology | None, token: Token) -> None:
        c = self.clause
        self.cue_seen = True
        if c.secondary_next and kind in ("malignant", "uncertain", "finding", "secondary"):
            kind = "secondary"
        places, c.pending = c.pending, []
        side = c.side
        if kind == "secondary":
            c.secondary_next = False
            if not places and not c.groups and self.made and self.made[-1].behaviour in ("finding", "uncertain"):
                places = self.made[-1].places  # 肝内占位，转移可能
            if places:
                self._emit(kind, histology, places, token)
            else:
                self._wait(kind, histology, token)
            return
        places = _one_lesion(places)
        if not places and self._tells_more(kind, histology, token):
            return
        if not places and (organ := _implied(kind, histology, self.site) or self._organ_of_condition()):
            places = [Place(organ, [], side, token.start, token.end, False)]
            c.side = None
        if places:
            self._emit(kind, histology, places, token)
        else:
            self._wait(kind, histology, token)

    def _wait(self, kind: str, histology: Histology | None, token: Token) -> None:
        self.clause.waiting.append(Waiting(kind, histology, token, self._assertion()))

    def _organ_of_condition(self) -> str | None:
        """The organ of the condition just named in the clause: 胃溃疡癌变, Barrett食管伴低级别上皮内瘤变."""
        last = self.clause.groups[-1] if self.clause.groups else None
        return last.codes[0].organ if last and last.behaviour == "condition" and last.codes and last.codes[0].organ in sites() else None

    def _tells_more(self, kind: str, histology: Histology | None, token: Token) -> bool:
        """A tumour word without a site tells more of the lesion before it, in this clause or the one before."""
        earlier = self.clause.groups or self.made
        if not earlier or kind in ("finding", "polyp"):
            return False
        last = earlier[-1]
        told = histology if histology and not histology.generic else None
        if last.behaviour in TOLD_MORE and last.places and kind in ("malignant", "in_situ", "intramucosal", "uncertain", "benign", "low_grade"):
            if kind in ("uncertain",) and last.behaviour != "finding":
                return True
            made = self._codes(kind, histology, last.places, token, 1.0)
            if made and kind == "low_grade" and last.behaviour in ("benign", "polyp"):
                earlier.append(Group(made, last.places, kind))  # 导管内乳头状瘤伴不典型增生 are two
                return True
            if made:
                side = last.codes[0].laterality_code if last.codes else None
                last.codes[:] = [replace(m, laterality_code=m.laterality_code or side) for m in made]
                last.behaviour = made[0].behaviour
                return True
        if last.behaviour in ("malignant", "secondary", "in_situ") and last.codes and kind in ("malignant", "in_situ"):
            if told and last.codes[-1].morphology_code in (None, "8010/3", "8000/3"):
                code = told.code_at(last.codes[-1].organ)
                last.codes[-1] = replace(last.codes[-1], morphology_code=f"{code[:4]}/6" if last.behaviour == "secondary" else code)
            return True
        return False

    def _condition(self, condition: Condition, token: Token) -> None:
        c = self.clause
        if c.pending and condition.behaviour in ("encounter", "history", "family_history"):
            # 肺恶性肿瘤个人史: the site is named before what else would be of no organ
            places, c.pending = _one_lesion(c.pending), []
            self._emit("malignant", None, places, token)
            if condition.behaviour == "history":
                self._mark_history()
            elif condition.behaviour == "family_history":
                self._to_family()
            return
        start, end = self.whole.original(token.start, token.end)
        role = {"condition": "condition", "encounter": "encounter", "family_history": "family_history", "history": "condition"}
        assertion = "family_history" if condition.behaviour == "family_history" else "history" if condition.behaviour == "history" else None
        made = Code(
            "icd10", condition.code, condition.name_zh,
            role.get(condition.behaviour, "secondary" if condition.behaviour == "secondary" else "primary"),
            condition.behaviour, assertion or self._assertion(), condition.weight, start, end, f"conditions.{condition.code}",
            condition.organ, sites()[condition.organ].cancer if condition.organ in sites() else None,
            _side(condition.organ, c.side or (c.pending[-1].side if c.pending else None)), c.recurrence,
        )  # fmt: skip
        c.groups.append(Group([made], [], condition.behaviour))
        c.pending, c.side, c.recurrence = [], None, False

    def _assertion(self) -> str:
        c = self.clause
        return "negated" if c.negated else "suspected" if c.suspected else "history" if c.history else "confirmed"

    def _emit(self, kind: str, histology: Histology | None, places: list[Place], token: Token, weight: float = 1.0) -> None:
        c = self.clause
        if c.side and places[-1].side is None and token.start - places[-1].end <= 3:
            places[-1].side, c.side = c.side, None
        made = self._codes(kind, histology, places, token, weight)
        if not made:
            self.unplaced += 1
            return
        c.groups.append(Group(made, places, made[0].behaviour))
        c.recurrence = c.joined = False

    def _codes(self, kind: str, histology: Histology | None, places: Iterable[Place], token: Token, weight: float) -> list[Code]:
        made = []
        for place in places:
            organ = sites()[place.organ]
            behaviour, code, sure = _code_at(kind, histology, place)
            if code is None:
                continue
            morphology = histology.code_at(place.organ) if histology else None
            if behaviour == "secondary" and morphology:
                morphology = f"{morphology[:4]}/6"
            start, end = self.whole.original(min(place.start, token.start), max(place.end, token.end))
            rule = f"sites.{place.organ}{'.' + '+'.join(place.parts) if place.parts else ''} × {kind}"
            role = {"secondary": "secondary", "malignant": "primary", "in_situ": "primary"}.get(behaviour, "condition")
            implied = IMPLIED if (place.start, place.end) == (token.start, token.end) and not (histology and histology.site_code) else 1.0
            made.append(
                Code(
                    "icd10", code, names().get(code, organ.name_zh), role, behaviour, self._assertion(),
                    weight * sure * organ.weight * (histology.weight if histology and histology.code == morphology else 1.0) * implied,
                    start, end, rule, place.organ, organ.cancer if behaviour != "secondary" else None, _side(place.organ, place.side),
                    self.clause.recurrence, morphology,
                )
            )  # fmt: skip
        return made

    def _mark_last(self, **changed: str) -> None:
        if self.clause.waiting and not self.clause.groups:
            self.clause.waiting[-1].assertion = changed["assertion"]
            return
        groups = self.clause.groups or self.made[-1:]
        if groups and not (self.clause.pending and not self.clause.groups):
            last = groups[-1]
            last.codes[:] = [c if c.assertion == "negated" else replace(c, **changed) for c in last.codes]

    def _mark_history(self) -> None:
        c = self.clause
        # 术后 in brackets tells of what stands in them, where a tumour does
        groups = c.groups[c.bracket :] or c.groups or ([] if c.pending else self.made[-1:])
        for group in groups:
            group.codes[:] = [
                replace(c, assertion="history") if c.assertion == "confirmed" and c.behaviour in HISTORY_BEHAVIOURS and not c.is_recurrence else c
                for c in group.codes
            ]

    def _mark_recurrence(self, more: bool) -> None:
        groups = [g for g in (self.clause.groups or self.made) if g.behaviour in HISTORY_BEHAVIOURS and g.behaviour != "secondary"]
        if groups:
            last = groups[-1]
            last.codes[:] = [replace(c, is_recurrence=True, assertion="confirmed" if c.assertion == "history" else c.assertion) for c in last.codes]
        elif more:
            self.clause.recurrence = True

    def _to_family(self) -> None:
        for group in self.clause.groups:
            group.codes[:] = [
                replace(c, code=_family(c.organ), name_zh="恶性肿瘤家族史", role="family_history", assertion="family_history", morphology_code=None)
                for c in group.codes
                if c.behaviour not in ("condition", "encounter")
            ]

    def _to_screening(self, token: Token) -> None:
        c = self.clause
        if c.pending and not c.groups:
            self._emit("malignant", None, c.pending, token)
            c.pending = []
        for group in c.groups[-1:]:
            group.behaviour = "encounter"
            group.codes[:] = [
                replace(
                    code, code=sites()[code.organ].screening, name_zh=names().get(sites()[code.organ].screening, "肿瘤筛查"), role="encounter",
                    behaviour="encounter", assertion="confirmed", morphology_code=None,
                )
                if code.organ in sites() and code.behaviour in ("malignant", "uncertain")
                else code
                for code in group.codes
            ]  # fmt: skip

    def _end_clause(self) -> None:
        c = self.clause
        if c.waiting and c.pending:
            w = c.waiting.pop()
            self._emit(w.kind, w.histology, c.pending if w.kind == "secondary" else _one_lesion(c.pending), w.token)
            if c.groups and w.assertion != "confirmed":
                c.groups[-1].codes[:] = [replace(x, assertion=w.assertion) for x in c.groups[-1].codes]
            c.pending = []
        elif c.origin_next and c.pending:
            place = c.pending[-1]
            self._emit("malignant", None, [place], Token(place.start, place.end, []), weight=MOST)
            c.pending = []
        elif c.groups and c.pending:
            self._refine(c)
            c.pending = []
        elif c.groups and c.side:
            group = c.groups[-1]
            group.codes[:] = [replace(x, laterality_code=x.laterality_code or _side(x.organ, c.side)) for x in group.codes]
        if c.family:
            self._to_family()
        self.made += c.groups
        carried = Clause(waiting=c.waiting)
        if not c.groups:
            carried.pending, carried.side, carried.suspected = c.pending, c.side, c.suspected and bool(c.pending)
        self.clause = carried

    def _refine(self, c: Clause) -> None:
        """Sites after the tumour word say where it sits: 肺癌（右上叶）."""
        last, place = c.groups[-1], c.pending[-1]
        if not last.codes or not last.places or place.organ != last.places[-1].organ:
            return
        old = last.codes[-1]
        where = Place(place.organ, place.parts or last.places[-1].parts, place.side or last.places[-1].side or c.side, place.start, place.end, False)
        _, code, _ = _code_at(old.behaviour if old.behaviour != "in_situ" else "in_situ", None, where)
        side = old.laterality_code or _side(place.organ, where.side)
        if code and place.parts and not last.places[-1].parts and old.role != "encounter":
            end = self.whole.original(place.start, place.end)[1]
            old = replace(old, code=code, name_zh=names().get(code, old.name_zh), end=max(end, old.end))
        last.codes[-1] = replace(old, laterality_code=side)

    def _place_what_waits(self) -> None:
        """Tumour words that found no site: a stated code, an unspecified metastasis, or a text for the clerk."""
        stated = [m for m in STATED.finditer(self.whole.text)]
        for w in self.clause.waiting:
            start, end = self.whole.original(w.token.start, w.token.end)
            if w.kind == "secondary":
                if w.assertion == "negated":
                    continue
                morphology = f"{w.histology.code[:4]}/6" if w.histology else None
                made = Code(
                    "icd10", "C79.9", names()["C79.9"], "secondary", "secondary", w.assertion, MOST, start, end, "secondary without a site",
                    morphology_code=morphology,
                )  # fmt: skip
                self.made.append(Group([made], [], "secondary"))
            elif w.kind in ("malignant", "in_situ") and stated:
                code = (stated[0][1] + (stated[0][2] or "")).upper()
                organ = organ_of(code)
                morphology = w.histology.code_at(organ) if w.histology else None
                made = Code(
                    "icd10", code, names().get(code, names().get(code[:3], "恶性肿瘤")), "primary", w.kind, w.assertion, MOST, start, end,
                    "code stated in the text", organ, sites()[organ].cancer if organ else None, morphology_code=morphology,
                )  # fmt: skip
                self.made.append(Group([made], [], w.kind))
            elif w.kind not in ("finding", "low_grade") or not self.made:
                self.unplaced += 1


def _content_before_end(rest: list[Token]) -> bool:
    """Whether a tumour word or a condition follows in the clause."""
    for token in rest:
        if token.letter in CLAUSE_END:
            return False
        if any(m.kind in ("behaviour", "histology", "condition", "becomes_secondary") for m in token.meanings):
            return True
    return False


def _one_lesion(places: list[Place]) -> list[Place]:
    """Organs side by side are one lesion, named from the wider to the narrower; organs joined by 、 or 及 are several."""
    kept: list[Place] = []
    for place in places:
        if kept and not place.joined:
            kept[-1] = (
                place if place.side or not kept[-1].side else Place(place.organ, place.parts, kept[-1].side, place.start, place.end, place.joined)
            )
        else:
            kept.append(place)
    return kept


def _implied(kind: str, histology: Histology | None, site: str | None) -> str | None:
    if kind in ("in_situ_of_cervix", "low_grade_of_cervix", "moderate"):
        return site or "cervix"
    return site or (histology.implies if histology else None)


def _code_at(kind: str, histology: Histology | None, place: Place) -> tuple[str, str | None, float]:
    """Behaviour, code and weight of a kind of tumour at a place; code None where the place has none of that kind."""
    organ, sure = sites()[place.organ], 1.0
    if kind in ("moderate", "severe", "low_grade_of_cervix", "in_situ_of_cervix", "intramucosal"):
        if place.organ == "cervix" and kind in ("moderate", "severe"):
            return "low_grade", "N87.1" if kind == "moderate" else "N87.2", 1.0
        if kind == "intramucosal":
            kind, sure = "in_situ" if organ.cancer == "colorectum" else "malignant", 0.7
        else:
            sure = 1.0 if place.organ == "cervix" else 0.7
            kind = "in_situ" if kind in ("severe", "in_situ_of_cervix") else "low_grade"
    if kind == "malignant" and kind not in organ.codes and "secondary" in organ.codes:
        kind = "secondary"  # a cancer of a lymph node is a metastasis
    if kind == "low_grade" and place.organ == "cervix" and histology is None:
        return kind, "N87.9", 1.0
    if histology and histology.site_code and histology.implies == place.organ and kind in ("malignant", "in_situ", "benign"):
        return kind, histology.site_code, 1.0
    parts = [organ.parts[p] for p in place.parts]
    found = {p.get(kind) for p in parts}
    if kind == "malignant" and len(found) > 1 and organ.overlapping:
        return kind, organ.overlapping, sure
    codes = parts[-1] if parts else organ.codes
    return kind, codes.get(kind), sure


def _side(organ: str | None, side: str | None) -> str | None:
    """The side where the organ has two; 左 of a colon or a liver is part of its name."""
    return side if organ in PAIRED else None


PAIRED = frozenset(
    {"lung", "breast", "thyroid", "kidney", "ovary", "adrenal", "testis", "pleura", "node_axilla", "node_neck", "node_groin", "parotid", "bone"}
)


def _family(organ: str | None) -> str:
    return sites()[organ].family if organ in sites() else "Z80.9"


def organ_of(code: str) -> str | None:
    """The organ whose codes hold a code, by its first three characters and then the whole."""
    for organ, site in sites().items():
        if code in site.codes.values() or any(code in p.values() for p in site.parts.values()):
            return organ
    return next((o for o, s in sites().items() if any(c[:3] == code[:3] for k, c in s.codes.items() if k in ("malignant", "in_situ"))), None)


def _once(codes: Iterable[Code]) -> tuple[Code, ...]:
    """Each code once a role: a confirmed mention stands before a suspected one, and details are kept."""
    order = {"confirmed": 0, "history": 1, "suspected": 2, "family_history": 3, "negated": 4}
    found: dict[tuple[str, str], Code] = {}
    for code in codes:
        before = found.get((code.code, code.role))
        if before is None:
            found[code.code, code.role] = code
            continue
        kept, other = sorted((before, code), key=lambda c: order[c.assertion])
        found[code.code, code.role] = replace(
            kept, laterality_code=kept.laterality_code or other.laterality_code, morphology_code=kept.morphology_code or other.morphology_code,
            is_recurrence=kept.is_recurrence or other.is_recurrence,
        )  # fmt: skip
    return tuple(found.values())
