"""Upper gastrointestinal endoscopy and biopsy: lesions by place and distance from the incisors, iodine staining, gastritis, Hp, neoplasia."""

from __future__ import annotations

import re
from functools import cache

from ingestion.text import gastric_mucosa
from ingestion.text.document import Document, Field
from ingestion.text.kinds import pathology
from ingestion.text.kinds.colonoscopy import precise
from ingestion.text.lesions import BIOPSY, Lesion, current_part, lesions, split_lists
from ingestion.text.lexicons import Lexicon, lexicon
from ingestion.text.normalise import number
from ingestion.text.reading import Fields, Found, Hit, by_category, hits, placed, roman, stated

NAME = "upper_gi_endoscopy"
# Terms that triggers of assertion look for.
ASSERTED = frozenset({"lesion", "gastritis", "disease", "appearance"})
ATTRIBUTES = frozenset(
    {
        "site",
        "distance",
        "clock",
        "appearance",
        "form",
        "lugol",
        "pink",
        "paris",
        "ipcl",
        "yamada",
        "borrmann",
        "siewert",
        "circumference",
        "biopsy",
        "pieces",
        "resection",
    }
)
OWN = ("paris", "yamada", "circumference")
WORDS = {
    "paris": ("0-", "0 -", "0 ⅱ", "0ⅱ", "0ⅰ", "paris", "ip", "is", "iia", "iib", "iic", "ⅱa", "ⅱb", "ⅱc", "ⅰp", "ⅰs", "ⅰ s", "ⅱ a"),
    "yamada": ("山田",),
    "circumference": ("/",),
}
NEOPLASIA = re.compile("瘤变|异型增生|不典型增生|鳞癌|腺癌|鳞状细胞癌|印戒|(?<!待)病理(?:诊断|结果|报告)?[:为示提]")
STAINED = re.compile("碘[^,。;]{0,6}$")
MIN_WAY, MAX_WAY = 150.0, 450.0
LOOKED_WELL = re.compile("光滑|正常|未见|末见|未发现|未及|清晰|通畅")
NOT_SEEN = re.compile("未见|无|末见")
OPERATED = re.compile("(?:癌|食管|胃|贲门|切除)[^,。;]{0,6}术后|吻合口|残胃")
LIGHT = re.compile("淡|浅")
PLANNED = re.compile("拟|建议|择期|评估|必要时")


@cache
def _book() -> Lexicon:
    return lexicon(NAME)


def read(doc: Document) -> list[Field]:
    """Fields of the report; each lesion has a number."""
    fields = Fields(NAME)
    norm = doc.norm
    found = hits(doc, _book(), ASSERTED)
    groups = by_category(found)
    _lesions(doc, fields, found, groups)
    _diseases(doc, fields, groups)
    gastric_mucosa.read(doc, fields)
    if NEOPLASIA.search(norm):
        pathology.diagnose(doc, fields)
    return fields.all


