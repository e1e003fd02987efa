"""What staff read for the codes of organisations, feeds and fields; a code that nobody names is shown as it is."""

from __future__ import annotations

from ingestion.contracts import contracts
from ingestion.mappings import UnknownOrganisation, feed_of, load_mapping


def organisation_zh(code: str) -> str:
    """The organisation's Chinese name, or its code where no readable mapping names it."""
    try:
        return load_mapping(code).name_zh
    except (UnknownOrganisation, ValueError):
        return code


def feed_zh(feed: str) -> str:
    """The feed's Chinese name, or its code where no contract names it (a landing folder that nobody described)."""
    described = contracts().get(feed_of(feed))
    return described.name_zh if described else feed


def field_zh(feed: str, column: str) -> str:
    """The field's Chinese name, or its code where the feed's contract does not name it."""
    described = contracts().get(feed_of(feed))
    return next((f.name_zh for f in described.fields if f.name == column), column) if described else column
