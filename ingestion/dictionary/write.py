"""Write page and workbook of the data dictionary, each in one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from infra.settings import Settings
from ingestion.dictionary import page, workbook
from ingestion.dictionary.content import gather

PAGE, WORKBOOK = "数据字典.html", "数据字典.xlsx"


def write(settings: Settings) -> Path:
    """Write `$LAKEHOUSE_HOME/docs/数据字典.html` and `.xlsx`; returns the page."""
    folder = settings.home / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    content = gather(settings)
    dbt_docs = settings.home / "dbt" / "target" / "static_index.html"
    _replace(folder / WORKBOOK, lambda path: workbook.write(content, path))
    links = {"workbook": WORKBOOK, "dbt": os.path.relpath(dbt_docs, folder) if dbt_docs.exists() else None}
    _replace(folder / PAGE, lambda path: path.write_text(page.render(content, links), encoding="utf-8"))
    return folder / PAGE


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    write_to(unfinished)
    os.replace(unfinished, path)
