"""Oncological imaging: primary site and size of the primary lesion, metastatic sites, change since the last examination."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ingestion.text.document import Document, Evidence, Field
from ingestion.text.lexicons import lexicon
from ingestion.text.measurements import Measurement
from ingestion.text.places import Place, between, places

# Between a place and 转移, or a place and the lesion it holds, nothing else may be spoken of.
BETWEEN = 16
OTHER_SUBJECT = re.compile(r"癌|积液|囊肿|血管瘤|结石|钙化|炎|术后|肺气肿|[a-z]?mt(?![a-z0-9])|未见|无明显")
JOIN = re.compile(r"^[、和及与并,/ ]{1,2}$|^以及$")
SPLIT = re.compile(r"、|及|和|并|与|以及")
SUPPOSED = re.compile("考虑|可能|符合|疑|提示")
# Organs whose removal in a report of metastases speaks of their cancer.
REMOVED = frozenset({"breast", "lung", "stomach", "colorectum", "oesophagus", "kidney", "bladder", "liver", "pancreas"})
BESIDE = re.compile("支气管|纵隔旁|胸膜下?|旁$|周围$|[内外上下]{1,2}侧?象限|处$|区$|肺门旁|近.+")
# A measured thing of the organ no larger than this is not the tumour when a mass is there that nobody measured.
NODULE_MM = 10
LIST_OF_SIZES = re.compile(r"^[、,及和]$")
LESION_WITHIN = 20
AFTER_SIZE = 6
INVADED = frozenset({"侵及", "累及", "侵犯", "包绕"})
ABSENT = frozenset({"negated", "family", "hypothetical", "advice"})


class Tumour(NamedTuple):
    """A cancer of the report: where it is said to be, its organ, and whether it was operated on."""

    places: tuple[Place, ...]
    organ: str
    is_operated: bool


def read(doc: Document) -> list[Field]:
    """primary_site, lesion_size (as written), change since the last examination, metastasis (one field per site)."""
    found = places(doc)
    metastases = _metastases(doc, found)
    tumours = _tumours(doc, found, bool(metastases))
    return [*_primaries(doc, found, tumours, metastases), *_metastatic_fields(doc, metastases)]


def _chain(doc: Document, candidates: list[Place]) -> list[Place]:
    """The last of the places and those listed right before it."""
    chain = candidates[-1:]
    for place in reversed(candidates[:-1]):
        if not JOIN.match(doc.norm[place.end : chain[0].start]) or doc.norm[place.start - 2 : place.start] in INVADED:
            break
        chain.insert(0, place)
    return chain


def _metastases(doc: Document, found: list[Place]) -> list[list[Place]]:
    """Lists of places said to hold metastases, certain or suspected."""
    result: list[list[Place]] = []
    norm = doc.norm
    for match in lexicon("imaging").patterns["metastasis"].finditer(norm):
        if doc.assertion(match.start(), match.end()) in ABSENT:
            continue
        clause = doc.clause_at(match.start())
        before = between(found, clause.start, match.start())
        if before and _is_between(norm[before[-1].end : match.start()]):
            result.append(_chain(doc, before))
        elif not before:
            result.extend(_chains(doc, _subject(doc, found, clause.index)))
    if any(place.organs[-1:] == ("bone",) for chain in result for place in chain):
        for match in lexicon("imaging").patterns["bone_lesion"].finditer(norm):
            clause = doc.clause_at(match.start())
            if doc.assertion(match.start(), match.end()) not in ABSENT:
                before = between(found, clause.start, match.start())
                bones = [place for place in before if place.organs[-1:] == ("bone",) and place.end - place.start > 1]
                result.extend(_chains(doc, bones))
    return result


def _chains(doc: Document, candidates: list[Place]) -> list[list[Place]]:
    """Places grouped into lists."""
    result: list[list[Place]] = []
    for place in candidates:
        if result and JOIN.match(doc.norm[result[-1][-1].end : place.start]):
            result[-1].append(place)
        else:
            result.append([place])
    return result


def _is_between(text: str) -> bool:
    return len(text) <= BETWEEN and not OTHER_SUBJECT.search(text)


def _subject(doc: Document, found: list[Place], index: int) -> list[Place]:
    """Places of the nearest clause before that names any, in the same sentence: 右肺门淋巴结，较前增大，考虑转移."""
    sentence = doc.clauses[index].sentence
    for clause in reversed(doc.clauses[max(0, index - 4) : index]):
        if clause.sentence != sentence:
            break
        subjects = between(found, clause.start, clause.end)
        if subjects:
            return subjects
    return []


def _tumours(doc: Document, found: list[Place], has_metastasis: bool) -> list[Tumour]:
    """Cancers by name, in order; operated organs among them when there are metastases or another cancer."""
    patterns = lexicon("imaging").patterns
    norm = doc.norm
    result = []
    for match in patterns["cancer"].finditer(norm):
        if doc.assertion(match.start(), match.end()) in ABSENT or "转移" in norm[max(0, match.start() - 3) : match.start()]:
            continue
        clause = doc.clause_at(match.start())
        before = between(found, clause.start, match.start())
        adjacent = before[-1] if before and before[-1].organs and patterns["histology"].match(norm[before[-1].end : match.start()]) else None
        if adjacent and len(before) > 1 and _names_organ_again(doc, before[-2], adjacent):
            before.pop()
            adjacent = before[-1]
        operated = patterns["operated"].search(norm, match.end(), min(clause.end, match.end() + 12)) is not None
        if adjacent and not SUPPOSED.search(norm[clause.start : adjacent.start]):
            chain = _chain(doc, before)
            result.extend(_by_organ(chain, operated))
            continue
        # 右上肺病灶，考虑肺癌: the lesion's place says more than the name of the disease
        organ = adjacent.organs[-1] if adjacent else ""
        subjects = (before[:-1] if adjacent else before) or _subject(doc, found, clause.index)
        fitting = [place for place in subjects if place.organs and not place.is_node and (not organ or organ in place.organs)]
        if fitting:
            chain = _chains(doc, fitting)[0]
            result.extend([Tumour(tuple(chain), organ, operated)] if organ else _by_organ(chain, operated))
        elif adjacent:
            result.append(Tumour((adjacent,), organ, operated))
    if (result or has_metastasis) and ("术后" in norm or "缺如" in norm):
        known = {one.organ for one in result}
        for place in found:
            if place.organs and place.organs[-1] in REMOVED and place.organs[-1] not in known and patterns["operation"].match(norm, place.end):
                known.add(place.organs[-1])
                result.append(Tumour((place,), place.organs[-1], True))
    return result


def _names_organ_again(doc: Document, place: Place, again: Place) -> bool:
    """Whether `again` only repeats the organ of the place before: 左肺下叶周围型肺癌."""
    if again.end - again.start > 2 or again.organs[-1] not in place.organs:
        return False
    return lexicon("imaging").patterns["histology"].match(doc.norm[place.end : again.start]) is not None


def _by_organ(chain: list[Place], operated: bool) -> list[Tumour]:
    organs: dict[str, list[Place]] = {}
    for place in chain:
        if place.organs:
            organs.setdefault(place.organs[-1], []).append(place)
    return [Tumour(tuple(places_of), organ, operated) for organ, places_of in organs.items()]


def _primaries(doc: Document, found: list[Place], tumours: list[Tumour], metastases: list[list[Place]]) -> list[Field]:
    fields: list[Field] = []
    by_organ: dict[str, list[Tumour]] = {}
    for tumour in tumours:
        by_organ.setdefault(tumour.organ, []).append(tumour)
    lesion = 0
    for organ, named in by_organ.items():
        operated = any(one.is_operated for one in named)
        best = max((one.places for one in named), key=lambda group: (len(group), sum(place.end - place.start for place in group)))
        sized = None if operated else _sized_lesion(doc, found, organ, named, metastases)
        mass = _removed(doc, found, organ, best) if operated else _unmeasured_mass(doc, found, organ, best)
        if sized and not (mass and max(size.long_mm for size in sized[1]) <= NODULE_MM):
            spans, rule, sizes = [_site(doc, sized[0])], "imaging.primary_lesion", sized[1]
        else:
            spans, sizes = [_site(doc, place) for place in ((mass,) if mass else best)], []
            rule = "imaging.primary_mass" if mass else "imaging.primary_named"
        for start, end in spans:
            lesion += 1
            fields.append(Field("primary_site", doc.text[start:end], None, Evidence(start, end, rule), lesion))
        change = _change(doc, [*(start for start, _ in spans), *(place.start for one in named for place in one.places)])
        if change:
            fields.append(Field("change", change[0], None, Evidence(change[1], change[2], "imaging.change"), lesion))
        for size in sizes:
            fields.append(Field("lesion_size", size.text, size.unit or "mm", Evidence(size.start, size.end, "imaging.lesion_size"), lesion))
    return fields


@cache
def _changes() -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in lexicon("imaging").data["changes"].items()}


def _change(doc: Document, starts: list[int]) -> tuple[str, int, int] | None:
    """How a lesion named at one of `starts` compares with the last examination, and where that stands: stable, grown or shrunk."""
    compared = lexicon("imaging").patterns["change"]
    for start in starts:
        _, end = doc.sentence_at(start)
        if not compared.search(doc.norm, start, end):
            continue
        for name, pattern in _changes().items():
            match = pattern.search(doc.norm, start, end)
            if match:
                return name, match.start(), match.end()
    return None


def _site(doc: Document, place: Place) -> tuple[int, int]:
    """Span of a primary's place without what only says beside what it lies (右肺下叶支气管开口处, 左乳外上象限)."""
    beside = BESIDE.search(doc.norm, place.start + 2, place.end)
    return place.start, beside.start() if beside and beside.start() - place.start >= 2 else place.end


