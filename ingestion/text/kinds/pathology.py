"""Surgical pathology and biopsies: site, histology (ICD-O-3), grade, TNM, nodes, size, margins, invasion, receptors, mismatch repair, adenomas."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from ingestion.text import gastric_mucosa
from ingestion.text.document import Document, Field
from ingestion.text.lexicons import Lexicon, lexicon
from ingestion.text.reading import ARABIC, Fields, Hit, by_category, hits, roman, stated

NAME = "pathology"
# Terms that triggers of assertion look for.
ASSERTED = frozenset({"histology", "benign", "vessel", "nerve", "stain"})
STOPS = re.compile("[,;。\n]")
HARD_STOPS = re.compile(r"[。\n]|(?<![\d.])\d{1,2}[.、](?!\d)")
NAMED_NEXT = re.compile("[,、(]?[^。;,]{0,8}(?:符合|考虑|倾向|提示)")
TNM_LABEL = re.compile(r"(?<![a-z])(yp|yc|p|c)tnm")
STAGED = re.compile("期")
TNM_HINT = re.compile("t ?(?:is|x|[0-4o])")
UNCERTAIN = re.compile(r"不除外|除外|排除|可疑|疑|待排|\?|不能排除|可能")
GROSS_SIZE = re.compile(r"(?:肿瘤|肿物|肿块|癌灶|病灶|病变|癌|瘤体|结节|隆起)[^。;\d]{0,16}$|(?:最大径|最大直径|大小)[^。;\d]{0,6}$")
NOT_TUMOUR_SIZE = re.compile(
    r"(?:距|标本|组织一?块|碎?组织|肠管|胃壁|皮肤|皮瓣|长约?|壁厚|厚约?|脂肪|淋巴结|切缘|子宫|宫颈长|间质深|浸润深度)[^,。;\d]{0,8}$"
)
CHAR_LIMIT = 30
CLAUSE_LIMIT = 80
DIAGNOSES = frozenset({"histology", "benign"})
OPENS = re.compile(r"(?:^|[。;\n:\]]|送检|\d[.、)]|[a-h][.、:)])[^,。;\d]{0,6}$")
DEPTHS = ("mucosa", "submucosa", "muscularis", "subserosa", "serosa", "adjacent")
DEPTH_VERB = re.compile(r"浸润|侵及|侵犯|累及|达|至|局限于|侵透|穿透|穿破|突破|侵入|深及")
NODE_TOTAL = re.compile(
    r"(?:共|总计|合计|总数|检出|清扫|送检|找到|检及|查见|取出)[^,。;\d/]{0,12}(\d{1,3}) ?(?:枚|个)(?!/)"
    r"|淋巴结 ?\(?(\d{1,3}) ?(?:枚|个)\)?|总数 ?[:为]? ?(\d{1,3})"
)
NODE_POSITIVE = re.compile(
    r"(?:其中|阳性|转移)[^,。;\d/%]{0,10}(\d{1,3}) ?(?:枚|个)?(?![\d/])"
    r"|(\d{1,3}) ?(?:枚|个)[^,。;\d]{0,6}(?:见|查见|有|为|可见|伴)?[^,。;\d未无]{0,4}(?:转移|阳性)"
)
NODE_NEGATIVE = re.compile(r"(?:均)?(?:未见|未查见|无|未发现)[^,。;]{0,8}转移|转移\(-\)|均阴性|\(-\)")
STAIN_POSITIVE = re.compile(r"阳性|阳|\+|强|过表达|扩增|表达存在|保留|无缺失|未缺失|表达正常")
STAIN_NEGATIVE = re.compile(r"阴性|阴|\(-|^ ?[:为]? ?-|-\)|(?<!无)(?<!未)缺失|未表达|不表达|丢失|未扩增|无扩增|^ ?[:为]? ?0(?![.\d])")
CPS = re.compile(r"cps[^\d,;。]{0,8}(\d{1,3})")
TPS = re.compile(r"tps[^\d,;。]{0,8}(\d{1,3}(?:\.\d)?) ?%")
PROTEINS = ("mlh1", "msh2", "msh6", "pms2")
WILD = re.compile(r"野生|未检出|未见|无突变|未突变|阴性|\(-|未发现|^-")
CHANGED = re.compile(r"突变|l858r|19del|外显子|阳性|\(\+|\+|融合|重排")
FUSED = re.compile(r"融合|重排|阳性|\(\+|\+")
SECONDARY = re.compile("转移性?$")
SESSILE = re.compile("无蒂|广基|ssl|ssa")
DEGREE = re.compile("[轻中重]")
SUMMED = re.compile(r"(?:共计?|总计|合计|总数|总)[^,。;\d]{0,10}$")
ALL_POSITIVE = re.compile("均[^,。;]{0,4}转移|全部")
RESIDUAL = re.compile(r"(?<![a-z\d])r([012])切除")
NOT_CLEAN = re.compile("未净|不净|未切净")
CLEAR_BEFORE = re.compile("未见[^,。;]{0,12}$|未累及[^,。;]{0,4}$")
INVOLVED_BEFORE = re.compile("(?:累及|侵犯|紧邻)[^,。;]{0,8}$")
NOT_AMPLIFIED = re.compile("未扩增|无扩增|未见扩增|阴性|\\(-|无基因扩增|未见基因扩增")
AMPLIFIED = re.compile("扩增|阳性|\\(\\+")
PATCHY = re.compile("灶性|斑驳|散在|局灶|点灶|弱")
GENE = re.compile("突变|野生|基因|外显子")
KEPT = re.compile("无缺失|未缺失|保留|未见缺失")
SCORE = re.compile(r"([0-3]) ?\+")
PLUSES = re.compile(r"\+{1,3}")
SCORE_ZERO = re.compile(r"阴性|\(-|^ ?[:为]? ?-|\( ?0|^ ?[:为]? ?0")
VILLOUS = re.compile("绒毛")


class Part(NamedTuple):
    """A specimen of the report: where its text stands and what was read in it."""

    start: int
    end: int
    site: Hit | None


@cache
def _book() -> Lexicon:
    return lexicon(NAME)


@cache
def _organs() -> dict[str, str]:
    return {prefix: organ for organ, prefixes in _book().data["organs"].items() for prefix in prefixes}


def organ_of(topography: str | None) -> str | None:
    """Organ of an ICD-O topography, as in the code list pathology_site."""
    return _organs().get(topography[:3]) if topography else None


def read(doc: Document) -> list[Field]:
    """Fields of the report; of several specimens each is a lesion, and the report as a whole has the worst diagnosis."""
    fields = Fields(NAME)
    found = hits(doc, _book(), ASSERTED)
    groups = by_category(found)
    parts = _parts(doc, found, groups)
    _diagnoses(doc, fields, found, groups, parts)
    _staging(doc, fields)
    if "node" in groups:
        _nodes(doc, fields, groups)
    _size(doc, fields, groups)
    _invasion(doc, fields, groups)
    if "stain" in groups:
        _stains(doc, fields, found, groups)
    _repair(doc, fields, groups)
    _adenoma(doc, fields)
    if fields.has("organ") and any(one.value == "stomach" for one in fields.all if one.name == "organ") or "hp" in doc.norm or "olg" in doc.norm:
        gastric_mucosa.read(doc, fields)
    return fields.all


def diagnose(doc: Document, fields: Fields) -> None:
    """Adds the histological diagnosis that an endoscopy report tells with its biopsies: histology, neoplasia, villous share."""
    found = [hit for hit in hits(doc, _book()) if hit.concept not in _book().data["generic"]]
    groups = by_category(found)
    whole = _parts(doc, found, groups)
    if any(hit.category in {"histology", "benign"} for hit in found):
        own = Fields(fields.module)
        _diagnoses(doc, own, found, groups, whole)
        for one in own.all:
            if one.lesion is None and one.name in {
                "histology_code",
                "histology_text",
                "suspected_histology_code",
                "pathology_code",
                "differentiation_code",
            }:
                fields.add(one.name, one.value, one.evidence.start, one.evidence.end, rule=f"pathology.{one.name}")
    _adenoma(doc, fields)


def _clause(norm: str, start: int, end: int) -> tuple[int, int]:
    """The piece between commas, semicolons and full stops around a span, no further than CLAUSE_LIMIT to either side."""
    begin, first = start, max(0, start - CLAUSE_LIMIT)
    while begin > first and norm[begin - 1] not in ",;。\n":
        begin -= 1
    last = min(len(norm), end + CLAUSE_LIMIT)
    stop = STOPS.search(norm, end, last)
    return begin, stop.start() if stop else last


def _start(hit: Hit) -> int:
    return hit.start


def _between(ordered: Sequence[Hit], begin: int, stop: int) -> Sequence[Hit]:
    """Hits of an ordered list that start from `begin` up to `stop`."""
    return ordered[bisect_left(ordered, begin, key=_start) : bisect_left(ordered, stop, key=_start)]


def _sites(doc: Document, groups: dict[str, list[Hit]]) -> list[Hit]:
    """Places that tell where a specimen is from: none of the stains, margins or node groups."""
    norm, nodes = doc.norm, groups.get("node", ())
    result = []
    for hit in groups.get("site", ()):
        if (
            nodes
            and _between(nodes, *_clause(norm, hit.start, hit.end))
            or norm.startswith(("切缘", "断端", "残端", "周围", "旁", "周", "门", "系膜"), hit.end)
        ):
            continue
        result.append(hit)
    return result


def _parts(doc: Document, found: list[Hit], groups: dict[str, list[Hit]]) -> list[Part]:
    norm = doc.norm
    sites = _sites(doc, groups)
    tail = min((hit.start for hit in groups.get("section_end", ())), default=len(norm))
    told = [hit for hit in found if hit.category in DIAGNOSES]
    heads: list[tuple[int, Hit]] = []
    for hit in sites:
        if hit.start >= tail:
            break
        before = norm[max(0, hit.start - 14) : hit.start]
        opened = before.rfind("(")
        begins = opened >= 0 and ")" not in before[opened:] or not before or bool(OPENS.search(before))
        if not begins:
            continue
        start = hit.start - (len(before) - opened) if opened >= 0 and ")" not in before[opened:] else hit.start
        if heads and norm[heads[-1][0]] == "(" and opened < 0 and norm.find(")", heads[-1][0], hit.start) < 0:
            continue
        if heads and not _between(told, heads[-1][0], start):
            heads.pop()  # a place named twice before the diagnosis: the one nearest to it counts
        heads.append((start, hit))
    if not heads:
        return [Part(0, len(norm), sites[0] if sites else None)]
    heads[0] = (0, heads[0][1])
    ends = [start for start, _ in heads[1:]] + [len(norm)]
    parts = [Part(start, end, hit) for (start, hit), end in zip(heads, ends, strict=True)]
    kept = [part for part in parts if _between(told, part.start, part.end)]
    if len(kept) <= 1:
        return [Part(0, len(norm), (kept or parts)[0].site)]
    return kept


def _severity(code: str, written: str) -> tuple[int, bool, bool]:
    """Rank of a diagnosis: behaviour first, then an exact name before a general one, then the pattern that predominates (腺泡为主型)."""
    behaviour = int(code[-1])
    return (3 if behaviour == 6 else behaviour, code not in _book().data["generic"], "为主" in written)


def _coded(doc: Document, hit: Hit, organ: str | None) -> str:
    """ICD-O code of a name, as it is meant in the organ and epithelium."""
    code, norm, data = hit.concept, doc.norm, _book().data
    own = norm[max(0, hit.start - 8) : hit.start]
    if code in {"8148/2", "8148/0"} and ("鳞" in own or (organ in data["by_organ"] and "腺" not in norm[max(0, hit.start - 6) : hit.end])):
        return data["by_organ"]["oesophagus"].get(code, code)
    code = data["by_organ"].get(organ or "", {}).get(code, code) if code not in {"8148/2", "8148/0"} else code
    if code.endswith("/3") and SECONDARY.search(own):
        return code[:-1] + "6"
    return code


def _diagnoses(doc: Document, fields: Fields, found: list[Hit], groups: dict[str, list[Hit]], parts: list[Part]) -> None:
    norm = doc.norm
    tail = min((hit.start for hit in groups.get("section_end", ())), default=len(norm))
    generic = _book().data["generic"]
    told = [hit for hit in found if hit.category in DIAGNOSES]
    nodes, edges = groups.get("node", ()), groups.get("margin", ())
    best: tuple[tuple[int, bool, bool], str, Hit, Part] | None = None
    doubtful: tuple[str, Hit] | None = None
    several = len(parts) > 1
    lesion_codes: list[tuple[str | None, str, Hit]] = []
    for number, part in enumerate(parts, 1):
        topography = part.site.concept if part.site else None
        organ = organ_of(topography)
        own: tuple[tuple[int, bool, bool], str, Hit] | None = None
        benign: Hit | None = None
        for hit in _between(told, part.start, part.end):
            if hit.start >= tail and hit.concept in {"8010/3", "8000/3"}:
                continue
            begin, stop = _clause(norm, hit.start, hit.end)
            if _between(nodes, begin, stop) or _between(edges, begin, hit.start):
                continue
            assertion = hit.assertion
            if assertion in {"negated", "family", "advice", "hypothetical"} and not norm.startswith("未分化", max(0, hit.start - 3)):
                continue
            if "建议" in norm[begin : hit.start]:
                continue
            if hit.concept in generic and NAMED_NEXT.match(norm, hit.end) and _between(told, hit.end, min(part.end, hit.end + 24)):
                continue  # 查见癌，形态符合导管原位癌
            if assertion == "historical" and "术后" in norm[hit.end : hit.end + 4]:
                continue
            if hit.category == "benign":
                benign = benign or hit
                continue
            code = _coded(doc, hit, organ)
            if assertion == "uncertain" and UNCERTAIN.search(norm, begin, stop):
                doubtful = doubtful or (code, hit)
                continue
            rank = _severity(code, norm[hit.start : hit.end])
            if own is None or rank > own[0]:
                own = (rank, code, hit)
        if several:
            if part.site:
                fields.add("site_icd10_code", topography[:3], part.site.start, part.site.end, lesion=number)
                fields.add("site_text", doc.text[part.site.start : part.site.end], part.site.start, part.site.end, lesion=number)
            if own:
                fields.add("histology_code", own[1], own[2].start, own[2].end, lesion=number)
                fields.add("histology_text", doc.text[own[2].start : own[2].end], own[2].start, own[2].end, lesion=number)
        for code, hit in ((own[1], own[2]),) if own else ((benign.concept, benign),) if benign else ():
            lesion_codes.append((organ, code, hit))
            form = _form_code(organ, code, hit, norm)
            if several and form:
                fields.add("pathology_code", form, hit.start, hit.end, lesion=number)
        if own and (best is None or own[0] > best[0]):
            best = (*own, part)
    main = best[3] if best else parts[0]
    if main.site:
        place = main.site
        fields.add("site_icd10_code", place.concept[:3], place.start, place.end)
        fields.add("topography_code", place.concept, place.start, place.end)
        fields.add("organ", organ_of(place.concept), place.start, place.end)
        fields.add("site_text", doc.text[place.start : place.end], place.start, place.end)
        if doc.norm[place.start : place.start + 1] in {"左", "右"}:
            fields.add("laterality", "left" if doc.norm[place.start] == "左" else "right", place.start, place.start + 1)
    if best:
        _, code, hit, part = best
        fields.add("histology_code", code, hit.start, hit.end)
        fields.add("histology_text", doc.text[hit.start : hit.end], hit.start, hit.end)
        _grade(doc, fields, groups, hit, part)
    elif doubtful:
        code, hit = doubtful
        fields.add("suspected_histology_code", code, hit.start, hit.end)
    for organ, code, hit in lesion_codes:
        form = _form_code(organ, code, hit, norm)
        if form and (best is None or hit is best[2]):
            fields.add("pathology_code", form, hit.start, hit.end)
            break


def _form_code(organ: str | None, code: str, hit: Hit, norm: str) -> str | None:
    """Code of the programme's pathology form of the organ, by what was read."""
    if organ == "colorectum":
        if code == "8213/0" and SESSILE.search(norm[hit.start : hit.end]):
            return "07"
        return _book().data["colorectal_pathology"].get(code)
    if organ in {"oesophagus", "stomach"}:
        if code == "normal":
            return "01" if organ == "oesophagus" else "16"
        if code == "inflammation" and organ == "oesophagus":
            degree = DEGREE.search(norm[max(0, hit.start - 4) : hit.start])
            return {"轻": "05", "中": "06", "重": "07"}[degree[0]] if degree else None
        if code == "8140/2" and organ == "oesophagus" and "腺" not in norm[hit.start : hit.end]:
            return "14"
        return _book().data["upper_gi_pathology"].get(code)
    return None


