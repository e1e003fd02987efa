"""What the Chinese messages and the report call organisations, feeds and fields."""

from __future__ import annotations

from ingestion.contracts import code_list, contracts
from ingestion.mappings import UnknownOrganisation, load_mapping

PROVINCE = "全省"
CANCERS = {"lung": "肺癌", "breast": "乳腺癌", "upper_gi": "上消化道癌", "colorectum": "结直肠癌", "liver": "肝癌", "cervix": "宫颈癌"}


def organisation_zh(code: str | None) -> str:
    """The organisation's Chinese name, or its code where no mapping names it; no organisation is the whole province."""
    if not code:
        return PROVINCE
    try:
        return load_mapping(code).name_zh
    except UnknownOrganisation:
        return code


def feed_zh(feed: str | None) -> str:
    """The feed's Chinese name, or its code where no contract names it."""
    return contracts()[feed].name_zh if feed in contracts() else feed or ""


def field_zh(feed: str | None, column: str | None) -> str:
    """The field's Chinese name, or its code where the feed's contract does not name it."""
    named = (f.name_zh for f in contracts()[feed].fields if f.name == column) if feed in contracts() else iter(())
    return next(named, column or "")


def group_zh(key: str, value: str) -> str:
    """What a group of a suite is called: a cancer, a channel, or the value itself."""
    if key == "cancer":
        return CANCERS.get(value, value)
    if key == "channel" and value in (channels := code_list("channel")):
        return channels[value].name_zh
    return value


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
