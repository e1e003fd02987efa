"""The coders over many texts: each distinct text once, with what people have decided about it, as rows of Arrow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.codes.decisions import DIAGNOSIS, LABORATORY, MORPHOLOGY, UNIT, TextDecision, text_key
from ingestion.codes.diagnosis import diagnosis, organ_of
from ingestion.codes.laboratory import SEEDS, LabCode, laboratory, of_item, unit_of
from ingestion.codes.lexicon import names, sites
from ingestion.codes.model import CODED, EMPTY, NO_TUMOUR, UNMAPPED, Code, Coded
from ingestion.codes.morphology import BEHAVIOURS, morphology

Decided = Mapping[tuple[str, str], TextDecision]
CODES = pa.schema(
    [
        ("text_no", pa.int64()),
        ("status", pa.string()),
        ("unread", pa.string()),
        ("code_no", pa.int64()),
        ("code_system", pa.string()),
        ("code", pa.string()),
        ("code_name_zh", pa.string()),
        ("role", pa.string()),
        ("behaviour", pa.string()),
        ("site", pa.string()),
        ("cancer", pa.string()),
        ("assertion", pa.string()),
        ("laterality_code", pa.string()),
        ("is_recurrence", pa.bool_()),
        ("morphology_code", pa.string()),
        ("from_unit", pa.string()),
        ("unit_status", pa.string()),
        ("confidence", pa.float64()),
        ("method", pa.string()),
        ("rule", pa.string()),
        ("span_start", pa.int64()),
        ("span_end", pa.int64()),
        ("decision_no", pa.string()),
    ]
)


@cache
def version() -> str:
    """Changes whenever a text may get another code: hash over the coders, their word lists and the seeds of the laboratory."""
    here = Path(__file__).parent
    files = [
        *here.glob("*.py"),
        *here.glob("lexicon/*.py"),
        *here.glob("lexicon/*.yml"),
        *SEEDS.glob("seed_measurement_*.csv"),
        *SEEDS.glob("seed_unit*.csv"),
    ]
    told = hashlib.sha256()
    for file in sorted(files):
        told.update(file.name.encode() + b"\0" + file.read_bytes())
    return told.hexdigest()[:12]


def coded_text(kind: str, text: str | None, decided: Decided | None = None, site: str | None = None) -> Coded:
    """One diagnosis or histology, as a person has decided or else as the word lists read it. `site`: organ of a text that names none."""
    read = diagnosis(text, site=site) if kind == DIAGNOSIS else morphology(text, site)
    decision = (decided or {}).get((kind, text_key(kind, text))) if text else None
    return read if decision is None else _as_decided(read, decision)


def _as_decided(read: Coded, decision: TextDecision) -> Coded:
    """The codes of a decision, with the side that the text states."""
    if decision.verdict == "no_equivalent":
        return Coded(read.text, NO_TUMOUR, (), read.unread, f"decision {decision.number}")
    side = next((c.laterality_code for c in read.codes if c.laterality_code), None)
    return Coded(
        read.text, CODED, tuple(replace(_decided_code(c, decision, len(read.text)), laterality_code=side) for c in decision.codes), "",
        f"decision {decision.number}",
    )  # fmt: skip


def _decided_code(code: str, decision: TextDecision, length: int) -> Code:
    if decision.kind == MORPHOLOGY:
        name, role, behaviour, organ = names().get(code, code), "histology", BEHAVIOURS.get(code[-1], "malignant"), None
    else:
        organ = organ_of(code)
        name = names().get(code) or names().get(code[:5]) or names().get(code[:3], code)
        behaviour = next((k for k in ("malignant", "in_situ", "uncertain", "benign") if organ and _is_of(code, organ, k)), "condition")
        behaviour = (
            "secondary" if code[:3] in ("C77", "C78", "C79") else "malignant" if behaviour == "condition" and code.startswith("C") else behaviour
        )
        role = {"secondary": "secondary", "malignant": "primary", "in_situ": "primary"}.get(behaviour, "condition")
    cancer = sites()[organ].cancer if organ and behaviour != "secondary" else None
    system = "icdo3" if decision.kind == MORPHOLOGY else "icd10"
    return Code(system, code, name, role, behaviour, decision.assertion, 1.0, 0, length, f"decision {decision.number}", organ, cancer)


def _is_of(code: str, organ: str, kind: str) -> bool:
    site = sites()[organ]
    return any(code[:3] == codes[kind][:3] for codes in (site.codes, *site.parts.values()) if kind in codes)


def coded_item(
    name: str | None, unit: str | None, item_code: str | None, loinc_code: str | None, specimen: str | None, decided: Decided | None = None
) -> tuple[LabCode, TextDecision | None]:
    """One laboratory name with its unit, as people have decided or else as the word lists read it."""
    decided = decided or {}
    named = decided.get((LABORATORY, text_key(LABORATORY, name or item_code or ""))) if name or item_code else None
    united = decided.get((UNIT, text_key(UNIT, unit))) if unit else None
    said = laboratory(name, unit, item_code=item_code, loinc_code=loinc_code, specimen=specimen)
    if named is not None:
        if named.verdict == "no_equivalent":
            return LabCode(name, unit, NO_TUMOUR, method="decision"), named
        said = of_item(name, unit, named.codes[0], "decision", 1.0)
    if united is not None and said.item:
        if united.verdict == "no_equivalent":
            return replace(said, unit_status="no_unit", unit=None, factor=None), named or united
        said = of_item(name, unit, said.item, said.method or "name", 1.0 if named else said.confidence, unit=united.codes[0])
    return said, named or (united if said.item else None)


def code_texts(kind: str, texts: pa.Array, decided: Decided | None = None, site: str | None = None) -> pa.Table:
    """Diagnoses or histologies: rows of CODES, one a code, `text_no` the place in `texts`; a text without a code has one row without a code."""
    rows: list[dict[str, Any]] = []
    for number, text in enumerate(texts.to_pylist()):
        read = coded_text(kind, text, decided, site)
        whole = {"text_no": number, "status": read.status, "unread": read.unread or None, "method": _method(read.method)}
        whole["decision_no"] = read.method.removeprefix("decision ") if whole["method"] == "decision" else None
        rows.extend({**whole, **_of_code(c, place)} for place, c in enumerate(read.codes, 1))
        if not read.codes:
            rows.append({**whole, "code_no": 0})
    return pa.Table.from_pylist(rows, schema=CODES)


def _method(said: str) -> str:
    return said.partition(" ")[0]


def _of_code(code: Code, place: int) -> dict[str, Any]:
    return {
        "code_no": place, "code_system": code.system, "code": code.code, "code_name_zh": code.name_zh, "role": code.role, "behaviour": code.behaviour,
        "site": code.organ, "cancer": code.cancer, "assertion": code.assertion, "laterality_code": code.laterality_code,
        "is_recurrence": code.is_recurrence, "morphology_code": code.morphology_code, "confidence": code.confidence, "rule": code.rule,
        "span_start": code.start, "span_end": code.end,
    }  # fmt: skip


def code_items(items: pa.Table, decided: Decided | None = None) -> pa.Table:
    """Laboratory names: rows of CODES for rows of text, item_code, delivered_loinc_code, printed_unit, specimen; the code is the programme's item."""
    rows: list[dict[str, Any]] = []
    for number, r in enumerate(items.select(["text", "item_code", "delivered_loinc_code", "printed_unit", "specimen"]).to_pylist()):
        said, decision = coded_item(r["text"], r["printed_unit"], r["item_code"], r["delivered_loinc_code"], r["specimen"], decided)
        united = (decided or {}).get((UNIT, text_key(UNIT, r["printed_unit"]))) if r["printed_unit"] else None
        unit = united.codes[0] if united is not None and united.codes else unit_of(r["printed_unit"])
        rows.append(
            {
                "text_no": number, "status": said.status, "unread": r["text"] if said.status == UNMAPPED else None,
                "code_no": 1 if said.item else 0, "code_system": "item" if said.item else None, "code": said.item, "code_name_zh": said.name_zh,
                "from_unit": unit if said.item else None, "unit_status": said.unit_status if said.status != EMPTY else None,
                "confidence": round(said.confidence, 2) if said.item else None, "method": "decision" if decision else said.method or "words",
                "rule": f"decision {decision.number}" if decision else said.method, "decision_no": decision.number if decision else None,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CODES)
