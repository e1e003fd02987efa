"""`python -m tests.benchmarks.text`: reports of 300 characters per second and core, for each kind, and what memory many reports add.

The texts are the case tables of the kind, joined and cut. CPU seconds of this process; of each report the best of many rounds, since neighbours only
slow it down. The time of a bare loop, taken the same way, stands beside it to compare machines.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from ingestion.text.structure import KINDS, structure

CASES = Path(__file__).parents[1] / "unit" / "text" / "cases"
LENGTH = 300
REPORTS = 60
ROUNDS = 30


def reports(kind: str) -> list[str]:
    """Reports of 300 characters made of the kind's cases."""
    text = "。".join(case["text"] for case in yaml.safe_load((CASES / f"{kind}.yaml").read_text(encoding="utf-8")))
    text *= 1 + REPORTS * LENGTH // len(text)
    return [text[start : start + LENGTH] for start in range(0, REPORTS * LENGTH, LENGTH)]


def seconds_per_report(kind: str, texts: list[str]) -> float:
    """CPU seconds of one report: mean over the reports of each one's best round."""
    best = [float("inf")] * len(texts)
    for _ in range(ROUNDS):
        for place, text in enumerate(texts):
            begin = time.process_time()
            structure(kind, text)
            best[place] = min(best[place], time.process_time() - begin)
    return sum(best) / len(best)


def bare_loop() -> float:
    """CPU seconds of five million additions, from the best of many short loops."""
    best = float("inf")
    for _ in range(20 * ROUNDS):
        begin = time.process_time()
        total = 0
        for one in range(5_000):
            total += one
        best = min(best, time.process_time() - begin)
    return best * 1000


def main() -> None:
    """Print the table."""
    table = Table("kind", "reports per second and core", "memory added by the rounds, MB", title=f"bare loop {bare_loop():.2f} s")
    for kind in KINDS:
        texts = reports(kind)
        structure(kind, texts[0])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rate = 1 / seconds_per_report(kind, texts)
        table.add_row(kind, f"{rate:,.0f}", f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
