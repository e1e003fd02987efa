"""Colonoscopy: how far, how clean, and per lesion place, distance, size, number, form, suspected type and removal."""

from __future__ import annotations

import re
from functools import cache

from ingestion.text.document import Document, Field
from ingestion.text.kinds import pathology
from ingestion.text.lesions import BIOPSY, Lesion, current_part, lesions, split_lists
from ingestion.text.lexicons import Lexicon, lexicon
from ingestion.text.normalise import number
from ingestion.text.reading import ARABIC, Fields, Found, Hit, by_category, hits, placed, roman

NAME = "colonoscopy"
# Terms that triggers of assertion look for.
ASSERTED = frozenset({"lesion"})
ATTRIBUTES = frozenset(
    {"site", "distance", "form", "growth", "resection", "paris", "yamada", "lst", "nice", "jnet", "pit", "circumference", "biopsy", "pieces"}
)
SEGMENTS = frozenset("12345678")
PRECISE = ("paris", "yamada", "lst", "nice", "jnet", "pit", "circumference", "distance")
# A pattern is looked for only in a text that holds its word.
WORDS = {
    "paris": ("0-", "0 -", "0 ⅱ", "0ⅱ", "0ⅰ", "paris", "ip", "is", "iia", "iib", "iic", "ⅱa", "ⅱb", "ⅱc", "ⅰp", "ⅰs", "ⅰ s", "ⅱ a"),
    "yamada": ("山田",),
    "lst": ("lst",),
    "nice": ("nice",),
    "jnet": ("jnet",),
    "pit": ("pit", "腺管", "kudo"),
    "circumference": ("/",),
}
MARKED = {"lesion", "site", "form", "growth", "resection", "biopsy"}
NOT_REMOVED = re.compile(r"(?:择期|建议|拟|必要时|未行|未予|未|待|评估|可行|如需)[^,。;]{0,8}$")
NEOPLASIA = re.compile("瘤变|异型增生|腺癌|病理[:为示]|绒毛状|管状腺瘤|锯齿状")
WELL = re.compile("光滑|光整|通畅|未见(?:明显)?异常|正常")
STALK = re.compile(r"(?<!无)(?<!亚)(?:有蒂|带蒂|长蒂|短蒂|粗蒂|细蒂)")
COMPLETE = ("1", "2")
NOT_REACHED = re.compile("未|无法|不能")
ILEUM = re.compile(r"(?:进入|至|达|所见|见)(?:回肠末端|末段回肠|末端回肠)")
OPERATED = re.compile("(?:癌|结肠|直肠|结直肠)[^,。;]{0,6}术后|吻合口")
LISTED = re.compile(r"[、及和与,至-]*")


@cache
def _book() -> Lexicon:
    return lexicon(NAME)


@cache
def _preparation() -> list[tuple[str, re.Pattern[str]]]:
    return [(code, re.compile(pattern)) for code, pattern in sorted(_book().data["preparation"].items(), reverse=True)]


def read(doc: Document) -> list[Field]:
    """Fields of the report; each lesion has a number."""
    fields = Fields(NAME)
    found = hits(doc, _book(), ASSERTED)
    groups = by_category(found)
    _reach(doc, fields)
    _preparation_of(doc, fields)
    _times(doc, fields)
    _lesions(doc, fields, found, groups)
    if NEOPLASIA.search(doc.norm):
        pathology.diagnose(doc, fields)
    return fields.all


