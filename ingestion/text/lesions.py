"""Lesions of endoscopy and ultrasound reports: which words name a new lesion, which go on about the last one, and which attributes are whose.

Words that stand before the lesion in its sentence (place, distance, number, form) belong to it, what follows belongs to it until the next one.
A lesion of the impression is one of the findings when its place agrees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingestion.text.document import Document
from ingestion.text.measurements import Measurement
from ingestion.text.normalise import number
from ingestion.text.reading import Hit
from ingestion.text.sections import Clause

UNREAL = frozenset({"advice", "family", "hypothetical"})
PLACE = frozenset({"site", "distance"})
# A place that names the organ and may be told more exactly later.
WHOLE = frozenset({"colon", "stomach", "liver"})
INTRODUCED = re.compile(r"见|及|发现|检出|示|另|有|为|呈|[一二两三四五六七八九十\d多数]\s?(?:枚|个|处|粒|颗)|另|探")
CONCLUDES = re.compile(r"(?:考虑|诊断|符合|疑|倾向|可能|提示|性质)[^,。;]{0,8}$")
SUPPOSED = re.compile(r"(?:如|若|一旦)(?:有|发现|见|出现|为|仍有)?[^,。;]{0,4}$|建议|(?<!待)病理[^,。;]{0,12}$")
LOCATED = re.compile(r"(?:位于|在|于|者|[(（:])[^,。;]{0,4}$")
COUNTED = re.compile("[枚个处粒颗发]")
COUNT = re.compile(r"(?:(?<![\d./~-])|(?<=\d)[-~])(\d{1,2}|[一二两三四五六七八九十]{1,3}|数十|数|多|单)余? ?$")
NO_COUNT = frozenset("月层面")
NOT_COUNTED = re.compile(r"(?:活检|取材|取检|话检|钳取|咬检|取|送检|组织|夹|视野|方向|钛夹|止血夹)[^,。;\d]{0,6}$")
BIOPSY = re.compile(r"(?:活检|话检|取检|取材|咬检|钳取|取活组织)[^,。;\d×]{0,8}(\d{1,2}|[一二两三四五六七八九十]) ?(?:块|枚|粒|处|点|次|条)")
OPERATED = re.compile(r"(?:术|切除|emr|esd|电切|治疗|化疗|放疗)后")
EARLIER = re.compile(r"(?:前次检查|上次检查|前次|前片|既往检查|上次)[^。;]{0,16}?[:\]]")
NOW = re.compile(r"本次(?:检查)?(?:所见)?[:\]]|\[本次\]|现[:\]]")
UNIT = re.compile(r"\d ?(?:cm|mm|㎝|厘米|毫米|公分)")


@dataclass
class Lesion:
    """A lesion: where it is named first, how surely, and its attributes by category in the order read."""

    start: int
    end: int
    concept: str
    assertion: str
    sentence: int
    nouns: list[Hit] = field(default_factory=list)
    attributes: dict[str, list[Hit]] = field(default_factory=dict)
    sizes: list[Measurement] = field(default_factory=list)
    count: int | None = None
    count_span: tuple[int, int] | None = None
    is_multiple: bool = False

    def first(self, category: str) -> Hit | None:
        """The first hit of a category, None without one."""
        own = self.attributes.get(category)
        return own[0] if own else None

    def take(self, items: Sequence[Hit | Measurement | tuple[int, int, int]]) -> None:
        """Make attributes one's own."""
        for item in items:
            if isinstance(item, Measurement):
                self.sizes.append(item)
            elif isinstance(item, Hit):
                self.attributes.setdefault(item.category, []).append(item)
            else:
                start, end, count = item
                if count < 0:
                    self.is_multiple = True
                elif self.count is None:
                    self.count, self.count_span = count, (start, end)


Item = Hit | Measurement | tuple[int, int, int]


