"""Sizes and distances as written, in millimetres."""

from __future__ import annotations

import re
from typing import NamedTuple

MM_PER_UNIT = {"mm": 1.0, "㎜": 1.0, "毫米": 1.0, "cm": 10.0, "㎝": 10.0, "厘米": 10.0, "公分": 10.0}
_NUMBER = r"[0-9][0-9]{0,3}(?:\.[0-9]{1,3})?"
_UNIT = r"(?:mm|cm|㎜|㎝|毫米|厘米|公分)"
# Begins with a digit and nothing optional, so that the search skips from digit to digit.
SIZE = re.compile(
    rf"(?P<n1>{_NUMBER}) ?(?P<u1>{_UNIT}|m(?= ?×))?"
    rf"(?:(?P<separator> ?× ?| ?[-~至] ?)(?P<n2>{_NUMBER}) ?(?P<u2>{_UNIT})?(?: ?× ?(?P<n3>{_NUMBER}) ?(?P<u3>{_UNIT})?)?)?"
)
COMPARATOR = re.compile("([<>≤≥]|小于|大于|不足|超过) ?$")
INSIDE_NUMBER = frozenset("0123456789.")
# What stands right before a number says what it measures: name, characters one of which must be there, pattern.
CUES = (
    ("distance", frozenset("距镜插层"), re.compile(r"(?:距[^,。;]{0,12}|进镜|插镜|插入|退镜|深约|深度|距离|间距|层厚|层距|厚层|cm处)约?[:：为]? ?$")),
    ("distance", frozenset("深"), re.compile(r"深(?:约|度)约?[:：为]? ?$")),
    ("thickness", frozenset("厚"), re.compile(r"厚(?:度|者|处)?[^,。;\d]{0,4}$")),
    ("short_axis", frozenset("短"), re.compile(r"短(?:径|轴)[^,。;\d]{0,6}$")),
    ("long_axis", frozenset("长"), re.compile(r"长(?:径|轴)[^,。;\d]{0,6}$")),
    ("diameter", frozenset("径"), re.compile(r"直?径[^,。;\d]{0,6}$")),
    ("size", frozenset("小围面积值得"), re.compile(r"(?:大小|范围|截面|切面|体积|面积|测值|测得)[^,。;\d]{0,8}$")),
)
LARGEST = re.compile(r"(?:最大|较大|大者|最长)[^。;]{0,16}$")
LARGEST_CHARACTERS = frozenset("最大")
PREVIOUS = re.compile(r"(?:原(?:来|先|为|约|大小|直径)?|前片|旧片|前次|上次|此前|既往)[^,。;\d]{0,8}$")
PREVIOUS_CHARACTERS = frozenset("原片次此既")
COMPARATORS = {"小于": "<", "不足": "<", "大于": ">", "超过": ">"}
# No text is looked at further back than this for a cue.
LOOK_BACK = 24


class Measurement(NamedTuple):
    """One measurement. `values_mm` in the order written, one to three, two for a range (`is_range`); `unit` as written or "" where none stands
    (then millimetres are assumed and `values_mm` is to be judged by the kind). `cue`: distance, thickness, short_axis, long_axis, diameter, size
    or "" where nothing says.
    """

    start: int
    end: int
    text: str
    values_mm: tuple[float, ...]
    unit: str
    cue: str
    is_range: bool
    is_largest: bool
    is_previous: bool
    comparator: str

    @property
    def long_mm(self) -> float:
        """The largest dimension in millimetres."""
        return max(self.values_mm)

    @property
    def short_mm(self) -> float | None:
        """The smaller of the first two dimensions in millimetres; None for a single value or a range."""
        return None if self.is_range or len(self.values_mm) < 2 else min(self.values_mm[:2])

    @property
    def mean_mm(self) -> float:
        """Mean of the two largest dimensions in millimetres, the value itself when only one is given (0.1 mm)."""
        largest = sorted(self.values_mm, reverse=True)[:2]
        return round(sum(largest) / len(largest), 1)


def measurements(text: str, norm: str) -> list[Measurement]:
    """Every length with a unit or with × in the text, in order; the last unit written holds for the numbers before it."""
    if "m" not in norm and "×" not in norm and "㎝" not in norm and "米" not in norm and "公分" not in norm:
        return []
    result = []
    for match in SIZE.finditer(norm):
        n1, u1, separator, n2, u2, n3, u3 = match.group("n1", "u1", "separator", "n2", "u2", "n3", "u3")
        if u1 == "m":  # 2.5m×2.3cm: a letter is missing
            u1 = None
        unit = u3 or u2 or u1
        is_times = separator is not None and "×" in separator
        if unit is None and not is_times:
            continue
        if separator is not None and not is_times and n3:
            continue
        if match.start() and norm[match.start() - 1] in INSIDE_NUMBER:
            continue
        start, end = match.start("n1"), match.end()
        while norm[end - 1] == " ":
            end -= 1
        if unit is None and norm[end : end + 1] in {"%", "/", "次", "年", "天", "万", "^"}:
            continue
        values = []
        for written, own in ((n1, u1), (n2, u2), (n3, u3)):
            if written:
                values.append(round(float(written) * MM_PER_UNIT[own or unit or "mm"], 2))
        before = norm[max(0, start - LOOK_BACK) : start]
        compared = COMPARATOR.search(before)
        comparator = compared.group(1) if compared else ""
        if compared:
            before = before[: compared.start()]
        there = frozenset(before)
        cue = next((name for name, characters, pattern in CUES if characters & there and pattern.search(before)), "")
        result.append(
            Measurement(
                start,
                end,
                text[start:end],
                tuple(values),
                unit or "",
                cue,
                separator is not None and not is_times,
                bool(LARGEST_CHARACTERS & there) and LARGEST.search(before) is not None,
                bool(PREVIOUS_CHARACTERS & there) and PREVIOUS.search(before) is not None,
                COMPARATORS.get(comparator, comparator),
            )
        )
    return result
