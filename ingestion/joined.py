"""Tables of the same organisation that a mapping joins or looks codes up in: found in the landing folder, read once, held by DuckDB."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion.derive import listed, name, where
from ingestion.mappings import FeedMapping, Join, Mapping, feed_of
from ingestion.mappings.tables import where_columns
from ingestion.readers import UnreadableFile, open_file

DATE_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}")
IGNORED_ENDINGS = (".part", ".tmp", ".crc", ".ok")


class Unjoinable(UnreadableFile):
    """A file whose records need another table that is not there, or that does not fit.

    reason_zh  what staff read, with the folder of the other table
    """

    def __init__(self, code: str, reason_zh: str, detail: str) -> None:
        super().__init__(code, detail)
        self.reason_zh = reason_zh


def deliveries_of(settings: Settings, mapping: Mapping, join: Join, until: date) -> list[tuple[date, list[Path]]]:
    """The deliveries of a joined table on or before a date, oldest first: all of them, or the latest alone, as the join says."""
    root = settings.extracts / mapping.source / mapping.organisation / join.folder
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if not (folder.is_dir() and DATE_FOLDER.fullmatch(folder.name)):
            continue
        with suppress(ValueError):
            if date.fromisoformat(folder.name) <= until and (files := _files(folder, join.files)):
                found.append((date.fromisoformat(folder.name), files))
    return found if join.deliveries == "all" else found[-1:]


def _files(folder: Path, pattern: str | None) -> list[Path]:
    return [
        p
        for p in sorted(folder.iterdir())
        if p.is_file()
        and not p.name.startswith(".")
        and not p.name.endswith(IGNORED_ENDINGS)
        and (pattern is None or fnmatchcase(p.name.lower(), pattern.lower()))
    ]


def how_read(mapping: Mapping, feed: FeedMapping, join: Join) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How a joined table is read (arguments of `open_file`) and its empty values: as the join says, else as the feed of that table, else as here."""
    same = next((m for entry, m in mapping.feeds.items() if (m.folder or feed_of(entry)) == join.folder and _same_part(m, join)), None)
    like = same or feed
    nulls = join.null_values if join.null_values is not None else like.null_values if like.null_values is not None else mapping.null_values
    how = like.reading
    if same is None:  # what is particular to a table and not to a dump
        how |= {"header": (), "skip_rows": 0, "sheet": None, "member": None}
    how |= {k: v for k in how if (v := getattr(join, k)) not in (None, ())}
    return {**how, "encoding": how["encoding"] or mapping.encoding}, nulls


def _same_part(feed: FeedMapping, join: Join) -> bool:
    """Whether the feed's table is the joined one, where several lie in a folder, a workbook or an archive."""
    return all(getattr(join, part) in (None, getattr(feed, part)) for part in ("sheet", "member", "files"))


def plain(header: str) -> str:
    """A header in the form in which headers are compared: letter case, width and blanks do not matter."""
    return "".join(unicodedata.normalize("NFKC", header).casefold().split())


def matched(wanted: tuple[str, ...], delivered: tuple[str, ...]) -> dict[str, str]:
    """Wanted column -> delivered column that stands for it: the same, or the same but for letter case, width and blanks."""
    by_plain: dict[str, str] = {}
    for column in delivered:
        by_plain.setdefault(plain(column), column)
    found = {}
    for column in wanted:
        if column in delivered:
            found[column] = column
        elif plain(column) in by_plain:
            found[column] = by_plain[plain(column)]
    return found


