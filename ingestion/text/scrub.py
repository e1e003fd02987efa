"""Scrub identifying strings from free text before it may enter the lake."""

from __future__ import annotations

MASK = "***"
# ID numbers of 15 or 18 places, mobile numbers, landline numbers with area code, and what follows a label such as 姓名：
PATTERNS = (
    "[1-9]\\d{5}(?:18|19|20)\\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])\\d{3}[0-9Xx]",
    "[1-9]\\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])\\d{3}",
    "1[3-9]\\d[ -]?\\d{4}[ -]?\\d{4}",
    "0\\d{2,3}-\\d{7,8}",
)
LABELLED = "((?:患者)?(?:姓名|名字|联系人|家属|联系电话|电话|手机|身份证号?|住址|地址)\\s*[:：]\\s*)[^\\s,，。；;、）)]{2,60}"


def scrubbed(text: str, names: tuple[str, ...]) -> str:
    """SQL expression of a text without the person's own names (SQL expressions) and without anything that looks like a number of a person."""
    result = f"regexp_replace({text}, '{LABELLED}', '\\1{MASK}', 'g')"
    for pattern in PATTERNS:
        result = f"regexp_replace({result}, '{pattern}', '{MASK}', 'g')"
    for name in names:
        result = f"case when length({name}) >= 2 then replace({result}, {name}, '{MASK}') else {result} end"
    return result
