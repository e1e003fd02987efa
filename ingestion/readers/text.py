"""Values as the text a person reads, the same whatever format or driver brought them."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

LOCAL_TIME = "Asia/Shanghai"
LIST_SEPARATOR = ";"


def plain_float(number: float) -> str:
    """The shortest digits that give the number, without exponent and without a fraction that is zero."""
    text = format(Decimal(repr(number)), "f") if number - number == 0 else str(number)
    return text.removesuffix(".0")


def moment(value: datetime) -> str:
    """Local time of the province; without a fraction that is zero, and without a time of day that is midnight."""
    if value.tzinfo:
        value = value.astimezone(ZoneInfo(LOCAL_TIME)).replace(tzinfo=None)
    if value.time() == time(0):
        return value.date().isoformat()
    return value.isoformat(" ", "microseconds" if value.microsecond else "seconds")


def duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def joined(values: list[str | None]) -> str | None:
    """Plain values in one text; None when one of them holds the separator itself."""
    texts = [value or "" for value in values]
    return None if any(LIST_SEPARATOR in text for text in texts) else LIST_SEPARATOR.join(texts)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def value_text(value: Any) -> str | None:
    """A Python value as text; None stays None."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return plain_float(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return moment(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return duration(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8")
        case list() | tuple() if not any(isinstance(item, list | tuple | dict) for item in value):
            text = joined([value_text(item) for item in value])
            return as_json(value) if text is None else text
        case dict() | list() | tuple():
            return as_json(value)
    return str(value)