def counts(norm: str) -> list[tuple[int, int, int]]:
    """Numbers of lesions as (start, end, number), -1 for several; pieces of tissue are none, of a range the upper end counts."""
    result = []
    for unit in COUNTED.finditer(norm):
        at = unit.start()
        match = COUNT.search(norm, max(0, at - 6), at)
        if not match or norm[at + 1 : at + 2] in NO_COUNT or NOT_COUNTED.search(norm, max(0, match.start(1) - 12), match.start(1)):
            continue
        written = match[1]
        value = -1 if written in {"数", "多", "数十"} else 1 if written == "单" else number(written)
        if value is not None:
            result.append((match.start(1), at + 1, int(value)))
    return result


def current_part(norm: str) -> tuple[int, int]:
    """The part of the text that speaks of an earlier examination pasted before this one; (0, 0) without such a part."""
    if earlier := EARLIER.search(norm) if "前" in norm or "上次" in norm or "既往" in norm else None:
        now = NOW.search(norm, earlier.end())
        if now:
            return earlier.start(), now.end()
    return 0, 0


def lesions(
    doc: Document,
    found: Sequence[Hit],
    extra: Sequence[Hit] = (),
    *,
    agree: Callable[[Hit, Hit], bool] = lambda one, other: one.concept == other.concept,
    attributes: frozenset[str],
    fits: Callable[[Lesion, Hit], int] = lambda lesion, noun: 1,
    other_size: re.Pattern[str] | None = None,
    part_of: re.Pattern[str] | None = None,
    longest_mm: float = 1000.0,
) -> tuple[list[Lesion], list[Hit]]:
    """Lesions in order and the lesion words that are denied.

    found, extra  hits; category `lesion` names one, those of `attributes` describe one    agree  whether two places are the same
    fits  how well a conclusion suits a lesion, 0 for not at all    other_size  what stands before sizes of other things
    part_of  what stands before words for a part of a lesion    longest_mm  what is longer is no lesion's size
    """
    norm = doc.norm
    items: list[Item] = [hit for hit in found if hit.category == "lesion" or hit.category in attributes]
    if not any(hit.category == "lesion" for hit in items):
        return [], []
    items += extra
    for one in doc.measurements:
        if one.cue in {"distance", "thickness"} and not _is_size(norm, one) or one.long_mm >= longest_mm or norm.startswith("处", one.end):
            continue
        if other_size is None or not other_size.search(norm, max(0, one.start - 16), one.start):
            items.append(one)
    items += counts(norm)
    items.sort(key=_start)
    past = current_part(norm)
    if past[1]:
        items = [item for item in items if not past[0] <= _start(item) < past[1]]
    walk = _Walk(doc, items, agree, fits, part_of)
    walk.run()
    return walk.lesions, walk.denied


def _start(item: Item) -> int:
    """Where an item stands."""
    return item[2] if isinstance(item, Hit) else item[0]


