"""Lexicons: what clinicians call things, as YAML files in `lexicons/`, matched in one pass (Aho–Corasick, leftmost longest).

A file has `terms`: category → concept → synonyms (the concept itself is a term when it holds a Chinese character or has no synonym); a category may
also be a list, of mappings and of lists of terms that are each a concept. `compose` makes terms of parts of the body and changes. It may have
`patterns` (name → regular expression over the normalised text) and whatever else its kind needs under names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from ingestion.text.normalise import normalise

FOLDER = Path(__file__).parent / "lexicons"
CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Lexicon:
    """A lexicon file ready for matching; `entries` gives concept and category of each term of the automaton, in its order."""

    name: str
    terms: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]  # "<file>.<concept>" of each term
    patterns: dict[str, re.Pattern[str]]
    data: dict[str, Any]
    automaton: AhoCorasick | None = field(repr=False)
    latin: frozenset[int] = field(repr=False)  # terms that begin or end with a Latin letter

    def of_category(self, category: str) -> frozenset[int]:
        """Indexes of the terms of a category."""
        return _indexes(self.name, category)

    def matches(self, norm: str) -> list[tuple[int, int, int]]:
        """Non-overlapping matches in normalised text as (index into `entries`, start, end)."""
        if not self.automaton:
            return []
        found = self.automaton.find_matches_as_indexes(norm)
        latin = self.latin
        return [one for one in found if one[0] not in latin or not _inside_word(norm, one[1], one[2])]


@cache
def _indexes(name: str, category: str) -> frozenset[int]:
    return frozenset(index for index, entry in enumerate(lexicon(name).entries) if entry[1] == category)


def automaton(terms: tuple[str, ...]) -> AhoCorasick:
    """Matcher of the longest term at the leftmost place."""
    return AhoCorasick(terms, matchkind=MatchKind.LeftmostLongest, store_patterns=False, implementation=Implementation.ContiguousNFA)


def read_data(name: str) -> dict[str, Any]:
    """A data file of `lexicons/` as it stands."""
    path = FOLDER / f"{name}.yaml"
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


def _inside_word(norm: str, start: int, end: int) -> bool:
    """Whether a Latin letter goes on before or behind a match that begins or ends with one."""
    first, last = norm[start], norm[end - 1]
    before, after = norm[start - 1 : start], norm[end : end + 1]
    return ("a" <= first <= "z" and "a" <= before <= "z") or ("a" <= last <= "z" and "a" <= after <= "z")


def _concepts(category: dict[str, list[str] | None] | list[Any]) -> Iterator[tuple[str, list[str]]]:
    """Concept and synonyms, of a mapping or of a list of mappings, terms and lists of terms."""
    if isinstance(category, dict):
        for concept, synonyms in category.items():
            yield concept, synonyms or []
        return
    for item in category:
        if isinstance(item, dict):
            yield from _concepts(item)
        else:
            yield from ((term, []) for term in (item if isinstance(item, list) else [item]))


def _composed(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Concept, category and term of every part of the body with every change of it."""
    for rule in rules:
        for part in rule["parts"]:
            for change in rule["changes"]:
                concept = part + rule["changes"][0]
                yield from ((concept, rule["category"], part + suffix + change) for suffix in ("", *rule["suffix"]))


@cache
def lexicon(name: str) -> Lexicon:
    """The lexicon of a file of `lexicons/`; ValueError names the file and the term when a term stands under two concepts of one category."""
    data = read_data(name)
    owners: dict[str, tuple[str, str]] = {}
    for concept, category, term in _composed(data.get("compose") or []):
        owners[normalise(term)] = (concept, category)
    composed = frozenset(owners)
    for category, concepts in (data.get("terms") or {}).items():
        for concept, synonyms in _concepts(concepts):
            named = [str(concept)] if CHINESE.search(str(concept)) or not synonyms else []
            for term in (*named, *synonyms):
                folded = normalise(str(term))
                if folded in composed:
                    owners[folded] = (str(concept), category)
                elif owners.setdefault(folded, (str(concept), category)) != (str(concept), category):
                    raise ValueError(f"lexicons/{name}.yaml: {term} stands under {owners[folded][0]} and under {concept}; keep one")
    terms = tuple(owners)
    patterns = {key: re.compile(pattern) for key, pattern in (data.get("patterns") or {}).items()}
    latin = frozenset(index for index, term in enumerate(terms) if "a" <= term[0] <= "z" or "a" <= term[-1] <= "z")
    rules = tuple(f"{name}.{concept}" for concept, _ in owners.values())
    return Lexicon(name, terms, tuple(owners.values()), rules, patterns, data, automaton(terms) if terms else None, latin)
