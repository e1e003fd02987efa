"""Write what dbt needs of every feed from its contract: sources, staging views, form answer tables and the list of form fields.

`python -m dbt_project.tools.generate` rewrites the files; a test refuses a commit in which they are out of date.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from ingestion import lake
from ingestion.codes.stage import text_fields
from ingestion.contracts import Contract, Field, contracts

PROJECT = Path(__file__).resolve().parents[1]
WRITTEN_BY = "Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit."

LINEAGE = {
    "_source": ("source_family", "Source family that delivered the record. 来源系统类别。"),
    "_organisation": ("source_organisation_code", "Organisation that delivered the record. 上报机构代码。"),
    "_batch": ("batch_id", "Batch the record came in. 批次号。"),
    "_delivered_on": ("delivered_on", "Business date of the delivery, when the record became known. 报送日期。"),
    "_file": ("source_file", "Delivered file. 来源文件。"),
    "_row": ("source_row", "Row in the delivered file, the first data row is 1. 文件内行号。"),
    "_part": ("source_part", "Which record of the delivered row, from 0; 0 where a row is one record. 同一行内的第几条记录，自0起。"),
}
# `_deleted` is acted upon in staging and goes no further: a record whose newest version is deleted is not there.
DELETED = ("_deleted", "Whether the source says that the record is deleted. 来源系统是否声明该记录已删除。")
ROLE = [
    ("channel", "text", "Channel of assessment that the record stands for. 评估渠道代码。"),
    ("screening_source", "text", "Screening source that the record stands for; empty for none of the five. 筛查来源代码，不属五类者为空。"),
]
# Families whose records are about people and come by a channel; a lesion table names no person, yet belongs to somebody's test.
BY_CHANNEL = {"national_platform", "hospital", "checkup", "screening_centre", "free_screening", "regional_platform"}
RECORD_KEY = "Key of the record; every version of a record has the same. 记录主键，同一记录各版本相同。"
IDENTITY_ID = "Identity the record was delivered under. 身份标识，随上报记录产生。"
PERSON_ID = "Person, by the identity map as known on the as-of date. 人员标识，取截至数据日期的身份映射。"


def sql_type(physical: str) -> str:
    """The contract's physical type in the words that DuckDB and PostgreSQL share."""
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", physical):
        return f"numeric({match[1]},{match[2]})"
    return {"string": "text", "int": "bigint", "date": "date", "bool": "boolean"}[physical]


def describe(field: Field) -> str:
    """English meaning and unit, then the Chinese name."""
    english = field.description.rstrip(".")
    unit = f" ({field.unit})" if field.unit else ""
    unit_zh = f"（{field.unit}）" if field.unit else ""
    codes = f" Codes: list {field.code_list}." if field.code_list else ""
    return f"{english}{unit}.{codes} {field.name_zh}{unit_zh}。"


def field_columns(contract: Contract) -> list[tuple[str, str, str]]:
    """Name, SQL type and description of every lake column of a feed after the keys and lineage."""
    columns = []
    for f in contract.lake_fields:
        columns.append((f.name, sql_type(f.type), describe(f)))
        if f.comparator:
            columns.append((f"{f.name}_comparator", "text", f"Sign printed with {f.name} (> < + -). {f.name_zh}前后的比较符号。"))
        if f.keep_text:
            columns.append((f"{f.name}_text", "text", f"{f.name} as delivered, where it is no plain number. {f.name_zh}原文。"))
    return columns


def about_people(contract: Contract) -> bool:
    """Whether a feed's rows are about people, so that they carry channel and screening source."""
    return contract.subject is not None or bool(BY_CHANNEL & set(contract.source_families))


def record_kind(contract: Contract) -> str:
    """What decides, beside the family, which screening source a record stands for: a hospital's forms are its own screening."""
    return "screening_form" if contract.feed.startswith("screening_") else "clinical"


