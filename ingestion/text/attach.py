"""Which lesion an attribute belongs to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from ingestion.text.document import Document


def attach(doc: Document, anchors: Sequence[tuple[int, int]], start: int, end: int) -> int | None:
    """Index of the anchor (a lesion's span, in order) that an attribute at `start`–`end` describes; None when none is near enough.

    In order: an anchor that follows or overlaps it in the same clause (磨玻璃结节), the last one before it in the same sentence (结节, 大小约…),
    the first one behind it in the same sentence, the last one of the sentence before.
    """
    if not anchors:
        return None
    behind = bisect_right(anchors, start - 1, key=itemgetter(0))
    clause = doc.clause_at(start)
    before = behind - 1
    if before >= 0 and anchors[before][1] > start:
        return before
    sentence_start, sentence_end = doc.sentence_at(start)
    in_clause_before = before >= 0 and anchors[before][0] >= clause.start
    if behind < len(anchors) and anchors[behind][0] < clause.end and not in_clause_before:
        return behind
    if behind < len(anchors) and anchors[behind][0] - end <= 1 and anchors[behind][0] < clause.end:
        return behind
    if before >= 0 and anchors[before][0] >= sentence_start:
        return before
    if behind < len(anchors) and anchors[behind][0] < sentence_end:
        return behind
    if before >= 0 and doc.clause_at(anchors[before][0]).sentence >= clause.sentence - 1:
        return before
    return None
