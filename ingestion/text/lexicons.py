"""Lexicons: what clinicians call things, as YAML files in `lexicons/`, matched in one pass (Aho–Corasick, leftmost longest).

A file has `terms`: category → concept → synonyms (the concept itself is a term when it holds a Chinese character), and may have `patterns`
(name → regular expression over the normalised text) and whatever else its kind needs under names of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ahocorasick_rs import AhoCorasick, MatchKind

from ingestion.text.normalise import normalise

FOLDER = Path(__file__).parent / "lexicons"
CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Lexicon:
    """A lexicon file ready for matching; `entries` gives concept and category of each term of the automaton, in its order."""

    name: str
    terms: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]
    patterns: dict[str, re.Pattern[str]]
    data: dict[str, Any]
    automaton: AhoCorasick | None = field(repr=False)

    def matches(self, norm: str) -> list[tuple[int, int, int]]:
        """Non-overlapping matches in normalised text as (index into `entries`, start, end)."""
        return self.automaton.find_matches_as_indexes(norm) if self.automaton else []


def automaton(terms: tuple[str, ...]) -> AhoCorasick:
    """Matcher of the longest term at the leftmost place."""
    return AhoCorasick(terms, matchkind=MatchKind.LeftmostLongest, store_patterns=False)


def read_data(name: str) -> dict[str, Any]:
    """A data file of `lexicons/` as it stands."""
    path = FOLDER / f"{name}.yaml"
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


@cache
def lexicon(name: str) -> Lexicon:
    """The lexicon of a file of `lexicons/`; ValueError names the file and the term when a term stands under two concepts of one category."""
    data = read_data(name)
    owners: dict[str, tuple[str, str]] = {}
    for category, concepts in (data.get("terms") or {}).items():
        for concept, synonyms in concepts.items():
            named = [str(concept)] if CHINESE.search(str(concept)) else []
            for term in (*named, *(synonyms or ())):
                folded = normalise(str(term))
                if owners.setdefault(folded, (str(concept), category)) != (str(concept), category):
                    raise ValueError(f"lexicons/{name}.yaml: {term} stands under {owners[folded][0]} and under {concept}; keep one")
    terms = tuple(owners)
    patterns = {key: re.compile(pattern) for key, pattern in (data.get("patterns") or {}).items()}
    return Lexicon(name, terms, tuple(owners.values()), patterns, data, automaton(terms) if terms else None)
