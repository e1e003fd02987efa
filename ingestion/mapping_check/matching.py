"""Which field of a feed a delivered column is: by its header, and by what its values look like."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from pypinyin import Style, lazy_pinyin

from ingestion.contracts import Contract, Field, code_list
from ingestion.mapping_check.profile import Profile

HERE = Path(__file__).parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ICD_10 = "[A-Z][0-9]{2}"
SUFFIX = re.compile(r"_(codes?|text|name|no|years|months|minutes|cm|mm|kg|g|pct|count|score|flag|status|class|date)$")
PREFIX = re.compile(r"^(is|has)_")
SURE, LIKELY, POSSIBLE = 0.9, 0.65, 0.5
"""From SURE on a match needs no second look; below POSSIBLE it is none."""
ENGLISH = {
    "no": "number", "num": "number", "nbr": "number", "id": "number", "identifier": "number", "dt": "date", "time": "date", "datetime": "date",
    "dttm": "date", "tm": "date", "cd": "code", "pt": "patient", "pat": "patient", "diag": "diagnosis", "dx": "diagnosis", "proc": "procedure",
    "dept": "department", "desc": "name", "description": "name", "begin": "start", "stop": "end", "encounter": "visit", "admission": "visit",
    "rpt": "report", "res": "result", "ref": "reference", "gender": "sex", "dob": "birth", "dod": "death", "lab": "item", "test": "item",
    "screen": "screening", "questionnaire": "survey", "check": "exam", "index": "number", "seq": "number", "serial": "number", 
}  # fmt: skip


@dataclass(frozen=True)
class Match:
    """A column taken for a field, how sure (0 to 1), and why, in Chinese."""

    column: str
    field: str
    score: float
    why: str


@dataclass(frozen=True)
class LabItem:
    """A laboratory item: names it goes by, canonical unit, where the median of a clinic's results may lie, and another unit in use.

    factor  canonical = other unit × factor
    """

    item: str
    names: tuple[str, ...]
    unit: str
    low: float
    high: float
    other_unit: str
    factor: float


@cache
def lab_items() -> tuple[LabItem, ...]:
    """Items that are drafted and whose units are judged; factors follow from molar masses and SI prefixes."""
    with (HERE / "items.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            LabItem(
                r["item"], tuple(map(plain, (r["item"], *r["names"].split("|")))), r["unit"], float(r["low"]), float(r["high"]),
                r["other_unit"], float(r["factor"] or 1),
            )
            for r in csv.DictReader(file)
        )  # fmt: skip


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Names a field goes by, by field or feed.field."""
    with (HERE / "synonyms.csv").open(encoding="utf-8", newline="") as file:
        return {r["field"]: tuple(r["names"].split("|")) for r in csv.DictReader(file)}


@cache
def plain(header: str) -> str:
    """A header without case, width, blanks, punctuation and what stands in brackets."""
    text = unicodedata.normalize("NFKC", header).casefold()
    text = re.sub(r"[(\[（【].*?[)\]）】]", "", text) or text
    return re.sub(r"[\W_]+", "", text)


@cache
def words(header: str) -> frozenset[str]:
    """The English words of a header, abbreviations spelt out."""
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", unicodedata.normalize("NFKC", header))
    return frozenset(ENGLISH.get(w, w) for w in re.findall(r"[a-z]+", text.casefold()))


@cache
def initials(label: str) -> str:
    """Pinyin initials of a Chinese label."""
    return re.sub(r"[^a-z0-9]", "", "".join(lazy_pinyin(label, style=Style.FIRST_LETTER)).casefold())


@cache
def spelt(label: str) -> str:
    """A Chinese label in pinyin."""
    return re.sub(r"[^a-z0-9]", "", "".join(lazy_pinyin(label)).casefold())


def field_names(feed: str, field: Field) -> tuple[str, ...]:
    """What a field is called: its own names, its form code, and synonyms."""
    return _field_names(feed, field.name, field.name_zh, field.source_code)


@cache
def _field_names(feed: str, name: str, name_zh: str, source_code: str | None) -> tuple[str, ...]:
    said = synonyms()
    own = [name, name_zh, *([source_code] if source_code else [])]
    own += [bare for bare in (SUFFIX.sub("", name), PREFIX.sub("", SUFFIX.sub("", name))) if len(bare) > 2]
    zh = re.sub(r"[(（].*?[)）]", "", name_zh)
    own += [zh, zh.removesuffix("代码").removesuffix("编码"), zh.removeprefix("是否").removeprefix("有无")]
    return tuple(dict.fromkeys(n for n in (*own, *said.get(f"{feed}.{name}", ()), *said.get(name, ())) if n))