def lineage() -> list[pa.Field]:
    """The lineage of the lake that staging hands on."""
    return [f for f in lake.LINEAGE if f.name in LINEAGE]


def key_columns(contract: Contract) -> list[tuple[str, str, str]]:
    """Name, SQL type and description of the keys, the lineage and the role of the source in staging."""
    columns = [("record_key", "text", RECORD_KEY)]
    if contract.subject:
        columns.append(("identity_id", "text", IDENTITY_ID))
        columns.append(("person_id", "text", PERSON_ID))
    types = {pa.string(): "text", pa.date32(): "date", pa.int64(): "bigint", pa.int32(): "integer"}
    columns.extend((LINEAGE[f.name][0], types[f.type], LINEAGE[f.name][1]) for f in lineage())
    return [*columns, *(ROLE if about_people(contract) else [])]


def staging_name(contract: Contract) -> str:
    return f"stg_{contract.source_families[0]}__{contract.feed}"


def answer_name(contract: Contract) -> str:
    return f"meta_answer__{contract.feed}"


# Wide tables that a dozen models read field by field: computed once.
STORED = {"medical_history"}


def _listed(items: list[str], indent: int) -> str:
    return f",\n{' ' * indent}".join(items)


def _part(column: str) -> str:
    """A lineage column; rows loaded before parts were counted have none and are part 0."""
    return f"coalesce({column}, 0) as _part" if column.endswith("_part") and column.split(".")[-1] == "_part" else column


def _all_hold(conditions: list[str]) -> str:
    return "\n            and ".join(conditions)


def staging_sql(contract: Contract) -> str:
    """The latest version of every record among the released batches that were known on the as-of date, unless that one is a deletion.

    The newest version is found on a few narrow columns and joined back, so that wide rows are streamed and never sorted.
    """
    feed, known = contract.feed, [f.name for f in lineage()]
    place = [name for name in ("_batch", "_file", "_row", "_part") if name in known]
    deletes = DELETED[0] in source_columns(contract)
    wide = ["delivered.record_key"]
    if contract.subject:
        wide += ["delivered.identity_id", "people.person_id"]
    wide += [f"delivered.{old} as {LINEAGE[old][0]}" for old in known]
    if about_people(contract):
        wide += [
            "{{ channel_of('delivered._source') }} as channel",
            f"{{{{ screening_source_of('delivered._source', '{record_kind(contract)}') }}}} as screening_source",
        ]
    wide += [f"delivered.{name}" for name, _, _ in field_columns(contract)]
    order = ["known._delivered_on desc", "released.load_no desc", "{{ by_bytes('known._file') }} desc", "known._row desc"]
    order += ["known._part desc"] if "_part" in known else []
    ranked = [_part(f"known.{name}") for name in place] + ([f"known.{DELETED[0]}"] if deletes else [])
    joined = [f"delivered.{name} = version.{name}" for name in place] + ["version.version_rank = 1"]
    joined += [f"not coalesce(version.{DELETED[0]}, false)"] if deletes else []
    people = ",\n\npeople as (\n    select\n        identity_id,\n        person_id\n    from {{ ref('stg_lake__identity') }}\n)"
    join_people = "    left join people on delivered.identity_id = people.identity_id\n"
    stored = "{{ config(materialized='table') }}\n\n" if feed in STORED else ""
    return f"""-- {WRITTEN_BY}
-- {contract.grain} ({contract.name_zh})
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
{stored}with released as (
    select
        batch_id,
        load_no
    from {{{{ ref('stg_ops__released_batch') }}}}
),

version as (
    select
        {_listed(ranked, 8)},
        row_number() over (
            partition by known.record_key
            order by
                {_listed(order, 16)}
        ) as version_rank
    from {{{{ source('lake', '{feed}') }}}} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{{{ as_of_date() }}}}
),

delivered as (
    select
        {_listed([_part(c) for c in source_columns(contract) if c != DELETED[0]], 8)}
    from {{{{ source('lake', '{feed}') }}}}
){people if contract.subject else ""},

final as (
    select
        {_listed(wide, 8)}
    from delivered
    inner join version
        on
            {_all_hold(joined)}
{join_people if contract.subject else ""})

select * from final
"""


