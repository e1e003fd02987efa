"""Cervical screening: HPV types, cytology by the Bethesda system, colposcopy, histology (CIN, LSIL/HSIL)."""

from __future__ import annotations

import re
from functools import cache

from ingestion.text.document import Document, Field
from ingestion.text.kinds import pathology
from ingestion.text.lesions import BIOPSY, current_part
from ingestion.text.lexicons import Lexicon, lexicon
from ingestion.text.normalise import number
from ingestion.text.reading import ARABIC, Fields, Hit, by_category, hits, stated

NAME = "cervical"
# Terms that triggers of assertion look for.
ASSERTED = frozenset({"cytology", "histology", "organism", "invasion"})
CYTOLOGY = ("NILM", "ASC-US", "LSIL", "ASC-H", "AGC-NOS", "HSIL", "AGC-FN", "AIS", "SCC", "ADC")
CANCER = frozenset({"5", "6", "7", "8", "9"})
HISTOLOGY = ("99", "1", "2", "3", "4", "5", "6", "7", "8", "9")
IMPRESSIONS = {"1": "1", "LSIL": "2", "HSIL": "3", "SCC": "4", "ADC": "4", "2": "2", "3": "3", "4": "3", "6": "4", "7": "4", "8": "4"}
SAID = {"affirmed", "uncertain"}
PRESENT = re.compile(r"阳性|\(\++\)|\++|检出|感染|阳")
ABSENT = re.compile(r"阴性|\(-+\)|-|未检出|未检测到|未见|阴")
NAMED = re.compile("hpv|瘤病毒|高危型|低危型|分型|型别")
LINKED = re.compile("型?[,、/及和 ]{0,2}(?:未检出|检出)")
CLAUSE_END = re.compile("[,;。\n]")
REPORTED = re.compile("[^,。;]{0,12}[:为示]|(?:组织)?病理|标本|组织")
STOPS = re.compile(r"[。;\n]")
IODINE_FULL = re.compile(r"着色均匀|均匀着色|全着色|\(\+|阳性|着色好|着色良好|染\+|着色可")
IODINE_NEGATIVE = re.compile(r"不着色|不染|\(-|阴性|拒染|着色不均|着色欠|部分着色|淡染|未着色|未染")
CERVIX = re.compile("(?:子)?宫颈|颈管")
P16_NEGATIVE = re.compile(r"阴|\(-|-|斑驳")
PLUS = re.compile(r"阳|\(\+|\+")
DETECTED = re.compile(r"阳|\(\+|\+|检出")
SENTENCE_END = re.compile("[;。]")
NOT_SEEN = re.compile("未见|无")
DENSITY = re.compile("(厚|致密|浓厚|薄|淡)[^,。;]{0,4}醋?(?:酸)?白|醋白\\(\\+\\)(薄|厚)")
SAMPLED = re.compile("多点活检|取活检|活检|取检|话检")
SUSPECTED_CANCER = re.compile("(?:疑似|可疑|考虑)[^,。;]{0,6}癌|宫颈ca")
OF_LESION = re.compile("见|白|病变|碘|镶嵌")
HOUR = re.compile(r"\d{1,2}")


@cache
def _book() -> Lexicon:
    return lexicon(NAME)


def read(doc: Document) -> list[Field]:
    """Fields of the report; a text may hold several tests, each class is of the test named last before it."""
    fields = Fields(NAME)
    norm = doc.norm
    past = current_part(norm)
    found = [hit for hit in hits(doc, _book(), ASSERTED) if not past[0] <= hit.start < past[1]]
    groups = by_category(found)
    if "hpv" in norm or "瘤病毒" in norm or "hc2" in norm or "高危型" in norm:
        _hpv(doc, fields, past[1])
    _classes(doc, fields, found, groups)
    for category, name in (("adequacy", "adequacy_code"), ("colposcopy_adequacy", "colposcopy_adequacy_code")):
        for hit in groups.get(category, ()):
            is_colposcopy = any(test.concept == "colposcopy" for test in groups.get("test", ()))
            if category == "adequacy" and is_colposcopy and "标本" not in norm[hit.start : hit.end]:
                continue
            fields.add(name, hit.concept, hit.start, hit.end)
    organisms = [hit for hit in groups.get("organism", ()) if hit.assertion == "affirmed"]
    if organisms:
        codes = ";".join(sorted({hit.concept for hit in organisms}))
        fields.add("organism_codes", codes, organisms[0].start, organisms[-1].end)
    if any(hit.concept == "colposcopy" for hit in groups.get("test", ())):
        _colposcopy(doc, fields, past[1])
    if place := CERVIX.search(norm):
        fields.add("site_icd10_code", "C53", *place.span())
    return fields.all


