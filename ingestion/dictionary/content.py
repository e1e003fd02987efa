"""What the data dictionary tells, from contracts, code lists, mapping files, ledger and published version; no value of a record is among it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import duckdb

from infra.settings import Settings
from ingestion import ops
from ingestion.contracts import Code, Contract, Field, Rule, codes, contracts
from ingestion.field_qc import Reason, reasons
from ingestion.mappings import FeedMapping, Mapping, all_mappings, feed_of

FAMILIES_ZH = {
    "reference": "机构与参考数据", "national_platform": "国家居民癌症防控行动平台", "hospital": "医院信息系统", "checkup": "体检中心",
    "screening_centre": "国家标准化筛查中心", "free_screening": "国家癌症免费筛查机构", "regional_platform": "区域居民健康大数据平台",
    "registry": "登记与人口", "programme": "项目管理与人工决定",
}  # fmt: skip
TYPES_ZH = {"string": "文本", "int": "整数", "date": "日期", "bool": "是/否"}
CLASSES_ZH = {
    "public": "公开", "internal": "内部", "quasi_identifying": "准标识", "local_id": "机构内部编号（加密，不入数据仓库）",
    "identifying": "个人标识（加密，不入数据仓库）", "free_text": "自由文本（加密，脱敏后入数据仓库）",
}  # fmt: skip
SEVERITIES_ZH = {"error": "隔离整条记录", "warning": "该值置空，记录保留"}
OUTCOMES_ZH = {
    "kept": "保留", "questioned": "保留，提示核对", "repaired": "更正", "set_aside": "按字段级别：隔离或置空",
    "quarantined": "隔离", "translated": "转换",
}  # fmt: skip
EVERY_ZH = {"day": "每日", "week": "每周", "month": "每月", "quarter": "每季", "year": "每年"}
SUBJECTS_ZH = {None: "不涉及个人", "local_no": "机构内部编号", "person": "个人信息（姓名、证件号等）", "local_no_or_person": "机构内部编号或个人信息"}


@dataclass(frozen=True)
class Source:
    """How one organisation delivers a feed: its columns by field, and the rows accepted so far."""

    organisation: str
    name_zh: str
    folder: str
    columns: dict[str, str]
    every_zh: str
    accepted: int


@dataclass(frozen=True)
class Form:
    """A feed with everything that is told about it; `answers` are non-empty values by field in the published version, None where it holds none."""

    contract: Contract
    family: str
    sources: tuple[Source, ...]
    answers: dict[str, int] | None
    records: int | None


@dataclass(frozen=True)
class Content:
    """The whole dictionary: forms by family, code lists with the fields that use them, reasons."""

    families: dict[str, list[Form]]
    lists: dict[str, list[Code]]
    used_by: dict[str, list[tuple[Contract, Field]]]
    reasons: dict[str, Reason]
    organisations: int = 0
    forms: list[Form] = field(default_factory=list)


def type_zh(f: Field) -> str:
    """The field's type as staff read it, with its unit."""
    name = TYPES_ZH.get(f.type) or f"小数（{f.type[8:-1].split(',')[1]} 位）"
    return f"{name}，多选" if f.multiple else name


def range_zh(f: Field) -> str:
    """Limits, length and pattern of a field."""

    def shown(limit: float) -> str:
        return f"{limit:g}" if abs(limit) < 1e6 else f"{limit:.0f}"

    said = []
    if f.minimum is not None and f.maximum is not None:
        said.append(f"{shown(f.minimum)} 至 {shown(f.maximum)}")
    elif f.minimum is not None:
        said.append(f"不小于 {shown(f.minimum)}")
    elif f.maximum is not None:
        said.append(f"不大于 {shown(f.maximum)}")
    if f.max_length:
        said.append(f"最长 {f.max_length} 字")
    if f.format == "cn_resident_id":
        said.append("居民身份证号（校验码）")
    if f.format == "cn_mobile":
        said.append("11 位手机号")
    if f.pattern:
        said.append(f"格式 {f.pattern}")
    if f.comparator:
        said.append("可带 <、> 等比较符")
    if f.may_be_future:
        said.append("可晚于交付日期")
    if f.derivation:
        said.append(f"由系统从“{f.derived_from}”得出，不需填报")
    return "；".join(said)


def rule_fields_zh(contract: Contract, rule: Rule) -> str:
    """The Chinese names of the fields a rule compares."""
    return "、".join(contract.field(name).name_zh for name in rule.fields)


def gather(settings: Settings) -> Content:
    """Everything, in the order of families and of the contracts' file names."""
    mappings = list(all_mappings())
    accepted: dict[tuple[str, str], int] = defaultdict(int)
    for row in ops.rows(settings.ops_url, ops.file_ledger):
        accepted[row["organisation"], feed_of(row["feed"])] += row["rows_accepted"]
    counts = _answer_counts(settings)
    forms = []
    for contract in contracts().values():
        records, answers = counts.get(contract.feed, (None, None))
        family = contract.source_families[0] if contract.source_families else "reference"
        sources = tuple(_source(m, entry, contract, accepted) for m in mappings for entry in m.feeds if feed_of(entry) == contract.feed)
        forms.append(Form(contract, family, sources, answers, records))
    families = {name: [f for f in forms if f.family == name] for name in (*FAMILIES_ZH, *sorted({f.family for f in forms} - set(FAMILIES_ZH)))}
    lists: dict[str, list[Code]] = defaultdict(list)
    for code in codes():
        lists[code.list].append(code)
    used_by: dict[str, list[tuple[Contract, Field]]] = defaultdict(list)
    for contract in contracts().values():
        for f in contract.fields:
            if f.code_list:
                used_by[f.code_list].append((contract, f))
    return Content({k: v for k, v in families.items() if v}, dict(lists), dict(used_by), reasons(), len(mappings), forms)


def _source(mapping: Mapping, entry: str, contract: Contract, accepted: dict[tuple[str, str], int]) -> Source:
    m: FeedMapping = mapping.feeds[entry]
    columns = {name: _column(m, name) for name in m.columns}
    every = f"{EVERY_ZH[m.expect.every]}，宽限 {m.expect.grace_days} 天" if m.expect else ""
    return Source(mapping.organisation, mapping.name_zh, m.folder or contract.feed, columns, every, accepted[mapping.organisation, contract.feed])


def _column(m: FeedMapping, name: str) -> str:
    """The delivered column a field is filled from, as the organisation calls it."""
    mapped = m.columns[name]
    if mapped.constant is not None:
        return "（固定值）"
    return "、".join(mapped.columns_read()) or name


def _answer_counts(settings: Settings) -> dict[str, tuple[int, dict[str, int]]]:
    """Per form of the published version: records, and non-empty answers by field; empty where nothing is published."""
    if not settings.serving.exists():
        return {}
    found = {}
    try:
        connection = duckdb.connect(str(settings.serving), read_only=True)
    except duckdb.Error:
        return {}
    with connection:
        prefix = "meta_answer__"
        tables = connection.execute("select table_name from information_schema.tables where starts_with(table_name, ?)", [prefix]).fetchall()
        for (table,) in tables:
            described = contracts().get(table.removeprefix(prefix))
            if described is None:
                continue
            there = {c for (c, *_) in connection.execute(f'describe "{table}"').fetchall()}
            names = [f.name for f in described.lake_fields if f.name in there]
            counted = connection.execute(f'select count(*), {", ".join(f"count({chr(34)}{n}{chr(34)})" for n in names)} from "{table}"').fetchone()
            found[described.feed] = (counted[0], dict(zip(names, counted[1:], strict=True)))
    return found
