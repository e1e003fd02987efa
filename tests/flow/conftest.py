"""What the tests of publication share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings


@pytest.fixture
def build(settings: Settings) -> Callable[[int], Path]:
    """Write a build file whose `feat_resident` has so many rows."""
    import duckdb

    def make(rows: int) -> Path:
        path = settings.warehouse.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create or replace table feat_resident as select range as person_id from range({rows})")
            connection.execute("comment on column feat_resident.person_id is 'key of a person, 居民编号'")
            connection.execute("create or replace table stg_hospital__patient as select 1 as n")
            connection.execute("create or replace view meta_residents as select count(*) as n from main.feat_resident")
            connection.execute("create or replace view meta_above as select n + 1 as m from main.meta_residents")
            connection.execute("create or replace view meta_private as select n from main.stg_hospital__patient")
            connection.execute("create or replace table meta_check_result (check_id varchar, verdict varchar)")
        return path

    return make