class _Walk:
    """The walk through a report's words in order: the lesions so far, the one being told of, and what waits for the next one."""

    def __init__(
        self,
        doc: Document,
        items: list[Item],
        agree: Callable[[Hit, Hit], bool],
        fits: Callable[[Lesion, Hit], int],
        part_of: re.Pattern[str] | None,
    ) -> None:
        self.norm, self.items, self.agree, self.fits, self.part_of = doc.norm, items, agree, fits, part_of
        self.clauses = doc.clauses
        parts = doc.sections
        self.impressions = [(one.start, one.end) for one in parts if one.name == "impression"] if len(parts) > 1 else []
        self.lesions: list[Lesion] = []
        self.denied: list[Hit] = []
        self.current: Lesion | None = None
        self.sentence = -1
        self.places: list[Hit] = []  # waiting for a lesion
        self.waiting: list[Item] = []  # other attributes waiting
        self.last_site: Hit | None = None  # of the sentence

    def run(self) -> None:
        """Read all items."""
        clauses, at, last, silenced = self.clauses, 0, len(self.clauses) - 1, -1
        for position, item in enumerate(self.items):
            is_hit = isinstance(item, Hit)
            start = item[2] if is_hit else item[0]
            while at < last and clauses[at + 1].start <= start:
                at += 1
            clause = clauses[at]
            if clause.sentence != self.sentence:
                self._next_sentence(clause.sentence)
            if is_hit and item.category == "lesion":
                if self._is_denied(item):
                    self.denied.append(item)
                    self.places = [one for one in self.places if one.start < clause.start]
                    self.waiting = []
                    silenced = at
                else:
                    self._noun(item, clause)
            elif at == silenced:
                continue
            elif is_hit and item.category in PLACE:
                self._place(item, clause)
            elif is_hit or not isinstance(item, Measurement) or not item.is_previous:
                self._attribute(item, clause, position)
        if self.current and self.current.sentence == self.sentence:
            self._fill(self.current)

    def _is_denied(self, noun: Hit) -> bool:
        return noun.assertion == "negated" or self.norm.endswith(("未见", "末见", "未及"), 0, noun.start)

    def _next_sentence(self, number: int) -> None:
        current = self.current
        if current and (current.sentence == self.sentence or not self.places and self.sentence - current.sentence <= 1):
            self._fill(current)
        self.places, self.waiting, self.last_site, self.sentence = [], [], None, number

    def _place(self, item: Hit, clause: Clause) -> None:
        if item.assertion == "negated":
            return
        current = self.current
        if current and current.sentence == self.sentence:
            before = self.norm[max(clause.start, item.start - 8) : item.start]
            own = current.first(item.category)
            if current.end > clause.start and own is None and LOCATED.search(before):
                current.take((item,))
                return
            if "位于" in before and ((site := current.first("site")) is None or site.concept in WHOLE):
                current.attributes[item.category] = [item]
                return
        self.places.append(item)
        if item.category == "site":
            self.last_site = item

    def _attribute(self, item: Item, clause: Clause, position: int) -> None:
        current = self.current
        is_here = current is not None and current.sentence == self.sentence and not self._site()
        if current and is_here and (current.end > clause.start or not self._noun_follows(position, clause.end)):
            current.take((item,))
        else:
            self.waiting.append(item)

    def _noun_follows(self, position: int, end: int) -> bool:
        """Whether a lesion is named later in the clause, which the attribute then describes."""
        for item in self.items[position + 1 : position + 24]:
            if _start(item) >= end:
                return False
            if isinstance(item, Hit) and item.category == "lesion":
                return item.assertion != "negated"
        return False

    def _site(self) -> Hit | None:
        return next((one for one in reversed(self.places) if one.category == "site"), None)

    def _noun(self, item: Hit, clause: Clause) -> None:
        norm, start, current = self.norm, item.start, self.current
        if item.assertion in UNREAL or SUPPOSED.search(norm, clause.start, start):
            return
        if item.assertion == "historical" or OPERATED.search(norm, item.end, min(item.end + 8, clause.end)):
            site = self._site()
            if item.concept != "cancer" and current and (site is None or self._has(site)):
                current.nouns.append(item)
            return
        is_here = current is not None and current.sentence == self.sentence
        self._drop_replaced()
        if current and is_here and start - current.end <= 3 and not self.places:
            current.take(self.waiting)
            current.nouns.append(item)
            current.end = item.end
            self.waiting = []
            return
        if self.part_of and is_here and self.part_of.search(norm, max(clause.start, start - 8), start) and norm[start - 2] != "肝":
            return
        in_impression = any(begin <= start < end for begin, end in self.impressions)
        if in_impression and self.lesions:
            known = self._named_again(item)
        else:
            known = current if current and self._goes_on(current, item, clause, is_here) else None
        if known is None:
            known = Lesion(start, item.end, item.concept, item.assertion, self.sentence)
            known.take(self.places)
            known.take(self.waiting)
            if not known.first("site") and self.last_site:
                known.take((self.last_site,))
            self.lesions.append(known)
        else:
            self._fill(known)
            known.sentence = self.sentence
            known.end = item.end if in_impression else max(known.end, item.end)
        known.nouns.append(item)
        self.current, self.places, self.waiting = known, [], []

    def _goes_on(self, current: Lesion, item: Hit, clause: Clause, is_here: bool) -> bool:
        """Whether a lesion word goes on about the current lesion: as a conclusion about it, or without being introduced."""
        norm, site, is_next = self.norm, self._site(), clause.sentence - current.sentence
        bare = not self.places and not self.waiting
        if site is None:
            if is_here and CONCLUDES.search(norm, max(clause.start, item.start - 10), item.start):
                return True
            if bare and is_next == 1 and CONCLUDES.search(norm, clause.start, item.start):
                return True
        if bare and is_next <= 1:
            return not INTRODUCED.search(norm, max(clause.start, current.end) if is_here else clause.start, item.start)
        return bool(is_here and site and not current.sizes and (place := current.first("site")) and place.concept == site.concept)

    def _has(self, site: Hit) -> bool:
        return any((own := lesion.first("site")) and self.agree(own, site) for lesion in self.lesions)

    def _named_again(self, item: Hit) -> Lesion | None:
        """The lesion of the findings that the impression names again."""
        site = self._site()
        sizes = [one.long_mm for one in self.waiting if isinstance(one, Measurement)]
        matching = [one for one in self.lesions if site is None or (own := one.first("site")) is None or self.agree(own, site)]
        matching = sorted((one for one in matching if self.fits(one, item)), key=lambda one: -self.fits(one, item))
        if sizes:
            return next((one for one in matching if not one.sizes or any(abs(size.long_mm - sizes[0]) < 0.6 for size in one.sizes)), None)
        unsaid = [one for one in matching if not any(noun.start > one.start + 200 for noun in one.nouns)]
        return next(iter(unsaid or matching), None)

    def _drop_replaced(self) -> None:
        """Forget waiting places that others after them replace: of an earlier clause, of a heading, or only near by."""
        sites = [one for one in self.places if one.category == "site"]
        if len(sites) < 2:
            return
        norm, last = self.norm, self.clauses[sites[-1].clause].start
        kept = [
            one for one in sites if one.start >= last and norm[one.end : one.end + 1] not in ("]", ":") and norm[one.start - 1 : one.start] != "近"
        ]
        kept = kept or sites[-1:]
        self.places = [one for one in self.places if one.category != "site" or one in kept]

    def _fill(self, lesion: Lesion) -> None:
        """Give a lesion of what waits what it has not yet."""
        for place in self.places:
            if not lesion.first(place.category):
                lesion.take((place,))
        for item in self.waiting:
            if not (isinstance(item, Measurement) and lesion.sizes):
                lesion.take((item,))
        self.places, self.waiting = [], []


