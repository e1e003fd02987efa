"""Columns of text built in bulk: every helper works on whole Arrow or numpy columns, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Text = pa.Array
Part = "Text | str"
DAY = "datetime64[D]"
NEVER = np.datetime64("NaT", "D")


def stream(seed: int, *names: object) -> np.random.Generator:
    """A random stream of its own for each purpose, so that a change in one place moves no other number."""
    return np.random.default_rng([seed, *(crc32(str(name).encode()) for name in names)])


def _one(value: pa.Array | pa.ChunkedArray) -> pa.Array:
    return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value


def join(*parts: Text | str) -> Text:
    """Concatenate text columns and constants row by row; null where any part is null."""
    return _one(pc.binary_join_element_wise(*parts, ""))


def pick(pool: Sequence[str], index: np.ndarray, where: np.ndarray | None = None) -> Text:
    """Take `pool[index]` per row; null where `where` is false or the index is negative."""
    keep = index >= 0 if where is None else (index >= 0) & where
    return pa.array(list(pool), pa.string()).take(pa.array(np.where(keep, index, 0), mask=~keep))


def keep(values: Text, where: np.ndarray) -> Text:
    """The values where `where` holds, null elsewhere."""
    return _one(pc.if_else(pa.array(where), values, pa.scalar(None, pa.string())))


def choose(where: np.ndarray, yes: Text | str, no: Text | str) -> Text:
    """`yes` where the condition holds, `no` elsewhere."""
    return _one(pc.if_else(pa.array(where), yes, no))


def constant(value: str | None, n: int) -> Text:
    """The same text n times."""
    return pa.nulls(n, pa.string()) if value is None else pa.repeat(pa.scalar(value), n)


def flags(where: np.ndarray, yes: str = "1", no: str = "0") -> Text:
    """Codes of a yes/no question."""
    return pick((no, yes), where.astype(np.int64))


def whole(values: np.ndarray, where: np.ndarray | None = None) -> Text:
    """Integers as text; null where `where` is false."""
    text = pa.array(values.astype(np.int64)).cast(pa.string())
    return text if where is None else keep(text, where)


def padded(values: np.ndarray, width: int) -> Text:
    """Integers as text of a fixed width with leading zeros."""
    return _one(pc.ascii_lpad(whole(values), width, "0"))


def decimal(values: np.ndarray, places: int, where: np.ndarray | None = None) -> Text:
    """Numbers printed with a fixed number of decimal places; null where `where` is false."""
    scale = 10**places
    units = np.rint(np.where(np.isfinite(values), values, 0) * scale).astype(np.int64)
    if places == 0:
        return whole(units, where)
    size = np.abs(units)
    text = join(whole(size // scale), ".", padded(size % scale, places))
    if (units < 0).any():
        text = choose(units < 0, join("-", text), text)
    return text if where is None else keep(text, where)


def dates(values: np.ndarray, pattern: str = "%Y-%m-%d") -> Text:
    """Dates as text; null where the date is missing."""
    column = pa.array(values.astype(DAY))
    if pattern == "%Y-%m-%d":
        return column.cast(pa.string())
    return _one(pc.strftime(column, pattern))


def parse_dates(values: Text) -> np.ndarray:
    """ISO dates back to numpy days; missing where the text is null."""
    return _one(values).cast(pa.date32()).to_numpy(zero_copy_only=False).astype(DAY)


def age_on(birth: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Completed years of age on a day."""
    years = day.astype("datetime64[Y]").astype(np.int64) - birth.astype("datetime64[Y]").astype(np.int64)
    since_january = day - day.astype("datetime64[M]")
    birthday = birth - birth.astype("datetime64[M]")
    month, birth_month = day.astype("datetime64[M]").astype(np.int64) % 12, birth.astype("datetime64[M]").astype(np.int64) % 12
    before = (month < birth_month) | ((month == birth_month) & (since_january < birthday))
    return years - before


def draw(rng: np.random.Generator, weights: Sequence[float], n: int) -> np.ndarray:
    """Indices drawn with the given weights."""
    edges = np.cumsum(np.asarray(weights, dtype=float))
    return np.minimum(np.searchsorted(edges / edges[-1], rng.random(n), side="right"), len(edges) - 1)


def systematic(chance: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Select rows with the given chances so that every run of `order` holds its expected number, to within one.

    Rates of rare findings stay near their target in small provinces too.
    """
    edges = np.cumsum(chance[order]) + rng.random()
    hit = np.floor(edges) > np.floor(edges - chance[order])
    selected = np.zeros(len(chance), dtype=bool)
    selected[order] = hit
    return selected


def days(rng: np.random.Generator, low: int, high: int, n: int) -> np.ndarray:
    """Time spans of low to high days, both included."""
    return rng.integers(low, high + 1, n).astype("timedelta64[D]")


def missing(values: np.ndarray) -> np.ndarray:
    """Where a date is missing."""
    return np.isnat(values)
