"""What people have decided about texts (feed decision_text_code): it stands before what the word lists say.

A decision names a kind of text, the text as the worklist showed it, and what it means; it holds for one organisation or, without one, for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from infra.settings import Settings
from ingestion.codes.laboratory import item_key, items, known_units, unit_key
from ingestion.codes.lexicon import normalised
from ingestion.contracts import code_list
from ingestion.mappings.decisions import latest_rows

FEED = "decision_text_code"
DIAGNOSIS, MORPHOLOGY, LABORATORY, UNIT = "diagnosis", "morphology", "laboratory", "unit"
KINDS = (DIAGNOSIS, MORPHOLOGY, LABORATORY, UNIT)
CODE_FORMS = {DIAGNOSIS: re.compile(r"[A-Z]\d\d(\.[0-9xX]\d{0,3})?"), MORPHOLOGY: re.compile(r"[89]\d{3}/[0-9]")}


@dataclass(frozen=True, slots=True)
class TextDecision:
    """One decision; `codes` are empty where the text has no equivalent. `known_on`: day it was delivered."""

    number: str
    organisation: str | None
    kind: str
    text: str
    verdict: str
    codes: tuple[str, ...]
    assertion: str
    decided_at: date
    known_on: date
    valid_from: date | None = None
    valid_to: date | None = None
    supersedes: str | None = None

    @property
    def said(self) -> str:
        """What of it changes the codes of a text."""
        return "|".join((self.number, self.kind, self.text, self.verdict, *self.codes, self.assertion, self.known_on.isoformat()))


def text_key(kind: str, text: str) -> str:
    """What texts are compared by: two writings of one text in other widths, cases or blanks are one."""
    if kind == UNIT:
        return unit_key(text)
    return item_key(text) if kind == LABORATORY else normalised(text).text


def decisions_of(settings: Settings, organisation: str) -> list[TextDecision]:
    """Decisions that may hold for an organisation, each as last delivered; those of held batches do not count."""
    return [
        TextDecision(
            number=r["decision_no"], organisation=r["organisation_code"], kind=r["text_kind_code"], text=r["text"], verdict=r["verdict_code"],
            codes=tuple(c.strip() for c in (r["canonical_code"] or "").split("+") if c.strip()), assertion=r["assertion_code"] or "confirmed",
            decided_at=r["decided_at"], known_on=r["_delivered_on"], valid_from=r["valid_from"], valid_to=r["valid_to"], supersedes=r["supersedes"],
        )
        for r in latest_rows(settings, FEED)
        if r["organisation_code"] in (None, "", organisation)
    ]  # fmt: skip


def is_usable(decision: TextDecision) -> bool:
    """Whether what a decision says are codes of its kind: a slip of the pen must not enter the warehouse as a code."""
    if decision.verdict != "mapped":
        return True
    if not decision.codes or decision.assertion not in code_list("text_assertion"):
        return False
    if decision.kind in CODE_FORMS:
        return all(CODE_FORMS[decision.kind].fullmatch(c) for c in decision.codes)
    known = items() if decision.kind == LABORATORY else known_units()
    return len(decision.codes) == 1 and decision.codes[0] in known


def in_force(decisions: Iterable[TextDecision], on: date) -> dict[tuple[str, str], TextDecision]:
    """The decision that counts on a day by kind and key of the text.

    Of those valid, usable and not superseded the newest; one for the organisation stands before one for all. A withdrawn one leaves the text to the
    word lists.
    """
    decisions = list(decisions)
    superseded = {d.supersedes for d in decisions if d.supersedes and d.supersedes != d.number}
    found: dict[tuple[str, str], TextDecision] = {}
    for d in sorted(decisions, key=lambda d: (bool(d.organisation), d.decided_at, d.number)):
        if d.number not in superseded and (d.valid_from or on) <= on <= (d.valid_to or on) and is_usable(d):
            found[d.kind, text_key(d.kind, d.text)] = d
    return {key: d for key, d in found.items() if d.verdict != "withdrawn"}
