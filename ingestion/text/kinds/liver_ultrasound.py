"""Liver ultrasound with AFP: lesions by lobe, segment, echo and size; shape, cirrhosis, fatty liver, portal vein thrombus, spleen, ascites."""

from __future__ import annotations

import re
from functools import cache

from ingestion.text.document import Document, Field
from ingestion.text.lesions import Lesion, current_part, lesions, split_lists
from ingestion.text.lexicons import Lexicon, lexicon
from ingestion.text.reading import Fields, Found, Hit, by_category, hits, placed

NAME = "liver_ultrasound"
# Terms that triggers of assertion look for.
ASSERTED = frozenset({"lesion", "disease"})
ATTRIBUTES = frozenset({"site", "segment", "growth", "border", "shape", "grid", "posterior", "halo", "flow", "ri"})
ECHOES = ("anechoic", "hypoechoic", "isoechoic", "hyperechoic", "strong", "mixed")
# Not the size of a lesion: what stands before the number.
OTHER_SIZE = re.compile(r"(?:内径|脾|胆囊|胆总管|门静?脉|管径|壁|深|肋下|剑下|斜径|厚|宽|液性暗区|积液|腹水|探头|长径约?\d+mm脾)[^。;×\d]{0,8}$")
NEXT_TO = re.compile(r"(?:其内|内部|内可见|内见|内伴|周边|周围|后方|中央|边缘)[^,。;]{0,4}$")
STATE = {"affirmed": "present", "historical": "present", "uncertain": "suspected", "negated": "absent"}
DEGREE = re.compile("(轻|中|重)(?:度)?(?:[-~至、](中|重)度?)?")
DEGREES = {"轻": "mild", "中": "moderate", "重": "severe"}
ROMAN_SEGMENT = {
    "ⅰ": 1,
    "ⅱ": 2,
    "ⅲ": 3,
    "ⅳ": 4,
    "ⅴ": 5,
    "ⅵ": 6,
    "ⅶ": 7,
    "ⅷ": 8,
    "i": 1,
    "ii": 2,
    "iii": 3,
    "iv": 4,
    "v": 5,
    "vi": 6,
    "vii": 7,
    "viii": 8,
}
NO_FLOW = re.compile(r"(?:未见|未探及|无|末见)[^,。;]{0,6}$")
CM = {"mm": 0.1, "毫米": 0.1, "cm": 1.0, "厘米": 1.0}
FLOWLESS = re.compile(r"\(-|无|未见|不丰富")
SPLEEN_NORMAL = re.compile("脾(?:脏)?(?:不大|未见(?:明显)?(?:肿|增)?大|大小正常)")
NOT = re.compile("未|无")
NOT_SEEN = re.compile("未见|未探及|无|末见")
RISING = re.compile("由|从")
BEFORE = re.compile("前次|上次|既往|前片|原|月前|年前|此前|入院前")


@cache
def _book() -> Lexicon:
    return lexicon(NAME)


@cache
def _parenchyma() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    return {name: [(code, re.compile(text)) for code, text in codes.items()] for name, codes in _book().data["parenchyma"].items()}


def read(doc: Document) -> list[Field]:
    """Fields of the report; each lesion has a number. Diseases are present, absent or suspected."""
    fields = Fields(NAME)
    norm = doc.norm
    past = current_part(norm)
    found = [hit for hit in hits(doc, _book(), ASSERTED) if not past[0] <= hit.start < past[1]]
    groups = by_category(found)
    _lesions(doc, fields, found)
    _diseases(doc, fields, groups)
    _portal(doc, fields, past[1])
    _parenchyma_of(doc, fields, past[1])
    if "afp" in norm or "甲胎蛋白" in norm or "胎儿球" in norm:
        _afp(doc, fields)
    return fields.all


