"""Reading a report lesion by lesion: one pass over the words of a lexicon, in the order in which a reader meets them.

A place (side, quadrant, lobe …) is announced, a head (结节, 低回声 …) claims the places announced before it and becomes a lesion,
attributes that follow go to that lesion, attributes between place and head wait for the head. What the words are stands in the kind's lexicon;
its categories are the names of the methods `on_<category>` here and in the kinds, or attributes (`ATTRIBUTES`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from ahocorasick_rs import AhoCorasick

from ingestion.text.document import Document, Evidence, Field
from ingestion.text.lexicons import Lexicon, automaton, lexicon
from ingestion.text.measurements import Measurement
from ingestion.text.normalise import number

# Ends of clauses and sentences, and numbers of a list; what a number must not stand behind (2.、BI-RADS3、) is looked at where one is found.
MARKS = {",": ",", "?": ",", "。": ".", ";": ".", "!": ".", "\n": "."}
LIST_NUMBER = re.compile(r"\d{1,2}(?:、(?!\d)|\)(?![\d,。;])|\.(?!\d))")
NO_LIST_BEFORE = frozenset("0123456789.-~/×abcdefghijklmnopqrstuvwxyz")
DATE = re.compile(r"(?P<year>20\d\d)[-./年](?P<month>\d{1,2})(?:[-./月](?P<day>\d{1,2}))?")
COMPARED = re.compile(rf"(?:与|较|对比|同)[^,。;\d]{{0,6}}{DATE.pattern}")
# A lesion that was taken out is history: 左乳肿物切除术后.
REMOVED = re.compile(r"[^,。;:!?\n考疑伴见]{0,10}(?:术后|切除|剔除|摘除|旋切)")
OPINION_OPENS = frozenset("?可待不首或")
OPINION_AFTER = re.compile(r"(?:或[^,。;?]{1,8})?(?:\?|可能|待排|待除外|不除外|首先考虑)")
RESPECTIVELY = re.compile(r"(?:分别|依次)[^。;]{0,40}$")
OPPOSITE = {"left": "right", "right": "left"}
SIZES = ("long_diameter_mm", "short_diameter_mm", "third_diameter_mm", "mean_diameter_mm", "diameter_comparator")
TURNS = frozenset({",", ".", "#", "inside", "consider", "largest"})
SENTENCE_ENDS = frozenset({".", "#"})
STOPS_BEHIND = frozenset({",", ".", "#", "negation", "absent", "present"})
START = itemgetter(0)


class Value(NamedTuple):
    """A value with its place and the rule that read it."""

    value: Any
    start: int
    end: int
    rule: str
    unit: str | None = None


@dataclass(slots=True)
class Place:
    """Where something is, as far as the words have said it."""

    side: Value | None = None
    slots: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Lesion:
    """A lesion being read; `sentence` and `item` (of a numbered list) are those it was opened in."""

    site: str
    sentence: int
    item: int
    start: int
    end: int
    side: str | None = None
    values: dict[str, Value] = field(default_factory=dict)


class Token(NamedTuple):
    """A word with its meaning and the rule that a value read from it carries."""

    start: int
    end: int
    category: str
    concept: str
    rule: str
    measurement: Measurement | None = None


class Plan(NamedTuple):
    """What a class of readers needs to know about the terms of its lexicon, worked out once: the automaton with the marks added, and per term
    its category, concept and rule."""

    automaton: AhoCorasick
    meanings: tuple[tuple[str, str, str, None], ...]
    handlers: dict[str, Callable[[Any, Token], None]]


make = tuple.__new__


def previous_spans(norm: str, tokens: list[Token], copied: re.Pattern[str]) -> list[tuple[int, int]]:
    """Parts of the text that repeat an earlier report: from 前次检查 to 本次, and what stands before “与2023-05-01比较：”."""
    spans = []
    opened = None
    for token in tokens:
        if token.category == "prior" and opened is None:
            opened = token.start
        elif token.category == "now" and opened is not None:
            spans.append((opened, token.end))
            opened = None
    if opened is not None:
        ends = [end for end in (norm.find("。", opened), norm.find("\n", opened)) if end >= 0]
        spans.append((opened, min(ends, default=len(norm))))
    if "比较" in norm:
        spans += [(0, match.start()) for match in copied.finditer(norm) if match.start() > 12]
    return spans


class Reader:
    """State of the pass. A kind gives the lexicon, the home site, extra tokens and the handlers of its own categories."""

    BOOK: ClassVar[str]
    HOME: ClassVar[str]  # site of the lesions the kind is about
    ATTRIBUTES: ClassVar[dict[str, str]] = {}  # category -> field with the concept as its value
    HEADS: ClassVar[tuple[str, ...]] = ("head",)
    ROLES: ClassVar[dict[str, str]]  # category -> head, turn, absent, negation; worked out for each kind
    SITES: ClassVar[frozenset[str]]  # sites whose lesions are kept
    KEPT: ClassVar[frozenset[str]] = frozenset({"lesion_type"})  # what a further lesion at another place has in common with the first

    def __init_subclass__(cls) -> None:
        cls.ROLES = dict.fromkeys(TURNS, "turn") | {"absent": "absent", "negation": "negation"} | dict.fromkeys(cls.HEADS, "head")

    def __init__(self, doc: Document) -> None:
        self.doc = doc
        self.norm = doc.norm
        self.book: Lexicon = lexicon(self.BOOK)
        self.has_removal = "术后" in doc.norm or "除" in doc.norm or "旋切" in doc.norm
        self.impression = next((one.start for one in doc.sections if one.name == "impression"), len(doc.norm))
        self.lesions: list[Lesion] = []
        self.report: list[Field] = []
        self.current: list[Lesion] = []
        self.last_side: Value | None = None
        self.site = self.HOME
        self.site_sentence = 0
        self.sentence = self.item = 0
        self.joint_end = -9
        self._new_sentence()

    # ------------------------------------------------------------------ the pass

    def read(self) -> None:
        """Go through the text once."""
        plan = self.plan()
        self.tokens = tokens = self._tokens(plan)
        self._look_around(tokens)
        handlers = plan.handlers
        for self.index, token in enumerate(tokens):
            handler = handlers.get(token[2])
            if handler is not None:
                handler(self, token)
        self._end_sentence()

    @classmethod
    def plan(cls) -> Plan:
        """The plan of the class."""
        plan = cls.__dict__.get("_plan")
        if plan is None:
            book = lexicon(cls.BOOK)
            handlers = {name[3:]: getattr(cls, name) for name in dir(cls) if name.startswith("on_")}
            handlers |= dict.fromkeys(cls.ATTRIBUTES, cls.attribute)
            handlers |= {",": cls.comma, ".": cls.stop, "#": cls.list_number}
            meanings = [(category, concept, f"{cls.BOOK}.{category}", None) for concept, category in book.entries]
            meanings += [(category, mark, "", None) for mark, category in MARKS.items()]
            plan = Plan(automaton((*book.terms, *MARKS)), tuple(meanings), handlers)
            cls._plan = plan
        return plan

    def extra_tokens(self) -> list[Token]:
        """Tokens of the kind that no lexicon holds (classes, clock positions …)."""
        return []

    def token(self, start: int, end: int, category: str, concept: str) -> Token:
        """A token that no lexicon holds."""
        return make(Token, (start, end, category, concept, f"{self.BOOK}.{category}", None))

    def before(self, chars: str, pattern: re.Pattern[str], width: int = 12) -> Iterator[tuple[re.Match[str], int]]:
        """Matches of a pattern that ends right before one of the characters, with the offset of the character."""
        norm = self.norm
        for char in chars:
            at = norm.find(char)
            while at > 0:
                found = pattern.search(norm, max(0, at - width), at)
                if found:
                    yield found, at
                at = norm.find(char, at + 1)

    def counted(self, chars: str) -> list[Token]:
        """Numbers of things: 3枚, 两个."""
        return [
            self.token(found.start(), at + 1, "number", str(int(number(found["number"]) or 0)))
            for found, at in self.before(chars, self.book.patterns["number"], 4)
            if self.norm[at + 1 : at + 2] not in ("月", "周", "年", "季")
        ]

    def _tokens(self, plan: Plan) -> list[Token]:
        norm, meanings = self.norm, plan.meanings
        tokens = [make(Token, (start, end) + meanings[index]) for index, start, end in plan.automaton.find_matches_as_indexes(norm)]
        extra = self.extra_tokens()
        for match in LIST_NUMBER.finditer(norm):
            start, end = match.span()
            if start and norm[start - 1] == "(":
                start -= 1
            if start == 0 or norm[start - 1] not in NO_LIST_BEFORE:
                extra.append(make(Token, (start, end, "#", "", "", None)))
        extra += [make(Token, (one.start, one.end, "measure", "", "", one)) for one in self.doc.measurements]
        self._insert(tokens, extra)
        if "前" in norm or "次" in norm or "比较" in norm or "既往" in norm:
            spans = previous_spans(norm, tokens, self.book.patterns["copied"])
            if spans:
                return [token for token in tokens if not any(first <= token[0] < last for first, last in spans)]
        return tokens

    def _insert(self, tokens: list[Token], extra: list[Token]) -> None:
        """Put further tokens into the list; of two that overlap the earlier stays, of two at one place the longer."""
        starts = [token[0] for token in tokens]
        for token in sorted(extra):
            start, end = token[0], token[1]
            low = high = bisect_left(starts, start)
            if low and tokens[low - 1][1] > start:
                continue
            while high < len(starts) and starts[high] < end:
                high += 1
            if high > low and starts[low] == start and tokens[low][1] > end:
                continue
            tokens[low:high] = [token]
            starts[low:high] = [start]

    def _look_around(self, tokens: list[Token]) -> None:
        """Per token: does a head follow in its clause, before words that turn to something else (`heads_ahead`)? Which words does a mark behind
        them negate: 钙化(-), 胸膜牵拉：无, 结节、肿块未见 (`negated_behind`)?"""
        self.heads_ahead = ahead_of = [False] * len(tokens)
        self.negated_behind: set[int] = set()
        role_of = self.ROLES.get
        ahead = False
        for index in range(len(tokens) - 1, -1, -1):
            ahead_of[index] = ahead
            role = role_of(tokens[index][2])
            if role is None:
                continue
            if role == "head":
                ahead = True
            elif role == "turn":
                ahead = False
            elif role == "absent" or self.closes(tokens[index]):
                self._negate_before(index)

    def _negate_before(self, index: int) -> None:
        tokens = self.tokens
        at = index - 1
        while at >= 0 and tokens[at][2] not in STOPS_BEHIND:
            self.negated_behind.add(at)
            if at == 0 or (tokens[at - 1][2] != "joint" and tokens[at][2] != "joint"):
                break
            at -= 1

    def closes(self, token: Token) -> bool:
        """A negation at the end of its clause looks back: 钙化：无。"""
        return token.end >= len(self.norm) or self.norm[token.end] in ",。;!\n )"

    # ------------------------------------------------------------------ sentences and clauses

    def _new_sentence(self) -> None:
        self.negated = self.opinion = self.inside = self.largest = self.another = self.saw = self.skip = False
        self.clause_head = False
        self.pending: Value | None = None
        self.places: list[Place] = []
        self.waiting: list[tuple[str, Value]] = []
        self.sentence_lesions: list[Lesion] = []

    def _end_sentence(self) -> None:
        if self.places:
            self.resolve_places()
        self.end_sentence()

    def end_sentence(self) -> None:
        """What the kind does at the end of a sentence."""

    def comma(self, token: Token) -> None:
        """End of a clause: negation, opinion and what is part of a lesion end; announced places stay."""
        if self.places:
            self.resolve_places()
        self.negated = self.opinion = self.inside = self.another = self.saw = self.skip = False
        self.clause_head = False
        self.waiting = []

    def stop(self, token: Token) -> None:
        """End of a sentence, or of an empty one (。2、)."""
        if self.index and self.tokens[self.index - 1][2] in SENTENCE_ENDS:
            return
        self._end_sentence()
        self.sentence += 1
        self._new_sentence()

    def list_number(self, token: Token) -> None:
        """A new item of a list: nothing said before carries over but the site."""
        self.stop(token)
        self.item += 1
        self.last_side = None

    # ------------------------------------------------------------------ places

    def value(self, token: Token, value: Any = None, unit: str | None = None) -> Value:
        """A value with the token's place and rule."""
        return make(Value, (token[3] if value is None else value, token[0], token[1], token[4], unit))

    def joined(self, start: int) -> bool:
        """Does 及, 和 or 、 stand right before?"""
        return 0 <= start - self.joint_end <= 1

    def denied(self) -> bool:
        """Is the word at hand negated, by what stands before or behind it?"""
        return self.negated or self.index in self.negated_behind

    def on_side(self, token: Token) -> None:
        self.pending = self.value(token)

    def on_opposite(self, token: Token) -> None:
        if self.last_side and self.last_side.value in OPPOSITE:
            self.pending = self.value(token, OPPOSITE[self.last_side.value])

    def on_same_side(self, token: Token) -> None:
        self.pending = self.value(token, self.last_side.value) if self.last_side else None

    def on_not_a_side(self, token: Token) -> None:
        self.pending = None

    def on_joint(self, token: Token) -> None:
        self.joint_end = token.end

    def home(self) -> None:
        """The words turn to the organ of the report."""
        self.site = self.HOME
        self.site_sentence = self.sentence

    def on_site(self, token: Token) -> None:
        self.resolve_places()
        self.site = token.concept
        self.site_sentence = self.sentence
        self.places, self.waiting, self.pending = [], [], None

    def take_pending(self, start: int, near: int = 2) -> bool:
        """Make a place of the side that was just named. False when none was, or too far before."""
        pending = self.pending
        if pending is None or start - pending.end > near:
            return False
        self.pending = None
        self.home()
        self.open_place(pending)
        return True

    def open_place(self, side: Value | None) -> Place:
        """A further place when joined to the last (右乳外下及左乳内上), else a place instead of it."""
        if self.places and not self.joined(side.start if side else -9):
            self.resolve_places()
            self.places = []
        self.places.append(Place(side))
        if side:
            self.last_side = side
        self.clause_head = False
        return self.places[-1]

    def slot(self, name: str, value: Value) -> None:
        """A further detail of the place: quadrant, clock, lobe, segment."""
        if not self.take_pending(value.start, 4) and self.site != self.HOME:
            return
        if self.negated:
            return
        if not self.places:
            if self.current and self.current[-1] in self.sentence_lesions and not self.heads_ahead[self.index] and not self.another:
                self.refine(name, value)
                return
            self.open_place(None)
        place = self.places[-1]
        if name in place.slots and place.slots[name].value != value.value:
            place = Place(place.side)
            self.places.append(place)
        place.slots[name] = value
        self.clause_head = False

    def refine(self, name: str, value: Value) -> None:
        """A detail that follows its lesion: 结节, 位于3点; a further one of the same kind is a further lesion (9点、10点)."""
        last = self.current[-1]
        known = last.values.get(name)
        if known is None:
            for one in self.current:
                one.values.setdefault(name, value)
        elif known.value != value.value and self.joined(value.start):
            self.current = [*self.current, self.clone(last, last.side, {name: value}, value)]

    def clone(self, lesion: Lesion, side: str | None, slots: dict[str, Value], at: Value) -> Lesion:
        """Another lesion of the same kind at another place."""
        kept = {name: value for name, value in lesion.values.items() if name in self.KEPT}
        if side and side == lesion.side and "side" in lesion.values:
            kept["side"] = lesion.values["side"]
        new = Lesion(lesion.site, self.sentence, self.item, at.start, at.end, side, kept | slots)
        self.lesions.append(new)
        self.sentence_lesions.append(new)
        return new

    def resolve_places(self) -> None:
        """Places that no head claims describe the lesion before them: 双乳多发结节，较大者位于左乳3点."""
        if not self.places or len(self.current) != 1 or self.current[0] not in self.sentence_lesions:
            return
        lesion, place = self.current[0], self.places[-1]
        side = place.side.value if place.side else None
        clash = any(name in lesion.values and lesion.values[name].value != value.value for name, value in place.slots.items())
        if side in (None, lesion.side) or lesion.side is None:
            if clash or not (place.slots or self.largest):
                return
            lesion.side = lesion.side or side
            if place.side:
                lesion.values.setdefault("side", place.side)
            lesion.values |= {name: value for name, value in place.slots.items() if name not in lesion.values}
            self.places = []
        elif self.largest:
            at = place.side or next(iter(place.slots.values()))
            sizes = {name: lesion.values.pop(name) for name in SIZES if name in lesion.values} if lesion.side == "both" else {}
            self.current = [self.clone(lesion, side, ({"side": place.side} if place.side else {}) | place.slots | sizes, at)]
            self.places = []

    # ------------------------------------------------------------------ lesions

    def on_head(self, token: Token) -> None:
        self.head(token, "lesion_type", token.concept)

    def head(self, token: Token, name: str, concept: str) -> None:
        """A word for a lesion: a new one, a closer word for the one just named, or an opinion on it."""
        if self.pending and self.site == self.HOME:
            self.take_pending(token.start, 6)
        if self.site not in self.SITES:
            self.current, self.waiting = [], []
            return
        if self.denied():
            self.absent(token, concept)
            self.waiting = []
            return
        if self.skip or (self.has_removal and REMOVED.match(self.norm, token.end)):
            self.places, self.waiting = [], []
            return
        value = self.value(token, concept)
        if not self.places or self.inside:
            last = self.current[-1] if self.current else None
            here = last is not None and last in self.sentence_lesions
            if here and token.start - last.end <= 8 and self.clause_head and not self.joined(token.start) and not self.saw and not self.inside:
                self.closer(name, value)
                return
            if self.opinion or (self.norm[token.end : token.end + 1] in OPINION_OPENS and OPINION_AFTER.match(self.norm, token.end)):
                if here or (last is not None and last.item == self.item):
                    return
            elif self.inside and last is not None:
                self.part(token, name, value)
                return
            elif here:
                if not self.joined(token.start) and not self.another and self.same_lesion(token, name, value):
                    return
            elif last is not None and last.item == self.item and self.refers(token):
                return
        self.open_lesions(token, name, value)

    def absent(self, token: Token, concept: str) -> None:
        """A lesion that the report denies."""

    def closer(self, name: str, value: Value) -> None:
        """A further word for the lesion just named: 低回声 + 结节."""
        for one in self.current:
            one.values.setdefault(name, value)
            one.end = value.end

    def part(self, token: Token, name: str, value: Value) -> None:
        """A head inside a lesion (其内见钙化) is an attribute of it."""

    def same_lesion(self, token: Token, name: str, value: Value) -> bool:
        """A head in the sentence of a lesion, without a place of its own: is it that lesion again? Then its attributes were taken."""
        if self.saw:
            return False
        self.closer(name, value)
        return True

    def refers(self, token: Token) -> bool:
        """A sentence that opens with a head and sees nothing new speaks of the lesion before: 。结节边界清."""
        before = self.norm[max(0, token.start - 3) : token.start]
        return not self.saw and not self.another and any(char in before for char in "。;!\n该此上述")

    def open_lesions(self, token: Token, name: str, value: Value) -> None:
        """One new lesion per announced place; without a place on the side named last."""
        places = self.places or [Place()]
        self.current = []
        for place in places:
            side = place.side or self.last_side
            values = {name: value} | place.slots
            if side:
                values["side"] = side
            lesion = Lesion(self.site, self.sentence, self.item, token.start, token.end, side.value if side else None, values)
            known = self.known(lesion)
            if known is None:
                self.lesions.append(lesion)
            self.current.append(known or lesion)
        self.sentence_lesions += [lesion for lesion in self.current if lesion not in self.sentence_lesions]
        for lesion in self.current:
            for waiting, one in self.waiting:
                lesion.values.setdefault(waiting, one)
        self.waiting, self.places = [], []
        self.clause_head, self.saw, self.another, self.largest = True, False, False, False

    def known(self, lesion: Lesion) -> Lesion | None:
        """The lesion of the findings that the impression names again: same side, no detail against it. None for a new one."""
        if lesion.start < self.impression:
            return None
        fits = [
            one
            for one in self.lesions
            if one.site == lesion.site
            and one.start < self.impression
            and (lesion.side is None or one.side == lesion.side)
            and self.agree(one, lesion)
        ]
        if len(fits) != 1:
            return None
        for name, value in lesion.values.items():
            fits[0].values.setdefault(name, value)
        return fits[0]

    def agree(self, earlier: Lesion, later: Lesion) -> bool:
        """No detail of the later mention stands against the earlier one."""
        return all(name not in earlier.values or earlier.values[name].value == value.value for name, value in later.values.items() if name != "side")

    # ------------------------------------------------------------------ attributes

    def set(self, name: str, value: Value) -> None:
        """An attribute of the current lesions, or of the lesion whose head is still to come in this clause."""
        if self.heads_ahead[self.index] and not self.clause_head:
            self.waiting.append((name, value))
            return
        if self.site not in self.SITES:
            return
        if self.places:
            self.resolve_places()
            if self.elsewhere():
                return
        for lesion in self.current:
            lesion.values.setdefault(name, value)

    def elsewhere(self) -> bool:
        """Was another place announced of which no lesion was named? Then what follows is not said of the lesion before."""
        return any(place.slots or (place.side and place.side.value not in {one.side for one in self.current}) for place in self.places)

    def attribute(self, token: Token) -> None:
        """An attribute with a value; a denied value says nothing."""
        if not (self.skip or self.denied()):
            self.set(self.ATTRIBUTES[token.category], self.value(token))

    def flag(self, token: Token) -> None:
        """A sign that a lesion has or has not."""
        if not self.skip:
            self.set(token.concept, self.value(token, not self.denied()))

    def on_present(self, token: Token) -> None:
        self.negated = self.inside = False
        self.saw = True

    def on_another(self, token: Token) -> None:
        self.another = self.saw = True
        self.negated = self.inside = False

    def on_inside(self, token: Token) -> None:
        self.inside = bool(self.current)
        self.joint_end = token.end

    def on_largest(self, token: Token) -> None:
        self.largest = True
        if self.current:
            self.places = []

    def on_consider(self, token: Token) -> None:
        self.opinion = True

    def on_negation(self, token: Token) -> None:
        self.negated = not self.closes(token)

    def on_turn(self, token: Token) -> None:
        self.negated = False

    def on_advice(self, token: Token) -> None:
        self.skip = True

    def on_growth(self, token: Token) -> None:
        if self.negated or self.skip:
            return
        self.set("growth", self.value(token))
        self.saw = self.saw or token.concept == "new"
        date = DATE.search(self.norm, max(0, token.start - 24), token.start) or COMPARED.search(self.norm)
        if date:
            year, month, day = date.group("year", "month", "day")
            written = f"{year}-{int(month):02d}" + (f"-{int(day):02d}" if day else "")
            self.set("compared_on", Value(written, date.start("year"), date.end(), f"{self.BOOK}.compared_on"))

    def on_count(self, token: Token) -> None:
        if not (self.negated or self.skip):
            self.set("is_multiple", self.value(token, token.concept == "multiple"))

    def on_number(self, token: Token) -> None:
        if not (self.negated or self.skip):
            self.set("count", self.value(token, int(token.concept)))

    # ------------------------------------------------------------------ sizes

    def on_measure(self, token: Token) -> None:
        one = token.measurement
        if one is None or self.skip:
            return
        before = self.norm[max(0, one.start - 14) : one.start]
        before = before[before.rfind(",") + 1 :]
        if self.aside(token, one, before):
            return
        if one.is_previous:
            self.measured("previous_diameter_mm", one.long_mm, one)
            return
        values = self.millimetres(one)
        if "平均" in before[-7:]:
            self.measured("mean_diameter_mm", values[0], one)
            return
        if one.cue == "short_axis" and len(values) == 1:
            self.measured("short_diameter_mm", values[0], one)
            return
        group = self.current
        if len(group) > 1 and RESPECTIVELY.search(self.norm, max(0, one.start - 40), one.start):  # 大小分别约5mm×4mm、6mm×5mm
            self.current = [lesion for lesion in group if "long_diameter_mm" not in lesion.values][:1]
        self.sized(one, values)
        self.current = group

    def sized(self, one: Measurement, values: tuple[float, ...]) -> None:
        """A size of the current lesions; the first size of a lesion counts."""
        ordered = sorted(values, reverse=True)
        awaited = self.heads_ahead[self.index] and not self.clause_head
        self.resolve_places()
        if not awaited and self.current and "long_diameter_mm" in self.current[-1].values:
            return
        self.measured("long_diameter_mm", ordered[0], one)
        if one.is_range:
            self.measured("smallest_diameter_mm", ordered[-1], one)
        elif len(values) > 1:
            self.measured("short_diameter_mm", min(values[:2]), one)
        if len(values) > 2:
            self.measured("third_diameter_mm", values[2], one)
        if one.comparator:
            self.set("diameter_comparator", Value(one.comparator, one.start, one.end, f"{self.BOOK}.comparator"))

    def measured(self, name: str, value: float, one: Measurement) -> None:
        """A length in millimetres as an attribute."""
        self.set(name, Value(value, one.start, one.end, f"{self.BOOK}.{name}", "mm"))

    def millimetres(self, one: Measurement) -> tuple[float, ...]:
        """Dimensions in millimetres; a kind judges numbers without a unit."""
        return one.values_mm

    def aside(self, token: Token, one: Measurement, before: str) -> bool:
        """Is the measurement none of a lesion's size? A distance that a kind wants is set here."""
        return one.cue in {"distance", "thickness"}

    # ------------------------------------------------------------------ result

    def say(self, name: str, value: Value) -> None:
        """A field of the report as a whole."""
        self.report.append(make(Field, (name, value[0], value[4], make(Evidence, value[1:4]), None)))

    def fields(self) -> list[Field]:
        """Fields of the report, then of the lesions in order; the mean of two diameters is computed to 0.1 mm, halves up."""
        result = list(self.report)
        for lesion_no, lesion in enumerate(self.lesions, start=1):
            values = lesion.values
            long_, short = values.get("long_diameter_mm"), values.get("short_diameter_mm")
            if long_ and short and short.value > long_.value:
                values["long_diameter_mm"], values["short_diameter_mm"] = short, long_
            if long_ and "mean_diameter_mm" not in values:
                mean = int((long_.value + (short.value if short else long_.value)) * 5 + 0.5 + 1e-9) / 10
                start, end = min(long_.start, (short or long_).start), max(long_.end, (short or long_).end)
                values["mean_diameter_mm"] = Value(mean, start, end, f"{self.BOOK}.mean_of_{'two' if short else 'one'}", "mm")
            for name, one in values.items():
                result.append(make(Field, (name, one[0], one[4], make(Evidence, one[1:4]), lesion_no)))
        return result
