"""Publication: a new file with the tables that are read, checked against the build, then one switch of the link.

Readers open `serving/lakehouse.duckdb`. Whoever has it open keeps the version it opened; whoever opens it next gets the new one. A run
that is killed before the switch leaves the old version in place and a file that the next run removes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from infra.settings import ROOT, Settings
from ingestion import duck, ops

PREFIXES = ("feat_", "mart_", "meta_", "rule_", "research_", "omop_")
REFRESHED = ("meta_check_result", "meta_batch_ledger")
KEPT_VERSIONS = 3
CODE = ("dbt_project", "ingestion/contracts", "ingestion/text", "ingestion/codes", "expectations/suites")
CODE_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".py", ".json"}
NOT_CODE = {"target", "logs", "dbt_packages", "__pycache__"}


class CopyDiffers(RuntimeError):
    """The copy does not hold the rows of the build; nothing was published."""


@dataclass(frozen=True)
class Publication:
    """One published version: how many tables and rows readers see, for which day and from what."""

    version: str
    path: Path
    tables: int
    rows: int
    as_of: date
    fingerprint: str


def code_hash(root: Path = ROOT) -> str:
    """Hash of everything that decides what the same batches become: models, rules, contracts, text engine, coders, suites."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root)
            if path.suffix in CODE_SUFFIXES and path.is_file() and not NOT_CODE.intersection(inside.parts):
                digest.update(f"{inside.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def fingerprint(settings: Settings, as_of: date) -> str:
    """Hash of what a build is made from: the released batches, the files in the ledger, the day it looks from and the code."""
    released = [b["batch_id"] for b in ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "released")]
    files = [f"{f['ledger_id']}:{f['status']}" for f in ops.rows(settings.ops_url, ops.file_ledger)]
    parts = [as_of.isoformat(), code_hash(), *sorted(released), *sorted(files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def published_path(settings: Settings) -> Path | None:
    """The version file readers get now, or None."""
    return settings.serving.resolve() if settings.serving.is_symlink() and settings.serving.exists() else None


def current(settings: Settings) -> dict | None:
    """The record of the version that the link points to, or None when there is none."""
    path = published_path(settings)
    if path is None:
        return None
    return next(iter(ops.rows(settings.ops_url, ops.publication, ops.publication.c.path == str(path.relative_to(settings.home)))), None)


def is_current(settings: Settings, as_of: date) -> bool:
    """Whether the published version was made from exactly what a build would use now."""
    found = current(settings)
    return found is not None and found["build_fingerprint"] == fingerprint(settings, as_of)


def _versions(settings: Settings) -> Path:
    return settings.serving.parent / "versions"


def _sweep(settings: Settings, keep: Iterable[Path]) -> None:
    """Remove what a killed run left and versions beyond those kept; an open reader is not disturbed."""
    kept = {p.resolve() for p in keep}
    for path in [*_versions(settings).glob("*"), *settings.serving.parent.glob(".link*")]:
        if path.is_symlink() or path.resolve() not in kept:
            path.unlink(missing_ok=True)


def _recorded_paths(settings: Settings) -> list[Path]:
    found = sorted(ops.rows(settings.ops_url, ops.publication), key=lambda r: (r["published_at"], r["version"]), reverse=True)
    return [settings.home / r["path"] for r in found]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _published(names: Iterable[str]) -> list[str]:
    return sorted(n for n in names if n.startswith(PREFIXES))


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return connection.execute(f"select count(*) from {relation}").fetchone()[0]


def _describe(connection: duckdb.DuckDBPyConnection, kind: str, name: str) -> None:
    """Give a table or view of the copy the comments it has in the build."""
    comment = connection.execute(f"select comment from duckdb_{kind}s() where database_name = 'build' and {kind}_name = ?", [name]).fetchone()
    if comment and comment[0]:
        connection.execute(f"comment on {kind} {_quoted(name)} is {_text(comment[0])}")
    described = connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'build' and table_name = ? and comment is not null", [name]
    ).fetchall()
    for column, text in described:
        connection.execute(f"comment on column {_quoted(name)}.{_quoted(column)} is {_text(text)}")


def _copy_table(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Copy one table or, where it cannot live in the copy, what a view shows. Raises CopyDiffers."""
    origin, target = f"build.main.{_quoted(name)}", f"main.{_quoted(name)}"
    connection.execute(f"create table {target} as from {origin}")
    there, here = _count(connection, origin), _count(connection, target)
    if there != here:
        raise CopyDiffers(f"{name}: {there} rows in the build, {here} in the copy")
    _describe(connection, "table", name)
    return here


def _copy_views(connection: duckdb.DuckDBPyConnection, build: Path, views: dict[str, str]) -> int:
    """Create the views whose tables are all in the copy as views; a view on anything else becomes a table. Returns rows written."""
    connection.execute("detach build")
    waiting, progress = dict(views), True
    while waiting and progress:
        progress = False
        for name, sql in list(waiting.items()):
            try:
                connection.execute(sql)
            except duckdb.CatalogException:
                continue
            del waiting[name]
            progress = True
    connection.execute(f"attach {_text(str(build))} as build (read_only)")
    for name in views.keys() - waiting.keys():
        _describe(connection, "view", name)
    return sum(_copy_table(connection, name) for name in sorted(waiting))


def copy(settings: Settings, target: Path) -> tuple[int, int]:
    """Copy the published tables and views of the build into a new file; returns relations and rows. Raises CopyDiffers."""
    build = settings.warehouse.path
    if build is None:
        raise ValueError(f"publication copies a DuckDB build file; the warehouse of profile {settings.profile} is {settings.warehouse.target}")
    connection = duck.connect(str(target), memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        connection.execute(f"attach {_text(str(build))} as build (read_only)")
        tables = connection.execute("select table_name from duckdb_tables() where database_name = 'build'").fetchall()
        views = dict(connection.execute("select view_name, sql from duckdb_views() where database_name = 'build' and not internal").fetchall())
        names, shown = _published(t for (t,) in tables), _published(views)
        if not names:
            raise CopyDiffers(f"{build} holds no table to publish ({', '.join(PREFIXES)})")
        rows = sum(_copy_table(connection, name) for name in names)
        rows += _copy_views(connection, build, {name: views[name] for name in shown})
        connection.execute("detach build")
        connection.execute("checkpoint")
    finally:
        connection.close()
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    return len(names) + len(shown), rows


def refresh_metadata(settings: Settings, as_of: date) -> None:
    """Build ledger and verdicts once more: the gates on features and marts ran after dbt had read them. Raises CopyDiffers."""
    from infra.dbt_runner import run_dbt

    nodes = run_dbt(settings, "run", "--select", *REFRESHED, as_of=as_of)
    if failed := [n.name for n in nodes if not n.ok]:
        raise CopyDiffers(f"{', '.join(failed)} could not be brought up to date")


def switch(settings: Settings, target: Path) -> None:
    """Point the link at another version in one step."""
    link = settings.serving.with_name(f".link-{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(target.relative_to(settings.serving.parent))
    os.replace(link, settings.serving)


def publish(settings: Settings, run_id: str, as_of: date, refresh: Callable[[Settings, date], None] = refresh_metadata) -> Publication:
    """Publish the build and record it; keeps the last versions. Raises CopyDiffers and leaves the published version in place."""
    refresh(settings, as_of)
    versions = _versions(settings)
    versions.mkdir(parents=True, exist_ok=True)
    here = published_path(settings)
    _sweep(settings, [*_recorded_paths(settings), *([here] if here else [])])
    made, at = fingerprint(settings, as_of), ops.now()
    version = f"{as_of:%Y%m%d}_{at:%Y%m%dT%H%M%S%f}"
    unfinished, target = versions / f"{version}.part", versions / f"lakehouse_{version}.duckdb"
    tables, rows = copy(settings, unfinished)
    os.replace(unfinished, target)
    switch(settings, target)
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(
            connection,
            ops.publication,
            [
                {
                    "version": version,
                    "run_id": run_id,
                    "as_of_date": as_of,
                    "path": str(target.relative_to(settings.home)),
                    "tables": tables,
                    "rows": rows,
                    "build_fingerprint": made,
                    "published_at": at,
                }
            ],
        )
    _sweep(settings, _recorded_paths(settings)[:KEPT_VERSIONS])
    return Publication(version, target, tables, rows, as_of, made)