def _extra(norm: str) -> list[Found]:
    patterns = _book().patterns
    result = []
    if "段" in norm or "s" in norm:
        for match in patterns["segment"].finditer(norm):
            numbers = [int(one) if one.isdigit() else ROMAN_SEGMENT[one] for one in match.groups() if one]
            result.append(("segment", "/".join(f"S{one}" for one in numbers), *match.span()))
    if "血流" in norm or "动脉" in norm:
        for match in patterns["flow"].finditer(norm):
            absent = NO_FLOW.search(norm, max(0, match.start() - 12), match.start()) or FLOWLESS.search(match[0])
            result.append(("flow", "absent" if absent else "present", *match.span()))
    if "ri" in norm:
        result += [("ri", match[1], *match.span()) for match in patterns["ri"].finditer(norm)]
    return result


def _agree(one: Hit, other: Hit) -> bool:
    return one.concept == other.concept or "liver" in (one.concept, other.concept)


def _fits(lesion: Lesion, noun: Hit) -> int:
    """How well a conclusion suits a lesion, 0 for not at all: a cyst has no echo, a haemangioma much, a cancer is no haemangioma."""
    kinds = {one.concept for one in lesion.nouns}
    echo = next((one for one in ECHOES if one in kinds), None)
    if noun.concept not in {"cyst", "haemangioma", "cancer", "metastasis", "abscess", "regenerative"} or noun.concept in kinds:
        return 1
    if kinds & {"cyst", "haemangioma", "cancer", "metastasis", "abscess"} or (noun.concept == "cyst") != (echo == "anechoic") and echo:
        return 0
    usual = {"haemangioma": ("hyperechoic", "strong"), "cancer": ("hypoechoic", "mixed", "isoechoic"), "cyst": ("anechoic",)}
    return 2 if echo in usual.get(noun.concept, ()) else 1


def _lesions(doc: Document, fields: Fields, found: list[Hit]) -> None:
    norm = doc.norm
    read_lesions, denied = lesions(
        doc, found, placed(doc, _extra(norm)), agree=_agree, attributes=ATTRIBUTES, fits=_fits, other_size=OTHER_SIZE, part_of=NEXT_TO
    )
    told = [part for lesion in read_lesions for part in split_lists(lesion, norm) if _is_hepatic(lesion, norm)]
    for lesion_no, lesion in enumerate(told, 1):
        _one(doc, fields, lesion, lesion_no)
    if told:
        first = told[0]
        fields.add("lesion_found", True, first.start, first.nouns[0].end)
        if all(lesion.count is not None or not lesion.is_multiple for lesion in told):
            spans = [lesion.count_span or (lesion.start, lesion.nouns[0].end) for lesion in told]
            fields.add(
                "lesion_count", sum(lesion.count or 1 for lesion in told), min(one[0] for one in spans), max(one[1] for one in spans), unit="count"
            )
        fields.add(
            "has_multiple_lesions", len(told) > 1 or any((one.count or 1) > 1 or one.is_multiple for one in told), first.start, first.nouns[0].end
        )
        sizes = [size for lesion in told for size in lesion.sizes]
        if sizes:
            largest = max(sizes, key=lambda one: one.long_mm)
            fields.add("largest_lesion_mm", largest.long_mm, largest.start, largest.end, unit="mm")
        return
    none = _book().patterns["none_seen"].search(norm)
    if none or denied:
        fields.add("lesion_found", False, *(none.span() if none else (denied[0].start, denied[0].end)))


def _is_hepatic(lesion: Lesion, norm: str) -> bool:
    site = lesion.first("site")
    if site and site.concept == "other":
        return False
    if all(noun.concept in ECHOES for noun in lesion.nouns):  # an echo alone is a lesion when it is measured or counted
        return bool(lesion.sizes or lesion.count or lesion.first("border")) or "灶" in norm[lesion.start : lesion.nouns[-1].end + 1]
    return True


