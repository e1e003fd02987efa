"""A whole lakehouse driven from outside, as a person with `make run` would, and the generator's truth to hold against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from infra.settings import ROOT, Settings, load_settings
from ingestion import duck, lake
from ingestion.contracts import contracts
from ingestion.sources import arrow_inputs, iceberg_inputs

# Columns that say when or by which run something was done: they differ between runs by nature.
VOLATILE = {"recorded_at", "checked_at", "decided_at", "run_id", "published_at", "first_run_id", "loaded_at"}
# Rows of check_result that describe how a run was driven, not what the data are.
RUN_TABLES = {"meta_check_result"}


@dataclass(frozen=True)
class Lakehouse:
    """A LAKEHOUSE_HOME with its key, and the landing folder it reads."""

    home: Path
    key_file: Path
    extracts: Path | None = None

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in {"EXTRACTS", "AS_OF", "STRICT", "PROFILE", "LAKEHOUSE_MAPPINGS", "SCALE", "SEED"}}
        given = {"EXTRACTS": str(self.extracts)} if self.extracts else {}
        return kept | {"LAKEHOUSE_HOME": str(self.home), "LAKEHOUSE_KEY_FILE": str(self.key_file)} | given | more

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        """`make run` without make: drive everything to the end."""
        return subprocess.run(
            [sys.executable, "-m", "infra.run"], cwd=ROOT, env=self.environment(**more), capture_output=True, text=True, timeout=900, check=False
        )

    def run_until_killed(self, line: str, seconds_later: float) -> str:
        """Start a run and kill it (SIGKILL) some seconds after a line of its output appears; returns the output until then."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "infra.run"],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = []
        assert process.stdout
        for text in process.stdout:
            said.append(text)
            if line in text:
                time.sleep(seconds_later)
                break
        finished = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output = "".join(said)
        assert not finished, f"the run ended before it could be killed:\n{output}"
        return output

    def settings(self) -> Settings:
        old = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment())
        try:
            return load_settings()
        finally:
            os.environ.clear()
            os.environ.update(old)

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.home / "run_summary.json").read_text(encoding="utf-8"))

    @property
    def truth(self) -> Path:
        return self.home / "extracts" / "truth"

    def published(self) -> duckdb.DuckDBPyConnection:
        """The published file, as a researcher opens it."""
        return duckdb.connect(str(self.home / "serving" / "lakehouse.duckdb"), read_only=True)

    def lake(self) -> duckdb.DuckDBPyConnection:
        """Lake (`lake.*`), raw zone (`raw.*`) and truth (`truth.*`) as views."""
        settings, connection = self.settings(), duck.connect()
        duck.load_extensions(connection, ["avro", "httpfs", "iceberg"])
        for schema in ("lake", "raw", "truth"):
            connection.execute(f"create schema {schema}")
        for name, location in iceberg_inputs(settings).items():
            connection.execute(f"create view lake.{name} as from iceberg_scan('{location}')")
        for name, described in contracts().items():
            location = lake.table(settings, lake.RAW, name, lake.raw_schema(described)).metadata_location
            connection.execute(f"create view raw.{name} as from iceberg_scan('{location}')")
        for name, table in arrow_inputs(settings).items():
            connection.register(f"_{name}", table)
            connection.execute(f"create table lake.{name} as from _{name}")
        for path in self.truth.glob("*.parquet") if self.truth.is_dir() else ():
            connection.execute(f"create view truth.{path.stem} as from '{path}'")
        return connection

    def fed(self) -> list[str]:
        """The feeds that were delivered; tables that are only there to be joined to others hold no records of their own."""
        found = self.lake().execute("select distinct feed from lake.batch_ledger").fetchall()
        return sorted(f for (f,) in found if f in contracts())


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
    """Every published table, its volatile columns left out, its rows in the order of all its columns."""
    found = {}
    for (name,) in connection.execute(
        "select table_name from duckdb_tables() union select view_name from duckdb_views() where not internal"
    ).fetchall():
        columns = [c[0] for c in connection.execute(f"describe {name}").fetchall() if c[0] not in VOLATILE]
        found[name] = connection.execute(f"select {', '.join(columns)} from {name} order by all").to_arrow_table()
    return found


# Keys are issued in the order in which people become known to a lakehouse, and organisations may come in any order.
KEYS = {"person_id", "identity_id", "record_key", "source_record_key", "diagnosis_record_key"}


def without_keys(found: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables without issued keys, their rows in the order of what is left."""
    bare = {n: t.drop_columns(sorted(KEYS & set(t.column_names))) for n, t in found.items()}
    return {n: t.sort_by([(c, "ascending") for c in t.column_names]) for n, t in bare.items()}


def groups(lakehouse: Lakehouse) -> list[list[str]]:
    """Which records are one person's: per person the sorted places of the records, persons in the order of their first record."""
    lake = lakehouse.lake()
    keyed = [f for f in lakehouse.fed() if "identity_id" in {c[0] for c in lake.execute(f"describe lake.{f}").fetchall()}]
    records = " union all ".join(f"select identity_id, concat_ws('|', _organisation, '{f}', _file, _row) as place from lake.{f}" for f in keyed)
    query = f"""
        select list(place order by place) from ({records}) inner join (
            select * from lake.identity_map qualify row_number() over (partition by identity_id order by change_no desc) = 1
        ) using (identity_id) group by person_id order by 1
    """
    return [g for (g,) in lake.execute(query).fetchall()]


def differences(left: dict[str, pa.Table], right: dict[str, pa.Table], *, without: set[str] = frozenset()) -> list[str]:
    """Tables that are not the same cell by cell, each with what differs first."""
    found = [f"only on one side: {sorted(left.keys() ^ right.keys())}"] if left.keys() != right.keys() else []
    for name in sorted((left.keys() & right.keys()) - without):
        a, b = left[name], right[name]
        if a.equals(b):
            continue
        if len(a) != len(b):
            found.append(f"{name}: {len(a)} rows against {len(b)}")
        else:
            found.append(f"{name}: {[c for c in a.column_names if not a[c].equals(b[c])]}")
    return found
