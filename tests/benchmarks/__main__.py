"""`make bench`: every stage from landing folder to publication, each in a process of its own, beside a bare copy of the same files.

The bare copy reads each landed file with pyarrow (calamine for XLSX) and writes it as Parquet, without checking anything. Absolute seconds depend on
the machine and its neighbours; the ratio to the bare copy is measured in the same run, of CPU seconds too, which neighbours disturb less.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.settings import ROOT
from tests.benchmarks.stages import (
    DAY,
    Loaded,
    Measured,
    bare_copy,
    dbt,
    deliver_day,
    gate,
    generate,
    link_and_export,
    load_everything,
    load_real_export,
    measure,
    publish,
)

# Real data for development lies beside the project, never in it; where it is missing, the stage is left out.
REAL_EXPORT = ROOT.parent / "shared" / "data" / "physical_exam_real_gb18030_dev.csv"


def _show(stages: list[Measured], bare: Measured, scale: int) -> None:
    table = Table(title=f"{scale:,} synthetic residents, {os.cpu_count()} cores; ratio = seconds / bare copy")
    for heading in ("stage", "seconds", "CPU s", "rows", "rows/s", "MB/s", "peak MB", "ratio", "CPU ratio"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for m in stages:
        table.add_row(
            m.stage,
            f"{m.seconds:.1f}",
            f"{m.cpu_seconds:.1f}",
            f"{m.rows:,}" if m.rows is not None else "",
            f"{m.rows / m.seconds:,.0f}" if m.rows and m.seconds else "",
            f"{m.megabytes / m.seconds:.1f}" if m.megabytes else "",
            f"{m.peak_mb:,}" if m.peak_mb else "",
            f"{m.seconds / bare.seconds:.2f}",
            f"{m.cpu_seconds / bare.cpu_seconds:.2f}",
        )
    Console(width=140).print(table)


# Stages of their own, which the aim for landing → lake leaves out: what is read from texts, and who the persons are.
APART = {"text", "identify"}


def _parts(landed: Measured, loaded: Loaded, megabytes: float) -> list[Measured]:
    """The stages inside landing → lake, and all of them but text and identification.

    What writers and readers do beside the load has CPU seconds but no seconds of its own.
    """
    parts = [
        Measured(f"  {name}", round(wall, 2), round(cpu, 2), None, None, 0)
        for name, (wall, cpu) in sorted(loaded.stages.items(), key=lambda item: -item[1][1])
    ]
    wall, cpu = (sum(seconds[i] for name, seconds in loaded.stages.items() if name in APART) for i in (0, 1))
    rest = Measured(
        "landing → lake but for text and identification", landed.seconds - wall, landed.cpu_seconds - cpu, landed.rows, megabytes, landed.peak_mb
    )
    return [*parts, rest]


def main(
    scale: Annotated[int, typer.Option(help="residents")] = 200_000,
    seed: Annotated[int, typer.Option(help="seed of the province")] = 1,
    keep: Annotated[Path | None, typer.Option(help="folder to work in and keep; a temporary one by default")] = None,
    until: Annotated[str, typer.Option(help="lake or published")] = "published",
) -> None:
    """Measure one province from landing to publication and print the table; the figures also go to `bench.json` in the folder kept."""
    work = keep or Path(tempfile.mkdtemp(prefix="lakehouse-bench-"))
    try:
        stages, bare = _measure_all(work, scale, seed, until)
        _show(stages, bare, scale)
        (work / "bench.json").write_text(json.dumps([asdict(s) for s in stages], indent=1), encoding="utf-8")
    finally:
        if keep is None:
            shutil.rmtree(work)


def _measure_all(work: Path, scale: int, seed: int, until: str) -> tuple[list[Measured], Measured]:
    out = work / "extracts"
    for folder in (work / "home", work / "bare"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    os.environ |= {
        "LAKEHOUSE_HOME": str(work / "home"),
        "LAKEHOUSE_KEY_FILE": str(work / "keys" / "vault.key"),
        "EXTRACTS": str(out / "landing"),
        "LAKEHOUSE_RUN_ID": "bench",
    }
    for folder in (out / "landing").glob(f"*/*/*/{DAY}"):  # of an earlier benchmark of the same extracts
        shutil.rmtree(folder)
    stages = []
    if not (out / "SYNTHETIC").exists():
        stages.append(measure("generate extracts", generate, out, scale, seed)[0])
    megabytes = sum(p.stat().st_size for p in (out / "landing").rglob("*") if p.is_file()) / 1e6
    bare, _ = measure("bare copy to Parquet", bare_copy, out / "landing", work / "bare", megabytes=megabytes)
    landed, loaded = measure("landing → lake", load_everything, megabytes=megabytes)
    parts = _parts(landed, loaded, megabytes)
    stages += [bare, landed, *parts, measure("identities → persons", link_and_export)[0]]
    if until == "published":
        stages.append(measure("gate lake", gate, "lake")[0])
        stages.append(measure("dbt build (rows = nodes)", dbt)[0])
        stages += [measure(f"gate {name}", gate, name)[0] for name in ("features", "marts")]
        stages.append(measure("publish and report", publish)[0])
        whole = [s for s in stages if s.stage not in {"generate extracts", bare.stage, *(p.stage for p in parts)}]
        stages.append(
            Measured(
                "landing → published",
                sum(s.seconds for s in whole),
                sum(s.cpu_seconds for s in whole),
                whole[0].rows,
                megabytes,
                max(s.peak_mb for s in whole),
            )
        )
        stages += _day(out, whole[0].rows, stages[-1])
    if REAL_EXPORT.exists():
        stages.append(measure("a real check-up export → lake", load_real_export, work, REAL_EXPORT, megabytes=REAL_EXPORT.stat().st_size / 1e6)[0])
    return stages, bare


def _day(out: Path, rows: int | None, full: Measured) -> list[Measured]:
    """One more day, a thousandth of all records, from landing to publication; the ratio to look at is that to the first build, which is told."""
    measure("one more day", deliver_day, out)
    day = [
        measure("  day: landing → lake", load_everything)[0],
        measure("  day: identities → persons", link_and_export)[0],
        measure("  day: gate lake", gate, "lake")[0],
        measure("  day: dbt build", dbt)[0],
        *(measure(f"  day: gate {name}", gate, name)[0] for name in ("features", "marts")),
        measure("  day: publish and report", publish)[0],
    ]
    seconds, cpu = sum(s.seconds for s in day), sum(s.cpu_seconds for s in day)
    new = (day[0].rows or 0) - (rows or 0)  # a load counts what its organisations have delivered until now
    share = f"a day of {new:,} rows ({new / (rows or 1):.2%}): {seconds / full.seconds:.1%} of landing → published"
    return [*day, Measured(share, seconds, cpu, new, None, max(s.peak_mb for s in day))]


if __name__ == "__main__":
    typer.run(main)