def _one(doc: Document, fields: Fields, lesion: Lesion, lesion_no: int) -> None:
    norm, data = doc.norm, _book().data
    noun = next((one for one in lesion.nouns if one.concept not in ECHOES), lesion.nouns[0])
    fields.add("lesion", noun.concept, noun.start, noun.end, lesion=lesion_no)
    sites = [one for one in lesion.attributes.get("site", []) if one.concept not in {"other", "liver"}] or lesion.attributes.get("site", [])
    if sites:
        site = sites[0]
        fields.add("site_text", doc.text[site.start : site.end], site.start, site.end, lesion=lesion_no)
        lobes = list(dict.fromkeys(one.concept for one in sites if one.concept != "liver"))
        if lobes:
            fields.add("lobe", ";".join(lobes), sites[0].start, sites[-1].end, lesion=lesion_no)
            fields.add("lobe_code", {"left": "1", "right": "2"}.get(lobes[0]) if len(lobes) == 1 else None, site.start, site.end, lesion=lesion_no)
    if segment := lesion.first("segment"):
        fields.add("segment", segment.concept, segment.start, segment.end, lesion=lesion_no)
    if lesion.sizes:
        size = max(lesion.sizes, key=lambda one: one.long_mm)
        fields.add("size_mm", size.long_mm, size.start, size.end, unit="mm", lesion=lesion_no)
        fields.add("width_mm", size.short_mm, size.start, size.end, unit="mm", lesion=lesion_no)
    if lesion.count is not None and lesion.count_span:
        fields.add("count", lesion.count, *lesion.count_span, unit="count", lesion=lesion_no)
    elif lesion.is_multiple:
        fields.add("is_multiple", True, lesion.start, noun.end, lesion=lesion_no)
    echo = next((one for one in lesion.nouns if one.concept in ECHOES), None)
    if echo:
        fields.add("echo", echo.concept, echo.start, echo.end, lesion=lesion_no)
        fields.add("echo_code", data["echo_code"].get(echo.concept), echo.start, echo.end, lesion=lesion_no)
    for category, name in (("border", "border_code"), ("shape", "shape_code"), ("posterior", "posterior_echo_code"), ("growth", "growth")):
        if hit := lesion.first(category):
            fields.add(name, hit.concept, hit.start, hit.end, lesion=lesion_no)
    for category, name in (("grid", "is_grid_like"), ("halo", "has_halo")):
        if hit := lesion.first(category):
            fields.add(name, hit.assertion != "negated", hit.start, hit.end, lesion=lesion_no)
    if flow := lesion.first("flow"):
        fields.add("has_flow", flow.concept == "present", flow.start, flow.end, lesion=lesion_no)
    if ri := lesion.first("ri"):
        fields.add("resistance_index", float(ri.concept), ri.start, ri.end, lesion=lesion_no)
    concluded = next((one for name in ("cancer", "abscess", "haemangioma", "cyst") for one in lesion.nouns if one.concept == name), None)
    if concluded:
        fields.add("conclusion_code", data["conclusion_code"][concluded.concept], concluded.start, concluded.end, lesion=lesion_no)
        doubtful = concluded.assertion == "uncertain" or norm.startswith(("?", "可能", "待", "(待", "(?"), concluded.end)
        fields.add("conclusion_assertion", "uncertain" if doubtful else "affirmed", concluded.start, concluded.end, lesion=lesion_no)
    elif echo and echo.concept == "anechoic" and noun is echo:
        pass
    elif any(one.concept in {"mass", "lesion", "nodule", "regenerative"} for one in lesion.nouns):
        fields.add("conclusion_code", "10", noun.start, noun.end, lesion=lesion_no)


