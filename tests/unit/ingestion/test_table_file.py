"""What a written file holds besides its rows: nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog

from ingestion.table_file import TableFile

HIDDEN = "149901199001011234"


def written(folder: Path, column: pa.Array) -> Path:
    """The file of a table with one column of texts."""
    catalogue = InMemoryCatalog("test", warehouse=folder.as_uri())
    catalogue.create_namespace("raw")
    file = TableFile(catalogue.create_table("raw.rows", schema=pa.schema([("cell", pa.string())])))
    file.write(pa.table({"cell": column}))
    file.close()
    return Path(file.path.removeprefix("file://"))


@pytest.mark.parametrize(
    ("texts", "places", "rows"),
    [
        (["left", HIDDEN, "right"], [0, 2, None], ["left", "right", None]),
        (["left", "left", "right"], [0, 1, 2], ["left", "left", "right"]),
        ([HIDDEN], [None, None, None], [None, None, None]),
    ],
    ids=["a cell that was hidden", "a text that stands twice", "nothing but hidden cells"],
)
def test_a_dictionary_is_written_without_texts_of_no_row_and_without_room_for_repeated_ones(
    tmp_path: Path, texts: list[str], places: list[int | None], rows: list[str | None]
) -> None:
    path = written(tmp_path / "a", pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(texts)))
    clean = written(tmp_path / "b", pa.array(rows, pa.string()).dictionary_encode())
    assert pq.read_table(path)["cell"].to_pylist() == rows
    assert HIDDEN.encode() not in path.read_bytes()
    assert path.read_bytes() == clean.read_bytes()
