"""Rows for every contract, made from its field types and code lists: no feed and no code can be forgotten when models change.

Values are chosen by a checksum of feed, field and row, so that the same rows come every time. Numbers of tests, visits and sessions are
shared between feeds, so that what belongs together joins; people are shared between organisations (none of the ten of people.py).
"""

from __future__ import annotations

import zlib
from datetime import date, timedelta
from typing import Any

from ingestion.contracts import Contract, Field, code_list, contracts
from tests.dbt.lake_fixture import Province

AS_OF = date(2025, 6, 30)
PEOPLE = ("gao", "ma", "luo", "liang", "song", "tang", "han", "deng", "peng", "ceng", "xiao")
ORGANISATION = {
    "reference": "REF",
    "national_platform": "NP14",
    "hospital": "H1401",
    "checkup": "T1401",
    "screening_centre": "S1401",
    "free_screening": "F1401",
    "regional_platform": "RP1401",
    "registry": "CR14",
    "programme": "PG14",
}
ICD10 = ("C34.101", "C50.900", "C15.4", "C16.9", "C18.7", "C22.0", "C53.9", "C78.001", "D05.1", "K74.6", "I10", "D06.9", "C61", "Z85.3")
MORPHOLOGY = ("8140/3", "8070/3", "8500/3", "8170/3", "8070/2", "8140/0", "8500/2", "8140/6")
# What a text field may hold, by the end of its name; every fifth value is missing.
WORDS: dict[str, tuple[str, ...]] = {
    "morphology_code": MORPHOLOGY,
    "histology_code": MORPHOLOGY,
    "procedure_code": ("45.7600", "32.4100", "85.4300", "43.4100", "50.2200", "68.6100", "50.2400", "99.0000"),
    "cancer_history_code": ICD10,
    "diagnosis_code": ICD10,
    "diagnosis_codes": ("C34.1;C78.0", "K74.6;I10;C22.0", "C18.7"),
    "cause_code": ICD10,
    "icd10_code": ICD10,
    "t_category": ("T1", "T1b", "T2", "T3", "T4a", "Tis"),
    "n_category": ("N0", "N1", "N1a", "N2", "Nx"),
    "m_category": ("M0", "M1", "M1a", "Mx"),
    "tnm_prefix": ("p", "c", "yp"),
    "stage_group": ("IIIA", "Ⅱ期", "IB2", "Ⅳ", "0", "Ia"),
    "item_name": ("总胆红素(TBIL)", "甲胎蛋白", "粪便隐血(免疫法)", "乙型肝炎表面抗原", "血小板", "高危型HPV", "癌胚抗原", "不知名项目"),
    "result_unit": ("mg/dL", "μmol/L", "ng/mL", "ug/L", "10^9/L", "IU/mL"),
    "reference_range": ("0-7", "3.5-9.5", "≤5", "125～350", "阴性"),
    "loinc_code": ("1834-1", "29771-3", "0000-0"),
    "body_part_name": ("胸部", "乳腺", "肝胆", "颈部"),
    "exam_item_name": ("胸部低剂量CT", "乳腺超声", "腹部超声"),
    "ages": ("55", "49;60", ";58"),
    "age_at_dx": ("55", "49;60", ";58"),
    "rule_id": ("colorectum.highrisk.nhc.2024",),
    "text": ("未见明显异常。", "右肺上叶见结节，约8mm。", "左乳外上象限低回声结节，大小约12mm×8mm，BI-RADS 4A类。"),
}
# Keys of one record that other feeds point to.
SHARED = ("screening_no", "visit_no", "activity_no", "session_no", "specimen_no", "organisation_code", "survey_no")


def choice(feed: str, field: str, row: int, count: int) -> int:
    return zlib.crc32(f"{feed}/{field}/{row}".encode()) % count


def number(feed: str, field: Field, row: int) -> str:
    """A number within the field's limits, whole or with its scale."""
    low = field.minimum if field.minimum is not None else 0
    high = field.maximum if field.maximum is not None else low + 100
    span = min(high - low, 200)
    value = low + span * choice(feed, field.name, row, 97) / 97
    return str(int(value)) if field.type == "int" else f"{value:.3f}"


def text(feed: str, field: Field, row: int, family: str) -> str:
    if field.name == "organisation_code":
        return list(ORGANISATION.values())[row % len(ORGANISATION)]
    if field.name in SHARED:
        return f"{family}-{field.name}-{row}"
    for ending, words in sorted(WORDS.items(), key=lambda item: -len(item[0])):
        if field.name.endswith(ending):
            return words[choice(feed, field.name, row, len(words))]
    return f"{field.name}-{row}" if field.primary_key else f"{field.name}-{choice(feed, field.name, row, 5)}"


def value(contract: Contract, field: Field, row: int, family: str) -> Any:
    """A value of the field, or None for every fifth of those that may be missing."""
    if not (field.primary_key or field.required) and choice(contract.feed, field.name + "?", row, 5) == 0:
        return None
    if field.code_list:
        known = list(code_list(field.code_list))
        one = known[(choice(contract.feed, field.name, 0, len(known)) + row) % len(known)]
        other = known[choice(contract.feed, field.name, row + 1, len(known))]
        return f"{one};{other}" if field.multiple and one != other else one
    if field.is_numeric:
        return str(row + 1) if field.primary_key else number(contract.feed, field, row)
    if field.type == "date":
        return date(2024, 7, 1) + timedelta(days=choice(contract.feed, field.name, row, 330))
    if field.type == "bool":
        return choice(contract.feed, field.name, row, 2) == 0
    return text(contract.feed, field, row, family)


def rows(contract: Contract, family: str, count: int) -> list[dict[str, Any]]:
    """Rows of a feed as one source family delivers it, with signs and words where a field keeps them."""
    made = []
    for number_of_row in range(count):
        row: dict[str, Any] = {f.name: value(contract, f, number_of_row, family) for f in contract.lake_fields}
        for field in contract.lake_fields:
            if field.comparator and row[field.name] is not None and number_of_row % 4 == 1:
                row[f"{field.name}_comparator"] = (">", "<")[number_of_row % 8 // 4]
            if field.keep_text and number_of_row % 3 == 2:
                row |= {field.name: None, f"{field.name}_text": ("阳性(+)", "阴性", "标本溶血")[number_of_row // 3 % 3]}
        if contract.subject:
            row["person"] = PEOPLE[(number_of_row + len(family)) % len(PEOPLE)]
        made.append(row)
    return made


def deliver_every_feed(province: Province, count: int = 16) -> None:
    """Every feed from every family that delivers it, then a correction of its second record and a deletion of its third."""
    for contract in contracts().values():
        for family in contract.source_families:
            made = rows(contract, family, count)
            organisation = ORGANISATION[family]
            province.deliver(organisation, contract.feed, "2025-06-01", made, family=family)
            changed = {**made[1], **{f.name: value(contract, f, 77, family) for f in contract.lake_fields if not f.primary_key}}
            gone = {f.name: made[2][f.name] for f in contract.primary_key if f.in_lake} | {"_deleted": True}
            person = [{"person": made[n]["person"]} if contract.subject else {} for n in (1, 2)]
            province.deliver(organisation, contract.feed, "2025-06-20", [changed | person[0], gone | person[1]], family=family)