def source_columns(contract: Contract) -> list[str]:
    return list(lake.lake_schema(contract).names)


def answer_sql(contract: Contract) -> str:
    """The answers of a form as accepted, wide and typed, kept in the published copy."""
    names = ",\n        ".join(name for name, _, _ in answer_columns(contract))
    return f"""-- {WRITTEN_BY}
-- {contract.grain} ({contract.name_zh})
-- The standardised answers, with file and row; meta_form_response shows them one by one.
with final as (
    select
        {names}
    from {{{{ ref('{staging_name(contract)}') }}}}
)

select * from final
"""


def answer_columns(contract: Contract) -> list[tuple[str, str, str]]:
    return [*key_columns(contract), *field_columns(contract)]


def _column_nodes(columns: Iterable[tuple[str, str, str]], *, typed: bool) -> list[dict[str, Any]]:
    return [{"name": n, **({"data_type": t} if typed else {}), "description": d} for n, t, d in columns]


def _dump(node: dict[str, Any]) -> str:
    body = yaml.safe_dump(node, allow_unicode=True, sort_keys=False, width=10_000)
    return f"# {WRITTEN_BY}\n{body}"


def sources_yml() -> str:
    """dbt sources: the feeds of the contracts, the support tables of the lake and the small inputs."""
    tables = []
    for c in contracts().values():
        columns = [("record_key", "text", RECORD_KEY)]
        if c.subject:
            columns.append(("identity_id", "text", IDENTITY_ID))
        columns += [(f.name, "", LINEAGE[f.name][1]) for f in lineage()]
        columns += [(DELETED[0], "", DELETED[1])] if DELETED[0] in source_columns(c) else []
        columns += field_columns(c)
        tables.append(
            {
                "name": c.feed,
                "description": f"{c.purpose} {c.grain} All versions. {c.name_zh}，含全部版本。",
                "columns": _column_nodes(columns, typed=False),
            }
        )
    tables += [{"name": n, "description": d} for n, d in SUPPORT.items()]
    source = {
        "name": "lake",
        "description": "Typed, keyed, pseudonymised feeds of the lake, and small inputs. 数据湖：标准化、去标识的各类上报数据。",
        "database": "{{ 'lake' if target.type == 'duckdb' else target.database }}",
        "schema": "lake",
        "tables": tables,
    }
    return _dump({"version": 2, "sources": [source]})


SUPPORT = {
    "text_report": "One row per report: the texts of one record and kind, structured or with the reason why not. 报告文本结构化台账。",
    "text_field": "Items that the text engine read in reports, with evidence. 报告文本结构化字段。",
    "text_finding": "Findings that the text engine read in reports, with assertion and evidence. 报告文本识别出的所见。",
    "text_code": "Distinct texts of an organisation with their codes. 机构的不同文本及其编码。",
    "quarantine": "One row per quarantined row, field and reason; no values. 隔离记录：行、字段、原因，不含取值。",
    "form_answer": "Answers of forms that were not accepted as they stand. 未按原样接受的表单应答。",
    "identity_map": "Every assignment of an identity to a person, appended. 身份到人员的映射及其变更。",
    "person_event": "Merges and splits of persons. 人员合并与拆分事件。",
    "batch_ledger": "One row per delivered file read as one feed. 文件台账。",
    "batch_state": "One row per batch with the decision of the gate. 批次状态。",
    "check_result": "Results of field checks, gates and tests. 检查结果。",
    "defect_count": "Defects returned to organisations, counted by field, reason and state. 反馈给机构的缺陷计数。",
    "contract_feed": "One row per feed contract. 数据契约（上报表）。",
    "contract_field": "One row per field of a contract. 数据契约（字段）。",
    "contract_rule": "One row per cross-field rule of a contract. 数据契约（跨字段规则）。",
    "code_list": "One row per code of a code list. 代码表。",
    "reason": "One row per reason of field QC. 字段质控原因。",
}