def _context(found: list[Hit], norm: str) -> dict[int, str]:
    """Which test a class is of, by the start of its hit: the test named last before it; 病理 ends a colposcopy, a sampled biopsy does not."""
    tests = [hit for hit in found if hit.category == "test" and hit.concept in {"tct", "tissue", "colposcopy"}]
    current = tests[0].concept if tests else ""
    result = {}
    for hit in found:
        if hit.category != "test":
            result[hit.start] = current
        elif hit.concept == "report":
            current = current if current == "tct" else "tissue"
        elif hit.concept in {"tct", "colposcopy"} or hit.concept == "tissue" and (current != "colposcopy" or REPORTED.match(norm, hit.end)):
            current = hit.concept
    return result


def _classes(doc: Document, fields: Fields, found: list[Hit], groups: dict[str, list[Hit]]) -> None:
    norm, data = doc.norm, _book().data
    context = _context(found, norm)
    best_cytology: tuple[tuple[bool, int], Hit] | None = None
    best_histology: tuple[tuple[bool, int], str, Hit] | None = None
    impression: tuple[int, str, Hit] | None = None
    has_histology = any(hit.category == "histology" for hit in found)
    for hit in found:
        if hit.category not in {"cytology", "histology"}:
            continue
        state = hit.assertion
        if (
            hit.concept in {"NILM", "ASC-H", "AGC-FN"}
            and state in {"negated", "historical"}
            and "既往" not in norm[max(0, hit.start - 12) : hit.start]
        ):
            state = "affirmed"
        if state not in SAID:
            continue
        test = context.get(hit.start, "")
        if test == "colposcopy" and hit.concept in IMPRESSIONS:
            code = IMPRESSIONS[hit.concept]
            if impression is None or int(code) > impression[0]:
                impression = (int(code), code, hit)
            continue
        sure = state == "affirmed"
        is_cytology = hit.category == "cytology" and (test == "tct" or (test != "tissue" and not _beside_histology(hit, groups, norm)))
        if is_cytology and not (test == "" and has_histology and hit.concept in data["two_tier"] and "ASC" not in norm):
            rank = (sure, CYTOLOGY.index(hit.concept))
            if best_cytology is None or rank > best_cytology[0]:
                best_cytology = (rank, hit)
            continue
        code = data["two_tier"].get(hit.concept) if hit.category == "cytology" else hit.concept
        if code is None or test == "tct" and code in {"1", "99"}:
            continue
        rank = (sure, HISTOLOGY.index(code))
        if hit.category == "cytology" and best_histology and _beside_histology(hit, groups, norm) and code in {"2", "3"}:
            continue  # 高级别鳞状上皮内病变(CIN3): the grade is exact
        if best_histology is None or rank > best_histology[0]:
            best_histology = (rank, code, hit)
    if best_cytology:
        hit = best_cytology[1]
        fields.add("bethesda_code", hit.concept, hit.start, hit.end)
    if best_histology:
        _, code, hit = best_histology
        fields.add("cervical_histology_code", code, hit.start, hit.end)
        fields.add("cin_grade", data["cin"].get(code) if "cin" in norm or "瘤变" in norm else None, hit.start, hit.end)
        if code in CANCER:  # what kind of cancer, and how differentiated
            pathology.diagnose(doc, fields)
        fields.add("histology_code", data["icdo3"].get(code), hit.start, hit.end)
        if code in data["icdo3"]:
            fields.add("histology_text", doc.text[hit.start : hit.end], hit.start, hit.end)
        for glands in groups.get("invasion", ()):
            fields.add(
                "involves_glands",
                glands.assertion != "negated" and norm[glands.start - 1] not in "未无",
                glands.start,
                glands.end,
            )
    for hit in groups.get("impression", ()):
        if hit.assertion in SAID and (impression is None or int(hit.concept) > impression[0]):
            impression = (int(hit.concept), hit.concept, hit)
    if impression:
        fields.add("impression_code", impression[1], impression[2].start, impression[2].end)
    if "p16" in norm and (match := _book().patterns["p16"].search(norm)):
        fields.add("p16_status_code", "negative" if P16_NEGATIVE.match(match[1]) else "positive", *match.span())
    if "ki" in norm and (match := _book().patterns["ki67"].search(norm)):
        fields.add("ki67_pct", float(match[1]), *match.span(), unit="%")
    if match := _book().patterns["cone"].search(norm):
        fields.add("specimen_type_code", "3", *match.span())


