"""One file of a table, whatever form its chunks have; and columns as distinct texts, with nothing lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from infra.settings import Settings
from ingestion import encoded, lake
from ingestion.table_file import TableFile

SCHEMA = pa.schema([("_batch", pa.string()), ("_row", pa.int64()), ("a", pa.string()), ("b", pa.decimal128(6, 1)), ("_sealed", pa.large_binary())])


def dictionary(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.string()).dictionary_encode()


def test_chunks_with_dictionaries_plain_texts_and_missing_columns_become_one_file(settings: Settings) -> None:
    table = lake.table(settings, lake.LAKE, "t", SCHEMA)
    file = TableFile(table)
    file.write(
        pa.table(
            {
                "_batch": dictionary(["x", "x"]),
                "_row": [1, 2],
                "a": dictionary(["u", None]),
                "b": pa.array(["1.5", None]).cast(SCHEMA.field("b").type),
            }
        )
    )
    file.write(pa.table({"_batch": pa.array(["x"]), "_row": [3], "a": pa.array(["v"]), "_sealed": pa.array([b"\x00"], pa.large_binary())}))
    file.write(pa.table({"_batch": dictionary(["x"]), "_row": [4]}))
    lake.commit_file(table, "x", file.close())
    again = lake.table(settings, lake.LAKE, "t", SCHEMA)
    assert lake.has_batch(again, "x")
    rows = again.scan().to_arrow().sort_by("_row").to_pylist()
    assert [(r["_row"], r["a"], r["b"] and str(r["b"]), r["_sealed"]) for r in rows] == [
        (1, "u", "1.5", None),
        (2, None, None, None),
        (3, "v", None, b"\x00"),
        (4, None, None, None),
    ]
    files = again.inspect.files().to_pylist()
    assert [(f["record_count"], f["readable_metrics"]["_batch"]["lower_bound"]) for f in files] == [(4, "x")]


def test_a_batch_without_rows_is_remembered_without_a_file(settings: Settings) -> None:
    table = lake.table(settings, lake.LAKE, "t", SCHEMA)
    lake.commit_file(table, "x", TableFile(table).close())
    again = lake.table(settings, lake.LAKE, "t", SCHEMA)
    assert lake.has_batch(again, "x") and len(again.scan().to_arrow()) == 0


FEW = ["b", None, "a", "b", None, "a"]
COLUMNS = {
    "few texts": FEW * 2000,
    "all different": [str(n) for n in range(10_000)],
    "different but for the beginning": ["x"] * 5000 + [str(n) for n in range(6000)],
    "a handful": FEW,
    "nothing": [],
    "only missing": [None] * 5000,
}


@pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS.keys())
def test_a_column_as_distinct_texts_holds_what_came(cells: list[str | None]) -> None:
    column = encoded.encode(pa.chunked_array([cells[:3], cells[3:]], pa.string()))
    assert column.spread(column.texts).to_pylist() == cells
    assert encoded.written(column.texts, column.place).to_pylist() == cells
    keep = np.arange(0, len(cells), 2)
    assert encoded.written(column.texts, column.place, keep).to_pylist() == cells[::2]
    assert column.at(keep).to_pylist() == cells[::2]
    hide = np.arange(len(cells)) % 3 == 0
    assert encoded.hidden(column.texts, column.place, hide).to_pylist() == [None if i % 3 == 0 else c for i, c in enumerate(cells)]
