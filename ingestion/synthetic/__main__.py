"""`python -m ingestion.synthetic --out OUT --scale 20000 --seed 7`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ingestion.synthetic.province import generate


def main(
    out: Annotated[Path, typer.Option(help="folder for landing/, truth/ and the SYNTHETIC marker")],
    scale: Annotated[int, typer.Option(min=200, help="number of residents")] = 20_000,
    seed: Annotated[int, typer.Option(help="same seed and scale, same bytes")] = 7,
) -> None:
    """Write a synthetic province."""
    start = time.perf_counter()
    done = generate(out, scale, seed)
    typer.echo(
        f"synthetic province: {scale:,} residents, {done['files']} files, {done['rows']:,} rows in {time.perf_counter() - start:.1f} s under {out}"
    )


if __name__ == "__main__":
    typer.run(main)
