"""What the coders return: codes with what they rest on."""

from __future__ import annotations

from dataclasses import dataclass

CODED, PARTLY, UNMAPPED, NO_TUMOUR, EMPTY = "coded", "partly_coded", "unmapped", "no_tumour", "empty"


@dataclass(frozen=True, slots=True)
class Code:
    """One code read from a text.

    system      icd10 or icdo3
    role        primary, secondary (metastasis), condition, encounter, family_history; histology for icdo3
    behaviour   malignant, in_situ, uncertain, benign, secondary, polyp, low_grade, finding, condition, encounter …
    assertion   confirmed, suspected, history, negated or family_history
    confidence  0 to 1: how much of the wording was read and how exact it is; a person's decision is 1. No probability
    start, end  span in the text handed in;  rule  what made the code
    """

    system: str
    code: str
    name_zh: str
    role: str
    behaviour: str
    assertion: str
    confidence: float
    start: int
    end: int
    rule: str
    organ: str | None = None
    cancer: str | None = None
    laterality_code: str | None = None
    is_recurrence: bool = False
    morphology_code: str | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """A text with its codes.

    status  coded, partly_coded (a tumour word is left without a code), unmapped (tumour words, no code), no_tumour, empty
    unread  what of the text no word list knows
    """

    text: str
    status: str
    codes: tuple[Code, ...] = ()
    unread: str = ""
    method: str = "words"

    @property
    def code_set(self) -> frozenset[str]:
        """The codes that hold for the person: neither negated nor of the family."""
        return frozenset(c.code for c in self.codes if c.assertion not in ("negated", "family_history"))