def _beside_histology(hit: Hit, groups: dict[str, list[Hit]], norm: str) -> bool:
    """Whether a grade of CIN stands beside a two-tier name."""
    return any(0 <= other.start - hit.end <= 4 or 0 <= hit.start - other.end <= 4 for other in groups.get("histology", ()))


def _hpv(doc: Document, fields: Fields, past: int) -> None:
    norm, patterns, high_risk = doc.norm, _book().patterns, _book().data["hpv_high_risk"]
    states: dict[str, tuple[bool, int, int]] = {}
    read_to = past
    for match in NAMED.finditer(norm, past):
        if match.start() < read_to:
            continue
        start = max(past, max(norm.rfind(mark, past, match.start()) for mark in ",。;\n") + 1)
        stop = STOPS.search(norm, match.end())
        end = stop.end() if stop else len(norm)
        if stop and norm[stop.start()] == ";" and (more := STOPS.search(norm, end)) and patterns["types"].match(norm, end):
            end = more.end()
        read_to = end
        for name, told in _types(norm, start, end, patterns["types"]).items():
            known = states.get(name)
            if known is None or told[0] and not known[0]:
                states[name] = told
    positive = sorted((name for name, told in states.items() if told[0]), key=int)
    if positive:
        first, last = min(states[one][1] for one in positive), max(states[one][2] for one in positive)
        high = [one for one in positive if one in high_risk]
        low = [one for one in positive if one not in high_risk]
        fields.add("hpv_type_codes", ";".join(high) or None, first, last)
        fields.add("hpv_other_type_codes", ";".join(low) or None, first, last)
        if high:
            fields.add("hpv_result_code", "2", first, last)
    for name in ("16", "18"):
        if name in states:
            fields.add(f"hpv{name}_code", "1" if states[name][0] else "0", *states[name][1:])
    if match := patterns["other12"].search(norm, past):
        is_positive = bool(PLUS.match(match[1]))
        fields.add("hpv_other12_code", "1" if is_positive else "0", *match.span())
        if is_positive:
            fields.add("hpv_result_code", "2", *match.span())
    elif others := [one for one in positive if one in high_risk and one not in {"16", "18"}]:
        fields.add("hpv_other12_code", "1", states[others[0]][1], states[others[-1]][2])
    if match := patterns["hc2_value"].search(norm, past) if "hc2" in norm else None:
        fields.add("hpv_result_code", "2" if float(match[1]) >= 1 else "1", *match.span(), rule="hc2_ratio")
    if match := patterns["invalid"].search(norm, past):
        fields.add("hpv_result_code", "3", *match.span())
    words = [match for match in patterns["hpv_word"].finditer(norm, past) if "低危" not in norm[max(0, match.start() - 4) : match.end()]]
    for wanted, code in ((True, "2"), (False, "1")):
        for match in words:
            if bool(DETECTED.match(match[1])) == wanted and doc.assertion(match.start(), match.start() + 2) not in {
                "advice",
                "historical",
            }:
                fields.add("hpv_result_code", code, *match.span())
    if states and not positive:
        first, last = min(one[1] for one in states.values()), max(one[2] for one in states.values())
        fields.add("hpv_result_code", "1", first, last, rule="hpv_types_negative")


def _types(norm: str, start: int, end: int, pattern: re.Pattern[str]) -> dict[str, tuple[bool, int, int]]:
    """Types named in a sentence and whether they were found; a list shares the word behind it, else the one before it."""
    result: dict[str, tuple[bool, int, int]] = {}
    matches = list(pattern.finditer(norm, start, end))
    waiting: list[re.Match[str]] = []
    before: bool | None = None
    position = start
    for place, match in enumerate(matches):
        lead = norm[position : match.start()]
        if SENTENCE_END.search(lead) and waiting:
            result |= {one[1]: (before, one.start(), one.end()) for one in waiting if before is not None and one[1] not in result}
            waiting, before = [], None
        comma = max(lead.rfind(","), lead.rfind("、"), lead.rfind(" ")) if waiting else -1
        if (word := _polarity(lead[comma + 1 :])) and (not waiting or comma >= 0):
            for one in waiting:
                if before is not None:
                    result.setdefault(one[1], (before, one.start(), one.end()))
            waiting, before = [], word == "present"
        waiting.append(match)
        following = matches[place + 1].start() if place + 1 < len(matches) else end
        behind = norm[match.end() : following]
        stop = CLAUSE_END.search(behind)
        state = _polarity(behind[: stop.start()] if stop else behind)
        if state is None and place + 1 == len(matches) and before is None:
            state = _polarity(behind)
        if state is not None and not LINKED.match(behind):
            for one in waiting:
                result.setdefault(one[1], (state == "present", one.start(), one.end()))
            waiting = []
        position = match.end()
    for one in waiting:
        if before is not None:
            result.setdefault(one[1], (before, one.start(), one.end()))
    return result


