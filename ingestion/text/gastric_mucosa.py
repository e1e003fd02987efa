"""Gastric mucosa in endoscopy and biopsy reports: Helicobacter pylori, atrophy and intestinal metaplasia with their grades, OLGA and OLGIM stages."""

from __future__ import annotations

import re

from ingestion.text.document import Document
from ingestion.text.reading import ARABIC, Fields, roman

HP = re.compile(
    r"(?:幽门螺旋?杆菌|螺旋杆菌|(?<![a-z])h\.? ?p(?:ylori)?\.?(?![a-z]))(?:[^,。;+\-阴阳未见无\d]{0,14})?(?: ?[:(]{0,2} ?)"
    r"(阴性|阳性|未见|未查见|未检出|无|见到?|\++|-|±|阳|阴)\)?"
)
HP_BEFORE = re.compile(r"(未见|未查见|未找到|查见|可见|找到|检出)[^,。;]{0,4}(?:幽门螺旋?杆菌|(?<![a-z])h\.?p(?:ylori)?(?![a-z]))")
BREATH = re.compile(r"(?:呼气试验|尿素酶(?:试验)?|ut|rut|c1[34])[^,。;阴阳+\-]{0,10}(阴性|阳性|\+|-)")
STAGE = re.compile(r"(olgim|olga)(?: ?(?:分期|评分|stage|系统))?[ :为(]{0,3}(iv|iii|ii|i|ⅳ|ⅲ|ⅱ|ⅰ|[0-4])(?: ?期)?")
BOTH_STAGES = re.compile(r"olga ?/ ?olgim[^,。;\dⅰⅱⅲⅳi]{0,6}(iv|iii|ii|i|ⅳ|ⅲ|ⅱ|ⅰ|[0-4]) ?期? ?/ ?(iv|iii|ii|i|ⅳ|ⅲ|ⅱ|ⅰ|[0-4])")
KIMURA = re.compile(r"(?<![a-z\d])([co])[- ]?(iii|ii|i|ⅲ|ⅱ|ⅰ|[1-3])(?![a-z\d])")
GRADE = {
    "轻": "mild",
    "中": "moderate",
    "重": "severe",
    "+": "mild",
    "++": "moderate",
    "+++": "severe",
    "1+": "mild",
    "2+": "moderate",
    "3+": "severe",
}
ATROPHY = re.compile(r"(?<!非)(?<!无)(?<!未)萎缩(?!性食管)")
METAPLASIA = re.compile(r"肠上皮化生|肠化生|肠化|肠腺化生|im(?=[ :(]?\()")
PYLORIC = re.compile("假幽门腺化生|幽门腺化生")
GRADED_BEFORE = re.compile(r"(轻|中|重)(?:[-~、至到]?(?:轻|中|重))?度?(?:慢性)?(?:固有腺体)?(?:腺体)?$")
GRADED_BEHIND = re.compile(r"^(?:性胃炎)?(?:[ :,为]{0,2})\(?(?:([1-3]?\+{1,3})|(-)|(轻|中|重)(?:[-~至](轻|中|重))?度?|(阴性|无|未见))\)?")


def read(doc: Document, fields: Fields) -> None:
    """Adds hp_result_code (0 negative, 1 positive), atrophy and metaplasia (`_code`: 0 none, 1 present; `_grade`), OLGA, OLGIM, Kimura–Takemoto."""
    norm = doc.norm
    _hp(norm, fields)
    if "olg" in norm:
        if match := BOTH_STAGES.search(norm):
            fields.add("olga_stage", roman(match[1]), *match.span(), rule="gastric_mucosa")
            fields.add("olgim_stage", roman(match[2]), *match.span(), rule="gastric_mucosa")
        for match in STAGE.finditer(norm):
            fields.add(f"{match[1]}_stage", roman(match[2]), *match.span(), rule="gastric_mucosa")
    if ("木村" in norm or "kimura" in norm or "萎缩" in norm) and (match := KIMURA.search(norm)):
        fields.add("kimura_takemoto", f"{match[1].upper()}-{ARABIC[match[2]]}", *match.span())
    if "萎缩" in norm:
        _graded(doc, fields, ATROPHY, "atrophy", "1")
    if "化" in norm or "im" in norm:
        _graded(doc, fields, METAPLASIA, "metaplasia", "1")
        if (match := PYLORIC.search(norm)) and doc.assertion(*match.span()) == "affirmed":
            fields.add("metaplasia_code", "2", *match.span())


def _hp(norm: str, fields: Fields) -> None:
    if "杆菌" not in norm and "hp" not in norm and "h.p" not in norm and "h pylori" not in norm and "尿素" not in norm and "呼气" not in norm:
        return
    match = HP.search(norm)
    if match:
        said, before = match[1], HP_BEFORE.search(norm)
        if before and before.start() < match.start() and before.end() > match.start():
            said = before[1]
    elif match := HP_BEFORE.search(norm) or BREATH.search(norm):
        said = match[1]
    else:
        return
    negative = said in {"阴性", "阴", "-", "无"} or said.startswith("未")
    if said != "±":
        fields.add("hp_result_code", "0" if negative else "1", *match.span())


def _graded(doc: Document, fields: Fields, pattern: re.Pattern[str], name: str, present: str) -> None:
    norm = doc.norm
    best: tuple[int, str | None, int, int] | None = None
    absent: tuple[int, int] | None = None
    for match in pattern.finditer(norm):
        start, end = match.span()
        behind = GRADED_BEHIND.match(norm[end : end + 12])
        before = GRADED_BEFORE.search(norm[max(0, start - 10) : start])
        if behind and (behind[2] or behind[5]) or doc.assertion(start, end) == "negated":
            absent = absent or (start, end + (behind.end() if behind else 0))
            continue
        if doc.assertion(start, end) != "affirmed":
            continue
        word = (behind[1] or behind[4] or behind[3]) if behind and (behind[1] or behind[3]) else before[0].replace("度", "")[-1:] if before else None
        if before and not (behind and (behind[1] or behind[3])):
            word = [char for char in before[0] if char in "轻中重"][-1]
        grade = GRADE.get(word or "")
        rank = ("mild", "moderate", "severe").index(grade) + 1 if grade else 0
        if best is None or rank > best[0]:
            best = (rank, grade, start - (len(before[0]) if before else 0), end + (behind.end() if behind else 0))
    if best:
        fields.add(f"{name}_code", present, best[2], best[3])
        fields.add(f"{name}_grade", best[1], best[2], best[3])
    elif absent:
        fields.add(f"{name}_code", "0", *absent)
