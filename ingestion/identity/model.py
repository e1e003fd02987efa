"""The linkage model: comparisons and weights as data, scored by Splink, with the weights in force kept in the vault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict

PRIORS = Path(__file__).parent / "weights.yml"
# A name or telephone borne by up to 4^class persons; the classes make a score depend on no more than the order of magnitude of a count.
CLASSES, CLASS_BASE = 12, 4

SCHEMA = """
create table if not exists vault.link_model (version varchar primary key, model json not null, note varchar not null, adopted_at timestamp not null);
"""


class Level(BaseModel):
    """A level of agreement. when  condition on tokens, none for 'all other pairs'; borne_by  class column that counts other bearers"""

    model_config = ConfigDict(extra="forbid", frozen=True)
    label: str
    zh: str
    m: float
    u: float
    when: str | None = None
    borne_by: str | None = None
    automatic: bool = True


class Comparison(BaseModel):
    """Levels, the first that fits counts. given  tokens without which a record says nothing here"""

    model_config = ConfigDict(extra="forbid", frozen=True)
    zh: str
    given: tuple[str, ...]
    levels: tuple[Level, ...]


class Model(BaseModel):
    """Weights and thresholds (bits) under a version."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    prior: float
    link: float
    review: float
    margin: float
    comparisons: dict[str, Comparison]


@cache
def priors() -> Model:
    """The weights that the project comes with."""
    return Model.model_validate(yaml.safe_load(PRIORS.read_text(encoding="utf-8")))


def in_force(connection: duckdb.DuckDBPyConnection) -> Model:
    """The weights adopted last, or those that the project comes with; the vault is attached."""
    row = connection.execute("select model from vault.link_model order by adopted_at desc limit 1").fetchone()
    return Model.model_validate_json(row[0]) if row else priors()


def adopt(connection: duckdb.DuckDBPyConnection, model: Model, note: str) -> None:
    """Keep weights in the vault and link by them from now on. Raises ValueError for a version that is there with other weights."""
    row = connection.execute("select model from vault.link_model where version = $v", {"v": model.version}).fetchone()
    if row and Model.model_validate_json(row[0]) != model:
        raise ValueError(f"weights {model.version!r} are in the vault already, and differ; give these another version")
    connection.execute(
        "insert or replace into vault.link_model values ($v, $m, $n, now()::timestamp)", {"v": model.version, "m": model.model_dump_json(), "n": note}
    )


def _sql(condition: str) -> str:
    """The SQL of a condition: shared(t), either(a, b) and alike(t, share) over the token lists of left and right."""
    condition = re.sub(r"shared\((\w+)\)", r'coalesce(list_has_any("\1_l", "\1_r"), false)', condition)
    condition = re.sub(
        r"either\((\w+), (\w+)\)",
        r'(coalesce(list_has_any("\1_l", "\2_r"), false) or coalesce(list_has_any("\2_l", "\1_r"), false))',
        condition,
    )
    return re.sub(
        r"alike\((\w+), ([0-9.]+)\)",
        r'coalesce(len(list_intersect("\1_l", "\1_r")) >= \2 * greatest(len("\1_l"), len("\1_r")), false)',
        condition,
    )


def compared_tokens(model: Model) -> list[str]:
    """Token columns that the comparisons read."""
    found = [t for c in model.comparisons.values() for t in c.given]
    for level in (lv for c in model.comparisons.values() for lv in c.levels if lv.when):
        for inside in re.findall(r"\(([^()]*)\)", level.when or ""):
            found += [w for w in re.split(r"[,\s]+", inside) if w and not w[0].isdigit()]
    return list(dict.fromkeys(found))


