"""What the values of a column look like: shares of shapes, counted by DuckDB, never a value of a person."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ingestion.derive import moment, name, quoted
from ingestion.text import scrub

ENOUGH = 5
FEW_CODES = 40
SHAPES = {
    "id_number": f"regexp_full_match(upper(v), '({scrub.ID_18})|({scrub.ID_15})')",
    "mobile": "regexp_full_match(v, '(\\+?86)?[ -]?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}')",
    "number": "regexp_full_match(v, '[<>≤≥]?=?\\s*-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?')",
    "integer": "regexp_full_match(v, '-?[0-9]{1,9}')",
    "icd10": "regexp_full_match(v, '[A-TV-Z][0-9]{2}(\\.?[0-9xX]{1,4}([0-9A-Z]{2,3})?)?(/[0-9])?[+*†]?')",
    "icdo": "regexp_full_match(v, 'M?[89][0-9]{3}/[0-9]')",
    "chinese_name": f"regexp_full_match(v, '[{scrub.SURNAMES}][\\x{{4e00}}-\\x{{9fff}}·]{{1,3}}')",
    "address": f"regexp_matches(v, '{scrub.ADDRESS}')",
    "chinese": "regexp_matches(v, '[\\x{4e00}-\\x{9fff}]')",
    "list": "regexp_matches(v, '[;；]\\s*\\S')",
    "long": "length(v) > 30",
    "age": "regexp_full_match(v, '[<>≥]?\\s*[0-9]{1,3}\\s*(岁|周岁|Y|y)?') or regexp_full_match(v, '[\\[(][0-9]{1,3}-[0-9]{1,3}[\\])]')",
}


@dataclass(frozen=True)
class Profile:
    """One column of a sample.

    rows, filled, distinct  counts; distinct of filled cells
    shares                  share of filled cells of each shape of SHAPES, and of `date`
    codes                   value -> count where there are few short values that cannot name a person, else empty
    """

    column: str
    rows: int
    filled: int
    distinct: int
    longest: int
    shares: dict[str, float]
    codes: dict[str, int]

    def is_mostly(self, shape: str, share: float = 0.8) -> bool:
        return self.filled > 0 and self.shares.get(shape, 0.0) >= share

    @property
    def looks_personal(self) -> str | None:
        """What a column of person data holds, None where nothing speaks for it."""
        if self.filled < ENOUGH:
            return None
        for shape, label in (("id_number", "身份证号"), ("mobile", "手机号码"), ("address", "住址")):
            if self.shares[shape] >= 0.2:
                return label
        if self.shares["chinese_name"] >= 0.8 and self.distinct > max(10, 0.3 * self.filled):
            return "姓名"
        return None


def profiles(connection: duckdb.DuckDBPyConnection, table: pa.Table, columns: tuple[str, ...], formats: tuple[str, ...] = ()) -> dict[str, Profile]:
    """Profiles of the columns of cleaned text (null where a cell is empty)."""
    connection.register("_profiled", table)
    found: dict[str, Profile] = {}
    shapes = {**SHAPES, "date": _date(formats)}
    for column in columns:
        measured = ", ".join(f"coalesce(sum(n) filter ({condition}), 0)" for condition in shapes.values())
        counted = connection.execute(
            f"select coalesce(sum(n), 0), count(*), coalesce(max(length(v)), 0), {measured}"
            f" from (select {name(column)} as v, count(*) as n from _profiled group by all) where v is not null"
        ).fetchone()
        filled, distinct, longest, *hits = map(int, counted or (0, 0, 0))
        shares = {shape: hit / filled if filled else 0.0 for shape, hit in zip(shapes, hits, strict=True)}
        found[column] = Profile(column, len(table), filled, distinct, longest, shares, _codes(connection, column, distinct, longest))
    connection.unregister("_profiled")
    return found


def _date(formats: tuple[str, ...]) -> str:
    plausible = f"year({moment('v', formats)}) between 1850 and 2250"
    return f"length(v) >= 6 and not regexp_full_match(v, '[0-9]+\\.[0-9]+|[0-9]{{9,13}}|[0-9]{{15,}}') and coalesce({plausible}, false)"


def _codes(connection: duckdb.DuckDBPyConnection, column: str, distinct: int, longest: int) -> dict[str, int]:
    if not 0 < distinct <= FEW_CODES or longest > 20:
        return {}
    person = scrub.looks_like_a_person("v")
    rows = connection.execute(
        f"select v, count(*) from (select {name(column)} as v from _profiled) where v is not null and not {person}"
        f" and not regexp_matches(v, '^[0-9]{{7,}}$') group by v order by count(*) desc, v"
    ).fetchall()
    return dict(rows)


def formats_that_read(connection: duckdb.DuckDBPyConnection, table: pa.Table, column: str, candidates: tuple[str, ...]) -> list[tuple[str, float]]:
    """Date formats by the share of filled cells they read, best first."""
    connection.register("_profiled", table)
    found = []
    for candidate in candidates:
        (share,) = connection.execute(
            f"select count(try_strptime(v, {quoted(candidate)})) / nullif(count(v), 0) from (select {name(column)} as v from _profiled)"
        ).fetchone() or (0,)
        found.append((candidate, float(share or 0)))
    connection.unregister("_profiled")
    return sorted(found, key=lambda f: -f[1])
