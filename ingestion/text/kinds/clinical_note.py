"""clinical_note."""

from __future__ import annotations

from ingestion.text.document import Document, Field


def read(doc: Document) -> list[Field]:
    """Fields of the report."""
    return []
