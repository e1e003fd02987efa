"""The public face of the text engine: `structure(kind, text)` reads one report.

Fields come from the kind's module (`kinds/<kind>.py`, `read(doc) -> list[Field]`), findings from the general lexicon, lesions from the fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ingestion.text.breast import breast_lesions
from ingestion.text.document import Document, Evidence, Field, Mention

__all__ = ["ENGINE_VERSION", "KINDS", "Document", "Evidence", "Field", "Mention", "Structured", "structure"]

KINDS = (
    "ldct",
    "breast_ultrasound",
    "mammography",
    "upper_gi_endoscopy",
    "colonoscopy",
    "liver_ultrasound",
    "cervical",
    "pathology",
    "imaging",
    "clinical_note",
    "checkup_summary",
)
# Fields that are lists of the report in the scored form.
LISTS = ("primary_site", "lesion_size", "metastasis")
# Modules of this folder that are not part of the engine.
APART = {"scrub.py"}


def _version() -> str:
    """Changes whenever the engine's code or data change, since then its output may."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(path for pattern in ("*.py", "*.yaml", "*.csv") for path in folder.rglob(pattern) if path.name not in APART):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"1.{digest.hexdigest()[:12]}"


ENGINE_VERSION = _version()


@dataclass(frozen=True, slots=True)
class Structured:
    """What one report says. `lesions`: one dict per lesion number, `lesion_no` and its fields by name."""

    kind: str
    fields: list[Field]
    findings: list[Mention]
    lesions: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The full structure, with the keys of ../shared/tools/score_text.py beside it."""
        result: dict[str, Any] = {
            "kind": self.kind,
            "engine_version": ENGINE_VERSION,
            "fields": [
                {"name": one.name, "value": one.value, "unit": one.unit, "lesion": one.lesion, "start": one.evidence.start, "end": one.evidence.end}
                | {"rule": one.evidence.rule}
                for one in self.fields
            ],
            "lesions": self.lesions,
            "findings": [one._asdict() for one in self.findings],
        }
        for name in LISTS:
            result[name] = [one.value for one in self.fields if one.name == name]
        if self.kind in {"breast_ultrasound", "mammography"}:
            result["breast_lesions"] = breast_lesions(self)
        return result


@cache
def reader(kind: str) -> Callable[[Document], list[Field]]:
    """The `read` of a kind's module; ValueError for a kind that does not exist."""
    if kind not in KINDS:
        raise ValueError(f"no report kind {kind}; kinds are {', '.join(KINDS)}")
    return import_module(f"ingestion.text.kinds.{kind}").read


def structure(kind: str, text: str) -> Structured:
    """Read one report; never fails on a text, however odd."""
    doc = Document(text, kind)
    fields = reader(kind)(doc)
    return Structured(kind, fields, doc.findings, _lesions(fields))


def _lesions(fields: list[Field]) -> list[dict[str, Any]]:
    """Lesions by number; of several values of one field the first counts."""
    by_number: dict[int, dict[str, Any]] = {}
    for one in fields:
        if one.lesion is not None:
            by_number.setdefault(one.lesion, {"lesion_no": one.lesion}).setdefault(one.name, one.value)
    return [by_number[number] for number in sorted(by_number)]