def _extra(doc: Document, fields: Fields, past: int) -> list[Hit]:
    """Attributes that patterns find: distances, clock positions, iodine, Paris type and the like."""
    norm, patterns = doc.norm, _book().patterns
    extra: list[Found] = precise(norm, patterns, OWN, WORDS)
    z_line = patterns["z_line"].search(norm, past) if "齿状线" in norm or "z线" in norm or "egj" in norm else None
    if z_line and float(z_line[1]) >= 25:
        fields.add("z_line_cm", float(z_line[1]), *z_line.span(), unit="cm")
    if "距" in norm or "食管" in norm:
        for match in patterns["distance"].finditer(norm):
            if z_line and match.start() < z_line.end() and z_line.start() < match.end():
                continue
            near, far = match[1] or match[4], match[2] or match[5]
            extra.append(("distance", near + (f"~{far}" if far else ""), match.start(), match.end()))
    known = [(start, end) for category, _, start, end in extra if category == "distance"]
    for one in doc.measurements:  # （28-30cm）: as long as that is only the way down
        is_way = (len(one.values_mm) < 2 or one.is_range) and not (z_line and z_line.start() <= one.start < z_line.end())
        if is_way and min(one.values_mm) >= MIN_WAY and one.long_mm <= MAX_WAY and not any(a < one.end and one.start < b for a, b in known):
            extra.append(("distance", "~".join(f"{value / 10:g}" for value in one.values_mm), one.start, one.end))
    if "点" in norm:
        extra += [
            ("clock", match[1] + (f"~{match[2]}" if match[2] else ""), match.start(), match.end()) for match in patterns["clock"].finditer(norm)
        ]
    if "碘" in norm or "lugol" in norm or "卢戈" in norm or "鲁" in norm:
        extra += [("lugol", code, start, end) for code, start, end in _lugol(norm)]
    if "征" in norm or "sign" in norm or "pcs" in norm:
        for match in patterns["pink"].finditer(norm):
            clause = doc.clause_at(match.start())
            state = stated(norm, match.start(), match.end(), min(clause.end, match.end() + 6), clause.start)
            extra.append(("pink", "absent" if state == "absent" else "present", match.start(), match.end()))
    if "型" in norm:
        extra += [
            ("ipcl", (match[1] or match[2]).replace(" ", "").replace("-", "").upper(), *match.span()) for match in patterns["ipcl"].finditer(norm)
        ]
    for name in ("borrmann", "siewert"):
        if name in norm:
            extra += [(name, roman(match[1]), *match.span()) for match in patterns[name].finditer(norm)]
    if "块" in norm or "枚" in norm or "活检" in norm or "取" in norm:
        extra += [("pieces", str(int(number(match[1]) or 0)), match.start(), match.end()) for match in BIOPSY.finditer(norm)]
    return placed(doc, extra)


def _lugol(norm: str) -> list[tuple[str, int, int]]:
    result = []
    for match in _book().patterns["lugol"].finditer(norm):
        between, degree, said = norm[match.start() : match.start(2)], match[1], match[2]
        if said in {"不着色", "不染", "拒染", "不显色", "未着色"}:
            code = "0" if NOT_SEEN.search(between) else {"中度": "2", "轻度": "3"}.get(degree or "", "1")
        elif said in {"淡染", "浅染", "着色浅", "着色淡", "着色不均", "着色欠均"}:
            code = "0" if NOT_SEEN.search(between) else "2" if degree == "中度" else "3"
        else:
            code = "0"
        result.append((code, match.start(), match.end()))
    if not result and (match := _book().patterns["no_lugol"].search(norm)):
        result.append(("4", *match.span()))
    return result


def _agree(one: Hit, other: Hit) -> bool:
    """Whether two places may be the same: the same, or one is the whole the other is part of."""
    a, b = one.concept, other.concept
    return a == b or a[0] == b[0] and (len(a) == 1 or len(b) == 1 or _part(a) == _part(b)) or {a, b} <= {"C", "G", "E", "G4"} and "C" in (a, b)


def _part(code: str) -> str:
    return {
        "G2": "body",
        "G3": "body",
        "G4": "body",
        "G5": "body",
        "G14": "body",
        "G7": "antrum",
        "G8": "antrum",
        "G9": "antrum",
        "G10": "antrum",
        "G13": "antrum",
    }.get(code, code)


def _organ(lesion: Lesion) -> str | None:
    site = lesion.first("site")
    if site:
        return {"E": "oesophagus", "C": "cardia", "G": "stomach", "D": "duodenum", "A": "anastomosis"}[site.concept[0]]
    return "oesophagus" if lesion.first("distance") or lesion.first("lugol") else None


