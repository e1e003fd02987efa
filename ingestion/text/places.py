"""Places in the body (部位) as written: runs of the words of lexicons/anatomy.yaml, joined to lists."""

from __future__ import annotations

import re
from bisect import bisect_left
from operator import itemgetter
from typing import NamedTuple

from ingestion.text.document import Document
from ingestion.text.lexicons import lexicon
from ingestion.text.sections import NEW

# 肝S4、8 and L2、3椎体: further numbers of the same kind, and what they number.
NUMBERS = re.compile(r"(?:[、,~-]\d{1,2}(?![\d.]|[cm]m))+(?:椎体|椎|前肋|后肋|肋骨|肋|组|区)?")
NODES = re.compile(r"(?:多发|散在|数个|多个|部分|肿大|增大|稍大|略大|转移|性|小|的|及|、){0,4}淋巴结")
NODES_WITHIN = 14
GAP = frozenset(" 的")
INSIDE = ("颅内", "髓内", "眶内", "髂内")
# Letters that end a place and begin none, and letters that belong to the word before.
SUFFIXES = frozenset("区部缘旁壁侧段极")
FOREIGN = frozenset({"除外", "其中", "以上", "以下", "术后", "疗后", "窦性"})
FOREIGN_ENDS = frozenset({"中央", "中心", "中分", "中度", "中等", "外周", "上述", "下述", "内见", "前缩", "前增", "底部", "后改", "周围型"})
NUMBERED = frozenset("0123456789")


class Place(NamedTuple):
    """A place as written. `organs`: the organs its words name, in order; `is_node`: lymph nodes."""

    start: int
    end: int
    organs: tuple[str, ...]
    is_node: bool


def places(doc: Document) -> list[Place]:
    """All places of the text in order."""
    book = lexicon("anatomy")
    norm = doc.norm
    result: list[Place] = []
    start = end = -1
    organs: list[str] = []
    is_node = False
    entries = book.entries
    for index, begin, close in [*book.matches(norm), (-1, len(norm) + 9, 0)]:
        if start >= 0 and begin != end and not (begin - end == 1 and norm[end] in GAP):
            if organs or is_node:
                result.append(_extended(norm, start, end, organs, is_node))
            start = -1
        if index < 0 or entries[index][1] == "other":
            if start >= 0 and (organs or is_node):
                result.append(_extended(norm, start, end, organs, is_node))
            start = -1
            continue
        if start < 0:
            start, organs, is_node = begin, [], False
        end = close
        concept, category = entries[index]
        if category == "organ":
            organs.append(concept)
        elif category == "node":
            is_node = True
    return [place for at, place in enumerate(result) if at == 0 or place.start >= result[at - 1].end]


def between(found: list[Place], start: int, end: int) -> list[Place]:
    """The places that lie wholly from `start` to `end`."""
    first = bisect_left(found, start, key=itemgetter(0))
    last = bisect_left(found, end, lo=first, key=itemgetter(0))
    return [place for place in found[first:last] if place.end <= end]


def _extended(norm: str, start: int, end: int, organs: list[str], is_node: bool) -> Place:
    while end - start > 1 and (norm[start] in SUFFIXES or norm[start - 1 : start + 1] in FOREIGN):
        start += 1
    while end - start > 1 and norm[end - 1 : end + 1] in FOREIGN_ENDS:
        end -= 1
    if norm[end - 1] == "肺" and norm[end - 2] in "叶段":  # 左肺上叶肺癌
        end -= 1
    if norm[end - 2 : end] in {"椎骨", "骨骨"} and end - start > 2:  # 胸椎骨转移, 肋骨骨折
        end -= 1
    if norm[end - 1] == "内" and not norm.startswith(INSIDE, end - 2):
        end -= 1
    if norm[end - 1] in NUMBERED or norm[end - 1] == "肋":
        more = NUMBERS.match(norm, end)
        end = more.end() if more else end
    if not is_node and norm.find("淋巴结", end, end + NODES_WITHIN) >= 0:
        nodes = NODES.match(norm, end)
        if nodes and "、" not in nodes.group() and "及" not in nodes.group():
            end, is_node = nodes.end(), True
    return NEW(Place, (start, end, tuple(organs), is_node))