def _grade(doc: Document, fields: Fields, groups: dict[str, list[Hit]], main: Hit, part: Part) -> None:
    near = [hit for hit in groups.get("grade", ()) if part.start <= hit.start < part.end and abs(hit.start - main.start) < 60]
    if near:
        grade = min(near, key=lambda hit: abs(hit.start - main.start) + (20 if hit.start > main.end + 12 else 0))
        fields.add("differentiation_code", grade.concept, grade.start, grade.end)
    norm, patterns = doc.norm, _book().patterns
    if "级" in norm or "g" in norm:
        if found := patterns["edmondson"].search(norm) if "edmondson" in norm else None:
            fields.add("edmondson_grade", roman(found[1]), found.start(), found.end())
        elif found := patterns["histological_grade"].search(norm):
            fields.add("histological_grade", ARABIC[found[1] or found[2] or found[3]], found.start(), found.end())


def _staging(doc: Document, fields: Fields) -> None:
    norm, patterns = doc.norm, _book().patterns
    best = None
    if hint := TNM_HINT.search(norm):
        for match in patterns["tnm"].finditer(norm, max(0, hint.start() - 3)):
            prefix, t, n, m = match.groups()
            if (
                n is None and (not prefix or match.end() < len(norm) and (norm[match.end()].isalnum() and norm[match.end()].isascii()))
            ) or prefix == "a":
                continue
            rank = ((prefix or "") != "c", n is not None, bool(prefix))
            if best is None or rank > best[0]:
                best = (rank, match)
    if best:
        match = best[1]
        prefix, t, n, m = match.groups()
        span = match.span()
        if prefix is None and (label := TNM_LABEL.search(norm, max(0, span[0] - 16), span[0])):
            prefix = label[1]
        fields.add("tnm_prefix", prefix, *span)
        fields.add("t_category", "T" + _category(t), *span)
        fields.add("n_category", "N" + _category(n) if n else None, *span)
        fields.add("m_category", "M" + _category(m) if m else None, *span)
        if edition := patterns["edition"].search(norm):
            written = edition[1] or edition[2] or edition[3]
            fields.add("staging_edition", int({"六": "6", "七": "7", "八": "8", "九": "9"}.get(written, written)), *edition.span())
    if "期" in norm:
        for end in STAGED.finditer(norm):
            match = patterns["stage"].search(norm, max(0, end.start() - 8), end.end())
            if not match:
                continue
            before = norm[max(0, match.start() - 16) : match.start()]
            name = "figo_stage" if "figo" in before else "cnlc_stage" if "cnlc" in before or "中国肝癌" in before else "stage_group"
            group = roman(match[1])
            suffix = match[2] if name != "stage_group" else match[2].upper()
            fields.add(name, group + suffix, *match.span())