def splink_settings(model: Model) -> dict[str, Any]:
    """The model as settings of Splink."""
    comparisons = []
    for name, comparison in model.comparisons.items():
        missing = " or ".join("(" + " and ".join(f'"{t}_{side}" is null' for t in comparison.given) + ")" for side in "lr")
        levels: list[dict[str, Any]] = [{"sql_condition": missing, "label_for_charts": "not given", "is_null_level": True}]
        for level in comparison.levels:
            described = {
                "sql_condition": _sql(level.when) if level.when else "ELSE",
                "label_for_charts": level.label,
                "m_probability": level.m,
                "u_probability": level.u,
            }
            if level.borne_by:
                described |= {"tf_adjustment_column": level.borne_by, "tf_adjustment_weight": 1.0, "disable_tf_exact_match_detection": True}
            levels.append(described)
        comparisons.append({"output_column_name": name, "comparison_description": comparison.zh, "comparison_levels": levels})
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "node_no",
        "probability_two_random_records_match": model.prior,
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": [],
        "retain_intermediate_calculation_columns": True,
        "retain_matching_columns": True,
    }


def linker(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> Any:
    """A Splink linker over a table of nodes and their tokens, with the classes of names and telephones as term frequencies."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    api = DuckDBAPI(connection=connection)
    made = Linker(api.register(table), SettingsCreator.from_path_or_dict(splink_settings(model)), log_level=None)
    for column, u in {(lv.borne_by, lv.u) for c in model.comparisons.values() for lv in c.levels if lv.borne_by}:
        counted = pa.table({column: pa.array(range(CLASSES), pa.int32()), f"tf_{column}": [u * CLASS_BASE**k for k in range(CLASSES)]})
        connection.register(f"frequency_{column}", counted)
        made.table_management.register_term_frequency_lookup(api.register(f"frequency_{column}"), column)
    return made


@contextmanager
def predicted(connection: duckdb.DuckDBPyConnection, model: Model, nodes: str, pairs: str, *, threshold: float | None) -> Iterator[tuple[Any, Any]]:
    """Splink's linker and its scored pairs, for a table of nodes and one of pairs (left_node, right_node); gone at the end."""
    beside = connection.cursor()  # Splink makes tables of its own: not within the vault's transaction
    beside.register("compared", connection.execute(f"from {nodes}").to_arrow_table())
    blocked = connection.execute(f"select left_node as join_key_l, right_node as join_key_r, '0' as match_key from {pairs}")
    beside.register("blocked_pair", blocked.to_arrow_table())
    linking = linker(beside, model, "compared")
    linking.table_management.register_blocked_pairs_for_predict(linking._db_api.register("blocked_pair"))
    yield linking, linking.inference.predict(threshold_match_weight=threshold, warning_mode="never")
    linking.table_management.delete_tables_created_by_splink_from_db()
    beside.close()


def score(connection: duckdb.DuckDBPyConnection, model: Model, nodes: str, pairs: str, into: str) -> None:
    """Score pairs (left_node, right_node) of nodes → table `into`: left_node, right_node, weight (bits), levels, automatic.

    levels  JSON: of each comparison its level (null where a side says nothing) and its bits, so that a score can be explained later
    automatic  whether every level allows a link without a clerk, and name and birth date were compared at all
    """
    parts, vetoes = [], ["gamma_name >= 0", "gamma_birth_date >= 0"]
    for name, comparison in model.comparisons.items():
        labels = [lv.label for lv in reversed(comparison.levels)]
        adjusted = f" + coalesce(mw_tf_adj_{name}, 0)" if any(lv.borne_by for lv in comparison.levels) else ""
        bits = f"round(mw_{name}{adjusted}, 2)"
        level = f"list_extract({labels!r}, gamma_{name} + 1)"
        parts.append(f"{name} := struct_pack(level := case when gamma_{name} >= 0 then {level} end, bits := {bits})")
        forbidden = [str(labels.index(lv.label)) for lv in comparison.levels if not lv.automatic]
        if forbidden:
            vetoes.append(f"gamma_{name} not in ({', '.join(forbidden)})")
    with predicted(connection, model, nodes, pairs, threshold=model.review) as (linking, table):
        found = linking._db_api.duckdb_con.execute(
            f"""
            select node_no_l as left_node, node_no_r as right_node, match_weight as weight,
                cast(to_json(struct_pack({", ".join(parts)})) as varchar) as levels, {" and ".join(vetoes)} as automatic
            from {table.physical_name}
            """
        ).to_arrow_table()
    connection.register("found_pair", found)
    connection.execute(f"create or replace temp table {into} as from found_pair")
    connection.unregister("found_pair")
