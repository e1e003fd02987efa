"""Admission notes: smoking and drinking with amounts, cancer in the family, change of weight, how long the chief complaint has lasted.

Symptoms, signs and diseases with their assertion are the findings of every kind.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Any

from ingestion.text.document import Document, Evidence, Field
from ingestion.text.lexicons import lexicon
from ingestion.text.normalise import normalise, number
from ingestion.text.sections import Clause

PACK = 20
# Clauses after which nothing more is read about a habit.
LONGEST_HABIT = 12
DAYS = {"年": 365, "月": 30, "个月": 30, "周": 7, "天": 1, "日": 1, "小时": 1 / 24}
KIN_OF_OTHERS = re.compile("丈夫|妻子|配偶|爱人|父|母|家人|同事|儿|女")
LOSS = {"下降", "减轻", "减少", "降低"}
HABITS = {
    "smoking": ("smoking_status", "smoking_years", "smoking_quit_years"),
    "drinking": ("drinking_status", "drinking_years", "drinking_quit_years"),
}


def read(doc: Document) -> list[Field]:
    """smoking_*, drinking_*, family_cancer, weight_change_kg, chief_complaint_duration_days."""
    fields = [field for habit in HABITS for field in _habit(doc, habit)]
    return [*fields, *_family(doc), *_weight(doc), *_duration(doc)]


@cache
def _patterns(habit: str) -> dict[str, re.Pattern[str]]:
    data = lexicon("clinical_note").data
    return {name: re.compile(pattern.replace("N", data["number"])) for name, pattern in data[habit].items()}


@cache
def _relations() -> dict[str, str]:
    return {normalise(term): relation for relation, terms in lexicon("clinical_note").data["relations"].items() for term in terms}


def _value(*written: str | None) -> float | None:
    """Mean of the numbers written (a range), None when there is none."""
    values = [value for one in written if one and (value := number(one)) is not None]
    return sum(values) / len(values) if values else None


def _habit(doc: Document, habit: str) -> list[Field]:
    patterns = _patterns(habit)
    norm = doc.norm
    word = patterns["word"].pattern
    other = _patterns("drinking" if habit == "smoking" else "smoking")["word"].pattern
    at = norm.find(word)
    fields: dict[str, Field] = {}
    status, years_name, quit_name = HABITS[habit]
    while at >= 0:
        clause = doc.clause_at(at)
        end = _end_of_habit(doc, clause, word, other)
        if not patterns["passive"].search(norm, max(clause.start, at - 3), min(end, at + 4)) and not KIN_OF_OTHERS.search(norm, clause.start, at):
            for field in _read_habit(patterns, norm[clause.start : end], clause.start, habit, status, years_name, quit_name):
                fields.setdefault(field.name, field)
            at = norm.find(word, end)
        else:
            at = norm.find(word, clause.end)
    years, per_day = fields.get("smoking_years"), fields.get("cigarettes_per_day")
    if years and per_day:
        fields["pack_years"] = Field("pack_years", round(per_day.value / PACK * years.value, 1), "pack-year", years.evidence)
    return list(fields.values())


def _end_of_habit(doc: Document, clause: Clause, word: str, other: str) -> int:
    """End of what is said about a habit: the sentence, or the clause that turns to the other habit."""
    end = clause.end
    for later in islice(doc.clauses, clause.index + 1, clause.index + LONGEST_HABIT):
        if later.sentence != clause.sentence or (other in (said := doc.norm[later.start : later.end]) and word not in said):
            break
        end = later.end
    return end


def _read_habit(
    patterns: dict[str, re.Pattern[str]], sentence: str, offset: int, habit: str, status: str, years_name: str, quit_name: str
) -> list[Field]:
    """Fields of one sentence about a habit."""

    def evidence(match: re.Match[str]) -> Evidence:
        return Evidence(offset + match.start(), offset + match.end(), f"clinical_note.{status}")

    never = patterns["never"].search(sentence)
    former = patterns["former"].search(sentence)
    if former and patterns["failed"].search(sentence):
        former = None
    years = patterns["years"].search(sentence)
    amount = patterns["amount"].search(sentence)
    occasional = patterns["occasional"].search(sentence) if "occasional" in patterns else None
    word = patterns["word"].search(sentence)
    if never and not former and not years:
        return [Field(status, "never", None, evidence(never))]
    value = "former" if former else "occasional" if occasional else "current"
    fields = [Field(status, value, None, evidence(former or occasional or word))]
    if years:
        fields.append(Field(years_name, _value(years.group(1), years.group(3)), "year", evidence(years)))
    quitted = patterns["quit_years"].search(sentence) if former else None
    if quitted:
        count, unit = _value(quitted.group(1), quitted.group(3)), quitted.group(2) or quitted.group(4)
        fields.append(Field(quit_name, count if unit == "年" else round(count / 12, 1), "year", evidence(quitted)))
    if amount:
        groups = [one for one in amount.groups() if one]
        unit, factor = lexicon("clinical_note").data["amount_units"][groups[-1]]
        name = "cigarettes_per_day" if habit == "smoking" else "alcohol_amount"
        fields.append(Field(name, round(_value(*groups[:-1]) * factor, 1), unit, evidence(amount)))
    if habit == "drinking" and (beverage := patterns["beverage"].search(sentence)):
        fields.append(Field("alcohol_beverage", beverage.group(), None, evidence(beverage)))
    return fields


def _family(doc: Document) -> list[Field]:
    """family_cancer: "relation:cancer" per cancer of a relative; "none" where the note says there is none."""
    relations = _relations()
    fields: list[Field] = []
    for mention in doc.findings:
        if mention.category != "neoplasm":
            continue
        if mention.assertion == "family":
            trigger: Any = mention.attributes.get("trigger", "")
            relation = relations.get(trigger, "unknown")
            evidence = Evidence(mention.start, mention.end, "clinical_note.family_cancer")
            fields.append(Field("family_cancer", f"{relation}:{mention.concept}", None, evidence))
        elif mention.assertion == "negated":
            start, end = doc.sentence_at(mention.start)
            named = lexicon("clinical_note").patterns["family_word"].search(doc.norm, start, end)
            if named or doc.section_at(mention.start).name == "family_history":
                fields.append(Field("family_cancer", "none", None, Evidence(mention.start, mention.end, "clinical_note.family_cancer_denied")))
    return fields


def _weight(doc: Document) -> list[Field]:
    if "体重" not in doc.norm:
        return []
    match = lexicon("clinical_note").patterns["weight"].search(doc.norm)
    if not match or doc.assertion(match.start(1), match.end(1)) == "negated":
        return []
    direction, low, high, unit = match.groups()
    kilograms = _value(low, high) * (0.5 if unit == "斤" else 1)
    value = round(-kilograms if direction in LOSS else kilograms, 1)
    return [Field("weight_change_kg", value, "kg", Evidence(match.start(), match.end(), "clinical_note.weight"))]


def _duration(doc: Document) -> list[Field]:
    """How long the chief complaint has lasted: the longest time it names (咳嗽3月,加重1周)."""
    complaint = next((section for section in doc.sections if section.name == "chief_complaint"), None)
    if not complaint:
        return []
    best: tuple[float, re.Match[str]] | None = None
    for match in lexicon("clinical_note").patterns["duration"].finditer(doc.norm, complaint.start, complaint.end):
        days = _value(match.group(1)) * DAYS[match.group(2)]
        if best is None or days > best[0]:
            best = (days, match)
    if not best:
        return []
    days, match = best
    return [Field("chief_complaint_duration_days", round(days, 1), "day", Evidence(match.start(), match.end(), "clinical_note.duration"))]