@dataclass
class JoinedTables:
    """The joined tables of one feed, each held as a temporary table for the deliveries it was made from."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    mapping: Mapping
    feed: FeedMapping
    prefix: str
    held: dict[int, tuple[tuple[Path, ...], str]] = field(default_factory=dict)

    def table(self, number: int, join: Join, until: date) -> str:
        """Name of the table that holds a join's keys (k0, k1, …) and columns (by the names they get), one row a key.

        Raises Unjoinable: nothing has been delivered, a file cannot be read, columns are missing, a key stands in several rows that differ.
        """
        found = deliveries_of(self.settings, self.mapping, join, until)
        paths = tuple(p for _, files in found for p in files)
        if not paths:
            raise Unjoinable("missing_join_table", f"缺少需要关联的表：{join.folder}", f"no delivery of {join.folder} on or before {until}")
        if self.held.get(number, ((), ""))[0] == paths:
            return self.held[number][1]
        target = f"{self.prefix}_joined_{number}"
        self.connection.execute(f"drop table if exists {name(target)}")
        self.held.pop(number, None)
        self._fill(target, join, found)
        self.held[number] = (paths, target)
        return target

    def _fill(self, target: str, join: Join, found: list[tuple[date, list[Path]]]) -> None:
        there = tuple(dict.fromkeys((*join.on.values(), *join.columns.values(), *join.order_by, *where_columns(join.where), *_pivoted(join))))
        keys = {f"k{i}": column for i, column in enumerate(join.on.values())}
        raw = f"{target}_read"
        columns = ", ".join(f"{name(c)} varchar" for c in there)
        self.connection.execute(f"create or replace temp table {name(raw)} ({columns}, _delivery integer, _place bigint)")
        try:
            for number, (_, files) in enumerate(found):
                for path in files:
                    for batch in self._batches(path, join, there):
                        self.connection.register("_joined", batch)
                        kept = f"where {where(join.where)}" if join.where is not None else ""
                        cells = ", ".join(map(name, there))
                        place = f"(select count(*) from {name(raw)}) + row_number() over ()"
                        self.connection.execute(f"insert into {name(raw)} select {cells}, {number}, {place} from (from _joined {kept})")
                        self.connection.unregister("_joined")
            self._reduce(raw, target, join, keys)
        finally:
            self.connection.execute(f"drop table if exists {name(raw)}")

    def _batches(self, path: Path, join: Join, there: tuple[str, ...]) -> Iterator[pa.Table]:
        from ingestion.field_qc import cleaned

        how, nulls = how_read(self.mapping, self.feed, join)
        try:
            opened = open_file(path, **how)
            found = matched(there, opened.columns)
            if missing := [c for c in there if c not in found]:
                said = f"{join.folder}：缺少列 {'、'.join(missing)}"
                raise Unjoinable("join_columns_missing", f"关联表缺少所需的列：{said}", f"{join.folder}: no column {', '.join(missing)}")
            for batch in opened.batches():
                yield cleaned(pa.table([batch[found[c]] for c in there], names=list(there)), nulls)
        except Unjoinable:
            raise
        except UnreadableFile as error:
            raise Unjoinable("join_table_unreadable", f"需要关联的表无法读取：{join.folder}", f"{join.folder}: {error}") from error

    def _reduce(self, raw: str, target: str, join: Join, keys: dict[str, str]) -> None:
        """From the rows read to one row a key."""
        key = ", ".join(f"{name(column)} as {k}" for k, column in keys.items())
        filled = " and ".join(f"{name(c)} is not null" for c in keys.values())
        key_names = ", ".join(keys)
        made = {join.prefix + here: there for here, there in join.columns.items()}
        latest = ""
        if join.deliveries == "all":
            by_key = ", ".join(map(name, keys.values()))
            latest = f"qualify _delivery = max(_delivery) over (partition by {by_key})"
        source = f"(select * from {name(raw)} where {filled} {latest})"
        ordering = [o for c in join.order_by for o in (f"try_cast({name(c)} as double)", name(c))] + ["_place"]
        order = ", ".join(ordering)
        if join.pivot:
            way = "first" if join.take == "first" else "last"
            items = ", ".join(
                f"{way}({name(join.pivot.value)} order by {order}) filter ({name(join.pivot.item)} in ({listed(items)})"
                f" and {name(join.pivot.value)} is not null) as {name(join.prefix + made_as)}"
                for made_as, items in join.pivot.columns.items()
            )
            others = "".join(f", {way}({name(there)} order by {order}) as {name(here)}" for here, there in made.items())
            if join.take is None:
                self._refuse_repeated_items(source, join, keys)
            by = ", ".join(map(name, keys.values()))
            self.connection.execute(f"create or replace temp table {name(target)} as select {key}, {items}{others} from {source} group by {by}")
            return
        columns = ", ".join(f"{name(there)} as {name(here)}" for here, there in made.items())
        if join.take:
            way = "asc" if join.take == "first" else "desc"
            ordered = ", ".join(f"{o} {way} nulls last" for o in ordering)
            kept = f"select {key}, {columns} from {source} qualify row_number() over (partition by {key_names} order by {ordered}) = 1"
            self.connection.execute(f"create or replace temp table {name(target)} as {kept}")
            return
        self.connection.execute(f"create or replace temp table {name(target)} as select distinct {key}, {columns} from {source}")
        counted = f"select count(*), coalesce(sum(n), 0) from (select count(*) as n from {name(target)} group by {key_names} having count(*) > 1)"
        repeated, _ = self.connection.execute(counted).fetchone() or (0, 0)
        if repeated:
            self.connection.execute(f"drop table {name(target)}")
            on = "、".join(keys.values())
            raise Unjoinable(
                "join_key_repeated",
                f"关联表 {join.folder} 的关联键（{on}）有 {repeated} 个值对应多行且内容不同，请改用唯一键，或在映射中写 take: first 或 last",
                f"{join.folder}: {repeated} keys stand in several rows that differ",
            )

    def _refuse_repeated_items(self, source: str, join: Join, keys: dict[str, str]) -> None:
        assert join.pivot
        by = ", ".join(map(name, (*keys.values(), join.pivot.item)))
        wanted = listed(tuple(i for items in join.pivot.columns.values() for i in items))
        counted = (
            f"select count(*) from (select 1 from {source} where {name(join.pivot.item)} in ({wanted}) group by {by}"
            f" having count(distinct {name(join.pivot.value)}) > 1)"
        )
        (repeated,) = self.connection.execute(counted).fetchone() or (0,)
        if repeated:
            raise Unjoinable(
                "join_key_repeated",
                f"关联表 {join.folder} 中有 {repeated} 个项目在同一键下有不同的值，请在映射中写 take: first 或 last",
                f"{join.folder}: {repeated} items of a key have several values",
            )


def _pivoted(join: Join) -> tuple[str, ...]:
    return (join.pivot.item, join.pivot.value) if join.pivot else ()
