"""Texts of a mapping file that name delivered columns: templates such as "{visit}-{_part}", and single SQL expressions.

An expression sees the cells of one row and nothing else: no subquery, no aggregate or window, no clock, no chance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb

PLACES = ("_row", "_part", "_delivered_on")
"""Names a template or an expression may use beside columns: number of the data row, record within the row, delivery date."""

PLACEHOLDER = re.compile(r"\{([^{}]+?)(\?)?(?::0(\d+))?\}")
CLASSES = {"COLUMN_REF", "CONSTANT", "FUNCTION", "OPERATOR", "CAST", "CASE", "COMPARISON", "CONJUNCTION", "BETWEEN", "LAMBDA", "LAMBDA_REF"}
UNSTEADY = {
    "random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "now", "current_date", "current_timestamp", "get_current_timestamp", "get_current_time",
    "today", "transaction_timestamp", "current_localtime", "current_localtimestamp", "current_setting", "getvariable", "getenv", "nextval", "currval",
    "setseed", "txid_current", "current_user", "session_user", "current_database", "current_schema", "current_query", "error", "write_log",
}  # fmt: skip


def template_parts(template: str) -> list[tuple[str, str, bool, int]]:
    """A template cut into (literal before, column, may be empty, zero-padded width); the last has no column."""
    parts, end = [], 0
    for found in PLACEHOLDER.finditer(template):
        parts.append((template[end : found.start()], found[1].strip(), bool(found[2]), int(found[3] or 0)))
        end = found.end()
    rest = template[end:]
    if re.search(r"[{}]", rest) or any(re.search(r"[{}]", p[0]) for p in parts):
        raise ValueError(f"template {template!r}: braces do not match; write {{column}}, {{column?}} or {{column:05}}")
    return [*parts, (rest, "", False, 0)]


def template_columns(template: str) -> tuple[str, ...]:
    """The columns a template names, places left out."""
    return tuple(dict.fromkeys(c for _, c, _, _ in template_parts(template) if c and c not in PLACES))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


@cache
def expression_columns(expression: str) -> tuple[str, ...]:
    """The columns an SQL expression names. Raises ValueError where it is more than an expression over one row, or gives other results each time."""
    with _duckdb() as connection:
        (text,) = connection.execute("select json_serialize_sql(?)", [f"select ({expression}\n)"]).fetchone() or ("{}",)
    said = json.loads(text)
    if said.get("error"):
        raise ValueError(f"expression {expression!r}: {said.get('error_message')}")
    statements = said["statements"]
    node = statements[0]["node"]
    if len(statements) != 1 or node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1 or node["from_table"]["type"] != "EMPTY":
        raise ValueError(f"expression {expression!r}: one expression is wanted, without select and from")
    columns: list[str] = []
    bound = {str(p) for n in _nodes(node["select_list"]) if n["class"] == "LAMBDA" for p in _lambda_names(n)}
    for found in _nodes(node["select_list"]):
        if found["class"] not in CLASSES or found.get("function_name", "").lower() in UNSTEADY:
            kind = found.get("function_name") or found["class"].lower()
            raise ValueError(f"expression {expression!r}: {kind} is not allowed; only the cells of the row may decide")
        if found["class"] == "COLUMN_REF":
            name = found["column_names"][-1]
            if len(found["column_names"]) > 1:
                raise ValueError(f"expression {expression!r}: write the column {'.'.join(found['column_names'])} in double quotes")
            if name.lower() in UNSTEADY:
                raise ValueError(f"expression {expression!r}: {name} is not allowed; only the cells of the row may decide")
            if name not in bound and name not in PLACES:
                columns.append(name)
    columns = list(dict.fromkeys(columns))
    _bind(expression, columns)
    return tuple(columns)


def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": 1})


def _bind(expression: str, columns: list[str]) -> None:
    """Raise ValueError where the expression does not fit columns of text."""
    cells = ", ".join('cast(null as varchar) as "' + c.replace('"', '""') + '"' for c in dict.fromkeys((*columns, *PLACES)))
    try:
        with _duckdb() as connection:
            connection.execute(f"select ({expression}\n) from (select {cells}) limit 0")
    except duckdb.Error as error:
        said = str(error).split("\n", 1)[0]
        raise ValueError(f"expression {expression!r}: {said}; all columns are text") from None


def _lambda_names(node: dict[str, Any]) -> Iterator[str]:
    for found in _nodes(node.get("lhs")):
        yield from found.get("column_names", ())
