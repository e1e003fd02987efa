"""Check-up summaries: measured values with their flags, lesions with site, size and grade, suspected malignancy, what is advised and when."""

from __future__ import annotations

import re

from ingestion.text.attach import attach
from ingestion.text.document import Document, Evidence, Field, Mention
from ingestion.text.lexicons import lexicon
from ingestion.text.normalise import number
from ingestion.text.places import Place, between, places
from ingestion.text.sections import Clause

NAME = "checkup_summary"
PRESENT = {"affirmed", "uncertain", "historical"}
COMPARATORS = {"大于": ">", "小于": "<"}
ROMAN = "ⅰⅱⅲⅳⅴⅵ"


def read(doc: Document) -> list[Field]:
    """Values by their code, blood pressure, lesions (site, kind, long_mm, short_mm, grade), suspected_malignancy, advice, follow_up_months."""
    mentions = doc.mentions(NAME)
    lesions = [one for one in mentions if one.category == "lesion" and one.assertion in PRESENT]
    return [*_values(doc, mentions), *_blood_pressure(doc), *_lesions(doc, lesions), *_malignancy(doc), *_advice(doc)]


def _evidence(start: int, end: int, rule: str) -> Evidence:
    return Evidence(start, end, f"{NAME}.{rule}")


def _values(doc: Document, mentions: list[Mention]) -> list[Field]:
    pattern, flags = lexicon(NAME).patterns["value"], lexicon(NAME).data["flags"]
    fields = []
    for one in mentions:
        if one.category != "lab":
            continue
        match = pattern.match(doc.norm, one.end)
        if not match:
            continue
        comparator, written, unit, flag = match.groups()
        evidence = _evidence(one.start, match.end(), "value")
        fields.append(Field(one.concept, float(written), unit and doc.text[match.start(3) : match.end(3)], evidence))
        if comparator:
            fields.append(Field(f"{one.concept}_comparator", COMPARATORS.get(comparator, comparator), None, evidence))
        if flag:
            fields.append(Field(f"{one.concept}_flag", flags[flag], None, evidence))
    return fields


def _blood_pressure(doc: Document) -> list[Field]:
    match = lexicon(NAME).patterns["blood_pressure"].search(doc.norm) if "血压" in doc.norm else None
    if not match:
        return []
    evidence = _evidence(match.start(), match.end(), "blood_pressure")
    return [
        Field("systolic_mmhg", int(match.group(1)), "mmHg", evidence),
        Field("diastolic_mmhg", int(match.group(2)), "mmHg", evidence),
    ]


def _lesions(doc: Document, lesions: list[Mention]) -> list[Field]:
    """Lesions numbered in the order they are named; a lesion named again at the same site is the same."""
    found = places(doc) if lesions else []
    anchors: list[tuple[int, int]] = []
    fields: list[Field] = []
    numbers: dict[tuple[str, str], int] = {}
    number_of: list[int] = []
    for one in lesions:
        place = _site(doc, found, one)
        site = doc.text[place.start : place.end] if place else ""
        key = (site, one.concept)
        is_new = key not in numbers
        count = numbers.setdefault(key, len(numbers) + 1)
        anchors.append((one.start, one.end))
        number_of.append(count)
        if is_new:
            fields.append(Field("lesion_kind", one.concept, None, _evidence(one.start, one.end, "lesion"), count))
            if place:
                fields.append(Field("site", site, None, _evidence(place.start, place.end, "site"), count))
                side = doc.side(place.start, place.end)
                if side:
                    fields.append(Field("side", side, None, _evidence(place.start, place.end, "side"), count))
    for size in doc.sizes:
        at = attach(doc, anchors, size.start, size.end)
        if at is not None and size.cue != "thickness":
            evidence = _evidence(size.start, size.end, "size")
            fields.append(Field("long_mm", size.long_mm, "mm", evidence, number_of[at]))
            if size.short_mm is not None:
                fields.append(Field("short_mm", size.short_mm, "mm", evidence, number_of[at]))
    for match in lexicon(NAME).patterns["grade"].finditer(doc.norm) if "rads" in doc.norm else ():
        system, grade = match.groups()
        grade = "".join(str(ROMAN.index(char) + 1) if char in ROMAN else char for char in grade.replace(" ", "")).upper()
        at = attach(doc, anchors, match.start(), match.end())
        name = system.replace("-", "").replace("rads", "_rads")
        fields.append(Field(name, grade, None, _evidence(match.start(), match.end(), "grade"), number_of[at] if at is not None else None))
    return fields


def _site(doc: Document, found: list[Place], lesion: Mention) -> Place | None:
    """The last place before a lesion in its sentence."""
    start, _ = doc.sentence_at(lesion.start)
    before = [place for place in between(found, start, lesion.start) if place.organs and not place.is_node]
    return before[-1] if before else None


def _malignancy(doc: Document) -> list[Field]:
    malignant = lexicon(NAME).patterns["malignant"]
    return [
        Field("suspected_malignancy", one.assertion, None, _evidence(one.start, one.end, "malignancy"))
        for one in doc.findings
        if one.category == "neoplasm" and one.assertion in {"affirmed", "uncertain"} and malignant.search(doc.norm, one.start, one.end)
    ]


def _advice(doc: Document) -> list[Field]:
    patterns = lexicon(NAME).patterns
    fields = []
    for clause in _advising(doc):
        said = doc.norm[clause.start : clause.end]
        review = patterns["review"].search(said)
        if review:
            months = _months(patterns["months"].search(said))
            if months is not None:
                fields.append(Field("follow_up_months", months, "month", _evidence(clause.start, clause.end, "follow_up")))
        if not ("建议" in said or "请" in said or doc.section_at(clause.start).name == "advice"):
            continue
        refer = patterns["refer"].search(said)
        value = "refer" if refer else "review" if review else "examine" if patterns["examine"].search(said) else None
        if value:
            fields.append(Field("advice", value, None, _evidence(clause.start, clause.end, "advice")))
    return fields


def _advising(doc: Document) -> list[Clause]:
    """Clauses that speak of a review or give advice, in order."""
    words = lexicon(NAME).patterns["advice"].finditer(doc.norm)
    found = {doc.clause_at(match.start()).index for match in words}
    for section in doc.sections:
        if section.name == "advice":
            found.update(range(doc.clause_at(section.start).index, doc.clause_at(section.end).index + 1))
    return [doc.clauses[index] for index in sorted(found)]


def _months(match: re.Match[str] | None) -> float | None:
    """Months of an interval as written, the shorter of a range; None without one."""
    if match is None:
        return None
    months, _, half, years = match.groups()
    if months:
        return number(months)
    if half:
        return 6
    return 12 * (number(years) or 1) if years else 12
