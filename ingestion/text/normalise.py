"""One spelling of the same text, character by character: the result has the length of the original, so offsets are the same in both."""

from __future__ import annotations

import re

# Full-width forms that stand in nearly every report; the rest of the block goes through the slower table.
COMMON = tuple((chr(code), chr(code - 0xFEE0).lower()) for code in (0xFF0C, 0xFF1A, 0xFF1B, 0xFF08, 0xFF09, 0xFF1F))
RARE = re.compile("[\uff01-\uff5e\u00a0\u3000\t\r\u2002-\u200b\ufeff∗＊✕✖╳хХ﹣－—–〜～∼㎜㎝≦≧＋﹢﹤﹥\ufffdμ【】〔〕［］\u0130]")
TABLE = {code: chr(code - 0xFEE0).lower() for code in range(0xFF01, 0xFF5F)}
TABLE |= dict.fromkeys(map(ord, "\ufffd\u00a0\u3000\t\r\ufeff\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"), " ")
TABLE |= dict.fromkeys(map(ord, "✕✖╳хХ"), "×") | dict.fromkeys(map(ord, "∗＊"), "*") | dict.fromkeys(map(ord, "﹣－—–"), "-")
TABLE |= dict.fromkeys(map(ord, "〜～∼"), "~") | {
    ord("≦"): "≤",
    ord("≧"): "≥",
    ord("﹢"): "+",
    ord("﹤"): "<",
    ord("﹥"): ">",
    ord("μ"): "µ",
    0x0130: "i",
}
TABLE |= {ord("【"): "[", ord("】"): "]", ord("〔"): "[", ord("〕"): "]"}
# What XML exports leave behind of a control character.
REMNANT = re.compile(r"_x[0-9a-f]{4}_")
TIMES = re.compile(r"(?<=[\dm])( ?)[x*](?= ?\d)")

ROMAN = {"ⅰ": 1, "ⅱ": 2, "ⅲ": 3, "ⅳ": 4, "ⅴ": 5, "ⅵ": 6, "ⅶ": 7, "ⅷ": 8, "ⅸ": 9, "ⅹ": 10, "i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
DIGITS = {"零": 0, "〇": 0, "○": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "半": 0.5}


def normalise(text: str) -> str:
    """Half-width, lower case, × between numbers, blanks for control characters; same length as `text`."""
    result = text.replace("Ⅳ", "ⅳ")
    for wide, narrow in COMMON:
        result = result.replace(wide, narrow)
    if RARE.search(result):
        result = result.translate(TABLE)
    folded = result.lower()
    if len(folded) != len(text):  # a letter whose lower case is longer, from no Chinese report
        folded = "".join(char.lower() if len(char.lower()) == 1 else char for char in result)
    if "_x0" in folded:
        folded = REMNANT.sub("\n      ", folded)
    if "x" in folded or "*" in folded:
        folded = TIMES.sub(r"\1×", folded)
    return folded


def number(written: str) -> float | None:
    """Value of a number as written: Arabic, Roman up to ten, or Chinese up to 99 (十二, 两, 半); None for anything else."""
    written = written.strip().lower()
    try:
        return float(written)
    except ValueError:
        pass
    if written in ROMAN:
        return float(ROMAN[written])
    if written in DIGITS:
        return float(DIGITS[written])
    tens, ten, units = written.partition("十")
    if ten and (not tens or tens in DIGITS) and (not units or units in DIGITS):
        return float(DIGITS.get(tens, 1) * 10 + DIGITS.get(units, 0))
    return None
