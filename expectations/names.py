"""What the Chinese messages and the report call organisations, feeds and fields."""

from __future__ import annotations

from ingestion.contracts import contracts
from ingestion.mappings import UnknownOrganisation, load_mapping


def organisation_name(code: str | None) -> str:
    """The organisation's Chinese name with its code, or the code where no mapping names it."""
    if not code:
        return "全省"
    try:
        return f"{load_mapping(code).name_zh}（{code}）"
    except UnknownOrganisation:
        return code


def feed_name(feed: str | None) -> str:
    """The feed's Chinese name with its code."""
    if not feed:
        return ""
    return f"{contracts()[feed].name_zh}（{feed}）" if feed in contracts() else feed


def field_name(feed: str | None, column: str | None) -> str:
    """The field's Chinese name with its code."""
    if not column:
        return ""
    named = next((f.name_zh for f in contracts()[feed].fields if f.name == column), None) if feed in contracts() else None
    return f"{named}（{column}）" if named else column