def staging_yml() -> str:
    models = [
        {
            "name": staging_name(c),
            "description": f"{c.grain} Latest version known by the as-of date. {c.name_zh}：截至数据日期、已放行批次中每条记录的最新版本。",
            **({"data_tests": [{"unique_key": {"arguments": {"columns": ["record_key"]}}}]} if c.feed in STORED else {}),
            "columns": _column_nodes(answer_columns(c), typed=False),
        }
        for c in contracts().values()
    ]
    return _dump({"version": 2, "models": models})


def forms() -> list[Contract]:
    return [c for c in contracts().values() if c.is_form]


def answers_yml() -> str:
    models = [
        {
            "name": answer_name(c),
            "description": f"{c.grain} Standardised answers with file and row. {c.name_zh}：标准化应答，可追溯到文件和行。",
            "config": {"meta": {"grain": ["record_key"]}},
            "data_tests": [{"unique_key": {"arguments": {"columns": ["record_key"]}}}],
            "columns": _column_nodes(answer_columns(c), typed=True),
        }
        for c in forms()
    ]
    return _dump({"version": 2, "models": models})


# Forms that hold measurements: what the measurement's source is called, the model that holds its rows, and the columns that date them.
MEASURED = {
    "physical_exam": ("meta_answer__physical_exam", ("exam_date",)),
    "resident_health_record": ("meta_answer__resident_health_record", ("updated_date", "created_date")),
    "medical_history": ("stg_hospital__medical_history", ("recorded_date",)),
    "screening_liver": ("meta_answer__screening_liver", ("exam_date",)),
    "screening_fit": ("meta_answer__screening_fit", ("test_date",)),
    "medical_record_front_page": ("std_front_page", ("discharge_date",)),
}
CODED_RESULTS = {"no_yes", "serology_result", "test_result", "fit_result", "hpv_result"}


def measured_fields_macro() -> str:
    """Macro with the fields of forms that are measurements: those that the seed of items knows by name, numbers and coded results."""
    with (PROJECT / "seeds" / "seed_measurement_alias.csv").open(encoding="utf-8", newline="") as file:
        items = {row["alias"]: row["item"] for row in csv.DictReader(file)}
    text = []
    for feed, (model, days) in MEASURED.items():
        listed = [f for f in contracts()[feed].lake_fields if f.name in items and (f.is_numeric or f.code_list in CODED_RESULTS)]
        fields = "".join(
            f"    {{'name': '{f.name}', 'item': '{items[f.name]}', 'name_zh': '{f.name_zh}', 'unit': '{f.unit or ''}',"
            f" 'comparator': {f.comparator}, 'code_list': '{f.code_list or ''}'}},\n"
            for f in listed
        )
        text.append(f"  {{'source': '{feed}', 'model': '{model}', 'days': {list(days)}, 'fields': [\n{fields}  ]}},\n")
    return f"{{% macro measured_fields() %}}\n{{{{ return([\n{''.join(text)}]) }}}}\n{{% endmacro %}}\n"


# Lesions and specimens of the programme's forms name no person: the examination they belong to, and its day.
EXAMINATIONS = {
    "screening_breast_us_lesion": ("meta_answer__screening_breast_us", "exam_date"),
    "screening_cervical_histology": ("meta_answer__screening_colposcopy", "exam_date"),
    "screening_crc_pathology": ("meta_answer__screening_colonoscopy", "exam_date"),
    "screening_ugi_pathology": ("meta_answer__screening_ugi_endoscopy", "exam_date"),
}