def _removed(doc: Document, found: list[Place], organ: str, named: tuple[Place, ...]) -> Place | None:
    """What was removed of the organ, when it is told more closely than the cancer's place: 右肺癌术后, 右肺下叶切除术后."""
    operation = lexicon("imaging").patterns["operation"]
    longest = max(one.end - one.start for one in named)
    fitting = (one for one in found if organ in one.organs and one.end - one.start > longest and operation.match(doc.norm, one.end))
    return next((one for one in fitting if doc.side(one.start, one.end) in {doc.side(place.start, place.end) for place in named}), None)


def _unmeasured_mass(doc: Document, found: list[Place], organ: str, named: tuple[Place, ...]) -> Place | None:
    """A mass of the organ that nobody measured, when its place is told more closely than the cancer's."""
    mass, benign = lexicon("imaging").patterns["mass"], lexicon("imaging").patterns["benign"]
    sides = {side for place in named if (side := doc.side(place.start, place.end))}
    for place in found:
        if organ not in place.organs or place.is_node or place.end - place.start <= max(one.end - one.start for one in named):
            continue
        clause = doc.clause_at(place.start)
        match = mass.search(doc.norm, place.end, min(clause.end, place.end + LESION_WITHIN))
        if not match or doc.assertion(match.start(), match.end()) in ABSENT or benign.search(doc.norm, clause.start, clause.end):
            continue
        side = doc.side(place.start, place.end)
        if not sides or side in sides:
            return place
    return None


