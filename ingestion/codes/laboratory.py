"""Local laboratory names and units to one item, its LOINC code and one unit.

Items, aliases, units and factors stand once, in dbt_project/seeds; here is only what may be left away around a name.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from ingestion.codes.model import CODED, EMPTY, UNMAPPED

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
HERE = Path(__file__).parent
ITEM_LETTERS = str.maketrans("", "", "()（）[]【】 　")
UNIT_LETTERS = str.maketrans({"μ": "u", "µ": "u", "×": "x", "*": "x", "／": "/", " ": None, "　": None})
POWER = re.compile("10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
BRACKETED = re.compile(r"[(（\[【]([^()（）\[\]【】]*)[)）\]】]")
# How the name was recognised, and how much that is worth.
SURE = {"loinc": 1.0, "name": 0.95, "name_without_bracket": 0.85, "name_in_bracket": 0.85, "name_cut": 0.8, "item_code": 0.75, "decision": 1.0}
DISAGREES = 0.5
# Specimens in which an item of blood is another item.
FLUIDS = ("尿", "胸水", "腹水", "脑脊液", "关节液", "引流液", "urine")


@dataclass(frozen=True, slots=True)
class Item:
    """One laboratory item of the programme, with the unit that its values are kept in."""

    item: str
    name_zh: str
    loinc_code: str | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class LabCode:
    """What a local name and unit mean.

    method          loinc, name, name_without_bracket, name_in_bracket, name_cut (血清… 测定 cut off), item_code; None unmapped
    unit_status     known (a factor brings values into `unit`), no_unit (none printed), other_unit (a unit, but not of this item),
                    unknown_unit (never heard of), no_item
    factor          value × factor is in `unit`
    """

    name: str | None
    printed_unit: str | None
    status: str
    item: str | None = None
    name_zh: str | None = None
    loinc_code: str | None = None
    unit: str | None = None
    factor: float | None = None
    unit_status: str = "no_item"
    confidence: float = 0.0
    method: str | None = None


def _rows(seed: str) -> list[dict[str, str]]:
    with (SEEDS / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def items() -> dict[str, Item]:
    """Items by name in the seeds."""
    return {r["item"]: Item(r["item"], r["name_zh"], r["loinc_code"] or None, r["unit"] or None) for r in _rows("seed_measurement_item")}


@cache
def _aliases() -> dict[str, str]:
    return {item_key(r["alias"]): r["item"] for r in _rows("seed_measurement_alias")}


@cache
def _units() -> dict[str, str]:
    return {r["printed"]: r["unit"] for r in _rows("seed_unit")}


def known_units() -> frozenset[str]:
    """Units of the programme."""
    return frozenset(_units().values())


@cache
def _factors() -> dict[tuple[str, str], float]:
    return {(r["item"], r["from_unit"]): float(r["factor"]) for r in _rows("seed_unit_factor")}


@cache
def _around() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    said = yaml.load((HERE / "lexicon" / "laboratory.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    cut = (tuple(sorted((item_key(w) for w in said[side]), key=len, reverse=True)) for side in ("before", "after"))
    return *cut, tuple(said["other_specimen"])


def item_key(text: str) -> str:
    """What names are compared by: one width, lower case, no blanks and brackets; as the macro item_key of dbt, and Roman numerals as letters."""
    return unicodedata.normalize("NFKC", text).translate(ITEM_LETTERS).lower()


def unit_key(text: str) -> str:
    """What printed units are compared by; as the macro unit_key of dbt, and in one width."""
    return unicodedata.normalize("NFKC", POWER.sub(r"10^\1", text).translate(UNIT_LETTERS)).translate(UNIT_LETTERS).lower()


def unit_of(printed: str | None) -> str | None:
    """The unit that is printed, None for none that is known."""
    return _units().get(unit_key(printed)) if printed and printed.strip() else None


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """Ways to read a name, the most literal first, with the method."""
    yield "name", item_key(name)
    outside, inside = BRACKETED.sub("", name), BRACKETED.findall(name)
    if inside and item_key(outside):
        yield "name_without_bracket", item_key(outside)
        for part in inside:
            yield "name_in_bracket", item_key(part)
    before, after, _ = _around()
    for start in dict.fromkeys((item_key(name), item_key(outside))):
        cut = start
        for _ in range(3):
            shorter = next((cut[len(w) :] for w in before if cut.startswith(w) and len(cut) > len(w)), cut)
            shorter = next((shorter[: -len(w)] for w in after if shorter.endswith(w) and len(shorter) > len(w)), shorter)
            if shorter == cut:
                break
            cut = shorter
            yield "name_cut", cut


def _is_of_other_specimen(name: str, specimen: str | None) -> bool:
    _, _, others = _around()
    key = item_key(name)
    return any(word in key for word in others if "呼气" not in key) or any(word in (specimen or "") for word in FLUIDS)


def _find(name: str | None, item_code: str | None, loinc_code: str | None, specimen: str | None) -> tuple[str | None, str | None, float]:
    """Item, method and confidence."""
    aliases = _aliases()
    if loinc_code and (item := aliases.get(loinc_code.strip().lower())):
        return item, "loinc", SURE["loinc"]
    by_code = aliases.get(item_key(item_code)) if item_code else None
    if name and name.strip():
        for method, reading in _readings(name):
            # what stands in brackets may be the method or the specimen: it counts where the rest does not say another specimen
            if (item := aliases.get(reading)) and not _is_of_other_specimen("" if method == "name" else name, specimen):
                return item, method, SURE[method] if by_code in (None, item) else DISAGREES
    if _is_of_other_specimen(name or "", specimen):
        return None, None, 0.0
    return (by_code, "item_code", SURE["item_code"]) if by_code else (None, None, 0.0)


def laboratory(
    name: str | None, unit: str | None = None, *, item_code: str | None = None, loinc_code: str | None = None, specimen: str | None = None
) -> LabCode:
    """What a laboratory's name of an item and its unit mean; a delivered LOINC code says most, then the name, then the local code.

    In another specimen than blood (or stool, swab, breath, as the item asks) a name is not known.
    """
    if not any(part and part.strip() for part in (name, item_code, loinc_code)):
        return LabCode(name, unit, EMPTY)
    item, method, sure = _find(name, item_code, loinc_code, specimen)
    if item is None:
        return LabCode(name, unit, UNMAPPED)
    return of_item(name, unit, item, method or "name", sure)


def of_item(name: str | None, printed: str | None, item: str, method: str, sure: float, *, unit: str | None = None) -> LabCode:
    """A local name that is known to be an item, with what its printed unit means there; `unit` where a person has decided the unit."""
    described, known = items()[item], unit or unit_of(printed)
    factor = _factors().get((item, known)) if known else None
    if not printed or not printed.strip():
        unit_status = "no_unit"
    elif known is None:
        unit_status = "unknown_unit"
    elif described.unit is None or factor is not None:
        unit_status = "known"
    else:
        unit_status = "other_unit"
    return LabCode(
        name, printed, CODED, item, described.name_zh, described.loinc_code, described.unit if factor is not None else None, factor, unit_status,
        sure if unit_status in ("known", "no_unit") else min(sure, DISAGREES), method,
    )  # fmt: skip