def _category(written: str) -> str:
    return "X" if written == "x" else "0" if written == "o" else written


def _nodes(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    """Positive and examined nodes: of a total where one is given, else summed over the groups."""
    norm, ratio = doc.norm, _book().patterns["ratio"]
    tail = min((hit.start for hit in groups.get("section_end", ())), default=len(norm))
    regions: list[list[int]] = []
    for hit in groups["node"]:
        if hit.concept != "node" or hit.start >= tail:
            continue
        if regions and hit.end <= regions[-1][1]:
            continue
        start = _clause(norm, hit.start, hit.end)[0]
        closing = HARD_STOPS.search(norm, hit.end)
        stop = min(closing.start() if closing else len(norm), tail)
        if regions and start <= regions[-1][1]:
            regions[-1][1] = max(stop, regions[-1][1])
        else:
            regions.append([start, stop])
    counted: list[tuple[int, int, int, int]] = []
    for start, stop in regions:
        for match in ratio.finditer(norm, start, stop):
            if norm.startswith(("周", "肠腔", "管腔", "层", "象限"), match.end()) or norm[match.start() - 3 : match.start()] == "癌结节":
                continue
            positive, examined = int(match[1]), int(match[2])
            if positive > examined:
                positive, examined = examined, positive
            if examined == 0 and positive == 0 and len(regions) == 1 and counted:
                continue
            counted.append((positive, examined, match.start(), match.end()))
    if not counted:
        _nodes_in_words(doc, fields, regions)
        return
    first, rest = counted[0], counted[1:]
    sums = (sum(one[0] for one in rest), sum(one[1] for one in rest))
    total = next((one for one in counted if SUMMED.search(norm[max(0, one[2] - 14) : one[2]])), None)
    if rest and first[:2] == sums and (first[0] or ":" in norm[first[3] : first[3] + 4]):
        total = first
    last_sums = (sum(one[0] for one in counted[:-1]), sum(one[1] for one in counted[:-1]))
    if rest and counted[-1][:2] == last_sums and counted[-1][0]:
        total = counted[-1]
    if total is None and len(counted) > 1 and len(set(one[:2] for one in counted)) == 1 and len(regions) > 1:
        total = first  # the same count, told again
    groups_of = [one for one in counted if one is not total] if total else counted
    positive, examined = total[:2] if total else (sum(one[0] for one in counted), sum(one[1] for one in counted))
    span = (total[2], total[3]) if total else (counted[0][2], counted[-1][3])
    if examined <= 200:
        fields.add("nodes_positive", positive, *span, unit="count")
        fields.add("nodes_examined", examined, *span, unit="count")
    if len(groups_of) > 1:
        fields.add("node_group_count", len(groups_of), groups_of[0][2], groups_of[-1][3], unit="count")


def _nodes_in_words(doc: Document, fields: Fields, regions: list[list[int]]) -> None:
    norm = doc.norm
    for start, stop in regions:
        total = NODE_TOTAL.search(norm, start, stop)
        positive = NODE_POSITIVE.search(norm, start, stop)
        negative = NODE_NEGATIVE.search(norm, start, stop)
        if not total:
            continue
        examined = int(total[1] or total[2] or total[3])
        fields.add("nodes_examined", examined, *total.span(), unit="count")
        if positive and int(positive[1] or positive[2]) <= examined and not (negative and negative.start() <= positive.start()):
            if positive.span(positive.lastindex or 0) != total.span(total.lastindex or 0):
                fields.add("nodes_positive", int(positive[1] or positive[2]), *positive.span(), unit="count")
            elif ALL_POSITIVE.search(norm[start:stop]) and not negative:
                fields.add("nodes_positive", examined, *positive.span(), unit="count")
        elif negative:
            fields.add("nodes_positive", 0, *negative.span(), unit="count")
        return


def _size(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    norm = doc.norm
    best = None
    for one in doc.sizes:
        before = norm[max(0, one.start - 24) : one.start]
        before = before[max(before.rfind(mark) for mark in "。;\n") + 1 :]
        is_level = one.long_mm >= 150 and norm[one.start - 1] == "(" and norm.startswith(")", one.end)  # （食管30cm）
        if NOT_TUMOUR_SIZE.search(before) or one.cue == "thickness" or norm.startswith("处", one.end) or is_level:
            continue
        comma = before.rfind(",")
        named = bool(GROSS_SIZE.search(before)) or bool(GROSS_SIZE.search(before[:comma])) if comma >= 0 else bool(GROSS_SIZE.search(before))
        diagnosed = any(hit.category == "histology" and hit.end <= one.start <= hit.end + 8 for hit in groups.get("histology", ()))
        rank = (named or diagnosed, "组织" not in before and "标本" not in before)
        if rank == (False, False) or (best is not None and rank <= best[0]):
            continue
        best = (rank, one)
    if best and ("histology" in groups or best[0][0]):
        one = best[1]
        fields.add("tumour_size_mm", one.long_mm, one.start, one.end, unit="mm")
        if one.short_mm is not None:
            fields.add("tumour_width_mm", one.short_mm, one.start, one.end, unit="mm")


def _status(doc: Document, hit: Hit, others: list[Hit]) -> tuple[str | None, int, int]:
    """present, absent or suspected of a thing that is named at a hit, with the span that says so."""
    norm = doc.norm
    begin, stop = _clause(norm, hit.start, hit.end)
    following = _between(others, hit.end, stop)
    nearer = following[0].start if following else stop
    mark = norm.find("、", hit.end, nearer)
    if mark >= 0 and POLAR.search(norm, hit.end, mark):
        nearer = mark
    own = stated(norm, hit.start, hit.end, nearer, hit.start)
    if nearer < stop and not POLARITY.search(norm, hit.end, nearer):
        own = None
    if own is None or own == "present" and not POSITIVE_BEHIND.search(norm, hit.end, nearer):
        own = stated(norm, hit.start, hit.end, stop, begin)
    return own, min(begin, hit.start), stop


POLAR = re.compile(r"\([-+]")
POLARITY = re.compile("[-+阴阳见无]")
POSITIVE_BEHIND = re.compile(r"见|有|阳|\+")


def _invasion(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    norm = doc.norm
    tail = min((hit.start for hit in groups.get("section_end", ())), default=len(norm))
    things = sorted(groups.get("vessel", []) + groups.get("nerve", []) + groups.get("mvi", []), key=lambda hit: hit.start)
    for category, name in (("vessel", "has_vascular_invasion"), ("nerve", "has_perineural_invasion")):
        told: list[tuple[bool, int, int]] = []
        for hit in groups.get(category, ()):
            if hit.start >= tail:
                break
            state, start, stop = _status(doc, hit, things)
            if state == "suspected":
                fields.add(name.replace("has_", "suspected_"), True, start, stop)
            elif state:
                told.append((state == "present", start, stop))
        if told:
            value, start, stop = max(told, key=lambda one: one[0])
            fields.add(name, value, start, stop)
    if "mvi" in groups:
        for hit in groups["mvi"]:
            if match := _book().patterns["mvi"].search(norm[hit.end : hit.end + 14]):
                fields.add("mvi_grade_code", f"M{match[1]}", hit.start, hit.end + match.end())
                break
    _margins(doc, fields, groups)
    deepest = -1, None
    for hit in groups.get("depth", ()):
        begin, _ = _clause(norm, hit.start, hit.end)
        if hit.assertion == "negated" or not DEPTH_VERB.search(norm, begin, hit.start) and not norm.startswith("浸润", hit.end):
            continue
        if _between(groups.get("margin", ()), begin, hit.start):
            continue
        deepest = max(deepest, (DEPTHS.index(hit.concept), hit), key=lambda one: one[0])
    if deepest[1]:
        fields.add("invasion_depth", DEPTHS[deepest[0]], deepest[1].start, deepest[1].end)
    for hit in groups.get("lauren", ()):
        if "lauren" in norm[max(0, hit.start - 14) : hit.end + 10] or norm[max(0, hit.start - 8) : hit.start].find("分型") >= 0:
            fields.add("lauren_type", hit.concept, hit.start, hit.end)
    patterns = _book().patterns
    if "trg" in norm and (match := patterns["trg"].search(norm)):
        fields.add("trg", int(match[1]), *match.span())
    if ("出芽" in norm or "bd" in norm) and (match := patterns["budding"].search(norm)):
        fields.add("tumour_budding", int(match[1]), *match.span())
    if ("癌结节" in norm or "沉积" in norm or "瘤结节" in norm) and (match := patterns["deposits"].search(norm)):
        fields.add("tumour_deposits", int(match[1] or match[2]), *match.span(), unit="count")


MARGIN_CLEAR = re.compile(r"未见|末见|净|阴性|\(-+\)|均-|未累及|未查见|无癌|干净|未受累|r0|无残留|无病变|距")
MARGIN_INVOLVED = re.compile(r"(?<!未)(?<!末)(?<!未查)见|阳性|\(\+|(?<!未)累及|残留|未净|不净|(?<!未)受累|r1|紧邻")


def _margins(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    norm = doc.norm
    told: list[tuple[bool, int, int]] = []
    for match in RESIDUAL.finditer(norm) if "切除" in norm and "r" in norm else ():
        fields.add("margin_status_code", f"R{match[1]}", *match.span())
    edges = groups.get("margin", ())
    for edge in edges:
        begin, stop = _clause(norm, edge.start, edge.end)
        following = _between(edges, edge.end, stop)
        nearer = following[0].start if following else stop
        if nearer < stop and not MARGIN_CLEAR.search(norm, edge.end, nearer) and not MARGIN_INVOLVED.search(norm, edge.end, nearer):
            nearer = stop
        behind = norm[edge.end : nearer]
        if "距" in norm[max(begin, edge.start - 6) : edge.start]:
            continue  # how far away, not whether involved
        if NOT_CLEAN.search(behind):
            told.append((True, begin, nearer))
        elif MARGIN_CLEAR.search(behind):
            told.append((False, begin, nearer))
        elif MARGIN_INVOLVED.search(behind):
            told.append((True, begin, nearer))
        elif CLEAR_BEFORE.search(norm[begin : edge.start]):
            told.append((False, begin, nearer))
        elif INVOLVED_BEFORE.search(norm[begin : edge.start]):
            told.append((True, begin, nearer))
    if told:
        involved, start, stop = max(told, key=lambda one: one[0])
        fields.add("margin_status_code", "R1" if involved else "R0", start, stop)
    for one in doc.measurements if edges else ():
        before = norm[max(0, one.start - 16) : one.start]
        if "距" in before and "切缘" in before:
            fields.add("margin_distance_mm", one.long_mm, one.start, one.end, unit="mm")


def _window(norm: str, hit: Hit, next_start: int) -> tuple[str, int]:
    """What is said of a stain, and where it ends: brackets behind it, else up to the next mark or stain."""
    stop = min(next_start, hit.end + CHAR_LIMIT, len(norm))
    end = hit.end
    depth = 0
    while end < stop:
        char = norm[end]
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif depth <= 0 and char in ",;。、\n":
            break
        end += 1
    return norm[hit.end : end], end


def _percent(said: str) -> float | None:
    match = _book().patterns["percent"].search(said)
    if not match or float(match[2]) > 100:
        return None
    value = float(match[2])
    return round((value + float(match[3])) / 2, 1) if match[3] else value


def _stains(doc: Document, fields: Fields, found: list[Hit], groups: dict[str, list[Hit]]) -> None:
    norm, stains = doc.norm, groups["stain"]
    proteins: dict[str, tuple[bool, Hit, int]] = {}
    shared: list[Hit] = []
    for place, hit in enumerate(stains):
        name = hit.concept
        if name == "other":
            shared = []
            continue
        following = stains[place + 1].start if place + 1 < len(stains) else len(norm)
        said, end = _window(norm, hit, following)
        if not said.strip(" 、/及和,") and place + 1 < len(stains):
            shared.append(hit)  # MLH1、PMS2 均缺失: said once for all
            continue
        span = (hit.start, max(end, hit.end))
        positive = _is_positive(name, said)
        if name in {"er", "pr"}:
            percent = _percent(said)
            if percent is not None and "<" in said:
                percent = percent if percent > 1 else 0.0
            if percent is not None and (percent >= 1 or positive is None):
                positive = percent >= 1
            if "±" in said or "弱阳" in said and percent is None:
                positive = True
            _receptor(fields, name, positive, percent, span)
            for other in shared:
                if other.concept in {"er", "pr"}:
                    _receptor(fields, other.concept, positive, percent, (other.start, span[1]))
        elif name == "her2":
            _her2(fields, said, span)
        elif name == "fish":
            amplified = False if NOT_AMPLIFIED.search(said) else True if AMPLIFIED.search(said) else None
            fields.add("her2_fish_code", None if amplified is None else "positive" if amplified else "negative", *span)
        elif name == "ki67":
            fields.add("ki67_pct", _percent(said), *span, unit="%")
        elif name == "pd_l1":
            if match := CPS.search(norm, hit.end, hit.end + CHAR_LIMIT):
                fields.add("pd_l1_cps", int(match[1]), *match.span())
            if match := TPS.search(norm, hit.end, hit.end + CHAR_LIMIT):
                fields.add("pd_l1_pct", float(match[1]), *match.span(), unit="%")
            percent = _percent(said)
            fields.add("pd_l1_pct", 0.0 if percent is None and positive is False else percent, *span, unit="%")
        elif name in PROTEINS:
            for one in (*shared, hit):
                if one.concept in PROTEINS and positive is not None:
                    proteins.setdefault(one.concept, (positive, one, span[1]))
        elif name == "p16":
            patchy = PATCHY.search(said)
            value = None if positive is None else "negative" if patchy or not positive else "positive"
            fields.add("p16_status_code", value, *span)
        elif name == "p53":
            fields.add("p53_status_code", None if positive is None else "positive" if positive else "negative", *span)
        elif name in {"kras", "nras", "braf"} or (name == "egfr" and GENE.search(norm[hit.start : span[1]])):
            value = "wild" if WILD.search(said) else "mutated" if CHANGED.search(said) else None
            fields.add(f"{name}_status_code", value, *span)
        elif name == "alk":
            value = "negative" if WILD.search(said) else "fusion" if FUSED.search(said) else None
            fields.add("alk_status_code", value, *span)
        shared = []
    if len(proteins) >= 2:
        lost = [one for one in proteins.values() if not one[0]]
        for name, (is_kept, hit, end) in proteins.items():
            fields.add(f"{name}_status_code", "positive" if is_kept else "negative", hit.start, end)
        if lost or len(proteins) == len(PROTEINS):
            first = min(hit.start for _, hit, _ in proteins.values())
            last = max(end for _, _, end in proteins.values())
            fields.add("mmr_status_code", "dMMR" if lost else "pMMR", first, last, rule="mismatch_repair_proteins")


def _is_positive(name: str, said: str) -> bool | None:
    if name in PROTEINS and KEPT.search(said):
        return True
    if STAIN_NEGATIVE.search(said):
        return False
    if STAIN_POSITIVE.search(said):
        return True
    return None


def _receptor(fields: Fields, name: str, positive: bool | None, percent: float | None, span: tuple[int, int]) -> None:
    fields.add(f"{name}_status_code", None if positive is None else "positive" if positive else "negative", *span)
    fields.add(f"{name}_pct", 0.0 if percent is None and positive is False else percent, *span, unit="%")


def _her2(fields: Fields, said: str, span: tuple[int, int]) -> None:
    match = SCORE.search(said)
    if match:
        score = match[1] + "+"
    elif match := PLUSES.search(said):
        score = f"{len(match[0])}+"
    elif SCORE_ZERO.search(said):
        score = "0"
    else:
        return
    fields.add("her2_ihc_code", "0" if score == "0+" else score, *span)


def _repair(doc: Document, fields: Fields, groups: dict[str, list[Hit]]) -> None:
    for hit in groups.get("msi", ()):
        if hit.assertion not in {"negated", "advice"}:
            fields.add("msi_status_code", hit.concept, hit.start, hit.end)
    for hit in groups.get("mmr", ()):
        if hit.assertion not in {"advice", "hypothetical"}:
            fields.add("mmr_status_code", hit.concept, hit.start, hit.end)


def _adenoma(doc: Document, fields: Fields) -> None:
    norm, patterns = doc.norm, _book().patterns
    if "%" in norm:
        if "绒毛" in norm and (match := patterns["villous"].search(norm)):
            fields.add("villous_pct", float(match[1]), *match.span(), unit="%")
            fields.add("has_villous_component", True, *match.span())
        if "管状" in norm and (match := patterns["tubular"].search(norm)):
            fields.add("tubular_pct", float(match[1]), *match.span(), unit="%")
        if "高级别" in norm and (match := patterns["hgin"].search(norm)):
            fields.add("hgin_pct", float(match[1]), *match.span(), unit="%")
    for match in VILLOUS.finditer(norm) if "绒毛" in norm else ():
        state = doc.assertion(match.start(), match.end())
        if state == "affirmed":
            fields.add("has_villous_component", True, *match.span())
    for name, word in (("has_high_grade_neoplasia", "高级别"), ("has_low_grade_neoplasia", "低级别")):
        graded = re.compile(f"{word}[^,。;]{{0,6}}?(?:瘤变|病变|异型增生|肿瘤)|(?<=局灶|部分|小灶|灶性){word}")
        spots = list(graded.finditer(norm)) if word in norm else []
        if spots:
            states = [doc.assertion(*match.span()) for match in spots]
            for wanted, value in (("affirmed", True), ("negated", False)):
                if wanted in states:
                    fields.add(name, value, *spots[states.index(wanted)].span())
                    break
