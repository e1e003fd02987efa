"""Draft a mapping file from the headers of a table and a sample of its values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ingestion import duck
from ingestion.contracts import Contract, Field, contract, contracts
from ingestion.derive import moment, name
from ingestion.field_qc import cleaned
from ingestion.mapping_check.matching import (
    LIKELY,
    POSSIBLE,
    SURE,
    Match,
    assign,
    guess_codes,
    header_score,
    initials,
    lab_items,
    plain,
    words,
)  # fmt: skip
from ingestion.mapping_check.profile import Profile, formats_that_read, profiles
from ingestion.mapping_check.sample import Sample, sheets, sniffed

ROWS = 5_000
NULLS = ("", "NULL", "null", "\\N")
ODD_NULLS = ("?", "-", "--", "NA", "N/A", "NaN", "None", "none", "无", "/", "nan", "[NULL]", "(null)")
FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d%H%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y",
    "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y", "%m/%d/%y", "%y-%m-%d", "%Y%m%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%d-%m",
)  # fmt: skip
AGES = {"年龄", "nl", "age", "anchorage", "就诊年龄", "检查年龄", "brnl", "hznl"}
DIAGNOSES = {"diag", "dx", "icd", "icd9", "icd10", "diagnosis", "zd", "诊断", "出院诊断", "其他诊断", "cyzd", "qtzd"}
NUMBERED = re.compile(r"^(.*?[^0-9])_?(\d{1,2})$")
NAME_PARTS = {"family": {"last", "lastname", "surname", "familyname", "姓"}, "given": {"first", "firstname", "givenname", "名"}}
KEPT_COLUMNS = 400


@dataclass
class Draft:
    """A drafted mapping.

    text      the YAML, with what is uncertain in comments
    ranking   feeds by how well the table fits them, best first: (feed, 0 to 1)
    matches   fields that were placed, by field
    unplaced  columns that were not placed
    missing   required fields without a column
    """

    feed: str
    text: str
    ranking: list[tuple[str, float]]
    matches: dict[str, Match]
    unplaced: list[str]
    missing: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass
class _Table:
    sample: Sample
    connection: duckdb.DuckDBPyConnection
    cells: pa.Table
    nulls: tuple[str, ...]
    columns: dict[str, Profile]


def read_table(path: Path, sheet: str | None = None) -> _Table:
    """A sample of a file nobody has described, with the profiles of its columns. Raises UnreadableFile."""
    sample = sniffed(path, sheet, ROWS)
    odd = tuple(n for n in ODD_NULLS if _occurs(sample.table, n))
    nulls = (*NULLS, *odd)
    cells = cleaned(sample.table, nulls) if len(sample.table) else sample.table
    connection = duck.connect()
    return _Table(sample, connection, cells, nulls, profiles(connection, cells, sample.columns[:KEPT_COLUMNS], FORMATS[:12]))


def _occurs(table: pa.Table, null: str) -> bool:
    """Whether a word stands in so many cells of a column that it must mean an empty one."""
    for column in table.columns:
        if pa.types.is_string(column.type) and len(column):
            hits = pc.sum(pc.equal(pc.utf8_trim_whitespace(column), null)).as_py() or 0
            if hits >= 2 and (hits / len(column) >= 0.02 or null in {"[NULL]", "(null)", "N/A", "NaN", "nan"}):
                return True
    return False


def ranked(columns: dict[str, Profile], path: Path, feeds: Iterable[str] | None = None) -> list[tuple[str, float]]:
    """The feeds by how well the columns fit them, best first."""
    found = []
    for described in map(contract, feeds or contracts()):
        matches = assign(described, columns.values())
        wanted = [f for f in described.fields if f.required and not f.derivation]
        wide = len(_lab_columns(columns, set())) if described.feed == "lab_result" else 0
        required = sum(matches[f.name].score for f in wanted if f.name in matches) + (2 if wide >= 3 else 0)
        placed = sum(m.score for m in matches.values()) + wide
        fit = 0.5 * required / max(1, len(wanted)) + 0.5 * placed / max(1, min(len(columns), KEPT_COLUMNS))
        keys = [columns[matches[f.name].column] for f in described.primary_key if f.name in matches]
        if len(described.primary_key) == 1 and keys and keys[0].filled and keys[0].distinct < 0.9 * keys[0].filled:
            fit *= 0.7  # the rows are of something of which there are several to this key
        hint = max((_alike(described, text) for text in (path.stem, path.parent.name, path.parent.parent.name)), default=0)
        found.append((described.feed, min(1.0, round(fit * 0.9 + 0.15 * hint, 3))))
    return sorted(found, key=lambda f: -f[1])


def _alike(described: Contract, text: str) -> float:
    said = plain(text)
    if said in (plain(described.feed), plain(described.name_zh)) or (len(said) >= 3 and said == initials(described.name_zh)):
        return 1.0
    label = described.name_zh.removesuffix("记录").removesuffix("报告").removesuffix("明细")
    if len(label) >= 2 and label in text:
        return 0.7
    mine, theirs = words(text), words(described.feed)
    return 0.6 if mine and theirs and mine & theirs else 0.0


def drafted(path: Path, feed: str | None = None, organisation: str | None = None) -> Draft:
    """Draft the mapping of one file. Raises UnreadableFile for the file and KeyError for an unknown feed."""
    named = sheets(path)
    table, sheet = None, None
    if len(named) > 1:  # the sheet that fits best
        candidates = [(s, read_table(path, s)) for s in named[:12] if _readable(path, s)]
        scores = {s: _sheet_fit(t.columns, path, feed) for s, t in candidates}
        sheet, table = max(candidates, key=lambda c: scores[c[0]])
    table = table or read_table(path)
    ranking = ranked(table.columns, path) if feed is None else [(feed, 1.0)]
    chosen = ranking[0][0]
    writer = _Writer(contract(chosen), table, organisation or "NEWORG", sheet)
    draft = writer.draft()
    draft.ranking = ranking
    return draft


def _readable(path: Path, sheet: str) -> bool:
    try:
        return bool(sniffed(path, sheet, 10).columns)
    except Exception:  # an empty or odd sheet is none to draft from
        return False


def _sheet_fit(columns: dict[str, Profile], path: Path, feed: str | None) -> float:
    fits = dict(ranked(columns, path, [feed] if feed else list(contracts())))
    return max(fits.values())


def _lab_columns(columns: dict[str, Profile], taken: set[str]) -> dict[str, tuple[str, str]]:
    """Columns that bear the name of a laboratory item: column -> (item, unit)."""
    found: dict[str, tuple[str, str]] = {}
    items: set[str] = set()
    for column, profile in columns.items():
        if column in taken or not profile.is_mostly("number", 0.6):
            continue
        said = plain(column)
        item = next((i for i in lab_items() if said in i.names and i.item not in items), None)
        if item:
            found[column] = (item.item, item.unit)
            items.add(item.item)
    return found


class _Writer:
    """Writes the YAML of one feed."""

    def __init__(self, described: Contract, table: _Table, organisation: str, sheet: str | None) -> None:
        self.described, self.table, self.organisation, self.sheet = described, table, organisation, sheet
        self.columns = table.columns
        self.matches = assign(described, table.columns.values())
        self.fields = {f.name: f for f in described.fields if not f.derivation}
        self.lines: dict[str, str] = {}
        self.comments: dict[str, str] = {}
        self.options: list[str] = []
        self.used: set[str] = set()
        self.notes: list[str] = []
        self.part = False

    def draft(self) -> Draft:
        self._cut_rows()
        for f, match in self.matches.items():
            self.lines[f] = self._line(self.fields[f], match)
            self.comments[f] = f"可信度 {match.score:.2f}：{match.why}" + ("，请核对" if match.score < LIKELY else "")
            self.used.add(match.column)
        self._left_over_dates()
        self._birth_from_age()
        self._name_in_parts()
        self._keys()
        self._rows_of_one_key()
        missing = [f.name for f in self.fields.values() if f.required and f.name not in self.lines and f.name not in self._made]
        unplaced = [c for c in self.table.sample.columns if c not in self.used]
        text = self._text(missing, unplaced)
        return Draft(self.described.feed, text, [], self.matches, unplaced, missing, self.notes)

    # Rows --------------------------------------------------------------------------------------------------------------------------------

    def _cut_rows(self) -> None:
        self._made: set[str] = set()
        feed = self.described.feed
        if feed == "lab_result" and not ({"item_code", "result"} <= set(self.matches)):
            wide = _lab_columns(self.columns, set())
            if len(wide) >= 2:
                for f in ("item_code", "item_name", "result", "result_unit"):
                    self.matches.pop(f, None)
                self.matches = {f: m for f, m in self.matches.items() if m.column not in wide}
                items = [f"        {_q(c)}: {{item_code: {_q(i)}, item_name: {_q(c)}, result_unit: {_q(u)}}}" for c, (i, u) in wide.items()]
                self.options += [
                    "    # 一行有多个检验项目：拆成每项一条；单位为常用单位，请核对",
                    "    unpivot:",
                    "      columns:",
                    *items,
                    "      value: result",
                ]
                self._made = {"item_code", "item_name", "result", "result_unit"}
                self.used |= set(wide)
                return
        if feed == "diagnosis":
            self._repeated_groups() or self._several_in_a_cell()

    def _repeated_groups(self) -> bool:
        stems: dict[str, list[str]] = {}
        for column in self.columns:
            found = NUMBERED.match(column)
            if found:
                stems.setdefault(column[: len(column) - len(found[2])], []).append(found[2])
        groups: dict[str, tuple[str, list[str]]] = {}
        for stem, numbers in stems.items():
            if len(numbers) < 2:
                continue
            for f in ("diagnosis_code", "diagnosis_name"):
                profile = self.columns[stem + numbers[0]]
                by_value = f == "diagnosis_code" and any(self.columns[stem + n].is_mostly("icd10", 0.7) for n in numbers)
                by_name, _ = header_score("diagnosis", self.fields[f], stem.rstrip("_ "))
                if plain(stem) in DIAGNOSES:
                    is_code = not profile.is_mostly("chinese", 0.3) and max(self.columns[stem + n].longest for n in numbers) <= 10
                    by_name = float(is_code == (f == "diagnosis_code"))
                if f not in groups and (by_value or by_name >= LIKELY) and not profile.is_mostly("date"):
                    groups[f] = (stem, numbers)
                    break
        if not groups:
            return False
        common = [n for n in next(iter(groups.values()))[1] if all(n in numbers for _, numbers in groups.values())]
        if len(common) < 2:
            return False
        columns = ", ".join(f"{f}: {_q(stem + '{n}')}" for f, (stem, _) in groups.items())
        numbered = f"numbers: [{', '.join(map(_q, common))}], number_as: xh"
        self.options += ["    # 一行有多个诊断列：拆成每个诊断一条", f"    groups: {{columns: {{{columns}}}, {numbered}}}"]
        self.used |= {stem + n for stem, numbers in groups.values() for n in numbers}
        self.matches = {
            f: m for f, m in self.matches.items() if f not in groups and m.column not in self.used and f not in ("is_main", "diagnosis_no")
        }
        self._made, self.part = set(groups), True
        return True

    def _several_in_a_cell(self) -> bool:
        cut = [f for f in ("diagnosis_code", "diagnosis_name") if f in self.matches]
        cut = [f for f in cut if self.columns[self.matches[f].column].shares["list"] >= 0.1]
        if not cut:
            return False
        columns = ", ".join(_q(self.matches[f].column) for f in cut)
        self.options += ["    # 一个单元格有多个诊断：拆成每个诊断一条", f'    explode: {{columns: [{columns}], separators: ";；"}}']
        self.matches.pop("diagnosis_no", None)
        self.part = True
        return True

    # Fields ------------------------------------------------------------------------------------------------------------------------------

    def _line(self, field_: Field, match: Match) -> str:
        options: list[str] = []
        profile = self.columns[match.column]
        if field_.type == "date" and (formats := self._formats(match.column)):
            options.append(f"date_format: [{', '.join(map(_q, formats))}]")
        if codes := guess_codes(field_, match.column, profile):
            options.append(f"codes: {{{', '.join(f'{_q(k)}: {_q(v)}' for k, v in codes.items())}}}")
        if not options:
            return _q(match.column)
        return f"{{source: {_q(match.column)}, {', '.join(options)}}}"

    def _formats(self, column: str) -> list[str]:
        cells, connection = self.table.cells, self.table.connection
        connection.register("_dates", cells)
        read, total, year = connection.execute(
            f"select count({moment('v', ())}), count(v), median(year({moment('v', ())})) from (select {name(column)} as v from _dates)"
        ).fetchone() or (0, 0, None)
        connection.unregister("_dates")
        if total and read >= 0.98 * total:
            if year and year > 2100:
                self.notes.append(f"{column}：年份中位数 {year:.0f}，疑为脱敏平移的日期，请在机构一级写 date_shift")
            return []
        found = formats_that_read(connection, cells, column, FORMATS)
        best = [f for f, share in found if share >= max(0.6, found[0][1] - 0.001)]
        if not best:
            return []
        if len(best) > 1 and {"%d/%m/%Y", "%m/%d/%Y"} <= {f[:8] for f in best}:
            self.notes.append(f"{column}：日在前还是月在前无法从取值判断，草稿按 {best[0]} 书写")
        return best[:1]

    def _left_over_dates(self) -> None:
        """The one date column that is left, or was taken for a field that needs none, stands for a required date without a column."""
        wanted = [f for f in self.fields.values() if f.required and f.type == "date" and f.name not in self.lines]
        if len(wanted) != 1:
            return
        taken = {m.column: f for f, m in self.matches.items() if self.fields[f].required or m.score >= SURE or self.fields[f].type != "date"}
        free = [c for c, p in self.columns.items() if p.is_mostly("date") and c not in taken and not p.is_mostly("age")]
        free = [c for c in free if c not in self.used or any(m.column == c for m in self.matches.values())]
        if len(free) != 1:
            return
        other = next((f for f, m in self.matches.items() if m.column == free[0]), None)
        if other:
            del self.matches[other], self.lines[other], self.comments[other]
        match = Match(free[0], wanted[0].name, POSSIBLE, "唯一可用的日期列")
        self.matches[wanted[0].name] = match
        self.lines[wanted[0].name] = self._line(wanted[0], match)
        self.comments[wanted[0].name] = f"可信度 {match.score:.2f}：{match.why}，请核对"
        self.used.add(free[0])

    def _name_in_parts(self) -> None:
        """A name that is delivered as family and given name."""
        whole = next((f.name for f in self.fields.values() if f.subject == "name"), None)
        parts = {part: next((c for c in self.columns if plain(c) in names and c not in self.used), None) for part, names in NAME_PARTS.items()}
        if whole and whole not in self.lines and parts["family"] and parts["given"]:
            self.lines[whole] = f"{{template: {_q('{' + parts['family'] + '} {' + parts['given'] + '}')}}}"
            self.comments[whole] = "可信度 0.80：由姓和名两列拼成"
            self.used |= {c for c in parts.values() if c}

    def _rows_of_one_key(self) -> None:
        """Rows that share the key of a feed with one record a person: the first of them counts."""
        key = next((m.column for f, m in self.matches.items() if self.fields[f].primary_key and self.fields[f].subject == "local_no"), None)
        if key and len(self.described.primary_key) == 1 and self.columns[key].distinct < self.columns[key].filled:
            self.options += ["    # 同一编号有多行：每个编号取第一行", f"    distinct: {_q(key)}"]

    def _birth_from_age(self) -> None:
        born = next((f.name for f in self.fields.values() if f.subject == "birth_date"), None)
        if born is None or born in self.lines:
            return
        for column, profile in self.columns.items():
            if column not in self.used and plain(column) in AGES and profile.is_mostly("age", 0.7):
                day = next((self.matches[f].column for f in self.matches if self.fields[f].business_date), None)
                at = "{" + day + "}" if day else "{_delivered_on}"
                self.lines[born] = f"{{birth_from: {{age: {_q(column)}, at: {_q(at)}}}}}"
                self.comments[born] = "可信度 0.60：没有出生日期，按年龄推算（误差半年以内）"
                self.used.add(column)
                return

    def _keys(self) -> None:
        """Keys that no column holds are made: from the record's other columns, or from the position within the visit."""
        for f in self.described.primary_key:
            if f.name in self.lines or f.name in self._made or f.type != "string" or f.code_list:
                continue
            visit = self.matches.get("visit_no")
            if self.part and visit:
                self.lines[f.name] = f"{{template: {_q('{' + visit.column + '}-{_part}')}}}"
                self.comments[f.name] = "没有这一列：由就诊号和顺序号拼成"
                continue
            known = [m.column for n, m in self.matches.items() if self._tells(self.fields[n])]
            if f.subject == "local_no":
                known = [m.column for n, m in self.matches.items() if self.fields[n].subject and n != f.name]
            if known and not self.part:
                self.lines[f.name] = f"{{hash_of: [{', '.join(map(_q, dict.fromkeys(known)))}]}}"
                self.comments[f.name] = "没有这一列：由这些列生成稳定的编号，请确认它们能区分各条记录"
            else:
                self.lines[f.name] = '{template: "{_delivered_on}-{_row}-{_part}"}'
                self.comments[f.name] = "没有这一列：用交付日期和行号；重复上报会成为新记录，请尽量改用业务编号"

    def _tells(self, f: Field) -> bool:
        return f.subject in {"local_no", "id_card_no", "name"} or f.type == "date" or f.primary_key or f.name.endswith(("_no", "_code"))

    # Text --------------------------------------------------------------------------------------------------------------------------------

    def _text(self, missing: list[str], unplaced: list[str]) -> str:
        sample, described = self.table.sample, self.described
        family = "hospital" if "hospital" in described.source_families else described.source_families[0]
        nulls = [n for n in self.table.nulls if n not in NULLS]
        out = [
            f"# 草稿：由文件表头和样本值生成（{sample.rows} 行{'' if sample.is_complete else '，未读完'}），请逐行核对后使用。",
            f"organisation: {_q(self.organisation)}",
            f"source: {family}",
            "name_zh: 请填写机构名称",
            *([f"encoding: {sample.encoding}"] if sample.encoding else []),
            *([f"null_values: [{', '.join(map(_q, (*NULLS, *nulls)))}]  # 样本中当作空值的写法"] if nulls else []),
            "feeds:",
            f"  {described.feed}:  # {described.name_zh}",
            *([f"    delimiter: {_q(sample.delimiter) if sample.delimiter.isprintable() else 'tab'}"] if sample.delimiter != "," else []),
            *([f"    sheet: {_q(self.sheet)}"] if self.sheet else []),
            *self.options,
            "    columns:",
        ]
        if sample.delimiter == "\x01":
            out = [line.replace("delimiter: tab", 'delimiter: "\\x01"') for line in out]
        for f in self.fields.values():
            if f.name in self.lines:
                out.append(f"      {f.name}: {self.lines[f.name]}  # {f.name_zh}；{self.comments[f.name]}")
        if not self.lines:
            out[-1] += " {}"
        out += [f"    # 缺少必填字段 {f}（{self.fields[f].name_zh}）：文件中没有找到对应的列" for f in missing]
        for column in unplaced:
            out.append(f"    # 未能归位的列：{_shown(column)}{self._guess(column)}")
        out += [f"    # 提示：{note}" for note in self.notes]
        return "\n".join(out) + "\n"

    def _guess(self, column: str) -> str:
        profile = self.columns.get(column)
        if profile is None or not profile.filled:
            return "（样本中全为空）"
        if label := profile.looks_personal:
            return f"（取值像{label}）"
        shape = next((label for s, label in (("date", "日期"), ("number", "数值"), ("icd10", "ICD-10 编码")) if profile.is_mostly(s)), "")
        return f"（{shape}）" if shape else ""


def _shown(column: str) -> str:
    """A header as it may be shown: a headless file has a person's data for one."""
    from ingestion.load import PERSON_NUMBER

    return PERSON_NUMBER.sub("***", column).replace("\n", " ")[:80]


def _q(text: str) -> str:
    """A word for YAML, quoted where it must be."""
    if re.fullmatch(r"[A-Za-z_\u4e00-\u9fff][\w\u4e00-\u9fff./+-]*", text) and text not in {"null", "true", "false"}:
        return text
    return yaml.dump(text, default_style='"', allow_unicode=True, width=10_000).strip()


__all__ = ["Draft", "POSSIBLE", "SURE", "drafted", "ranked", "read_table"]
