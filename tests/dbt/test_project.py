"""Laws of the dbt project that hold for every model, checked on its files and on a build."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dbt_project.tools import generate
from infra.dbt_runner import PROJECT, NodeResult, run_dbt
from infra.settings import Settings
from ingestion.contracts import codes, contracts
from tests.dbt.people import AS_OF

CHINESE, ENGLISH = re.compile(r"[一-鿿]"), re.compile(r"[A-Za-z]{2,}")
CLOCK = re.compile(r"\b(current_(date|time|timestamp)|now\s*\(|today\s*\(|getdate|sysdate|localtimestamp|run_started_at)", re.I)
PUBLISHED = ("meta_", "rule_", "feat_", "mart_")


def sql_files(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (PROJECT / folder).rglob("*.sql"))


def code(path: Path) -> str:
    """The file without its comments."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"--[^\n]*", "", text)


@pytest.fixture(scope="session")
def manifest(lake: Settings, nodes: list[Any]) -> dict[str, Any]:
    run_dbt(lake, "parse", as_of=AS_OF)
    return json.loads((lake.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def built(warehouse: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of every table and view of the build."""
    rows = warehouse.execute("select table_name, list(column_name) from duckdb_columns() where schema_name = 'main' group by 1").fetchall()
    return dict(rows)


def test_generated_files_are_those_the_contracts_give():
    assert generate.stale() == []


def test_dbt_unit_tests_pass(nodes: list[NodeResult]):
    results = [n for n in nodes if n.resource_type == "unit_test"]
    assert len(results) > 15
    assert [f"{n.name}: {n.message}" for n in results if not n.ok] == []


def test_no_model_or_source_has_an_identifying_column(manifest: dict[str, Any], built: dict[str, list[str]]):
    forbidden = {f.name for c in contracts().values() for f in c.fields if f.classification in {"identifying", "local_id"}}
    assert {"person_name", "id_card_no", "mobile_phone", "residence_address", "patient_no"} <= forbidden
    declared = {n["name"]: list(n["columns"]) for n in [*manifest["nodes"].values(), *manifest["sources"].values()]}
    found = {(table, c) for tables in (declared, built) for table, columns in tables.items() for c in columns if c in forbidden}
    assert found == set()


def test_no_model_or_macro_asks_the_clock():
    assert [p.name for p in sql_files("models", "macros", "rule_library", "tests") if CLOCK.search(code(p))] == []


def test_sources_are_read_in_staging_alone_and_column_by_column():
    outside = [p.name for p in sql_files("models") if "source(" in code(p) and p.relative_to(PROJECT / "models").parts[0] != "staging"]
    starred = [p.name for p in sql_files("models/staging") if re.search(r"select\s+\*\s+from\s+\{\{\s*source", code(p))]
    assert (outside, starred) == ([], [])


def test_every_model_ends_in_its_final_cte_and_opens_by_saying_what_a_row_is():
    for path in sql_files("models"):
        text = path.read_text(encoding="utf-8").strip()
        assert text.startswith("--"), path.name
        assert text.endswith("select * from final") or "rule_outcome(" in text, path.name


def test_every_model_and_every_column_is_described_in_english_and_chinese(manifest: dict[str, Any], built: dict[str, list[str]]):
    lacking = []
    for node in manifest["nodes"].values():
        if node["resource_type"] not in {"model", "seed"}:
            continue
        described = {"": node["description"], **{name: c["description"] for name, c in node["columns"].items()}}
        described |= {name: "" for name in built[node["name"]] if name not in described}
        lacking += [(node["name"], name) for name, text in described.items() if not (CHINESE.search(text) and ENGLISH.search(text))]
    assert lacking == []


def test_every_published_model_has_an_enforced_contract_and_every_table_a_tested_key(manifest: dict[str, Any]):
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    open_models = [n["name"] for n in models if n["name"].startswith(PUBLISHED) and not n["config"]["contract"]["enforced"]]
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    keyed = {t["attached_node"] for t in tests if t["name"].startswith("unique_key")}
    # A quarantined row has a line per reason, and one answer may be wrong for several reasons.
    without_key = {"meta_quarantine", "meta_form_answer_exception"}
    tables = [n for n in models if n["config"]["materialized"] == "table" and n["name"] not in without_key]
    assert (open_models, [n["name"] for n in tables if n["unique_id"] not in keyed]) == ([], [])


# About places, organisations, programme and staff, or about keys of persons, not about people.
NOT_PEOPLE = re.compile(
    r"std_(organisation|division|department|doctor|population|programme_target|training_\w+|decision_(linkage|code|text|rule)\w*|person_event)$"
)


def test_every_table_about_people_tells_channel_and_screening_source(built: dict[str, list[str]]):
    tables = [t for t in built if t.startswith(("std_", "feat_", "mart_")) and not NOT_PEOPLE.match(t)]
    assert len(tables) > 30
    assert [t for t in tables if not {"channel", "screening_source"} <= set(built[t])] == []
    assert [t for t in built if NOT_PEOPLE.match(t) and "person_id" in built[t]] == []


def ancestors(manifest: dict[str, Any], node: str) -> set[str]:
    found, waiting = set(), [node]
    while waiting:
        for parent in manifest["parent_map"].get(waiting.pop(), []):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_nobody_is_forgotten_every_feed_about_people_makes_persons_and_every_feed_is_standardised(manifest: dict[str, Any]):
    of_person = ancestors(manifest, "model.lakehouse.std_person")
    assert [c.feed for c in contracts().values() if c.subject and f"source.lakehouse.lake.{c.feed}" not in of_person] == []
    standard = {n for name in manifest["nodes"] if ".std_" in name for n in ancestors(manifest, name)}
    # What a CT shows beside the lungs stays with the form until a rule asks for it.
    assert [c.feed for c in contracts().values() if f"source.lakehouse.lake.{c.feed}" not in standard] == []


def seed(name: str) -> list[dict[str, str]]:
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_prefix_of_a_code_begins_another_so_that_every_code_has_one_meaning():
    for system in ("icd10", "icd9cm3"):
        prefixes = [r["prefix"].replace(".", "") for r in seed("seed_code_prefix") if r["code_system"] == system]
        assert [(a, b) for i, a in enumerate(prefixes) for j, b in enumerate(prefixes) if i != j and b.startswith(a)] == []


def test_every_classified_code_is_a_code_of_the_list_it_names():
    ours = {"lab_text", "relation_degree", "relative_cancer", "pathology_site", "staging_edition", "colorectal_pathology"}
    lists = {r["code_list"] for r in seed("seed_code_class")} - ours
    known = {(c.list, c.code) for c in codes()}
    for row in seed("seed_code_class"):
        name = row["code_list"].removeprefix("coded_result.")
        if row["code_list"] in lists and not name.startswith("histology_behaviour."):
            assert (name, row["code"]) in known, row


def test_every_code_of_a_result_has_a_class():
    classed = {(r["code_list"], r["code"]) for r in seed("seed_code_class")}
    lists = {
        "lung_result",
        "digestive_tract_result",
        "liver_result",
        "liver_lesion_conclusion",
        "breast_result",
        "bi_rads",
        "bi_rads_us",
        "bi_rads_mg",
        "hpv_result",
        "test_result",
        "bethesda_category",
        "colposcopy_impression",
        "cervical_histology",
        "upper_gi_pathology",
        "colorectal_pathology",
        "fit_result",
    }
    assert sorted((c.list, c.code) for c in codes() if c.list in lists and (c.list, c.code) not in classed) == []


def test_every_item_every_unit_and_every_statement_is_described_once():
    items = {r["item"]: r["unit"] for r in seed("seed_measurement_item")}
    units = {r["unit"] for r in seed("seed_unit")}
    assert {r["item"] for r in seed("seed_measurement_alias")} <= set(items)
    for row in seed("seed_unit_factor"):
        assert items[row["item"]] == row["to_unit"] and float(row["factor"]) > 0, row
    assert {r["from_unit"] for r in seed("seed_unit_factor")} <= units
    for name, key in (
        ("seed_measurement_alias", "alias"),
        ("seed_unit", "printed"),
        ("seed_measurement_item", "item"),
        ("seed_history_statement", "statement"),
    ):
        keys = [r[key] for r in seed(name)]
        assert len(keys) == len(set(keys)), name


def test_every_statement_of_a_history_is_described(warehouse: duckdb.DuckDBPyConnection):
    sql = warehouse.execute("select sql from duckdb_views() where view_name = 'std_medical_history'").fetchone()[0]
    stated = set(re.findall(r"'(\w+)' AS \"?statement", sql))
    assert len(stated) > 60
    assert stated == {r["statement"] for r in seed("seed_history_statement")}


def rule_files() -> list[Path]:
    return sql_files("rule_library")


def library(path: Path) -> dict[str, Any]:
    block = re.search(r"\{% set library %\}(.*?)\{% endset %\}", path.read_text(encoding="utf-8"), re.S)
    return yaml.safe_load(block[1])


@pytest.mark.parametrize("path", rule_files(), ids=lambda p: p.stem)
def test_rules_are_cited_dated_and_ask_only_for_facts_there_are(path: Path, manifest: dict[str, Any]):
    found = library(path)
    assert found["cancer"] == path.stem
    facts = set(manifest["nodes"][f"model.lakehouse.{found['facts']}"]["columns"])
    words = {"between", "and", "or", "not", "in", "is", "null", "true", "false"}
    for rule in found["rules"]:
        cancer, _, issuer, year = rule["id"].split(".")
        assert (cancer, issuer) == (found["cancer"], rule["issuer"]) and year.isdigit()
        assert rule["source"] and re.fullmatch(r"\d{4}-\d\d-\d\d", rule["effective_from"])
        assert rule["status"] in {"released", "draft", "retired"}
        assert rule["status"] == "draft" or rule["confidence"] in {"S", "S2"}, "a rule from memory stays a draft"
        conditions = [*rule["eligibility"], *rule["criteria"], *rule.get("overrides", [])]
        for item in conditions:
            assert CHINESE.search(item["name_zh"]) and CHINESE.search(item["missing_zh"])
            for piece in item.get("bands", [item]):
                for key in ("when", "when_not"):
                    names = set(re.findall(r"[a-z_][a-z_0-9]*", re.sub(r"'[^']*'", "", piece.get(key, "")))) - words
                    assert names <= facts, f"{rule['id']}.{item['id']} asks for {names - facts}"


def test_no_threshold_of_a_rule_stands_in_a_model():
    for path in sql_files("models/rules", "models/features", "models/marts"):
        assert not re.search(r"(age_years|bmi_kg_m2|score)\w*\s*(>=|>|<|<=|between)\s*\d", code(path)), path.name
