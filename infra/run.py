"""`make run`: drive the DAGs in this one process, from landing folder to published version, and say what came of it."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.markup import escape

from infra import province, steps, summary
from infra.airflow import environment, in_process, service
from infra.progress import Progress, terminal_to_ourselves
from infra.settings import Settings, load_settings
from infra.steps import CannotRun

RETRY_SECONDS = "1"


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One run at a time in a LAKEHOUSE_HOME, and none while its Airflow is up. Raises CannotRun."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if service.running(settings):
        raise CannotRun(f"Airflow is up on {settings.home}; trigger its DAGs there, or `make down` first")
    try:
        with FileLock(settings.home / "run.lock", timeout=0):
            yield
    except Timeout:
        raise CannotRun(f"another run is working in {settings.home}") from None


def verdict(settings: Settings, told: dict[str, Any]) -> tuple[int, str]:
    """Exit code and the reason for it, from what the summary says."""
    if not told["published_version"] and not told["feeds"] and not told["failed_tasks"]:
        return 1, f"nothing was loaded from {settings.extracts}"
    if not told["published_version"] or not (told["published"] or told["nothing_new"]):
        return 1, "nothing could be published"
    if broken := sorted({t["task"] for t in told["failed_tasks"]} - {"load"}):
        return 1, f"not everything was done: {', '.join(broken)}"
    if told["failed_organisations"] and not any(s["state"] == "done" for s in told["steps"] if s["name"].startswith("load ")):
        return 1, "no organisation could be loaded"
    if settings.strict and (told["failed_organisations"] or told["held"]):
        return 1, "STRICT=1 and an organisation failed or is held"
    return 0, ""


def _run(settings: Settings, console: Console, log_file: Path) -> int:
    began = time.monotonic()
    wanted = province.wanted()
    what = f"a synthetic province of {wanted[0]:,} residents" if wanted else str(settings.extracts)
    console.print(f"[bold]{escape(what)}[/] into {escape(str(settings.home))}")
    with Progress(console, settings.ops_url, steps.run_id()):
        if wanted:
            with steps.recorded(settings, "synthetic province"):
                province.make(settings, *wanted)
        outcome = in_process.drive(load_settings())
    outcome.scale, outcome.seed = wanted or (None, None)
    outcome.seconds = time.monotonic() - began
    outcome.peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told = summary.collect(settings, outcome)
    summary.write(settings, told)
    code, reason = verdict(settings, told)
    summary.show(console, settings, told, log_file, reason)
    return code


def main() -> int:
    """Run and return the exit code.

    0 published, or nothing new; 1 nothing could be published, a step failed, or, with STRICT=1, an organisation failed or is held;
    2 not begun.
    """
    settings = load_settings()
    os.environ.setdefault(steps.RUN_ID, steps.new_run_id())
    os.environ.setdefault("LAKEHOUSE_RETRY_SECONDS", RETRY_SECONDS)
    environment.apply(settings, os.environ)
    log_file = settings.home / "logs" / f"{steps.run_id()}.log"
    try:
        with alone(settings), terminal_to_ourselves(log_file) as console:
            return _run(settings, console, log_file)
    except CannotRun as error:
        print(f"make run: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"make run: {steps.safe_message(error)}; the log is {log_file}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
