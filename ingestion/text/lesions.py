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
from ingestion.text.reading import Hit, judged

PLACE = frozenset({"site", "distance"})
# A place that names the organ and may be told more exactly later.
WHOLE = frozenset({"colon", "stomach", "liver"})
INTRODUCED = re.compile(r"见|及|发现|检出|示|另|有|为|呈|[一二两三四五六七八九十\d多数]\s?(?:枚|个|处|粒|颗)|另|探")
CONCLUDES = re.compile(r"(?:考虑|诊断|符合|疑|倾向|可能|提示|性质)[^,。;]{0,8}$")
SUPPOSED = re.compile(r"(?:如|若|一旦)(?:有|发现|见|出现|为|仍有)?[^,。;]{0,4}$|建议")
LOCATED = re.compile(r"(?:位于|在|于|者|[(（:])[^,。;]{0,4}$")
COUNT = re.compile(
    r"(?<![\d./~-])(\d{1,2}|[一二两三四五六七八九十]{1,3}|数十|数|多|单)(?:余)? ?(?:枚|个|处|粒|颗|发)(?![月层面])"
    r"|(?<![\d.])(\d{1,2})[-~](\d{1,2}) ?(?:枚|个|处|粒|颗)"
)
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
    """Numbers of lesions as (start, end, number), -1 for several; pieces of tissue are none."""
    result = []
    if "枚" in norm or "个" in norm or "处" in norm or "粒" in norm or "颗" in norm or "发" in norm:
        for match in COUNT.finditer(norm):
            if NOT_COUNTED.search(norm, max(0, match.start() - 12), match.start()):
                continue
            written = match[1] or match[3]
            value = -1 if written in {"数", "多", "数十"} else 1 if written == "单" else number(written)
            if value is not None:
                result.append((match.start(), match.end(), int(value)))
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
) -> tuple[list[Lesion], list[Hit]]:
    """Lesions in order and the lesion words that are denied.

    found, extra  hits; category `lesion` names one, those of `attributes` describe one    agree  whether two places are the same
    fits  how well a conclusion suits a lesion, 0 for not at all    other_size  what stands before sizes of other things
    part_of  what stands before words for a part of a lesion
    """
    norm = doc.norm
    past = current_part(norm)
    items: list[tuple[int, Item]] = [(hit.start, hit) for hit in (*found, *extra) if hit.category == "lesion" or hit.category in attributes]
    sizes = [one for one in doc.measurements if one.cue not in {"distance", "thickness"} or _is_size(norm, one)]
    items += [(one.start, one) for one in sizes if other_size is None or not other_size.search(norm, max(0, one.start - 16), one.start)]
    items += [(one[0], one) for one in counts(norm)]
    items.sort(key=lambda item: item[0])
    if past[1]:
        items = [item for item in items if not past[0] <= item[0] < past[1]]
    result: list[Lesion] = []
    denied: list[Hit] = []
    pending: list[Item] = []
    current: Lesion | None = None
    sentence = -1
    places: list[Hit] = []
    silenced = -1
    for position, (start, item) in enumerate(items):
        clause = doc.clause_at(start)
        if clause.sentence != sentence:
            if (
                current
                and current.sentence == sentence
                or (
                    current
                    and pending
                    and sentence - current.sentence <= 1
                    and not any(isinstance(one, Hit) and one.category in PLACE for one in pending)
                )
            ):
                _fill(current, pending)
            if current and current.sentence == sentence - 1 and pending:
                pass
            pending, places, sentence = [], [], clause.sentence
        if clause.index == silenced and not (isinstance(item, Hit) and item.category == "lesion"):
            continue
        is_lesion = isinstance(item, Hit) and item.category == "lesion"
        if not is_lesion:
            is_place = isinstance(item, Hit) and item.category in PLACE
            if is_place and isinstance(item, Hit):
                if judged(doc, item.start, item.end) == "negated":
                    continue
                before = norm[max(clause.start, start - 8) : start]
                if (
                    current
                    and current.sentence == sentence
                    and current.end > clause.start
                    and (LOCATED.search(before) and not current.first(item.category))
                ):
                    current.take([item])
                    continue
                if current and current.sentence == sentence and "位于" in before and (not (own := current.first("site")) or own.concept in WHOLE):
                    current.attributes[item.category] = [item]
                    continue
                places.append(item)
                pending.append(item)
                continue
            if isinstance(item, Measurement) and item.is_previous:
                continue
            follows = _noun_follows(items, position, clause.end, doc)
            noun_before = current is not None and current.sentence == sentence and current.end > clause.start
            if (
                current
                and current.sentence == sentence
                and (noun_before or not follows)
                and not any(isinstance(one, Hit) and one.category == "site" for one in pending)
            ):
                current.take([item])
            else:
                pending.append(item)
            continue
        assert isinstance(item, Hit)
        assertion = judged(doc, item.start, item.end)
        if assertion == "negated" or norm.endswith(("未见", "末见", "未及"), 0, start):
            denied.append(item)
            pending = [one for one in pending if isinstance(one, Hit) and one.category in PLACE and one.start < clause.start]
            silenced = clause.index
            continue
        if assertion in {"advice", "family", "hypothetical"} or SUPPOSED.search(norm, clause.start, start):
            continue
        if (
            assertion == "historical"
            or OPERATED.match(norm, item.end)
            or (OPERATED.search(norm, item.end, min(item.end + 8, clause.end)) is not None)
        ):
            if item.concept == "cancer" or current is None:
                continue
            if any(isinstance(one, Hit) and one.category == "site" for one in pending) and not _same(result, pending, agree):
                continue
            current.nouns.append(item)
            continue
        in_impression = doc.section_at(start).name == "impression" if len(doc.sections) > 1 else False
        pending = _nearest(pending, doc)
        own_site = next((one for one in reversed(pending) if isinstance(one, Hit) and one.category == "site"), None)
        if (
            current
            and current.sentence == sentence
            and start - current.end <= 3
            and not any(isinstance(one, Hit) and one.category in PLACE for one in pending)
        ):
            current.take(pending)
            current.nouns.append(item)
            current.end = item.end
            pending = []
            continue
        known = None
        if (
            part_of
            and current
            and current.sentence == sentence
            and part_of.search(norm, max(clause.start, start - 8), start)
            and norm[start - 2] != "肝"
        ):
            continue
        if not in_impression and (
            current
            and not own_site
            and current.sentence == sentence
            and CONCLUDES.search(norm, max(clause.start, start - 10), start)
            or current
            and not own_site
            and not pending
            and clause.sentence - current.sentence == 1
            and CONCLUDES.search(norm, clause.start, start)
        ):
            known = current
        elif in_impression and result:
            known = _known(result, item, own_site, pending, agree, fits)
        elif (
            current
            and current.sentence == sentence
            and not pending
            and not INTRODUCED.search(norm, max(clause.start, current.end), start)
            or current
            and not pending
            and not INTRODUCED.search(norm, clause.start, start)
            and clause.sentence - current.sentence <= 1
            or (
                current
                and current.sentence == sentence
                and own_site
                and not current.sizes
                and (place := current.first("site"))
                and place.concept == own_site.concept
            )
        ):
            known = current
        if known is not None:
            _fill(known, [one for one in pending if not (isinstance(one, Hit) and one.category in PLACE and known.first(one.category))])
            known.nouns.append(item)
            current = known
            current.sentence = sentence
            current.end = max(current.end, item.end) if not in_impression else item.end
            pending = []
            continue
        lesion = Lesion(item.start, item.end, item.concept, assertion, sentence, [item])
        lesion.take(pending)
        if places and not lesion.first("site"):
            site = next((one for one in reversed(places) if one.category == "site"), None)
            if site:
                lesion.take([site])
        result.append(lesion)
        current, pending = lesion, []
    if current and pending and current.sentence == sentence:
        _fill(current, pending)
    return result, denied