def _reach(doc: Document, fields: Fields) -> None:
    norm, patterns = doc.norm, _book().patterns
    past = current_part(norm)[1]
    failed = patterns["failed"].search(norm, past)
    reached = next((match for match in patterns["reached"].finditer(norm, past) if not NOT_REACHED.search(match[0])), None)
    if reached and not (failed and failed.start() < reached.start()):
        where = reached[1]
        code = "1" if "回肠" in where or where == "回末" else "2"
        if code == "2" and (ileum := ILEUM.search(norm[past:])):
            fields.add("depth_code", "1", past + ileum.start(), past + ileum.end())
        fields.add("reached_caecum", True, *reached.span())
        fields.add("depth_code", code, *reached.span())
        return
    if stopped := patterns["stopped"].search(norm, past):
        fields.add("reached_caecum", False, *(failed or stopped).span())
        fields.add("depth_code", _book().data["depth_codes"][stopped[1]], *stopped.span())
    elif failed:
        fields.add("reached_caecum", False, *failed.span())
    if "进镜" in norm and (inserted := patterns["insertion"].search(norm, past)):
        fields.add("insertion_cm", float(inserted[1]), *inserted.span(), unit="cm")


def _preparation_of(doc: Document, fields: Fields) -> None:
    norm, patterns = doc.norm, _book().patterns
    if "bbps" in norm or "波士顿" in norm or "boston" in norm:
        parts = patterns["bbps_parts"].search(norm)
        if match := patterns["bbps"].search(norm):
            if match[2] is not None:
                scores = [int(match[1]), int(match[2]), int(match[3])]
                fields.add("bbps_score", sum(scores), *match.span())
            elif parts is None or parts.start() > match.end(1) - 1 and match.start(1) < parts.start(1):
                fields.add("bbps_score", int(match[1]), *match.span())
        if parts:
            fields.add("bbps_score", sum(int(parts[n]) for n in (1, 2, 3)), *parts.span())
            for n, name in enumerate(("right", "transverse", "left"), 1):
                fields.add(f"bbps_{name}", int(parts[n]), *parts.span(n))
    if "准备" in norm or "清洁" in norm or "粪" in norm:
        for code, pattern in _preparation():
            if match := pattern.search(norm):
                fields.add("bowel_preparation_code", code, *match.span())
                break


def _times(doc: Document, fields: Fields) -> None:
    norm, patterns = doc.norm, _book().patterns
    if "分" in norm or "min" in norm:
        if "退镜" in norm and (match := patterns["withdrawal"].search(norm)):
            fields.add("withdrawal_minutes", float(match[1]), *match.span(), unit="min")
        if ("时" in norm) and (match := patterns["duration"].search(norm)):
            fields.add("duration_minutes", float(match[1]), *match.span(), unit="min")


