"""Sources that are not files are pulled into the landing folder first, as they stand, and are then read like any delivered file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from filelock import FileLock

from infra.settings import Settings
from ingestion.mappings import load_mapping
from ingestion.mappings.pulls import DatabasePull, Pull
from ingestion.readers.pull_database import Window, newest, pull_database
from ingestion.readers.pull_http import pull_http
from ingestion.readers.pull_model import PullFailed

log = logging.getLogger(__name__)


def pull(settings: Settings, organisation: str, delivered_on: date) -> list[Path]:
    """Pull everything an organisation's mapping says can be pulled; the landed files, one per feed that had rows.

    A pull that is dated by its data lands only what is new since the last, under the day of the latest row, and nothing where nothing is new;
    what was pulled last is remembered beside the landing folder, and a lost memory only means that all is pulled again. What is identical to a
    file already landed for that date is not landed again: its path is returned. What differs is landed beside it, so that a landed file never
    changes.

    Raises PullFailed, after having tried every feed, naming the feeds that could not be pulled.
    """
    mapping = load_mapping(organisation)
    landed: list[Path] = []
    failed: list[str] = []
    for feed, feed_mapping in mapping.feeds.items():
        if feed_mapping.pull is None:
            continue
        landing = settings.extracts / mapping.source / organisation / (feed_mapping.folder or feed)
        scratch = settings.extracts / ".pulling" / organisation
        try:
            if isinstance(feed_mapping.pull, DatabasePull) and feed_mapping.pull.dated_by:
                path = land_new(feed_mapping.pull, landing, feed, scratch, delivered_on)
            else:
                path = land(feed_mapping.pull, landing / delivered_on.isoformat(), feed, scratch, delivered_on)
        except PullFailed as error:
            log.error("pull of %s %s for %s failed: %s", organisation, feed, delivered_on, error)
            failed.append(f"{feed}: {error}")
            continue
        log.info("pulled %s %s for %s: %s", organisation, feed, delivered_on, path.name if path else "no rows")
        if path:
            landed.append(path)
    if failed:
        raise PullFailed(f"{organisation} {delivered_on}: " + "; ".join(failed))
    return landed


def land_new(source: DatabasePull, landing: Path, stem: str, scratch: Path, delivered_on: date) -> Path | None:
    """Pull what was written since the last pull into the folder of the day of the latest row; None where nothing is new.

    landing  folder of the table, above its dated folders
    """
    memory = scratch / f"{stem}.json"
    last = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {"latest": None, "rows": 0}
    window = newest(source, delivered_on, last["latest"], last["rows"])
    if window is None:
        return None
    path = land(source, landing / window.day.isoformat(), stem, scratch, delivered_on, window)
    unfinished = memory.with_suffix(".tmp")
    unfinished.write_text(json.dumps({"latest": window.latest, "rows": window.at_latest}), encoding="utf-8")
    os.replace(unfinished, memory)
    return path


def land(source: Pull, folder: Path, stem: str, scratch: Path, delivered_on: date, window: Window | None = None) -> Path | None:
    """Pull one source into a landing folder, in one step and only when it came whole; None when it has no rows.

    scratch  folder on the same file system for what is not yet whole
    window   which rows, where the pull is dated by its data
    """
    suffix = source.format if isinstance(source, DatabasePull) else "jsonl"
    with _alone(scratch, stem) as part:
        rows = pull_database(source, part, delivered_on, window) if isinstance(source, DatabasePull) else pull_http(source, part, delivered_on)
        if not rows:
            return None
        digest = _digest(part)
        earlier = sorted(folder.glob(f"{stem}*.{suffix}")) if folder.is_dir() else []
        for path in earlier:
            if path.stat().st_size == part.stat().st_size and _digest(path) == digest:
                return path
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / (f"{stem}_{len(earlier) + 1:03d}.{suffix}" if earlier else f"{stem}.{suffix}")
        with part.open("rb") as whole:
            os.fsync(whole.fileno())
        os.replace(part, target)
        return target


@contextmanager
def _alone(scratch: Path, stem: str) -> Iterator[Path]:
    """A file only we may see and only one pull at a time writes; gone afterwards, whatever happens."""
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = scratch / f"{stem}.part"
    with FileLock(scratch / f"{stem}.lock"):
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