def _nearest(pending: list[Item], doc: Document) -> list[Item]:
    """Pending attributes without the places that others after them replace: of an earlier clause, of a heading, or only near by."""
    sites = [one for one in pending if isinstance(one, Hit) and one.category == "site"]
    if len(sites) < 2:
        return pending
    last, norm = doc.clause_at(sites[-1].start).start, doc.norm
    kept = [one for one in sites if one.start >= last and not norm.startswith(("]", ":"), one.end) and norm[one.start - 1 : one.start] != "近"]
    kept = kept or sites[-1:]
    return [one for one in pending if not (isinstance(one, Hit) and one.category == "site") or one in kept]


def _is_size(norm: str, one: Measurement) -> bool:
    """Whether what looks like a distance is a size behind one (距肛20cm见0.6cm息肉)."""
    before = norm[max(0, one.start - 24) : one.start]
    at = before.rfind("距")
    return one.cue == "distance" and at >= 0 and UNIT.search(before, at) is not None and "至" not in before[-2:]


def _noun_follows(items: list[tuple[int, Item]], position: int, end: int, doc: Document) -> bool:
    """Whether a lesion is named later in the clause, which the attribute then describes."""
    for start, item in items[position + 1 :]:
        if start >= end:
            return False
        if isinstance(item, Hit) and item.category == "lesion":
            return judged(doc, item.start, item.end) != "negated"
    return False


def _same(result: list[Lesion], pending: list[Item], agree: Callable[[Hit, Hit], bool]) -> bool:
    site = next((one for one in reversed(pending) if isinstance(one, Hit) and one.category == "site"), None)
    return site is None or any((own := lesion.first("site")) and agree(own, site) for lesion in result)


def _known(
    result: list[Lesion], item: Hit, site: Hit | None, pending: list[Item], agree: Callable[[Hit, Hit], bool], fits: Callable[[Lesion, Hit], int]
) -> Lesion | None:
    """The lesion of the findings that the impression names again."""
    sizes = [one.long_mm for one in pending if isinstance(one, Measurement)]
    matching = [lesion for lesion in result if (site is None or (own := lesion.first("site")) is None or agree(own, site)) and fits(lesion, item)]
    matching.sort(key=lambda lesion: -fits(lesion, item))
    if not matching:
        return None
    if sizes:
        same_size = [lesion for lesion in matching if not lesion.sizes or any(abs(one.long_mm - sizes[0]) < 0.6 for one in lesion.sizes)]
        return same_size[0] if same_size else None
    unsaid = [lesion for lesion in matching if not any(noun.start > lesion.start + 200 for noun in lesion.nouns)]
    return (unsaid or matching)[0]


def _fill(lesion: Lesion, pending: Sequence[Item]) -> None:
    """Take what the lesion has not yet."""
    for item in pending:
        if isinstance(item, Hit) and item.category in PLACE and lesion.first(item.category):
            continue
        if isinstance(item, Measurement) and lesion.sizes:
            continue
        lesion.take([item])


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
