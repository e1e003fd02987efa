"""Helpers of the onboarding tests: a mapping file as a hospital would write it, and its dump in the landing folder."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from ingestion import mappings


def write_mapping(settings_home: Path, organisation: str, text: str, **beside: str) -> None:
    """Put a mapping file, and CSV files beside it, into the folder that LAKEHOUSE_MAPPINGS names."""
    folder = settings_home.parent / "mappings"
    (folder / f"{organisation}.yml").write_text(text, encoding="utf-8")
    for name, content in beside.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    mappings.load_mapping.cache_clear()


def table(*rows: str) -> str:
    """Lines of a delimited file."""
    return "\n".join(rows) + "\n"


def zipped(**members: str) -> bytes:
    """A zip of text files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.txt", content)
    return out.getvalue()
