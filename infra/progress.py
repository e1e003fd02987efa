"""Progress of a run on the terminal: one line per finished step, and what is running now."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from ingestion import ops

PLAIN_WIDTH = 200
MARKS = {"done": "[green]done[/]", "failed": "[red]failed[/]", "stopped": "[red]stopped[/]"}


@contextmanager
def terminal_to_ourselves(log_file: Path) -> Iterator[Console]:
    """Send everything that is printed, by whatever library, to a log file; the console that is yielded still reaches the terminal."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = os.dup(1), os.dup(2)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        with os.fdopen(os.dup(out), "w", encoding="utf-8") as terminal:
            os.dup2(log, 1)
            os.dup2(log, 2)
            yield Console(file=terminal, highlight=False, width=None if terminal.isatty() else PLAIN_WIDTH)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(out, 1)
        os.dup2(err, 2)
        for descriptor in (out, err, log):
            os.close(descriptor)


class Progress:
    """Watches the steps of a run in the operations store and prints each as it ends.

    The store is asked twice a second from a thread, so that steps need not know who watches them.
    """

    def __init__(self, console: Console, ops_url: str, run_id: str) -> None:
        self.console, self.ops_url, self.run_id = console, ops_url, run_id
        self._printed: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._stop = threading.Event()
        self._spinner = Spinner("dots", "starting")
        self._live = Live(self._spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self._live.stop()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._look()

    def _look(self) -> None:
        running = "Airflow"
        for row in sorted(ops.rows(self.ops_url, ops.run_step, ops.run_step.c.run_id == self.run_id), key=lambda r: r["position"]):
            if row["state"] == "running":
                began = self._began.setdefault(row["step"], time.monotonic())
                running = f"{row['step']}, {time.monotonic() - began:.0f} s"
            elif self._printed.get(row["step"]) != row["state"]:  # a step that failed may be tried again and succeed
                self._printed[row["step"]] = row["state"]
                self.line(row["step"], row["state"], row["seconds"], row["rows"])
        self._spinner.update(text=f" {escape(running)}")

    def line(self, step: str, state: str, seconds: float, rows: int | None) -> None:
        """Print one finished step."""
        counted = f"{rows:>12,} rows" if rows is not None else " " * 17
        self.console.print(f"  {escape(step):<40}{counted} {seconds:>8.1f} s  {MARKS.get(state, escape(state))}")
