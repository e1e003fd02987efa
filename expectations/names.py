"""What the Chinese messages and the report call organisations, feeds and fields."""

from __future__ import annotations

from ingestion.contracts import contracts
from ingestion.mappings import UnknownOrganisation, load_mapping

PROVINCE = "全省"


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
