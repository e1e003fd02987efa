"""From the rows of a delivered table to the records of a feed, as the mapping says: other tables joined, rows of one kind, wide to long,
several values in one cell, repeated rows, and texts made from several columns.

All of it is SQL over one chunk at a time. A feed whose mapping says nothing of the kind gets its rows back as they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.settings import Settings
from ingestion import keyring
from ingestion.contracts import contract
from ingestion.derive import canonical_unit, converted, date_text, moment, name, origin, quoted, where, worked
from ingestion.field_qc import MissingColumns, cleaned
from ingestion.joined import JoinedTables, Unjoinable, deliveries_of, matched, plain
from ingestion.mappings import DERIVED, ColumnMapping, FeedMapping, Join, Mapping, derived_fields, feed_of
from ingestion.mappings.expressions import PLACES
from ingestion.mappings.tables import where_columns
from ingestion.readers import UnreadableFile

__all__ = ["MissingColumns", "Reshaped", "Reshaper", "Unjoinable", "joined_deliveries"]

ROW, PART = "_row", "_part"
PARTS_OF_A_CELL = 1000
RECORDS_AT_ONCE = 2_000_000
MANY_CODES = 200
"""Beyond so many codes a lookup table is quicker than a case expression."""
OTHER_KIND, EMPTY, REPEATED = "other_kind", "empty", "repeated"
"""Why a delivered row may be without a record."""

_counter = itertools.count()


@dataclass(frozen=True)
class Reshaped:
    """The records of a chunk.

    table           text columns as `Reshaper.columns` names them, `_row` (int64) and `_part` (int32), in the order of the file
    without_record  delivered rows of which no record is made, by reason: other_kind, empty, repeated
    """

    table: pa.Table
    without_record: dict[str, int]


@dataclass
class _Plan:
    """What is done with a file that has these columns.

    renamed     delivered header -> the name the mapping uses
    kept        columns handed on as they are
    made        columns made, in the order they are appended
    read        columns the SQL reads
    derived     fields whose text is made, in order
    groups      of columns that a row is cut by: per position the column or constant of each made column
    """

    renamed: dict[str, str]
    kept: list[str]
    made: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    groups: list[dict[str, str]] = field(default_factory=list)
    works: bool = False


class Reshaper:
    """Makes records of one feed's rows.

    connection  a DuckDB connection; the reshaping works in a cursor of its own
    mapping     the organisation's mapping; feed is an entry of its `feeds`
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings, mapping: Mapping, feed: str) -> None:
        self.settings, self.mapping, self.feed = settings, mapping, feed
        self.said: FeedMapping = mapping.with_defaults(feed)
        self.fields: dict[str, ColumnMapping] = self.said.columns_with_made(feed_of(feed))
        self.derived = derived_fields(self.said, feed_of(feed))
        self.dates = {f.name for f in contract(feed_of(feed)).fields if f.type == "date"}
        self.prefix = f"_reshape_{next(_counter)}"
        self._parent = connection
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._own: duckdb.DuckDBPyConnection | None = None
        self._seen_on: date | None = None

    def columns(self, delivered: tuple[str, ...]) -> tuple[str, ...]:
        """The columns field QC sees of a file with these delivered columns.

        Raises MissingColumns, which names what the reshaping needs and the file lacks, and UnreadableFile where a column made bears the name of a
        delivered one.
        """
        plan = self._plan(delivered)
        return (*plan.kept, *plan.made)

    def unmapped(self, delivered: tuple[str, ...]) -> list[str]:
        """Delivered columns that the mapping neither uses in any way, for this feed or another of the same table, nor ignores."""
        plan = self._plan(delivered)
        used = {*(c for group in plan.groups for c in group.values())}
        for entry, other in self.mapping.feeds.items():
            if (other.folder or feed_of(entry)) == self.said.folder and other.files == self.said.files:
                used |= {*other.references(), *other.ignore, *(a for m in other.columns.values() for a in m.alternatives)}
                used |= {a for alternatives in other.headers.values() for a in alternatives}
        alike = {plain(c) for c in used}
        return [c for c in delivered if plan.renamed.get(c, c) not in used and plain(c) not in alike]

    def apply(self, batch: pa.Table, delivered_on: date) -> Reshaped:
        """The records of a chunk of rows, all text columns and `_row`. Raises Unjoinable where a joined table is missing or does not fit."""
        delivered = tuple(c for c in batch.column_names if c != ROW)
        plan = self._plan(delivered)
        if plan.renamed:
            batch = batch.rename_columns([plan.renamed.get(c, c) for c in batch.column_names])
        if not plan.works:
            return Reshaped(batch.append_column(PART, pa.array(np.zeros(len(batch), np.int32))), {})
        try:
            made, without = self._made(plan, batch, delivered_on)
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
            fields = "、".join(f for f in plan.derived if self.fields[f].expression) or "where"
            raise Unjoinable("expression_failed", f"映射中的表达式无法计算：{fields}", f"{fields}: {type(error).__name__}") from None
        rows = made["_ix"].to_numpy()
        part = made["_p"].to_numpy()
        order = rows * (1 << 31) + part
        if len(order) > 1 and not bool(np.all(order[1:] > order[:-1])):
            place = np.argsort(order, kind="stable")
            made, rows, part = made.take(pa.array(place)), rows[place], part[place]
        kept = batch.select([*plan.kept, ROW])
        if len(rows) != len(batch) or not np.array_equal(rows, np.arange(len(batch))):
            kept = kept.take(pa.array(rows))
        columns = {c: kept[c] for c in plan.kept} | {c: made[c].cast(pa.string()) for c in plan.made}
        table = pa.table([*columns.values(), kept[ROW], pa.array(part.astype(np.int32))], names=[*columns, ROW, PART])
        return Reshaped(table, without)

    def pieces(self, batch: pa.Table) -> Iterator[pa.Table]:
        """The chunk in pieces of which each gives no more than about two million records."""
        plan = self._plan(tuple(c for c in batch.column_names if c != ROW))
        rows = max(1, RECORDS_AT_ONCE // max(1, len(plan.groups)))
        for start in range(0, len(batch), rows):
            yield batch.slice(start, rows)

    def join_matches(self, batch: pa.Table, delivered_on: date) -> list[tuple[Join, int, int]]:
        """Per join: how many rows have a key, and how many of them find their row in the other table. Raises Unjoinable."""
        plan = self._plan(tuple(c for c in batch.column_names if c != ROW))
        connection = self._connection
        batch = batch.rename_columns([plan.renamed.get(c, c) for c in batch.column_names]) if plan.renamed else batch
        connection.register("_reshape_src", cleaned(batch.select([*plan.read, ROW]), self.said.null_values or ()))
        relation, found = "(select * from _reshape_src)", []
        for number, join in enumerate(self.said.join):
            table = name(self._joined.table(number, join, delivered_on))
            filled = " and ".join(f"s.{name(here)} is not null" for here in join.on)
            on = " and ".join(f"j.k{i} = s.{name(here)}" for i, here in enumerate(join.on))
            (keyed,) = connection.execute(f"select count(*) from {relation} as s where {filled}").fetchone() or (0,)
            (hit,) = connection.execute(f"select count(*) from {relation} as s semi join {table} as j on {on}").fetchone() or (0,)
            found.append((join, keyed, hit))
            relation = self._with_join(relation, number, join, delivered_on)
        connection.unregister("_reshape_src")
        return found

    # What is to be done ------------------------------------------------------------------------------------------------------------------

    def _plan(self, delivered: tuple[str, ...]) -> _Plan:
        if delivered not in self._plans:
            self._plans[delivered] = self._planned(delivered)
        return self._plans[delivered]

    def _planned(self, delivered: tuple[str, ...]) -> _Plan:
        said = self.said
        joined = [c for join in said.join for c in join.made()]
        made_on_the_way = {*joined, *said.made}
        renamed = self._renamed(delivered, made_on_the_way)
        present = [renamed.get(c, c) for c in delivered]
        missing: list[str] = []

        def need(columns: tuple[str, ...] | list[str], available: set[str]) -> None:
            missing.extend(c for c in columns if c not in available and c not in PLACES and c not in missing)

        available = set(present)
        for join in said.join:
            need(tuple(join.on), available)
            available |= set(join.made())
        plan = _Plan(renamed, kept=[])
        plan.groups = self._groups(available, need)
        available |= set(said.made)
        if said.explode:
            need(said.explode.columns, available)
        need(where_columns(said.where), available)
        if isinstance(said.distinct, tuple):
            need(said.distinct, available)
        if said.deleted:
            need((said.deleted.column,), available)
        for f, mapped in self.fields.items():
            if f not in self.derived:
                if mapped.constant is None and (column := mapped.source or f) in joined and column not in available:
                    missing.append(column)
                continue
            lacks = [c for c in self._columns_of(f) if c not in available and c not in PLACES]
            if lacks and not mapped.optional:
                need(lacks, available)
            elif not lacks:
                plan.derived.append(f)
        if missing:
            raise MissingColumns(missing)

        replaced = {c for group in plan.groups for c in group.values() if not c.startswith("=")} | set(said.explode.columns if said.explode else ())
        plan.kept = [c for c in present if c not in replaced]
        wanted = {m.source or f for f, m in self.fields.items() if f not in self.derived and m.constant is None}
        wanted |= {said.deleted.column} if said.deleted else set()
        plan.made = [c for c in dict.fromkeys(joined) if c in wanted and c not in replaced]
        plan.made += [c for c in dict.fromkeys((*said.made, *(said.explode.columns if said.explode else ()))) if c not in plan.made]
        if clash := sorted(({*joined, *said.made, *(DERIVED + f for f in plan.derived)}) & set(plan.kept)):
            raise UnreadableFile("made_column", f"columns made by the mapping bear the names of delivered ones: {', '.join(clash)}")
        plan.made += [DERIVED + f for f in plan.derived]
        plan.works = bool(said.join or said.cuts_rows or plan.derived)
        plan.read = [c for c in present if c in self._read(plan)]
        return plan

    def _renamed(self, delivered: tuple[str, ...], made: set[str]) -> dict[str, str]:
        """Delivered header -> the name the mapping uses, where they differ."""
        renamed: dict[str, str] = {}
        taken = {c for c in self.said.references() if c in delivered}
        others = {**self.said.headers, **{m.source: m.alternatives for m in self.fields.values() if m.source and m.alternatives}}
        for column, alternatives in others.items():
            if column not in delivered:
                other = next((matched((a,), delivered)[a] for a in alternatives if matched((a,), delivered)), None)
                if other is not None and other not in taken:
                    renamed[other] = column
        wanted = tuple(c for c in self.said.references() if c not in made and c not in PLACES and c not in renamed.values())
        for column, header in matched(wanted, tuple(c for c in delivered if c not in taken and c not in renamed)).items():
            if header != column and column not in delivered and header not in renamed:
                renamed[header] = column
        return renamed

    def _groups(self, available: set[str], need: object) -> list[dict[str, str]]:
        """What each record of a cut row is made of: made column -> delivered column, or "=" and a constant."""
        said = self.said
        if said.unpivot:
            groups = [{said.unpivot.value: c, **{k: "=" + v for k, v in constants.items()}} for c, constants in said.unpivot.columns.items()]
            need(list(said.unpivot.columns), available)  # type: ignore[operator]
            for pattern, constants in said.unpivot.matching.items():
                for header in sorted(available, key=str):
                    found = re.fullmatch(pattern, header)
                    if found and header not in said.unpivot.columns and not any(header == g[said.unpivot.value] for g in groups):
                        groups.append({said.unpivot.value: header, **{k: "=" + _filled(v, header, found) for k, v in constants.items()}})
            return groups
        if said.groups:
            groups = []
            for number, group in enumerate(said.groups.listed()):
                columns = [c for c in group.values() if not c.startswith("=")]
                if number and said.groups.columns and not any(c in available for c in columns):
                    continue
                need(columns, available)  # type: ignore[operator]
                label = said.groups.numbers[number] if said.groups.numbers else str(number + 1)
                groups.append({**group, **({said.groups.number_as: "=" + label} if said.groups.number_as else {}), "": str(number)})
            return groups
        return []

    def _columns_of(self, f: str) -> tuple[str, ...]:
        """The columns a derived field is made from."""
        mapped = self.fields[f]
        columns = mapped.columns_read()
        if mapped.constant is None and not any((mapped.source, mapped.template, mapped.first_of, mapped.hash_of, mapped.expression)):
            columns += () if mapped.birth_from or mapped.date_plus else (f,)
        for other in self.fields.values():
            if other.units and other.units.unit_field == f:
                columns += tuple(c for c in (other.units.unit, other.units.item) if c)
        return tuple(dict.fromkeys(columns))

    def _read(self, plan: _Plan) -> set[str]:
        said = self.said
        columns = {c for join in said.join for c in join.on} | set(where_columns(said.where))
        columns |= {c for group in plan.groups for c in group.values()}
        columns |= set(said.explode.columns if said.explode else ()) | {c for f in plan.derived for c in self._columns_of(f)}
        if said.distinct:
            columns |= set(said.distinct) if isinstance(said.distinct, tuple) else {m.source or f for f, m in self.fields.items()}
        return columns

    # Doing it ----------------------------------------------------------------------------------------------------------------------------

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._own is None:
            self._own = self._parent.cursor()
            self._joined = JoinedTables(self._own, self.settings, self.mapping, self.said, self.prefix)
            self._lookups: dict[str, str] = {}
        return self._own

    def _made(self, plan: _Plan, batch: pa.Table, delivered_on: date) -> tuple[pa.Table, dict[str, int]]:
        connection, said = self._connection, self.said
        source = cleaned(batch.select([*plan.read, ROW]), said.null_values or ())
        source = source.append_column("_ix", pa.array(np.arange(len(batch), dtype=np.int64)))
        connection.register("_reshape_src", source)
        try:
            places = f"cast(_row as varchar) as _row, {quoted(delivered_on.isoformat())} as _delivered_on, cast(0 as bigint) as _p"
            relation = f"(select * replace (cast(_row as varchar) as _row), {places.split(', ', 1)[1]} from _reshape_src)"
            for number, join in enumerate(said.join):
                relation = self._with_join(relation, number, join, delivered_on)
            without: dict[str, int] = {}
            rows = len(batch)
            steps: list[tuple[str, str]] = []
            early = said.where is not None and not (set(where_columns(said.where)) & {*said.made, *(said.explode.columns if said.explode else ())})
            kept = f"(select * from {{}} where {where(said.where)})" if said.where is not None else ""
            if early:
                steps.append((kept, OTHER_KIND))
            if plan.groups:
                steps.append((self._cut(plan), EMPTY))
            elif said.unpivot or said.groups:
                steps.append(("(select * from {} where false)", EMPTY))
            if said.explode:
                steps.append((self._exploded(plan), EMPTY))
            if kept and not early:
                steps.append((kept, OTHER_KIND))
            for number, (step, reason) in enumerate(steps):
                relation = step.format(relation)
                if number + 1 < len(steps) or said.distinct:
                    relation, rows = self._counted(relation, f"step{number}", rows, reason, without)
            relation = self._derived(plan, relation, delivered_on)
            last = steps[-1][1] if steps else None
            if said.distinct:
                relation, last = self._first_of_equal(plan, relation, delivered_on), REPEATED
            made = connection.execute(f"select _ix, _p, {', '.join(map(name, plan.made)) or 'null as _none'} from {relation}").to_arrow_table()
            if said.distinct:
                self._remember(relation)
            if last:
                left = rows - len(pc.unique(made["_ix"]))
                if left:
                    without[last] = without.get(last, 0) + left
        finally:
            connection.unregister("_reshape_src")
        return made, without

    def _counted(self, relation: str, step: str, rows: int, reason: str, without: dict[str, int]) -> tuple[str, int]:
        """Hold an intermediate result, so that what it leaves out can be counted."""
        table = name(f"{self.prefix}_{step}")
        self._connection.execute(f"create or replace temp table {table} as from {relation}")
        (left,) = self._connection.execute(f"select count(distinct _ix) from {table}").fetchone() or (0,)
        if left < rows:
            without[reason] = without.get(reason, 0) + rows - left
        return table, left

    def _with_join(self, relation: str, number: int, join: Join, delivered_on: date) -> str:
        table = self._joined.table(number, join, delivered_on)
        on = " and ".join(f"j.k{i} = s.{name(here)}" for i, here in enumerate(join.on))
        made = ", ".join(f"j.{name(c)}" for c in join.made())
        return f"(select s.*, {made} from {relation} as s left join {name(table)} as j on {on})"

    def _cut(self, plan: _Plan) -> str:
        """Each group of columns a record of its own; groups whose cells are all empty are none."""
        columns = list(dict.fromkeys(c for group in plan.groups for c in group if c))
        unnested, constant = [], []
        for made in columns:
            cells = [group.get(made, "=") for group in plan.groups]
            if all(c.startswith("=") for c in cells):
                values = ", ".join(quoted(c[1:]) if c != "=" else "null" for c in cells)
                constant.append(f"([{values}])[_g + 1] as {name(made)}")
            else:
                values = ", ".join((quoted(c[1:]) if c != "=" else "null") if c.startswith("=") else name(c) for c in cells)
                unnested.append((made, values))
        cells = "".join(f", unnest([{values}]) as {name(f'g:{made}')}" for made, values in unnested)
        taken = ", ".join(f"{name(f'g:{made}')} as {name(made)}" for made, _ in unnested)
        dropped = {c for group in plan.groups for made, c in group.items() if made and not c.startswith("=")}
        dropped |= {made for made, _ in unnested if made in dropped}
        exclude = ", ".join(map(name, sorted(dropped)))
        positions = ", ".join(str(int(group.get("", i))) for i, group in enumerate(plan.groups))
        if self.said.unpivot:
            filled = "true" if self.said.unpivot.keep_empty else f"{name(f'g:{self.said.unpivot.value}')} is not null"
        else:
            required = self.said.groups.required if self.said.groups else ()
            filled = " or ".join(f"{name(f'g:{made}')} is not null" for made, _ in unnested if not required or made in required) or "true"
        numbered = f"(select *, unnest(range({len(plan.groups)})) as _g, unnest([{positions}]) as _position{cells} from {{}})"
        everything = f"* exclude (_g, _p, _position, {', '.join(name(f'g:{m}') for m, _ in unnested)}{', ' + exclude if exclude else ''})"
        return (
            f"(select {everything}, cast(_position as bigint) as _p{', ' + taken if taken else ''}"
            f"{''.join(', ' + c for c in constant)} from {numbered} where {filled})"
        )

    def _exploded(self, plan: _Plan) -> str:
        """Each value of the cells a record of its own; empty values are none."""
        said = self.said.explode
        assert said
        pattern = "[" + re.escape(said.separators).replace("/", "\\/") + "]"
        cells = ", ".join(f"unnest(string_split_regex({name(c)}, {quoted(pattern)})) as {name(f'e:{c}')}" for c in said.columns)
        longest = ", ".join(f"coalesce(len(string_split_regex({name(c)}, {quoted(pattern)})), 0)" for c in said.columns)
        trimmed = ", ".join(f"nullif(trim({name(f'e:{c}')}), '') as {name(c)}" for c in said.columns)
        filled = " or ".join(f"nullif(trim({name(f'e:{c}')}), '') is not null" for c in said.columns)
        part = f"_p * {PARTS_OF_A_CELL} + _e" if plan.groups else "_e"
        number = f", cast(_e + 1 as varchar) as {name(said.number_as)}" if said.number_as else ""
        dropped = ", ".join([*(name(f"e:{c}") for c in said.columns), *map(name, said.columns), "_e", "_p"])
        numbered = f"(select *, unnest(range(greatest({longest}))) as _e, {cells} from {{}})"
        return f"(select * exclude ({dropped}), {part} as _p, {trimmed}{number} from {numbered} where {filled})"

    def _derived(self, plan: _Plan, relation: str, delivered_on: date) -> str:
        """The texts of fields that are made from several columns, tables or rules."""
        if not plan.derived:
            return relation
        said = self.said
        uses_key = any(self.fields[f].hash_of for f in plan.derived)
        salt = keyring.current(self.settings, keyring.MAPPING_KEYS).secret.hex() if uses_key else ""
        texts, joins, results = [], [], []
        for number, f in enumerate(plan.derived):
            mapped = self.fields[f]
            formats = (*mapped.date_format, *said.date_format)
            text = worked(origin(f, mapped, formats, salt), mapped)
            if f in self.dates and not (mapped.birth_from or mapped.date_plus) and not mapped.codes:
                text = date_text(text, formats, mapped.date_shift or said.date_shift)
            elif f in self.dates and (shift := mapped.date_shift or said.date_shift):
                text = f"coalesce(strftime({moment(text, formats)} + {_interval(shift)}, '%Y-%m-%d'), {text})"
            texts.append(f"{text} as {name(f'v:{f}')}")
            value = name(f"v:{f}")
            in_codes = mapped.code_table or mapped.otherwise is not None
            if in_codes:
                value, join = self._looked_up(number, f, mapped, delivered_on)
                joins.append(join)
            if mapped.units:
                value = converted(value, mapped.units)
            for other in self.fields.values():
                if other.units and other.units.unit_field == f:
                    value = canonical_unit(value, other.units)
            results.append(f"{value} as {name(DERIVED + f)}")
        with_part = f"(select *, cast(_p as varchar) as _part from {relation})"
        first = f"(select *, {', '.join(texts)} from {with_part})"
        return f"(select v.*, {', '.join(results)} from {first} as v {' '.join(joins)})"

    def _looked_up(self, number: int, f: str, mapped: ColumnMapping, delivered_on: date) -> tuple[str, str]:
        """The canonical code of a field's text, and the join it needs: codes stand before the dictionary, `otherwise` behind it."""
        value, alternatives, joins = name(f"v:{f}"), [], []
        branches = ""
        if len(mapped.codes) > MANY_CODES:
            table = self._code_lookup(f, mapped.codes)
            joins.append(f"left join {name(table)} as c{number} on c{number}.k = {value}")
            alternatives.append(f"c{number}.v")
        elif mapped.codes:
            branches = " ".join(f"when {quoted(k)} then {quoted(v)}" for k, v in mapped.codes.items())
        if mapped.code_table and mapped.code_table.folder:
            t = mapped.code_table
            join = Join(
                folder=t.folder, on={t.key: t.key}, columns={"v": t.value}, where=t.where or None,
                encoding=t.encoding, delimiter=t.delimiter, sheet=t.sheet, member=t.member,
            )  # fmt: skip
            table = self._joined.table(1000 + number, join, delivered_on)
            joins.append(f"left join {name(table)} as d{number} on d{number}.k0 = {value}")
            alternatives.append(f"d{number}.v")
        if mapped.otherwise is None:
            rest = value
        else:
            rest = f"case when {value} is not null then {quoted(mapped.otherwise)} end" if mapped.otherwise else "null"
        found = f"coalesce({', '.join([*alternatives, rest])})" if alternatives else rest
        return (f"case {value} {branches} else {found} end" if branches else found), " ".join(joins)

    def _code_lookup(self, f: str, codes: dict[str, str]) -> str:
        table = f"{self.prefix}_codes_{f}"
        if table not in self._lookups:
            listed = pa.table({"k": pa.array(list(codes), pa.string()), "v": pa.array(list(codes.values()), pa.string())})
            self._connection.register("_codes", listed)
            self._connection.execute(f"create or replace temp table {name(table)} as from _codes")
            self._connection.unregister("_codes")
            self._lookups[table] = table
        return table

    def _first_of_equal(self, plan: _Plan, relation: str, delivered_on: date) -> str:
        """The first of equal rows of one delivery; rows whose telling columns are all empty are equal to none."""
        connection, said = self._connection, self.said
        table, seen = name(f"{self.prefix}_equal"), name(f"{self.prefix}_seen")
        if self._seen_on != delivered_on:
            connection.execute(f"create or replace temp table {seen} (_a ubigint, _b ubigint)")
            self._seen_on = delivered_on
        if isinstance(said.distinct, tuple):
            columns = [name(c) for c in said.distinct]
        else:
            columns = []
            for f, mapped in self.fields.items():
                column = DERIVED + f if f in plan.derived else mapped.source or f
                if mapped.constant is None and (column in plan.read or column in plan.made):
                    columns.append(name(column))
        cells = ", ".join(columns) or "1"
        empty = " and ".join(f"{c} is null" for c in columns) or "false"
        connection.execute(
            f"create or replace temp table {table} as select *, case when {empty} then null else hash({cells}) end as _a,"
            f" hash('second', {cells}) as _b from {relation}"
        )
        return (
            f"(select * exclude (_n) from (select *, row_number() over (partition by _a, _b order by _ix, _p) as _n from {table}) as e"
            f" where _a is null or (_n = 1 and not exists (select 1 from {seen} as s where s._a = e._a and s._b = e._b)))"
        )

    def _remember(self, relation: str) -> None:
        equal, seen = name(f"{self.prefix}_equal"), name(f"{self.prefix}_seen")
        self._connection.execute(f"insert into {seen} select distinct _a, _b from {equal} where _a is not null")


def _interval(shift: object) -> str:
    parts = [f"to_{unit}({getattr(shift, unit)})" for unit in ("years", "months", "days") if getattr(shift, unit)]
    return " + ".join(parts)


def _filled(text: str, header: str, found: re.Match[str]) -> str:
    """A constant of `unpivot.matching` with the header and the groups of its pattern put in."""
    text = text.replace("{column}", header)
    for i, group in enumerate(found.groups(), 1):
        text = text.replace("{" + str(i) + "}", group or "")
    return text


def joined_deliveries(settings: Settings, mapping: Mapping, feed: str, delivered_on: date) -> str:
    """Which files the joins and dictionaries of a feed would read for a delivery date, as text: a rejected file is judged again when this changes."""
    said = mapping.with_defaults(feed)
    joins = [*said.join]
    for mapped in said.columns.values():
        if mapped.code_table and mapped.code_table.folder:
            joins.append(Join(folder=mapped.code_table.folder, on=[mapped.code_table.key], columns=[mapped.code_table.value]))  # type: ignore[arg-type]
    found = [
        (d.isoformat(), p.name, p.stat().st_size)
        for join in joins
        for d, files in deliveries_of(settings, mapping, join, delivered_on)
        for p in files
    ]
    return repr(found) if joins else ""
