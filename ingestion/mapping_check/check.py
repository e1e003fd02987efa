"""Check a mapping against samples of what is delivered, with the readers, the reshaping and the field QC of the load. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion import duck, field_qc
from ingestion.check import check
from ingestion.contracts import Contract, Field, contract
from ingestion.derive import name, plain_unit, quoted
from ingestion.encoded import spread
from ingestion.joined import DATE_FOLDER, Unjoinable
from ingestion.load import PERSON_NUMBER, deliveries
from ingestion.mapping_check.draft import FORMATS
from ingestion.mapping_check.findings import Finding, Report, TableReport
from ingestion.mapping_check.matching import LIKELY, LabItem, guess_codes, lab_items, plain, probably
from ingestion.mapping_check.profile import Profile, formats_that_read, profiles
from ingestion.mapping_check.sample import Sample, read_sample
from ingestion.mappings import DERIVED, FeedMapping, Mapping, feed_of
from ingestion.readers import UnreadableFile
from ingestion.readers.model import REASONS, ROW_REASONS
from ingestion.reshape import PART, ROW, Reshaper
from ingestion.text import scrub

SHOWN_CODES = 20
PARSED = "__parsed"
ENOUGH = 20


def landed(settings: Settings, mapping: Mapping) -> dict[str, list[Path]]:
    """The files of the latest delivery of each entry of the mapping that has landed."""
    found: dict[str, dict[date, list[Path]]] = {}
    for d in deliveries(settings, mapping.source, mapping.organisation, mapping):
        if d.entry:
            found.setdefault(d.entry, {}).setdefault(d.delivered_on, []).append(d.path)
    return {entry: by_day[max(by_day)] for entry, by_day in found.items()}


def checked(settings: Settings, mapping: Mapping, files: dict[str, list[Path]], *, today: date) -> Report:
    """Check the mapping of an organisation against files of its entries.

    today  the delivery date of a file that does not lie in a dated folder
    """
    report = Report(mapping.organisation, mapping.name_zh)
    for entry, paths in files.items():
        for number, path in enumerate(paths):
            report.tables.append(_table(settings, mapping, entry, path, today, is_first=number == 0))
    return report


def _masked(text: str) -> str:
    return PERSON_NUMBER.sub("***", text)[:80]


def _table(settings: Settings, mapping: Mapping, entry: str, path: Path, today: date, *, is_first: bool) -> TableReport:
    described, said = contract(feed_of(entry)), mapping.resolved(entry)
    out = TableReport(entry, described.name_zh, _masked(path.name))
    if is_first:
        _unfilled(out, mapping, entry, described)
    try:
        sample = read_sample(path, **said.reading)
    except UnreadableFile as error:
        out.add("problem", "文件无法读取", f"{REASONS[error.code]}（{error.code}）")
        return out
    _reading(out, sample, said)
    day = _delivered_on(path, today)
    connection = duck.connect()
    reshaper = Reshaper(connection, settings, mapping, entry)
    _columns(out, connection, sample, said, described, reshaper)
    try:
        columns = reshaper.columns(sample.columns)
        compiled = field_qc.compile_check(described, said, columns, synthetic=mapping.synthetic)
        made = reshaper.apply(sample.table, day) if len(sample.table) else None
    except field_qc.MissingColumns as error:
        out.add("problem", "文件缺少映射所需的列", "、".join(map(_masked, error.columns)) + "；整个文件将被拒收")
        return out
    except Unjoinable as error:
        out.add("problem", "关联", f"{error.reason_zh}；整个文件将被拒收")
        return out
    except UnreadableFile as error:
        out.add("problem", "文件无法按映射读取", f"{REASONS[error.code]}：{error.detail}")
        return out
    out.counts["样本行数"] = sample.rows
    if made is None:
        out.add("note", "空表", "文件只有表头，没有数据行")
        return out
    for reason, n in made.without_record.items():
        label = field_qc.reasons()[reason].name_zh if reason in field_qc.reasons() else reason
        out.counts[f"不构成记录的行（{label}）"] = n
    _joins(out, reshaper, sample, day)
    _quality(out, connection, described, said, made.table, compiled, day, sample)
    if len(made.table):
        _values(out, connection, described, said, made.table, day)
    return out


def _delivered_on(path: Path, today: date) -> date:
    return date.fromisoformat(path.parent.name) if DATE_FOLDER.fullmatch(path.parent.name) else today


def _unfilled(out: TableReport, mapping: Mapping, entry: str, described: Contract) -> None:
    """Fields of the contract that no table of the organisation fills."""
    filled = mapping.mapped_fields(feed_of(entry))
    empty = [f for f in described.fields if f.name not in filled and not f.derivation]
    if required := [f for f in empty if f.required]:
        out.add("problem", "必填字段没有映射", "、".join(f"{f.name_zh}（{f.name}）" for f in required) + "；所有记录将被隔离")
    if others := [f for f in empty if not f.required]:
        out.add("note", "没有映射的字段", "、".join(f"{f.name_zh}（{f.name}）" for f in others))


def _reading(out: TableReport, sample: Sample, said: FeedMapping) -> None:
    for code, detail in sample.findings:
        if code == "encoding_mismatch":
            out.add("suspicious", "编码", f"映射写的是 {said.encoding}，文件实为 {sample.encoding}；按文件实际编码读取")
        elif code.startswith("encoding"):
            out.add("suspicious", "编码", f"无法确定编码，按 {sample.encoding} 读取")
        else:
            out.add("note", "读取", f"{code}：{detail}")
    for code, n in sample.broken.items():
        out.add("problem", "无法读取的行", f"{ROW_REASONS[code]}：{n} 行，将被隔离")
    if not sample.is_complete:
        out.add("note", "样本", f"文件较大，只检查了前 {sample.rows} 行")


def _columns(
    out: TableReport, connection: duckdb.DuckDBPyConnection, sample: Sample, said: FeedMapping, described: Contract, reshaper: Reshaper
) -> None:
    """Delivered columns nobody mapped, and what they may be."""
    try:
        unmapped = reshaper.unmapped(sample.columns)
    except (field_qc.MissingColumns, UnreadableFile):
        used = {m.source or f for f, m in said.columns.items()} | set(said.ignore)
        unmapped = [c for c in sample.columns if c not in used]
    if not unmapped:
        return
    cells = field_qc.cleaned(sample.table.select([*unmapped]), said.null_values or ()) if len(sample.table) else sample.table
    found = profiles(connection, cells, tuple(unmapped))
    for column in unmapped:
        profile = found[column]
        text = f"列“{_masked(column)}”没有映射，也没有列入 ignore"
        if guesses := probably(described, profile, taken=said.columns)[:2]:
            text += "；可能是 " + " 或 ".join(f"{described.field(m.field).name_zh}（{m.field}，{m.why}）" for m in guesses)
        elif not profile.filled:
            text += "（样本中全为空）"
        if label := profile.looks_personal:
            text += f"；取值像{label}"
        likely = bool(guesses) and guesses[0].score >= LIKELY
        out.add("suspicious" if likely or profile.looks_personal else "note", "未映射的列", text)


def _joins(out: TableReport, reshaper: Reshaper, sample: Sample, day: date) -> None:
    for join, keyed, hit in reshaper.join_matches(sample.table, day) if reshaper.said.join else ():
        on = "、".join(join.on)
        if keyed and hit < keyed:
            share = (keyed - hit) / keyed
            out.add("suspicious", "关联", f"{keyed} 行有关联键（{on}），其中 {keyed - hit} 行在 {join.folder} 中找不到（{share:.1%}）")
        if len(sample.table) - keyed:
            out.add("suspicious", "关联", f"{len(sample.table) - keyed} 行没有关联键（{on}）")


def _quality(
    out: TableReport,
    connection: duckdb.DuckDBPyConnection,
    described: Contract,
    said: FeedMapping,
    records: pa.Table,
    compiled: field_qc.Compiled,
    day: date,
    sample: Sample,
) -> None:
    """Run the real field QC and tell what it says: records accepted and quarantined, reasons, codes that are in no list, keys that repeat."""
    n = len(records)
    delivered = records.append_column("_file_no", pa.repeat(pa.scalar(0, pa.int32()), n))
    delivered = delivered.append_column("_delivered_on", pa.repeat(pa.scalar(day, pa.date32()), n))
    if not n:
        out.counts |= {"记录数": 0}
        out.add("suspicious", "没有记录", "按映射没有一行构成记录；请核对 where、unpivot、groups、explode")
        return
    checked = check(connection, compiled, delivered)
    result = {"_row": delivered[ROW], "_part": delivered[PART], "_ok": pa.array(checked.ok), "_verdicts": checked.verdict_texts()}
    result |= {"_hash_a": pa.array(checked.hashes[0]), "_hash_b": pa.array(checked.hashes[1])}
    result |= {f: checked.values(f) for f in checked.fields}
    result |= {f + PARSED: spread(j.parsed, j.place) for f, j in checked.fields.items() if j.parsed is not None}
    connection.register("src", field_qc.cleaned(delivered, said.null_values or ()))
    connection.register("result", pa.table(result))
    repeated = (
        connection.execute(
            "select count(*) from (select row_number() over (partition by _hash_a, _hash_b order by _row, _part) as i from result) where i > 1"
        ).fetchone()
        or (0,)
    )[0]
    accepted = (
        connection.execute(
            "select count(*) from (select _ok, row_number() over (partition by _hash_a, _hash_b order by _row, _part) as i from result)"
            " where i = 1 and _ok"
        ).fetchone()
        or (0,)
    )[0]
    out.counts |= {"记录数": n, "可接收": accepted, "将隔离": n - accepted + sum(sample.broken.values())}
    if repeated:
        out.reasons.append(("", "", field_qc.reasons()["duplicate_row"].name_zh, repeated))
    verdicts = connection.execute(
        "select split_part(v, ':', 1) as field, split_part(v, ':', 2) as code, count(*) as n"
        " from (select unnest(string_split(_verdicts, '|')) as v from result where _verdicts is not null) group by all order by n desc, 1, 2"
    ).fetchall()
    for f, code, count in verdicts:
        severity, result, label = field_qc.outcome(described.feed, f or None, code)
        if code == "translated":
            continue
        zh = described.field(f).name_zh if f else ""
        out.reasons.append((f, zh, f"{label}（{_result(result)}）", count))
        if result == "quarantined":
            out.add("problem", "隔离", f"{zh or '整行'}：{label}，{count} 条记录（{count / n:.1%}）")
        elif f and result in ("set_aside", "repaired") and count >= max(3, 0.05 * n):
            out.add("suspicious", "取值", f"{zh}（{f}）：{label}，{count} 条（{count / n:.1%}），{_result(result)}")
        if code == "not_in_code_list":
            _unknown_codes(out, connection, described, said, f, records)
    if n - accepted and not any(f.weight == "problem" for f in out.findings):
        out.add("problem", "隔离", f"{n - accepted} 条记录将被隔离（与本次交付中的另一行完全相同）")
    _repeated_keys(out, connection, described)


def _result(outcome: str) -> str:
    said = {"quarantined": "隔离该记录", "set_aside": "该值置空", "repaired": "已修正", "kept": "保留原值", "questioned": "保留原值，请核对"}
    return said.get(outcome, outcome)


def _unknown_codes(
    out: TableReport, connection: duckdb.DuckDBPyConnection, described: Contract, said: FeedMapping, f: str, records: pa.Table
) -> None:
    """The codes that are in no list, with counts; never of a column of personal data."""
    field = described.field(f)
    mapped = said.columns.get(f)
    column = (mapped.source or f) if mapped and mapped.constant is None else None
    if field.classification not in ("internal", "public") or column not in records.column_names:
        return
    rows = connection.execute(
        f"select v, count(*) as n, {scrub.looks_like_a_person('v')} or length(v) > 20 as hidden"
        f" from (select s.{name(column)} as v from src as s inner join result as r using (_row, _part)"
        f" where contains('|' || r._verdicts || '|', {quoted('|' + f + ':not_in_code_list|')})) group by v order by n desc, v"
    ).fetchall()
    shown = [f"“{v}”×{n}" for v, n, hidden in rows if not hidden][:SHOWN_CODES]
    more = len(rows) - len(shown)
    text = f"{field.name_zh}（{f}，代码表 {field.code_list}）：" + "、".join(shown) + (f" 等，另有 {more} 种不显示" if more > 0 else "")
    profile = Profile(column, len(records), sum(r[1] for r in rows), len(rows), 20, {}, {v: n for v, n, hidden in rows if not hidden})
    if guessed := guess_codes(field, column, profile):
        text += "；建议 codes: {" + ", ".join(f"{k}: {v}" for k, v in list(guessed.items())[:SHOWN_CODES]) + "}"
    out.add("suspicious", "代码不在值域内", text)


def _repeated_keys(out: TableReport, connection: duckdb.DuckDBPyConnection, described: Contract) -> None:
    keys = ", ".join(name(f.name) for f in described.primary_key)
    subject = ", ".join(name(f.name) for f in described.fields if described.keyed_by_subject and f.subject)
    if not keys:
        return
    by = ", ".join(filter(None, (keys, subject)))
    (repeated,) = connection.execute(
        f"select count(*) from (select {by} from result where _ok group by {by} having count(distinct _hash_a) > 1)"
    ).fetchone() or (0,)
    if repeated:
        label = "、".join(f.name_zh for f in described.primary_key)
        out.add("suspicious", "主键重复", f"{repeated} 个主键值（{label}）在文件中对应多条不同记录，后面的会替代前面的；请确认主键是否完整")


def _values(out: TableReport, connection: duckdb.DuckDBPyConnection, described: Contract, said: FeedMapping, records: pa.Table, day: date) -> None:
    """Values that are suspicious though each may pass: personal data in open fields, empty and constant columns, units, dates."""
    sources = {f: m.source or f for f, m in said.columns.items() if m.constant is None and (m.source or f) in records.column_names}
    cells = field_qc.cleaned(records.select([*dict.fromkeys(sources.values()), ROW, PART]), said.null_values or ())
    columns = tuple(dict.fromkeys(sources.values()))
    found = profiles(connection, cells, columns, said.date_format)
    for f, column in sources.items():
        field, profile = described.field(f), found[column]
        label = f"{field.name_zh}（{f}）← {_masked(column.removeprefix(DERIVED))}"
        if not profile.filled:
            out.add("suspicious" if field.required else "note", "全为空", f"{label}：样本中没有值")
            continue
        personal = profile.looks_personal
        if personal and field.in_lake and field.classification in ("internal", "public") and field.type == "string":
            weight = "suspicious" if personal == "住址" else "problem"  # names of places and events look like addresses too
            out.add(weight, "疑似个人信息", f"{label}：取值像{personal}，而该字段进入数据湖；请改映射")
        if field.classification == "identifying" and personal and not _fits(field, personal):
            out.add("suspicious", "疑似错列", f"{label}：取值像{personal}")
        if _is_constant(field, profile):
            out.add("suspicious" if field.primary_key or field.type == "date" else "note", "取值恒定", f"{label}：所有记录的值相同")
        if field.is_numeric:
            _units(out, connection, field, label)
        if field.type == "date":
            _dates(out, connection, cells, field, column, label)
    if described.feed == "lab_result":
        _item_units(out, connection)


def _is_constant(field: Field, profile: Profile) -> bool:
    """One value all over, in a field where that is odd."""
    if profile.distinct != 1 or profile.rows < ENOUGH or profile.filled < 0.9 * profile.rows:
        return False
    return field.code_list is None and not field.name.startswith(("is_", "has_")) and not field.name.endswith("organisation_code")


def _fits(field: Field, personal: str) -> bool:
    by_subject = {"name": "姓名", "id_card_no": "身份证号", "mobile_phone": "手机号码", "residence_address": "住址"}
    return by_subject.get(field.subject or "", personal) == personal


def _counted(connection: duckdb.DuckDBPyConnection, field: Field, code: str) -> int:
    """How many records have this reason at a field."""
    mark = quoted(f"|{field.name}:{code}|")
    return (connection.execute(f"select count(*) from result where contains('|' || _verdicts || '|', {mark})").fetchone() or (0,))[0]


def _units(out: TableReport, connection: duckdb.DuckDBPyConnection, field: Field, label: str) -> None:
    """Most values outside the contract's range, or in a unit that the contract repairs one by one."""
    (n,) = connection.execute(f"select count({name(field.name)}) from result").fetchone() or (0,)
    outside, repaired = _counted(connection, field, "out_of_range"), _counted(connection, field, "unit_metres")
    if n + outside >= ENOUGH and outside > 0.5 * (n + outside):
        range_zh = f"{field.minimum:g} 至 {field.maximum:g} {field.unit or ''}" if field.minimum is not None and field.maximum is not None else "范围"
        out.add("suspicious", "单位可疑", f"{label}：多数值不在{range_zh} 之内，请核对单位（factor）")
    if repaired >= 3 and repaired > 0.5 * n:
        out.add("suspicious", "单位可疑", f"{label}：多数身高以米填写，已逐条换算；请在映射中写 factor: 100")
    item = next((i for i in lab_items() if plain(field.name.split("_")[0]) in i.names or plain(field.name_zh) in i.names), None)
    if item and field.unit and n + outside >= 5:
        (median,) = connection.execute(f"select median({name(field.name + PARSED)}) from result").fetchone() or (None,)
        if median is not None and (text := _other_unit(item, float(median))):
            out.add("suspicious", "单位可疑", f"{label}：{text}")