def _sized_lesion(
    doc: Document, found: list[Place], organ: str, named: list[Tumour], metastases: list[list[Place]]
) -> tuple[Place, list[Measurement]] | None:
    """The largest measured lesion of the organ on the side of the cancer, and its sizes; None when none is measured."""
    sides = {side for one in named for place in one.places if (side := doc.side(place.start, place.end))}
    spread = {doc.text[place.start : place.end] for chain in metastases for place in chain}
    lesion = lexicon("imaging").patterns["lesion"]
    benign = lexicon("imaging").patterns["benign"]
    best: tuple[float, Place, list[Measurement]] | None = None
    sizes = doc.sizes
    for at, size in enumerate(sizes):
        if at and LIST_OF_SIZES.match(doc.norm[sizes[at - 1].end : size.start]):
            continue
        start, end = doc.sentence_at(size.start)
        before = [place for place in between(found, start, size.start) if organ in place.organs and not place.is_node]
        place = next((one for one in before if _holds(doc.norm, one.end, lesion, size.end + AFTER_SIZE)), None)
        if place is None or doc.text[place.start : place.end] in spread:
            continue
        if sides and "both" not in sides and doc.side(place.start, place.end) not in {*sides, None}:
            continue
        if benign.search(doc.norm, start, end):
            continue
        if best is None or size.long_mm > best[0]:
            best = (size.long_mm, place, [size])
            for other in sizes[at + 1 :]:
                if not LIST_OF_SIZES.match(doc.norm[best[2][-1].end : other.start]):
                    break
                best[2].append(other)
    return best and (best[1], best[2])


def _holds(norm: str, start: int, lesion: re.Pattern[str], end: int) -> bool:
    """Whether a place that ends at `start` is followed by a lesion, not by the name of a disease."""
    match = lesion.search(norm, start, min(end, start + LESION_WITHIN))
    return match is not None and "癌" not in norm[start : match.start()]


def _metastatic_fields(doc: Document, chains: list[list[Place]]) -> list[Field]:
    fields = []
    seen = set()
    for chain in chains:
        for start, end in _members(doc, chain):
            text = doc.text[start:end]
            if text not in seen:
                seen.add(text)
                fields.append(Field("metastasis", text, None, Evidence(start, end, "imaging.metastasis")))
    return fields


def _members(doc: Document, chain: list[Place]) -> list[tuple[int, int]]:
    """The places of a list; 纵隔及右肺门淋巴结 are one group of nodes, 两肺及胸膜 two places."""
    if not chain[-1].is_node:
        return [(place.start, place.end) for place in chain]
    result = [(chain[-1].start, chain[-1].end)]
    for place in reversed(chain[:-1]):
        start, end = result[0]
        if "、" in doc.norm[place.end : start] or place.is_node:
            result.insert(0, (place.start, place.end))
        else:
            result[0] = (place.start, end)
    return result
