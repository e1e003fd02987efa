"""What the Chinese messages and the report call organisations, feeds and fields."""

from __future__ import annotations

from ingestion import naming
from ingestion.contracts import code_list

PROVINCE = "全省"
CODED = ("cancer", "channel", "screening_source")  # keys of groups whose values are codes of the list of that name


def organisation_zh(code: str | None) -> str:
    """The organisation's Chinese name, or its code where no mapping names it; no organisation is the whole province."""
    return naming.organisation_zh(code) if code else PROVINCE


def feed_zh(feed: str | None) -> str:
    """The feed's Chinese name, or its code where no contract names it."""
    return naming.feed_zh(feed) if feed else ""


def field_zh(feed: str | None, column: str | None) -> str:
    """The field's Chinese name, or its code where the feed's contract does not name it."""
    return naming.field_zh(feed or "", column) if column else ""


def group_zh(key: str, value: str) -> str:
    """What a group of a suite is called: a cancer, a channel, a screening source, or the value itself."""
    return code_list(key)[value].name_zh if key in CODED and value in code_list(key) else value


def _with_code(name: str, code: str | None) -> str:
    return f"{name}（{code}）" if code and name != code else name


def organisation_name(code: str | None) -> str:
    """Name and code of an organisation."""
    return _with_code(organisation_zh(code), code)


def feed_name(feed: str | None) -> str:
    """Name and code of a feed."""
    return _with_code(feed_zh(feed), feed)


def field_name(feed: str | None, column: str | None) -> str:
    """Name and code of a field."""
    return _with_code(field_zh(feed, column), column)