def header_score(feed: str, field: Field, header: str) -> tuple[float, str]:
    """How well a header names a field, and why."""
    found = plain(header)
    if not found:
        return 0.0, ""
    names = field_names(feed, field)
    if found == plain(field.name):
        return 1.0, "与标准字段同名"
    if found == plain(field.name_zh):
        return 1.0, "与中文名相同"
    if field.source_code and found == plain(field.source_code):
        return 0.98, "与表单编码相同"
    best, why = 0.0, ""
    for rank, known in enumerate(names):
        score, reason = _name_score(header, known)
        score -= min(rank, 30) * 0.001
        if score > best:
            best, why = score, reason
    return best, why


@cache
def _name_score(header: str, known: str) -> tuple[float, str]:
    """How well a header fits one name, and why."""
    found, other = plain(header), plain(known)
    if found == other:
        return 0.95, f"同义“{known}”"
    if CHINESE.search(known):
        first = initials(known)
        if not CHINESE.search(header):
            if found == spelt(known):
                return 0.9, f"拼音“{known}”"
            if len(first) >= 2 and found == first:
                return 0.55 + min(len(first), 5) * 0.05, f"拼音首字母“{known}”"
            return 0.0, ""
        if len(found) >= 2 and len(other) >= 2 and (found in other or other in found):
            return 0.6 + 0.25 * min(len(found), len(other)) / max(len(found), len(other)), f"与“{known}”相近"
        if 2 * len(set(found) & set(other)) < 0.7 * (len(set(found)) + len(set(other))):
            return 0.0, ""
        ratio = SequenceMatcher(None, found, other).ratio()
        return (ratio * 0.75, f"与“{known}”相近") if ratio >= 0.7 else (0.0, "")
    if CHINESE.search(header):
        return 0.0, ""
    mine, theirs = words(header), words(known)
    if mine and mine == theirs and len(mine) > 1:
        return 0.85, f"同义“{known}”"
    if len(theirs) > 1 and mine and (theirs < mine or mine < theirs) and len(mine & theirs) > 1:
        return 0.65, f"与“{known}”相近"
    if len(found) >= 5 and len(other) >= 5 and abs(len(found) - len(other)) <= 4 and (ratio := SequenceMatcher(None, found, other).ratio()) >= 0.85:
        return ratio * 0.75, f"与“{known}”相近"
    return 0.0, ""


def value_score(field: Field, profile: Profile) -> tuple[float, str]:
    """What the values say: above 0 they speak for the field by themselves, below 0 against it, 0 nothing."""
    if not profile.filled:
        return 0.0, ""
    shares = profile.shares
    if field.format == "cn_resident_id":
        return (0.9, "值为身份证号") if shares["id_number"] >= 0.5 else (-1.0, "值不像身份证号")
    if field.format == "cn_mobile":
        return (0.8, "值为手机号码") if shares["mobile"] >= 0.5 else (-0.5, "值不像手机号码")
    if shares["id_number"] >= 0.5:
        return -1.0, "值为身份证号"
    if shares["mobile"] >= 0.5 and profile.distinct > 5:
        return -0.6, "值为手机号码"
    if field.type == "date":
        return (0.0, "") if shares["date"] >= 0.6 else (-1.0, "值不是日期")
    if field.is_numeric:
        return (0.0, "") if shares["number"] >= 0.5 or profile.filled < 3 else (-0.8, "值不是数值")
    if field.subject == "name":
        return (0.55, "值为姓名") if shares["chinese_name"] >= 0.8 and profile.distinct > 10 else (0.0, "")
    if field.subject == "residence_address":
        return (0.6, "值为住址") if shares["address"] >= 0.5 else (0.0, "")
    if field.pattern and field.pattern.startswith(ICD_10):
        return (0.6, "值为 ICD-10 编码") if shares["icd10"] >= 0.7 and profile.distinct > 3 else (0.0, "")
    if field.code_list and not field.multiple:
        guessed = guess_codes(field, "", profile)
        if field.code_list == "sex" and guessed and len(guessed) >= min(2, profile.distinct):
            return (0.6, "值为性别代码") if set(profile.codes) - {"0", "1", "2", "9"} else (0.0, "")
        return (0.0, "") if profile.codes or profile.distinct <= 60 else (-0.6, "取值过多，不像代码")
    if shares["date"] >= 0.9 and not shares["integer"] >= 0.5 and profile.distinct > 3:
        return -0.8, "值为日期"
    return 0.0, ""


def _shows_itself(field: Field) -> bool:
    """Whether values alone may tell the field."""
    telling = field.format or field.subject in ("name", "residence_address") or field.code_list == "sex"
    return bool(telling or (field.pattern and field.pattern.startswith(ICD_10)))