def _other_unit(item: LabItem, median: float) -> str | None:
    """What is odd about the median of an item, None where nothing is."""
    if item.low <= median <= item.high:
        return None
    text = f"中位数为 {median:g}，以 {item.unit} 计多在 {item.low:g} 至 {item.high:g} 之间"
    if item.other_unit and item.factor != 1 and item.low <= median * item.factor <= item.high:
        text += f"；像是 {item.other_unit}，换算系数 {item.factor:g}"
    return text


def _item_units(out: TableReport, connection: duckdb.DuckDBPyConnection) -> None:
    """Laboratory items whose median lies where another unit would put it."""
    rows = connection.execute(
        "select item_code, any_value(item_name), median(result), mode(result_unit) from result where _ok and result is not null"
        " group by item_code having count(result) >= 5 order by item_code"
    ).fetchall()
    for code, label, median, unit in rows:
        said = {plain(str(code)), plain(str(label or ""))}
        item = next((i for i in lab_items() if said & set(i.names)), None)
        if item and (text := _other_unit(item, float(median))):
            if unit and item.other_unit and plain_unit(unit) == plain_unit(item.other_unit):
                out.add("note", "计量单位", f"{code}（{label or item.item}）：单位列为 {unit}，映射没有换算（units）")
            else:
                out.add("suspicious", "单位可疑", f"{code}（{label or item.item}）：{text}")


