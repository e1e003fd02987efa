"""Canonical records in an organisation's own words: the mapping file read backwards.

The mapping is the one description of a dialect. Generator and pipeline read it in opposite directions.
"""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import contract
from ingestion.mappings import FOLDER, CodeTable, ColumnMapping, FeedMapping
from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import Text, constant, dates, decimal, parse_dates
from ingestion.synthetic.records import Records

# What the organisations call the columns that the generators give beside the canonical ones.
EXTRA_COLUMNS = dict.fromkeys(("jzksmc", "dept_name", "科室", "KSMC", "DEPARTMENT_NAME"), "department_name")
UPDATE_TIME = "UPDATE_TIME"  # when a database row was last written
# What systems with a mark of change write into it for a record that is not deleted.
UNCHANGED = "0"


def delivered_name(mapping: FeedMapping, field: str) -> str:
    """The organisation's column for a canonical field. Raises KeyError for a field it does not deliver."""
    column = mapping.columns[field]
    if column.source is None:
        raise KeyError(f"field {field} is a constant of the mapping")
    return column.source


def date_pattern(mapping: FeedMapping, field: str) -> str:
    """The date form an organisation writes."""
    formats = mapping.columns[field].date_format or mapping.date_format
    return formats[0] if formats else "%Y-%m-%d"


def _translated(values: Text, codes: dict[str, str]) -> Text:
    """Canonical codes back to the first local value that means them."""
    local: dict[str, str] = {}
    for delivered, canonical in codes.items():
        local.setdefault(canonical, delivered)
    found = pc.index_in(values, value_set=pa.array(list(local)))
    return pc.coalesce(pa.array(list(local.values())).take(found), values)


def code_rows(organisation: str, table: CodeTable) -> list[dict[str, str]]:
    """The rows of a dictionary of local codes: the file beside the mapping, or what the organisation delivers as a table."""
    if table.file:
        with (FOLDER / table.file).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    own = (r for r in rows("local_codes") if r["organisation"] == organisation)
    return [{table.key: r["local_code"], table.value: r["code"], "MC": r["name_zh"]} for r in own]


def _scaled(values: Text, column: ColumnMapping) -> Text:
    """Numbers in the organisation's unit, as many digits as the conversion leaves; comparators stay, words too."""
    parts = pc.extract_regex(values, r"^(?P<sign>[<>≤≥]?)(?P<number>-?\d+(?P<fraction>\.\d+)?)$")
    sign, text, fraction = (pc.struct_field(parts, [i]) for i in range(3))
    number = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
    digits = max((pc.max(pc.utf8_length(fraction)).as_py() or 0) - 1, 0)
    places = max(digits + round(np.log10(abs(column.factor))), 0)
    written = decimal((number - column.offset) / column.factor, places, ~np.isnan(number))
    return pc.coalesce(pc.binary_join_element_wise(sign, written, ""), values)


def _extra(records: Records, name: str) -> Text:
    """A column that no field uses; the organisation's own code where the records hold none of that name."""
    if name in records.extra:
        return records.extra[name]
    if name == UPDATE_TIME:
        return dates(records.known_on, "%Y-%m-%d 08:00:00")
    if name in EXTRA_COLUMNS:
        return records.extra[EXTRA_COLUMNS[name]]
    return constant(records.organisation, len(records))


def dialect(records: Records, mapping: FeedMapping) -> pa.Table:
    """The records under the organisation's column names, codes, date forms and units.

    Raises KeyError when the mapping lacks a column that the records hold, or names one that nobody fills.
    """
    known, delivered = contract(records.feed), {}
    for name, column in mapping.columns.items():
        if column.source is None:
            continue
        values = records.table[name].combine_chunks()
        if known.field(name).type == "date" and date_pattern(mapping, name) != "%Y-%m-%d":
            values = dates(parse_dates(values), date_pattern(mapping, name))
        if column.code_table:
            table = column.code_table
            values = _translated(values, {r[table.key]: r[table.value] for r in code_rows(records.organisation, table)})
        if column.codes:
            values = _translated(values, column.codes)
        if column.factor != 1.0 or column.offset != 0.0:
            values = _scaled(values, column)
        if column.separator:
            values = pc.replace_substring(values, ";", column.separator)
        delivered[column.source] = values
    for name in mapping.ignore:
        delivered[name] = _extra(records, name)
    if mapping.deleted and mapping.deleted.column not in delivered:
        delivered[mapping.deleted.column] = constant(UNCHANGED, len(records))
    left = set(records.table.column_names) - set(mapping.columns)
    if left:
        raise KeyError(f"mapping of {records.organisation} {records.feed} has no column for {', '.join(sorted(left))}")
    return pa.table(delivered)