def _is_size(norm: str, one: Measurement) -> bool:
    """Whether what looks like a distance is a size behind one (距肛20cm见0.6cm息肉)."""
    before = norm[max(0, one.start - 24) : one.start]
    at = before.rfind("距")
    return one.cue == "distance" and at >= 0 and UNIT.search(before, at) is not None and "至" not in before[-2:]


def split_lists(lesion: Lesion, norm: str) -> list[Lesion]:
    """One lesion per place where a sentence says so (升结肠、降结肠各见一枚息肉, 大小分别为…)."""
    sites = lesion.attributes.get("site", [])
    if len(sites) < 2:
        return [lesion]
    span = norm[min(site.start for site in sites) : max([lesion.end, *(one.end for one in lesion.sizes)])]
    if "各" not in span and "分别" not in span:
        return [lesion]
    parts = []
    for place, site in enumerate(sites):
        sizes = [lesion.sizes[place]] if len(lesion.sizes) == len(sites) else lesion.sizes
        attributes = {**lesion.attributes, "site": [site]}
        distances = lesion.attributes.get("distance", [])
        if distances:
            attributes["distance"] = [distances[place]] if len(distances) == len(sites) else distances
        parts.append(
            Lesion(
                lesion.start,
                lesion.end,
                lesion.concept,
                lesion.assertion,
                lesion.sentence,
                lesion.nouns,
                attributes,
                list(sizes),
                lesion.count,
                lesion.count_span,
            )
        )
    return parts