def score(feed: str, field: Field, profile: Profile) -> tuple[float, str]:
    """How sure it is that a column is a field, and why."""
    by_name, why = header_score(feed, field, profile.column)
    if by_name < POSSIBLE and not _shows_itself(field):
        return by_name, why
    by_value, because = value_score(field, profile)
    if by_value < 0:
        return max(0.0, by_name + by_value * (0.45 if by_name >= 1.0 else 1.0)), why
    if by_value > 0 and by_name >= POSSIBLE:
        return min(1.0, by_name + 0.05), f"{why}，{because}"
    return (by_name, why) if by_name >= by_value else (by_value, because)


def assign(contract: Contract, columns: Iterable[Profile]) -> dict[str, Match]:
    """The best column of each field: pairs are taken in order of their score, a column for one field; the contract's order decides ties."""
    columns = list(columns)
    pairs = []
    for order, field in enumerate(f for f in contract.fields if not f.derivation):
        for place, profile in enumerate(columns):
            how_sure, why = score(contract.feed, field, profile)
            if how_sure >= POSSIBLE:
                pairs.append((-how_sure, order, place, Match(profile.column, field.name, how_sure, why)))
    found: dict[str, Match] = {}
    used: set[str] = set()
    for *_, match in sorted(pairs, key=lambda p: p[:3]):
        if match.field not in found and match.column not in used:
            found[match.field] = match
            used.add(match.column)
    return found


def probably(contract: Contract, profile: Profile, taken: Iterable[str] = ()) -> list[Match]:
    """What an unmapped column may be: fields that are still empty, best first."""
    taken = set(taken)
    found = []
    for field in contract.fields:
        if field.derivation or field.name in taken:
            continue
        how_sure, why = score(contract.feed, field, profile)
        if how_sure >= POSSIBLE:
            found.append(Match(profile.column, field.name, how_sure, why))
    return sorted(found, key=lambda m: -m.score)


SEXES = {"m": "1", "male": "1", "男": "1", "男性": "1", "f": "2", "female": "2", "女": "2", "女性": "2", "u": "9", "unknown": "9", "未知": "9"}
NO_YES = {
    "否": "0", "无": "0", "n": "0", "no": "0", "f": "0", "false": "0", "阴性": "0", "没有": "0", "×": "0",
    "是": "1", "有": "1", "y": "1", "yes": "1", "t": "1", "true": "1", "阳性": "1", "√": "1",
}  # fmt: skip
VISITS = {
    "ambulatory": "1", "amb": "1", "outpatient": "1", "wellness": "1", "mz": "1", "imp": "2", "inpatient": "2", "hospitalization": "2", "zy": "2",
    "emer": "3", "emergency": "3", "urgentcare": "3", "ed": "3", "jz": "3", "tj": "4", "体检": "4",
}  # fmt: skip


def guess_codes(field: Field, header: str, profile: Profile) -> dict[str, str]:
    """Canonical codes of the values, as far as they say it themselves; values that are canonical already are left out."""
    if not field.code_list or not profile.codes:
        return {}
    listed = code_list(field.code_list)
    names = {plain(c.name_zh): code for code, c in listed.items()} | {plain(c.name_en): code for code, c in listed.items()}
    values = {v for v in profile.codes}
    hinted = _hinted(header) if values <= {"1", "2"} or values <= {"0", "1", "2"} else {}
    guessed: dict[str, str] = {}
    for value in sorted(values):
        word = plain(value) or value
        found = names.get(word)
        if field.code_list == "sex":
            found = SEXES.get(word) or found
        elif {"0", "1"} == set(listed) and field.code_list == "no_yes":
            found = hinted.get(value) or NO_YES.get(word) or NO_YES.get(value) or found
        elif field.code_list == "visit_type":
            found = found or VISITS.get(word)
        if found is None and value not in listed and CHINESE.search(value):
            alike = [code for label, code in names.items() if len(word) >= 2 and (word in label or label in word)]
            found = alike[0] if len(set(alike)) == 1 else None
        if found is not None and found in listed and found != value:
            guessed[value] = found
    if set(guessed) == {"1", "2"} and not hinted:
        return {}
    return guessed


def _hinted(header: str) -> dict[str, str]:
    """Codes of no and yes where the header explains them: 是否吸烟(1否2是), smoker 1=no 2=yes."""
    found = {}
    for digit, word in re.findall(r"([012])\s*[=:：.、-]?\s*(否|无|不|是|有|no|yes)", header.casefold()):
        found[digit] = "0" if word in {"否", "无", "不", "no"} else "1"
    return found if set(found.values()) == {"0", "1"} else {}