def _dates(out: TableReport, connection: duckdb.DuckDBPyConnection, cells: pa.Table, field: Field, column: str, label: str) -> None:
    """Dates that are read in the wrong order, or shifted to another century."""
    value = name(field.name)
    days, n = connection.execute(f"select max(day({value})), count(distinct {value}) from result").fetchone() or (None, 0)
    unread = _counted(connection, field, "not_a_date")
    future = _counted(connection, field, "date_in_future") + _counted(connection, field, "out_of_range")
    total = len(cells)
    if unread > 0.05 * total and not column.startswith(DERIVED):
        best = [f for f, share in formats_that_read(connection, cells, column, FORMATS) if share >= 0.9][:2]
        if best:
            out.add("suspicious", "日期格式", f"{label}：{unread} 条读不成日期；格式 {' 或 '.join(best)} 可读")
    if days is not None and days <= 12 and n >= ENOUGH:
        out.add("suspicious", "日月颠倒", f"{label}：所有日期的“日”都不超过 12，可能把月和日读反了；请核对 date_format")
    if future > 0.5 * total:
        out.add("suspicious", "日期平移", f"{label}：多数日期晚于交付日期，若为脱敏平移，请在映射中写 date_shift")


def not_landed(entry: str) -> Finding:
    """What is said about an entry of the mapping of which nothing has been delivered."""
    return Finding("note", "没有交付", f"{entry}：落地区没有文件")


def usable_entries(mapping: Mapping, feed: str) -> Iterable[str]:
    """The entries of a mapping that a feed's name stands for."""
    return [e for e in mapping.feeds if e == feed or feed_of(e) == feed]