def precise(norm: str, patterns: dict[str, re.Pattern[str]], names: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> list[Found]:
    """Attributes told by a pattern, as hits whose concept is the value."""
    result = []
    for name in names:
        if name == "distance":
            if "距" not in norm:
                continue
        elif not any(word in norm for word in words[name]):
            continue
        for match in patterns[name].finditer(norm):
            value = _value(name, match)
            if value is not None:
                result.append((name, value, match.start(), match.end()))
    return result


def _value(name: str, match: re.Match[str]) -> str | None:
    if name == "distance":
        factor = 0.1 if match[3] == "mm" else 1
        return f"{float(match[1]) * factor:g}" + (f"~{float(match[2]) * factor:g}" if match[2] else "")
    if name == "paris":
        kind, letter = match[1] or match[5] or match[7], match[2] or match[6] or match[8] or ""
        if not letter and kind in {"i", "1"}:
            return None
        second, its_letter = match[3] or match[9], match[4] or match[10]
        more = f"+{roman(second)}{its_letter}" if second else ""
        return f"0-{roman(kind)}{letter}{more}"
    if name == "yamada":
        return roman({"一": "1", "二": "2", "三": "3", "四": "4"}.get(match[1], match[1]))
    if name == "lst":
        return f"LST-{match[1].upper()}"
    if name == "nice":
        return str(ARABIC[match[1]])
    if name == "circumference":
        return f"{match[1]}/{match[2]}" if int(match[1]) < int(match[2]) else None
    return roman(match[1]) if name == "pit" else match[1].upper()


def _agree(one: Hit, other: Hit) -> bool:
    return one.concept == other.concept or "colon" in (one.concept, other.concept)


def _lesions(doc: Document, fields: Fields, found: list[Hit], groups: dict[str, list[Hit]]) -> None:
    norm = doc.norm
    extra = precise(norm, _book().patterns, PRECISE, WORDS)
    if "块" in norm or "枚" in norm or "活检" in norm or "取" in norm:
        extra += [("pieces", str(int(number(match[1]) or 0)), match.start(), match.end()) for match in BIOPSY.finditer(norm)]
    reach = fields.all[0].evidence if fields.has("depth_code") else None
    used = [hit for hit in found if hit.category != "site" or not (reach and reach.start <= hit.start < reach.end)]
    read_lesions, denied = lesions(doc, used, placed(doc, extra), agree=_agree, attributes=ATTRIBUTES)
    told = [part for lesion in read_lesions for part in split_lists(lesion, norm)]
    real = [lesion for lesion in told if lesion.concept != "flat" or lesion.sizes or lesion.first("site") or lesion.first("lst")]
    counted, largest = 0, None
    polyps: list[Lesion] = []
    for lesion_no, lesion in enumerate(real, 1):
        _one(doc, fields, lesion, lesion_no)
        if lesion.concept in {"polyp", "adenoma", "elevation", "lst"}:
            polyps.append(lesion)
        for size in lesion.sizes:
            if largest is None or size.long_mm > largest.long_mm:
                largest = size
    if real:
        first = real[0]
        solid = next((one for one in real if one.concept != "ulcer" and one.concept != "flat"), None)
        if solid:
            fields.add("has_polyp_or_mass", True, solid.start, solid.nouns[0].end)
        else:
            fields.add("has_polyp_or_mass", False, first.start, first.end)
    else:
        none = _book().patterns["none_seen"].search(norm) or WELL.search(norm)
        spot = denied[0] if denied else None
        if none or spot:
            fields.add("has_polyp_or_mass", False, *(none.span() if none else (spot.start, spot.end)))
    if largest:
        fields.add("largest_lesion_mm", largest.long_mm, largest.start, largest.end, unit="mm")
    if polyps:
        if not any(lesion.is_multiple and lesion.count is None for lesion in polyps):
            counted = sum(lesion.count or 1 for lesion in polyps)
            spans = [lesion.count_span or (lesion.start, lesion.end) for lesion in polyps]
            fields.add("polyp_count", counted, min(one[0] for one in spans), max(one[1] for one in spans), unit="count")
        fields.add("has_multiple_polyps", counted > 1 or any(lesion.is_multiple for lesion in polyps), polyps[0].start, polyps[0].nouns[0].end)
    if "术后" in norm and (match := OPERATED.search(norm)):
        fields.add("is_postoperative", True, *match.span())


def _one(doc: Document, fields: Fields, lesion: Lesion, lesion_no: int) -> None:
    norm, data = doc.norm, _book().data
    kinds = [(noun.concept, noun.assertion, noun) for noun in lesion.nouns]
    worst = next((one for name in data["types"] for one in kinds if one[0] == name), None)
    noun = lesion.nouns[0]
    fields.add("lesion", lesion.concept, noun.start, noun.end, lesion=lesion_no)
    if worst:
        fields.add("lesion_type_code", data["types"][worst[0]], worst[2].start, worst[2].end, lesion=lesion_no)
        doubt = "uncertain" if worst[1] == "uncertain" or norm.startswith(("?", "可能", "待", "(待", "(?"), worst[2].end) else "affirmed"
        fields.add("lesion_type_assertion", doubt, worst[2].start, worst[2].end, lesion=lesion_no)
    sites = list(dict.fromkeys(site.concept for site in lesion.attributes.get("site", []) if site.concept in SEGMENTS))
    if sites:
        spots = [site for site in lesion.attributes["site"] if site.concept in SEGMENTS]
        kept = spots if LISTED.fullmatch(norm[spots[0].end : spots[-1].start]) or len(spots) > 2 else spots[-1:]
        fields.add("site_code", ";".join(dict.fromkeys(site.concept for site in kept)), kept[0].start, kept[-1].end, lesion=lesion_no)
        fields.add("site_text", doc.text[kept[0].start : kept[0].end], kept[0].start, kept[0].end, lesion=lesion_no)
    elif site := lesion.first("site"):
        fields.add("site_text", doc.text[site.start : site.end], site.start, site.end, lesion=lesion_no)
    if distance := lesion.first("distance"):
        near, _, far = distance.concept.partition("~")
        fields.add("distance_anus_cm", float(near), distance.start, distance.end, unit="cm", lesion=lesion_no)
        if far:
            fields.add("distance_anus_to_cm", float(far), distance.start, distance.end, unit="cm", lesion=lesion_no)
    if lesion.sizes:
        size = max(lesion.sizes, key=lambda one: one.long_mm)
        fields.add("size_mm", size.long_mm, size.start, size.end, unit="mm", lesion=lesion_no)
        fields.add("width_mm", size.short_mm, size.start, size.end, unit="mm", lesion=lesion_no)
    if lesion.count is not None and lesion.count_span:
        fields.add("count", lesion.count, *lesion.count_span, unit="count", lesion=lesion_no)
    elif lesion.is_multiple:
        fields.add("is_multiple", True, lesion.start, lesion.end, lesion=lesion_no)
    forms = lesion.attributes.get("form", [])
    if forms:
        fields.add("shape_code", forms[0].concept, forms[0].start, forms[0].end, lesion=lesion_no)
    elif "扁平" in norm[noun.start : noun.end] or lesion.concept == "lst":
        fields.add("shape_code", "2", noun.start, noun.end, lesion=lesion_no)
    elif "隆起" in norm[noun.start : noun.end]:
        fields.add("shape_code", "1", noun.start, noun.end, lesion=lesion_no)
    for hit in (*forms, noun):
        words = norm[hit.start : hit.end]
        if STALK.search(words):
            fields.add("has_stalk", True, hit.start, hit.end, lesion=lesion_no)
        elif "无蒂" in words:
            fields.add("has_stalk", False, hit.start, hit.end, lesion=lesion_no)
        elif "亚蒂" in words:
            fields.add("stalk_form_code", "2", hit.start, hit.end, lesion=lesion_no)
        elif "广基" in words or "宽基" in words:
            fields.add("stalk_form_code", "1", hit.start, hit.end, lesion=lesion_no)
    for name in ("paris", "yamada", "lst", "nice", "jnet", "pit", "circumference", "growth"):
        if hit := lesion.first(name):
            fields.add(f"{name}_type" if name != "circumference" and name != "growth" else name, hit.concept, hit.start, hit.end, lesion=lesion_no)
    if noun_of_lst := next((one for one in lesion.nouns if one.concept == "lst"), None):
        fields.add("lst_type", "LST", noun_of_lst.start, noun_of_lst.end, lesion=lesion_no)
    for hit in lesion.attributes.get("resection", ()):
        if hit.assertion in {"advice", "negated", "hypothetical"} or NOT_REMOVED.search(norm, max(0, hit.start - 12), hit.start):
            fields.add("is_resected", False, hit.start, hit.end, lesion=lesion_no)
        else:
            fields.add("is_resected", True, hit.start, hit.end, lesion=lesion_no)
            fields.add("resection_method", hit.concept, hit.start, hit.end, lesion=lesion_no)
    for hit in lesion.attributes.get("biopsy", ()):
        if hit.assertion not in {"advice", "negated", "hypothetical"}:
            fields.add("biopsy_taken", True, hit.start, hit.end, lesion=lesion_no)
    if pieces := lesion.first("pieces"):
        fields.add("biopsy_taken", True, pieces.start, pieces.end, lesion=lesion_no)
        fields.add("biopsy_count", int(pieces.concept), pieces.start, pieces.end, unit="count", lesion=lesion_no)
