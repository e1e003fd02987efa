"""Histology texts to ICD-O-3: the histologies named and affirmed, the more exact one where two say the same."""

from __future__ import annotations

from dataclasses import replace

from ingestion.codes.diagnosis import BRACKETS, CLAUSE_END, FULL, MOST, PUNCTUATION, SOME
from ingestion.codes.lexicon import STAGING, Histology, normalised, words
from ingestion.codes.model import CODED, EMPTY, NO_TUMOUR, UNMAPPED, Code, Coded

GENERIC_SURE = 0.7
BEHAVIOURS = {"0": "benign", "1": "uncertain", "2": "in_situ", "3": "malignant", "6": "secondary"}


def morphology(text: str | None, organ: str | None = None) -> Coded:
    """Read a histology in words. `organ` (of sites.yml): where the tumour sits, for names that mean another code there; a site in the text wins."""
    if not text or not text.strip():
        return Coded(text or "", EMPTY)
    whole = normalised(text)
    found: list[tuple[Histology, Code]] = []
    place, negated, suspected, secondary = organ, False, False, False
    clause_start, known, tumour_words = 0, set(), False
    tokens = list(words().found(whole.text))
    ends = iter([*(i for i, c in enumerate(whole.text) if c in CLAUSE_END), len(whole.text)])
    clause_end = next(ends)
    for start, end, meanings in tokens:
        while start > clause_end:
            clause_end, clause_start, negated, suspected, secondary = next(ends), len(found), False, False, False
        known.update(range(start, end))
        kinds = {m.kind: m.value for m in meanings}
        if "block" in kinds:
            continue
        if "histology" in kinds:
            code = kinds["histology"].code_at(place or kinds["histology"].implies)
            found.append((kinds["histology"], _code(kinds["histology"], code, secondary, negated, suspected, whole.original(start, end))))
        elif "site" in kinds:
            place = kinds["site"]
        elif "part" in kinds:
            place = kinds["part"][0]
        elif "becomes_secondary" in kinds:
            secondary = True
        elif "negated_before" in kinds:
            negated = True
        elif "suspected_before" in kinds and not found[clause_start:]:
            suspected = True
        elif "suspected_after" in kinds and found[clause_start:]:
            histology, code = found[-1]
            found[-1] = (histology, replace(code, assertion="suspected" if code.assertion == "confirmed" else code.assertion))
        elif kinds.get("behaviour") in ("malignant", "uncertain", "benign", "secondary"):
            tumour_words = True
    silent = {i for m in STAGING.finditer(whole.text) for i in range(m.start(), m.end())}
    unread = "".join(
        c
        for i, c in enumerate(whole.text)
        if i not in known and i not in silent and c not in CLAUSE_END and c not in BRACKETS and c not in PUNCTUATION and c not in "、/&"
    )
    codes = _exact(found)
    sure = FULL if not unread else MOST if len(unread) <= 0.3 * len(whole.text) else SOME
    codes = tuple(replace(c, confidence=round(c.confidence * sure, 2)) for c in codes)
    status = CODED if codes else UNMAPPED if tumour_words or "癌" in unread or "瘤" in unread else NO_TUMOUR
    return Coded(text, status, codes, unread)


def _code(histology: Histology, code: str, secondary: bool, negated: bool, suspected: bool, span: tuple[int, int]) -> Code:
    if secondary and code.endswith("/3"):
        code = f"{code[:4]}/6"
    assertion = "negated" if negated else "suspected" if suspected else "confirmed"
    sure = (GENERIC_SURE if histology.generic else 1.0) * (histology.weight if code == histology.code else 1.0)
    return Code(
        "icdo3", code, histology.name_zh, "histology", BEHAVIOURS[code[-1]], assertion, sure, *span, f"morphology.{histology.code}",
        histology.implies, morphology_code=code,
    )  # fmt: skip


def _exact(found: list[tuple[Histology, Code]]) -> tuple[Code, ...]:
    """Without repetitions, without what a more exact one makes superfluous, and without 癌 or 恶性肿瘤 beside a named histology."""
    affirmed = [(h, c) for h, c in found if c.assertion != "negated"]
    refined = {code for h, _ in affirmed for code in h.refines}
    named = any(not h.generic and c.behaviour in ("malignant", "in_situ", "secondary") for h, c in affirmed)
    kept: dict[str, Code] = {}
    for histology, code in found:
        is_said = code.assertion != "negated" and (histology.code in refined or (histology.generic and named))
        if not is_said and (code.code not in kept or kept[code.code].assertion == "negated"):
            kept[code.code] = code
    return tuple(kept.values())
