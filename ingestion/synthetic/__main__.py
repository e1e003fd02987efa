"""`python -m ingestion.synthetic --out OUT --scale 20000 --seed 7`."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ingestion.synthetic.increment import deliver_increment
from ingestion.synthetic.province import NotOurs, generate


def main(
    out: Annotated[Path, typer.Option(help="folder for landing/, truth/ and the SYNTHETIC marker")],
    scale: Annotated[int, typer.Option(min=200, help="number of residents")] = 20_000,
    seed: Annotated[int, typer.Option(help="same seed and scale, same bytes")] = 7,
    increment: Annotated[
        float | None, typer.Option(min=0, max=1, help="one more day for the province in OUT: this share of its records")
    ] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="delivery date of the increment")] = None,
) -> None:
    """Write a synthetic province, or one more day of deliveries for the province that is there."""
    start = time.perf_counter()
    if (increment is None) != (on is None):
        raise typer.BadParameter("--increment and --on go together")
    try:
        done = generate(out, scale, seed) if increment is None or on is None else deliver_increment(out, increment, on.date())
    except (NotOurs, FileNotFoundError, ValueError) as error:
        typer.echo(f"synthetic province: {error}", err=True)
        raise typer.Exit(1) from error
    what = f"{scale:,} residents" if on is None else f"increment of {on:%Y-%m-%d}"
    typer.echo(
        f"synthetic province: {what}, {done['files']} files, {done['rows']:,} rows in {time.perf_counter() - start:.1f} s under {out}"
    )


if __name__ == "__main__":
    typer.run(main)