def _diseases(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    norm, data = doc.norm, _book().data
    told: dict[str, tuple[str, Hit]] = {}
    for hit in groups.get("disease", ()):
        state = STATE.get(hit.assertion)
        if state == "present" and norm.startswith("?", hit.end):
            state = "suspected"
        known = told.get(hit.concept)
        if state and (known is None or ("absent", "suspected", "present").index(state) > ("absent", "suspected", "present").index(known[0])):
            told[hit.concept] = (state, hit)
    for concept, (state, hit) in told.items():
        fields.add(concept, state, hit.start, hit.end)
    if "脾" in norm and "splenomegaly" not in told and (match := SPLEEN_NORMAL.search(norm)):
        fields.add("splenomegaly", "absent", *match.span())
    if "积液" in norm and "ascites" not in told and (match := _book().patterns["free_fluid"].search(norm)):
        fields.add("ascites", "absent" if NOT.search(match[1]) or match[2] else "present", *match.span())
    if "fatty_liver" in told and told["fatty_liver"][0] != "absent":
        hit = told["fatty_liver"][1]
        around = DEGREE.search(norm, hit.end, min(len(norm), hit.end + 8)) or DEGREE.search(norm, max(0, hit.start - 6), hit.start)
        if around:
            grade = DEGREES[around[1]] + (f"_{DEGREES[around[2]]}" if around[2] else "")
            fields.add("fatty_liver_grade", grade, *around.span())
    codes = sorted(
        {data["disease_code"][concept] for concept, (state, _) in told.items() if state == "present" and concept in data["disease_code"]}, key=int
    )
    if codes:
        spots = [hit for concept, (state, hit) in told.items() if state == "present" and concept in data["disease_code"]]
        fields.add("conclusion_codes", ";".join(codes), min(one.start for one in spots), max(one.end for one in spots))


def _portal(doc: Document, fields: Fields, past: int) -> None:
    norm, patterns = doc.norm, _book().patterns
    if "门脉" in norm or "门静脉" in norm:
        for match in patterns["thrombus"].finditer(norm, past):
            state = STATE.get(doc.assertion(match.start(2), match.end(2)))
            if state == "present" and NOT_SEEN.search(match[0]):
                state = "absent"
            if state:
                fields.add("portal_vein_thrombus", state, *match.span())
            branch = match[1] or ""
            codes = [code for code, word in (("1", "左"), ("2", "右"), ("3", "主干")) if word in branch]
            if state == "present" and codes:
                fields.add("portal_thrombus_site_codes", ";".join(codes), *match.span(1))
        if match := patterns["portal"].search(norm, past):
            fields.add("portal_vein_cm", round(float(match[1]) * CM[match[2]], 2), *match.span(), unit="cm")
    if "脾" in norm:
        for name in ("spleen_thickness", "spleen_length"):
            if match := patterns[name].search(norm, past):
                fields.add(f"{name}_cm", round(float(match[1]) * CM[match[2]], 2), *match.span(), unit="cm")
    if (
        ("腹水" in norm or "积液" in norm or "暗区" in norm)
        and (match := patterns["ascites"].search(norm, past))
        and "囊" not in norm[match.start() - 4 : match.start()]
    ):
        fields.add("ascites_depth_cm", round(float(match[1]) * CM[match[2]], 2), *match.span(), unit="cm")


def _parenchyma_of(doc: Document, fields: Fields, past: int) -> None:
    norm = doc.norm
    for name, field in (
        ("size", "liver_size_code"),
        ("capsule", "capsule_code"),
        ("echo", "parenchyma_echo_code"),
        ("homogeneity", "parenchyma_homogeneity_code"),
    ):
        for code, pattern in _parenchyma()[name]:
            if match := pattern.search(norm, past):
                fields.add(field, code, *match.span())
                break


def _afp(doc: Document, fields: Fields) -> None:
    """The value of this examination in ng/mL, with its comparator; a result in words or by the flag and reference beside the value."""
    norm, patterns, factors = doc.norm, _book().patterns, _book().data["afp_ng_per_unit"]
    values = [match for match in patterns["afp"].finditer(norm) if not RISING.search(match[0])]
    now = [one for one in values if not BEFORE.search(norm[max(0, one.start() - 10) : one.start()])]
    match = patterns["afp_rise"].search(norm) or (now[-1] if now else values[-1] if values else None)
    if match:
        value, unit = float(match[2].replace(",", "")), match[4]
        in_ng = round(value * factors[unit or "ng/ml"], 3)
        fields.add("afp_ng_ml", in_ng, *match.span(), unit="ng/mL", rule="afp_ng_ml" if unit else "afp_without_unit")
        fields.add("afp_comparator", match[1] or None, *match.span())
        flag, limit = match[3] or match[5], match[6]
        if flag or limit:
            raised = flag == "↑" or bool(limit) and value > float(limit)
            fields.add("afp_result_code", "1" if raised else "0", *match.span())
    if (word := patterns["afp_word"].search(norm)) and doc.assertion(*word.span()) not in {"advice", "hypothetical"}:
        fields.add("afp_result_code", "0" if word[1] in {"阴性", "正常", "(-)", "不高", "未升高"} else "1", *word.span())