def _lesions(doc: Document, fields: Fields, found: list[Hit], groups: dict[str, list[Hit]]) -> None:
    norm = doc.norm
    past = current_part(norm)
    extra = _extra(doc, fields, past[1])
    read_lesions, denied = lesions(doc, found, extra, agree=_agree, attributes=ATTRIBUTES, part_of=STAINED, longest_mm=MIN_WAY)
    told = [part for lesion in read_lesions for part in split_lists(lesion, norm)]
    seen: dict[str, Lesion] = {}
    for lesion_no, lesion in enumerate(told, 1):
        organ = _organ(lesion)
        if organ:
            seen.setdefault("oesophagus" if organ == "cardia" else organ, lesion)
        _one(doc, fields, lesion, lesion_no, organ)
    for organ, first, name in (("oesophagus", "EC", "oesophageal_lesion_found"), ("stomach", "G", "gastric_lesion_found")):
        if organ in seen:
            fields.add(name, True, seen[organ].start, seen[organ].nouns[0].end)
        elif mentioned := next((hit for hit in groups.get("site", ()) if hit.concept[0] in first and not past[0] <= hit.start < past[1]), None):
            sentence = doc.sentence_at(mentioned.start)
            if LOOKED_WELL.search(norm, *sentence):
                fields.add(name, False, mentioned.start, max(mentioned.end, min(sentence[1], mentioned.end + 40)))
    if not told and not denied and (none := _book().patterns["none_seen"].search(norm)):
        fields.add("oesophageal_lesion_found", False, *none.span())
        fields.add("gastric_lesion_found", False, *none.span())
    for hit in extra:
        if hit.category == "lugol" and not any(hit in lesion.attributes.get("lugol", ()) for lesion in told):
            fields.add("lugol_code", hit.concept, hit.start, hit.end)
    pieces = [hit for hit in extra if hit.category == "pieces" and not past[0] <= hit.start < past[1]]
    taken = [hit for hit in groups.get("biopsy", ()) if hit.assertion not in {"advice", "negated", "hypothetical"}]
    if pieces or taken:
        spot = (pieces or taken)[0]
        fields.add("biopsy_taken", True, spot.start, spot.end)
    if pieces:
        fields.add("biopsy_count", sum(int(hit.concept) for hit in pieces), pieces[0].start, pieces[-1].end, unit="count")
    if "术后" in norm and (match := OPERATED.search(norm)):
        fields.add("is_postoperative", True, *match.span())


