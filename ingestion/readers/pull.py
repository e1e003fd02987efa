"""Sources that are not files are pulled into the landing folder first, as they stand, and are then read like any delivered file."""

from __future__ import annotations

import hashlib
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
from ingestion.readers.pull_database import pull_database
from ingestion.readers.pull_http import pull_http
from ingestion.readers.pull_model import PullFailed

log = logging.getLogger(__name__)


def pull(settings: Settings, organisation: str, delivered_on: date) -> list[Path]:
    """Pull everything an organisation's mapping says can be pulled; the landed files, one per feed that had rows.

    What is identical to a file already landed for that date is not landed again: its path is returned. What differs is landed beside it, so
    that a landed file never changes.

    Raises PullFailed, after having tried every feed, naming the feeds that could not be pulled.
    """
    mapping = load_mapping(organisation)
    landed: list[Path] = []
    failed: list[str] = []
    for feed, feed_mapping in mapping.feeds.items():
        if feed_mapping.pull is None:
            continue
        folder = settings.extracts / mapping.source / organisation / (feed_mapping.folder or feed) / delivered_on.isoformat()
        try:
            path = land(feed_mapping.pull, folder, feed, settings.extracts / ".pulling" / organisation, delivered_on)
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


def land(source: Pull, folder: Path, stem: str, scratch: Path, delivered_on: date) -> Path | None:
    """Pull one source into a landing folder, in one step and only when it came whole; None when it has no rows.

    scratch  folder on the same file system for what is not yet whole
    """
    suffix = source.format if isinstance(source, DatabasePull) else "jsonl"
    with _alone(scratch, stem) as part:
        rows = pull_database(source, part, delivered_on) if isinstance(source, DatabasePull) else pull_http(source, part, delivered_on)
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