def _polarity(said: str) -> str | None:
    absent, present = ABSENT.search(said), PRESENT.search(said)
    if absent and (not present or absent.start() <= present.start()):
        return "absent"
    return "present" if present else None


def _colposcopy(doc: Document, fields: Fields, past: int) -> None:
    norm, patterns = doc.norm, _book().patterns
    if match := patterns["zone"].search(norm, past):
        written = match[1] or match[2] or match[3]
        fields.add("transformation_zone_code", str(ARABIC[written]), *match.span())
    told: dict[str, tuple[bool, int, int]] = {}
    for name, pattern in (("acetowhite_found", patterns["aceto"]), ("atypical_vessels_found", patterns["vessels"])):
        for match in pattern.finditer(norm, past):
            clause = doc.clause_at(match.start())
            begin, stop = clause.start, min(clause.end, match.end() + 10)
            if name == "acetowhite_found" and "醋酸试验" in match[0]:
                state = stated(norm, match.start(), match.end(), clause.end, match.start())
            else:
                state = stated(norm, match.start(), match.end(), stop, begin) or "present"
            if state in {"present", "absent"} and not (name in told and told[name][0]):
                told[name] = (state == "present", *match.span())
    for match in patterns["iodine"].finditer(norm, past) if "碘" in norm or "lugol" in norm else ():
        clause = doc.clause_at(match.start())
        behind = norm[match.end() : clause.end]
        negative, full = IODINE_NEGATIVE.search(behind), IODINE_FULL.search(behind)
        if negative and (not full or negative.start() <= full.start()):
            told.setdefault("iodine_negative_found", (not NOT_SEEN.search(behind[: negative.start()]), match.start(), match.end() + negative.end()))
        elif full:
            told.setdefault("iodine_negative_found", (False, match.start(), match.end() + full.end()))
    for name, (value, start, end) in told.items():
        fields.add(name, value, start, end)
    if fields.has("acetowhite_found") and told["acetowhite_found"][0] and (match := DENSITY.search(norm)):
        fields.add("acetowhite_density", "thin" if (match[1] or match[2]) in {"薄", "淡"} else "thick", *match.span())
    _clock(doc, fields, past)
    if match := BIOPSY.search(norm, past):
        fields.add("biopsy_taken", True, *match.span())
        fields.add("biopsy_count", int(number(match[1]) or 0), *match.span(), unit="count")
    elif (match := SAMPLED.search(norm, past)) and doc.assertion(*match.span()) not in {"advice", "negated"}:
        fields.add("biopsy_taken", True, *match.span())
    if (match := patterns["curettage"].search(norm, past)) and doc.assertion(*match.span()) not in {"advice", "negated"}:
        fields.add("curettage_done", True, *match.span())
    if not fields.has("impression_code"):
        closing = doc.sections[-1] if len(doc.sections) > 1 else None
        summary = next((one for one in doc.sections if one.name == "impression"), closing)
        if summary and (match := re.compile("未见异常|未见明显异常|阴性|未发现异常").search(norm, summary.start, summary.end)):
            fields.add("impression_code", "1", *match.span())
        elif match := SUSPECTED_CANCER.search(norm):
            fields.add("impression_code", "4", *match.span())


def _clock(doc: Document, fields: Fields, past: int) -> None:
    norm = doc.norm
    lesion: list[int] = []
    spans: list[tuple[int, int]] = []
    for match in _book().patterns["clock"].finditer(norm, past) if "点" in norm else ():
        clause = doc.clause_at(match.start())
        said = norm[clause.start : clause.end]
        if ("活检" in said or "取" in said) and not OF_LESION.search(said):
            continue
        hours = [int(one) for one in HOUR.findall(match[1])]
        lesion += [hour for hour in hours if hour not in lesion]
        spans.append(match.span())
    if lesion:
        fields.add("lesion_clock", ";".join(map(str, sorted(lesion))), spans[0][0], spans[-1][1])
