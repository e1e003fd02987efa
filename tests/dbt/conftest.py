"""The fixture lake, built once with dbt on DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from infra.dbt_runner import NodeResult, run_dbt
from infra.settings import Settings, load_settings
from ingestion.codes.stage import run_all
from ingestion.structure import structure
from tests.dbt.lake_fixture import Province
from tests.dbt.people import AS_OF, fill


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home whose lake holds the ten people."""
    home: Path = tmp_path_factory.mktemp("dbt") / "home"
    settings = load_settings(profile="local", home=home, extracts=home / "none")
    fill(Province(settings))
    structure(settings, "fixture")
    run_all(settings, "fixture")
    return settings


@pytest.fixture(scope="session")
def nodes(lake: Settings) -> list[NodeResult]:
    """Results of `dbt build` over the fixture lake, dbt's unit tests included."""
    return run_dbt(lake, "build", as_of=AS_OF, unit_tests=True)


@pytest.fixture(scope="session")
def warehouse(lake: Settings, nodes: list[NodeResult]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build database, read-only."""
    assert [f"{n.name}: {n.message}" for n in nodes if not n.ok] == []
    with duckdb.connect(str(lake.warehouse.path), read_only=True) as connection:
        yield connection