def _one(doc: Document, fields: Fields, lesion: Lesion, lesion_no: int, organ: str | None) -> None:
    norm, data = doc.norm, _book().data
    noun = lesion.nouns[0]
    fields.add("lesion", lesion.concept, noun.start, noun.end, lesion=lesion_no)
    site = lesion.first("site")
    if organ:
        spot = site or lesion.first("distance") or lesion.first("lugol") or noun
        fields.add("organ", organ, spot.start, spot.end, lesion=lesion_no)
        code = {"oesophagus": "1", "cardia": "1", "stomach": "2"}.get(organ)
        fields.add("organ_code", code, spot.start, spot.end, lesion=lesion_no)
        if organ in {"oesophagus", "cardia"}:
            fields.add("oesophageal_site_code", "1" if organ == "oesophagus" else "2", spot.start, spot.end, lesion=lesion_no)
    if site:
        exact = next((one for one in lesion.attributes["site"] if len(one.concept) > 1), site)
        if exact.concept[0] == site.concept[0]:
            site = exact
        fields.add("site_text", doc.text[site.start : site.end], site.start, site.end, lesion=lesion_no)
        if site.concept[0] == "G":
            fields.add("gastric_site_code", site.concept[1:] or "12", site.start, site.end, lesion=lesion_no)
    for category, names, unit in (("distance", ("distance_from_cm", "distance_to_cm"), "cm"), ("clock", ("clock_from", "clock_to"), None)):
        if hit := lesion.first(category):
            first, _, last = hit.concept.partition("~")
            convert = float if unit else int
            fields.add(names[0], convert(first), hit.start, hit.end, unit=unit, lesion=lesion_no)
            fields.add(names[1], convert(last) if last else None, hit.start, hit.end, unit=unit, lesion=lesion_no)
    if lesion.sizes:
        size = max(lesion.sizes, key=lambda one: one.long_mm)
        fields.add("size_mm", size.long_mm, size.start, size.end, unit="mm", lesion=lesion_no)
        fields.add("width_mm", size.short_mm, size.start, size.end, unit="mm", lesion=lesion_no)
    if lesion.count is not None and lesion.count_span:
        fields.add("count", lesion.count, *lesion.count_span, unit="count", lesion=lesion_no)
    elif lesion.is_multiple:
        fields.add("is_multiple", True, lesion.start, noun.end, lesion=lesion_no)
    looks = [one for one in (*lesion.nouns, *lesion.attributes.get("appearance", ())) if one.assertion != "negated"]
    book = data["oesophageal_lesion"] if organ in {"oesophagus", "cardia"} else data["gastric_lesion"] if organ == "stomach" else {}
    codes = sorted({book[one.concept] for one in looks if one.concept in book}, key=int)
    if codes:
        name = "gastric_lesion_codes" if organ == "stomach" else "oesophageal_lesion_codes"
        fields.add(
            name, ";".join(codes), noun.start, max(one.end for one in looks) if looks[-1].end - noun.start < 80 else noun.end, lesion=lesion_no
        )
    if unstained := next((one for one in lesion.nouns if one.concept == "unstained"), None):
        light = LIGHT.search(norm[unstained.start : unstained.end])
        fields.add("lugol_code", "3" if light else "1", unstained.start, unstained.end, lesion=lesion_no)
    if lugol := lesion.first("lugol"):
        fields.add("lugol_code", lugol.concept, lugol.start, lugol.end, lesion=lesion_no)
    if pink := lesion.first("pink"):
        fields.add("has_pink_sign", pink.concept == "present", pink.start, pink.end, lesion=lesion_no)
    for name in ("paris", "ipcl", "yamada", "borrmann", "siewert", "circumference"):
        if hit := lesion.first(name):
            fields.add(name if name == "circumference" else f"{name}_type", hit.concept, hit.start, hit.end, lesion=lesion_no)
    if form := lesion.first("form"):
        fields.add("shape_code", form.concept, form.start, form.end, lesion=lesion_no)
    if worst := next((one for one in lesion.nouns if one.concept == "cancer"), None):
        doubtful = worst.assertion == "uncertain" or norm.startswith(("?", "可能", "待", "(待", "(?"), worst.end)
        fields.add("suspected_cancer", True, worst.start, worst.end, lesion=lesion_no)
        fields.add("cancer_assertion", "uncertain" if doubtful else "affirmed", worst.start, worst.end, lesion=lesion_no)
    if pieces := lesion.first("pieces"):
        fields.add("biopsy_count", int(pieces.concept), pieces.start, pieces.end, unit="count", lesion=lesion_no)
    for hit in lesion.attributes.get("resection", ()):
        if hit.assertion == "affirmed" and not PLANNED.search(norm[max(0, hit.start - 8) : hit.end + 4]):
            fields.add("resection_method", hit.concept, hit.start, hit.end, lesion=lesion_no)


def _diseases(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    norm, patterns = doc.norm, _book().patterns
    for hit in groups.get("gastritis", ()):
        state = hit.assertion
        if state in {"affirmed", "uncertain"}:
            doubtful = state == "uncertain" or norm.startswith("?", hit.end)
            fields.add("gastritis", hit.concept, hit.start, hit.end)
            fields.add("gastritis_assertion", "uncertain" if doubtful else "affirmed", hit.start, hit.end)
    for hit in groups.get("disease", ()):
        state = hit.assertion
        if state in {"affirmed", "uncertain", "negated"}:
            fields.add(hit.concept, {"affirmed": "present", "uncertain": "suspected", "negated": "absent"}[state], hit.start, hit.end)
    if ("la" in norm or "洛杉矶" in norm) and (match := patterns["la"].search(norm)):
        fields.add("la_grade", match[1].upper(), *match.span())
    if fields.has("barrett") and (match := patterns["prague"].search(norm)):
        fields.add("prague", f"C{match[1]}M{match[2]}", *match.span())
    if "forrest" in norm and (match := patterns["forrest"].search(norm)):
        fields.add("forrest", roman(match[1]) + match[2], *match.span())
