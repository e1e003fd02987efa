"""Report texts from templates: sentences are data, values are columns, and what goes wrong at the keyboard goes wrong here too."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import Text, choose, constant, dates, join

SLOT = re.compile(r"\{(\w+)\}")
TYPING_ERRORS, COPIED, NAMED = 0.04, 0.15, 0.05
Slots = dict[str, Text]


def filled(template: str, slots: Slots, rows: np.ndarray) -> Text:
    """A template with the values of some rows. Raises KeyError for a slot that nobody gave."""
    parts: list[Text | str] = []
    index, end = pa.array(rows), 0
    for found in SLOT.finditer(template):
        parts += [template[end : found.start()], slots[found[1]].take(index)]
        end = found.end()
    parts.append(template[end:])
    parts = [p for p in parts if not isinstance(p, str) or p]
    if not any(isinstance(p, pa.Array) for p in parts):
        return constant("".join(str(p) for p in parts), len(rows))
    return join(*parts)


Used = dict[str, np.ndarray]
"""Per slot the rows whose text prints it."""


def written(key: np.ndarray, templates: Sequence[Sequence[str]], slots: Slots, rng: np.random.Generator, used: Used | None = None) -> Text:
    """Per row one of the templates of its key (index into `templates`), filled; `used` learns which rows print which slot."""
    n = len(key)
    lots = rng.random(n)
    texts, places = [], []
    for number, options in enumerate(templates):
        at = np.flatnonzero(key == number)
        if len(at) == 0:
            continue
        chosen = (lots[at] * len(options)).astype(np.int64)
        for option, template in enumerate(options):
            rows = at[chosen == option]
            if len(rows):
                for slot in SLOT.findall(template) if used is not None else ():
                    used.setdefault(slot, np.zeros(n, dtype=bool))[rows] = True
                texts.append(filled(template, slots, rows))
                places.append(rows)
    if not texts:
        return constant("", n)
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_arrays([t.cast(pa.string()) for t in texts]).take(pa.array(order))


def _some(n: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    return rng.random(n) < rate


def mistyped(text: Text, rng: np.random.Generator) -> tuple[Text, np.ndarray]:
    """Some texts with one slip of the keyboard, and which they are."""
    n = len(text)
    slips = list(document("report_texts")["slips"].items())
    chosen = np.where(_some(n, TYPING_ERRORS * 2, rng), rng.integers(0, len(slips), n), -1)
    wrong = np.zeros(n, dtype=bool)
    for number, (right, typed) in enumerate(slips):
        at = np.flatnonzero(chosen == number)
        if len(at) == 0:
            continue
        before = text.take(pa.array(at))
        after = pc.replace_substring(before, right, typed, max_replacements=1)
        mask = np.zeros(n, dtype=bool)
        mask[at] = True
        text = pc.replace_with_mask(text, pa.array(mask), after)
        wrong[at] = pc.not_equal(before, after).to_numpy(zero_copy_only=False)
    return text, wrong


def copied(
    text: Text, person: np.ndarray, day: np.ndarray, group: np.ndarray, style: np.ndarray, rng: np.random.Generator
) -> tuple[Text, np.ndarray]:
    """Some texts with the text of the person's earlier report of the same group pasted before them, and which they are."""
    n = len(text)
    order = np.lexsort((day, group, person))
    same = np.r_[False, (person[order][1:] == person[order][:-1]) & (group[order][1:] == group[order][:-1])]
    earlier = np.full(n, -1)
    earlier[order[1:]] = order[:-1]
    follows = np.zeros(n, dtype=bool)
    follows[order] = same
    at = follows & _some(n, COPIED, rng)
    index = pa.array(np.where(at, earlier, 0))
    said, when = text.take(index), dates(day).take(index)
    opening = choose(
        style == 0,
        join("前次检查（", when, "）：", said, "本次："),
        choose(style == 1, join("【前片】", said, "【本次】"), join(said, "与", when, "比较：")),
    )
    return choose(at, join(opening, text), text), at


def named(text: Text, opening: Callable[[], Text], rng: np.random.Generator) -> Text:
    """Some texts that open with the patient's name, as typed by the clinic."""
    at = rng.permutation(len(text)) < round(len(text) * NAMED)
    return choose(at, join(opening(), text), text)
