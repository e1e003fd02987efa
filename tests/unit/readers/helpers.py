"""What the reader tests read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingestion.readers import OpenedFile, UnreadableFile, open_file


def rows_of(opened: OpenedFile) -> list[tuple[Any, ...]]:
    """Every row as a tuple of its cells, its number last."""
    return [tuple(row.values()) for table in opened.batches() for row in table.to_pylist()]


def reason_of(path: Path, **options: Any) -> str:
    """The code with which a file is refused, at opening or further down."""
    with pytest.raises(UnreadableFile) as refused:
        for _ in open_file(path, **options).batches():
            pass
    return refused.value.code