def text_feeds_macro() -> str:
    """Macro with the feeds whose texts are structured: the model that holds their records, the day of a record, and whose examination it is."""
    text = []
    for c in contracts().values():
        if not any(f.report_kinds for f in c.fields):
            continue
        day = next((f.name for f in c.lake_fields if f.business_date), "")
        exam, exam_day = ("", "") if c.subject else EXAMINATIONS[c.feed]
        model = answer_name(c) if c.is_form else staging_name(c)
        text.append(f"  {{'feed': '{c.feed}', 'model': '{model}', 'day': '{day}', 'exam': '{exam}', 'exam_day': '{exam_day}'}},\n")
    return f"{{% macro text_feeds() %}}\n{{{{ return([\n{''.join(text)}]) }}}}\n{{% endmacro %}}\n"


def coded_fields_macro() -> str:
    """Macro with the text fields that are coded as diagnoses or histologies, and the model, day and stated code of their records."""
    text = []
    for f in text_fields():
        c = contracts()[f.feed]
        if f.kind == "laboratory" or not c.subject:
            continue
        day = next((x.name for x in c.lake_fields if x.business_date), "delivered_on")
        model = answer_name(c) if c.is_form else staging_name(c)
        text.append(f"  {{'feed': '{f.feed}', 'field': '{f.field}', 'model': '{model}', 'day': '{day}', 'stated': '{f.stated or ''}'}},\n")
    return f"{{% macro coded_fields() %}}\n{{{{ return([\n{''.join(text)}]) }}}}\n{{% endmacro %}}\n"


def form_fields_macro() -> str:
    """Macros with fields of every form (meta_form_response), fields that are measurements (std_measurement), and feeds with reports."""
    fields = {c.feed: [{"name": f.name, "comparator": f.comparator} for f in c.lake_fields] for c in forms()}
    rows = [
        f"  '{feed}': [\n" + "".join(f"    {{'name': '{f['name']}', 'comparator': {f['comparator']}}},\n" for f in listed) + "  ],\n"
        for feed, listed in fields.items()
    ]
    names = ", ".join(f"'{c.feed}'" for c in forms() if not c.subject)
    more = "\n".join((measured_fields_macro(), text_feeds_macro(), coded_fields_macro()))
    without = f"\n{{% macro forms_without_person() %}}{{{{ return([{names}]) }}}}{{% endmacro %}}\n\n{more}"
    return f"{{# {WRITTEN_BY} #}}\n{{% macro form_fields() %}}\n{{{{ return({{\n{''.join(rows)}}}) }}}}\n{{% endmacro %}}\n{without}"


def files() -> dict[Path, str]:
    """Every generated file with its content."""
    staging, answers = PROJECT / "models" / "staging", PROJECT / "models" / "metadata" / "answers"
    made = {
        staging / "_feeds__sources.yml": sources_yml(),
        staging / "_feeds__models.yml": staging_yml(),
        answers / "_answers__models.yml": answers_yml(),
        PROJECT / "macros" / "form_fields.sql": form_fields_macro(),
    }
    made |= {staging / "feeds" / f"{staging_name(c)}.sql": staging_sql(c) for c in contracts().values()}
    made |= {answers / f"{answer_name(c)}.sql": answer_sql(c) for c in forms()}
    return made


def stale() -> list[Path]:
    """Generated files that differ from the contracts, and files left over from feeds that are gone."""
    made = files()
    differ = [p for p, text in made.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    folders = {PROJECT / "models" / "staging" / "feeds", PROJECT / "models" / "metadata" / "answers"}
    left = [p for folder in folders for p in folder.glob("*.sql") if p not in made]
    return sorted(differ + left)


def write() -> list[Path]:
    """Bring the generated files up to date; returns those that changed."""
    made, changed = files(), stale()
    for path in changed:
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


if __name__ == "__main__":
    for changed in write():
        print(changed.relative_to(PROJECT))
