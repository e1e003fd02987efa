"""The word lists of the coders, read once: sites, behaviours, modifiers, conditions and histologies, as one automaton over normalised text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ahocorasick_rs import AhoCorasick, MatchKind

HERE = Path(__file__).parent
VARIANTS = str.maketrans({"粘": "黏", "臟": "脏", "腫": "肿", "轉": "转", "惡": "恶", "﹖": "?", "～": "~", "－": "-", "—": "-", "–": "-"})
CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑴⑵⑶⑷⑸⑹"
LATIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True)
class Site:
    """An organ: its code of each class of tumour, of the class at its parts, and where it belongs."""

    organ: str
    name_zh: str
    cancer: str | None
    codes: dict[str, str]
    parts: dict[str, dict[str, str]]
    part_names: dict[str, str]
    overlapping: str | None
    family: str
    screening: str
    weight: float


@dataclass(frozen=True)
class Condition:
    """A fixed wording with its code; `behaviour` where it is a tumour or a reason of encounter, else `condition`."""

    code: str
    name_zh: str
    behaviour: str
    organ: str | None
    weight: float


@dataclass(frozen=True)
class Histology:
    """A histology with its ICD-O-3 code, the organ it implies, and the codes it makes superfluous."""

    code: str
    name_zh: str
    at: dict[str, str]
    implies: str | None
    site_code: str | None
    refines: frozenset[str]
    weight: float
    generic: bool

    def code_at(self, organ: str | None) -> str:
        return self.at.get(organ or "", self.code)


@dataclass(frozen=True)
class Meaning:
    """What a word says: `kind` is behaviour, site, part, inside, histology, condition, laterality, block, filler or a modifier."""

    kind: str
    value: Any = None


@dataclass
class Words:
    """Every word with its meanings, and the automaton that finds them."""

    meanings: dict[str, list[Meaning]] = field(default_factory=dict)
    longest: AhoCorasick | None = None
    listed: list[str] = field(default_factory=list)

    def add(self, word: object, kind: str, value: Any = None) -> None:
        self.meanings.setdefault(normalised(str(word)).text, []).append(Meaning(kind, value))

    def close(self) -> Words:
        self.listed = sorted(self.meanings)
        self.longest = AhoCorasick(self.listed, matchkind=MatchKind.LeftmostLongest)
        return self

    def found(self, text: str) -> Iterator[tuple[int, int, list[Meaning]]]:
        """Words of a normalised text from left to right, the longest at each place; Latin words only where they stand alone."""
        assert self.longest is not None
        for index, start, end in self.longest.find_matches_as_indexes(text):
            word = self.listed[index]
            if word[0] in LATIN and start and text[start - 1] in LATIN:
                continue
            if word[-1] in LATIN and end < len(text) and text[end] in LATIN:
                continue
            yield start, end, self.meanings[word]


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text in one way of writing, and for each of its characters the place in the text it came from."""

    text: str
    places: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Span of the original text."""
        return self.places[start], self.places[end - 1] + 1


def normalised(text: str) -> Normalised:
    """Half width, lower case, one way of writing variant characters; blanks stay between Latin letters alone, circled numbers part statements."""
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char in CIRCLED:
            plain = ";"
        elif char.isspace():
            plain = "\n" if char in "\r\n" else " "
        else:
            plain = char.lower() if char.isascii() else unicodedata.normalize("NFKC", char).lower().translate(VARIANTS)
        letters.extend(plain)
        places.extend([place] * len(plain))
    keep = [
        i
        for i, c in enumerate(letters)
        if c != " " or (0 < i < len(letters) - 1 and letters[i - 1] in LATIN and (letters[i + 1] in LATIN or letters[i + 1] == " "))
    ]
    return Normalised("".join(letters[i] for i in keep), tuple(places[i] for i in keep))


def _read(name: str) -> Any:
    return yaml.load((HERE / f"{name}.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@cache
def sites() -> dict[str, Site]:
    """Organs by name. Raises KeyError for a row that lacks what every row has."""
    return {
        organ: Site(
            organ, said["name_zh"], said.get("cancer"), said["codes"],
            {part: {**said["codes"], **p["codes"]} for part, p in said.get("parts", {}).items()},
            {part: p["name_zh"] for part, p in said.get("parts", {}).items()},
            said.get("overlapping"), said.get("family", "Z80.8"), said.get("screening", "Z12.8"), said.get("weight", 1.0),
        )
        for organ, said in _read("sites").items()
    }  # fmt: skip


@cache
def histologies() -> tuple[Histology, ...]:
    """Histologies in the order of the file."""
    return tuple(
        Histology(
            said["code"], said["name_zh"], said.get("at", {}), said.get("implies"), said.get("site_code"),
            frozenset(said.get("refines", ())), said.get("weight", 1.0), said.get("generic", False),
        )
        for said in _read("morphology")
    )  # fmt: skip


@cache
def conditions() -> tuple[Condition, ...]:
    """Fixed wordings in the order of the file."""
    return tuple(
        Condition(said["code"], said["name_zh"], said.get("behaviour", "condition"), said.get("site"), said.get("weight", 1.0))
        for said in _read("conditions")
    )


MODIFIERS = (
    "becomes_secondary", "origin", "suspected_before", "suspected_after", "history_after", "history_before", "recurrence",
    "negated_before", "family_before", "family_after", "screening_after",
)  # fmt: skip


@cache
def words() -> Words:
    """All words of all lists."""
    made, said = Words(), _read("words")
    for behaviour, listed in said["behaviour"].items():
        for word in listed:
            made.add(word, "behaviour", behaviour)
    for kind in MODIFIERS:
        for word in said[kind]:
            made.add(word, kind)
    for code, listed in said["laterality"].items():
        for word in listed:
            made.add(word, "laterality", code)
    for word in said["not_tumour"]:
        made.add(word, "block")
    for word in said["filler"]:
        made.add(word, "filler")
    for organ, site in _read("sites").items():
        for word in site["words"]:
            made.add(word, "site", organ)
        for part, described in site.get("parts", {}).items():
            for word in described.get("words", ()):
                made.add(word, "part", (organ, part))
            for word in described.get("inside", ()):
                made.add(word, "inside", (organ, part))
    for condition, row in zip(conditions(), _read("conditions"), strict=True):
        for word in row["words"]:
            made.add(word, "condition", condition)
    for histology, row in zip(histologies(), _read("morphology"), strict=True):
        for word in row["words"]:
            made.add(word, "histology", histology)
    return made.close()


@cache
def names() -> dict[str, str]:
    """Chinese name of every code that the lists give."""
    kinds = {
        "malignant": "恶性肿瘤", "in_situ": "原位癌", "uncertain": "动态未定或动态未知的肿瘤", "benign": "良性肿瘤", "secondary": "继发性恶性肿瘤",
        "finding": "占位或影像异常", "polyp": "息肉", "low_grade": "低级别上皮内瘤变/不典型增生",
    }  # fmt: skip
    found: dict[str, str] = {"N87.1": "中度宫颈发育不良", "N87.2": "重度宫颈发育不良", "C79.9": "继发性恶性肿瘤（未特指部位）"}
    for site in sites().values():
        for kind, code in site.codes.items():
            found.setdefault(code, site.name_zh + kinds[kind])
        for part, codes in site.parts.items():
            for kind, code in codes.items():
                found.setdefault(code, site.part_names[part] + kinds[kind])
        if site.overlapping:
            found.setdefault(site.overlapping, f"{site.name_zh}交搭跨越的恶性肿瘤")
        if site.cancer:
            found.setdefault(site.screening, f"{site.name_zh}肿瘤筛查" if site.screening != "Z12.8" else "其他部位肿瘤筛查")
        found.setdefault(site.family, "恶性肿瘤家族史")
    for condition in conditions():
        found[condition.code] = condition.name_zh
    for histology in histologies():
        found.setdefault(histology.code, histology.name_zh)
        for code in histology.at.values():
            found.setdefault(code, histology.name_zh)
        if histology.site_code:
            found.setdefault(histology.site_code, histology.name_zh)
    return found


# What says stage, size, marker or grade and leaves nothing unread.
STAGING = re.compile(
    r"(?:[cpyrm]{0,3}t(?:is|x|[0-4][a-d]?)(?:\([^)]{0,8}\))?n(?:x|[0-3][a-c]?)(?:m(?:x|[01][a-d]?))?)"
    r"|(?:[1-4]|i{1,3}|iv)[a-c]?[1-3]?-?(?:期|级|度)|ct[1-4][a-d]?|pt[1-4][a-d]?|bi-?rads:?\d?[a-c]?类?|g[1-4]|lung-?rads\d?[abx]?|msi-?[hl]|d[12]"
    r"|\d{4}年(?:\d{1,2}月)?(?:\d{1,2}日)?|\d+(?:\.\d+)?(?:mm|cm|年|月|天|周期|周|次|枚|个|余)|icd-?10|icd-?o"
)
