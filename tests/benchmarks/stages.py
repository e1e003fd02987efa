"""The stages of the benchmark, each a function that a process of its own can run, and the way they are measured."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

DAY = date(2025, 7, 1)
"""A day after all deliveries of the province."""


@dataclass
class Measured:
    """One stage: wall and CPU seconds without starting Python, rows and bytes it went through, peak memory of its process in MB."""

    stage: str
    seconds: float
    cpu_seconds: float
    rows: int | None
    megabytes: float | None
    peak_mb: int


@dataclass
class Loaded:
    """Records that a load read, and its wall and CPU seconds by stage."""

    rows: int
    stages: dict[str, tuple[float, float]]


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def _child(work: Callable[..., Any], arguments: tuple[Any, ...], answer: Any) -> None:
    started, used = time.perf_counter(), _cpu()
    result = work(*arguments)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    answer.send((time.perf_counter() - started, _cpu() - used, peak // 1024, result))


def measure(stage: str, work: Callable[..., Any], *arguments: Any, megabytes: float | None = None) -> tuple[Measured, Any]:
    """Run one stage in a new process. Raises RuntimeError when it fails; its own traceback is on the terminal."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, arguments, send))
    process.start()
    send.close()
    try:
        seconds, cpu, peak, result = receive.recv()
    except EOFError:
        raise RuntimeError(f"stage {stage!r} failed") from None
    finally:
        process.join()
    rows = result if isinstance(result, int) else result.rows if isinstance(result, Loaded) else None
    return Measured(stage, round(seconds, 2), round(cpu, 2), rows, megabytes, peak), result


def bare_copy(landing: Path, target: Path) -> int:
    """Copy every landed file to Parquet with nothing but the readers of the libraries; returns rows."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.json as pj
    import pyarrow.parquet as pq
    from python_calamine import CalamineWorkbook

    def encoding_of(content: bytes) -> str:
        try:
            content[: 1 << 20].decode("utf-8")
            return "utf-8"
        except UnicodeDecodeError as error:
            return "utf-8" if error.start > (1 << 20) - 4 else "gb18030"

    def text_csv(content: bytes, out: Path) -> int:
        options = pc.ReadOptions(encoding=encoding_of(content), block_size=16 << 20)
        parse = pc.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        try:
            return copied(pc.open_csv(pa.BufferReader(content), read_options=options, parse_options=parse), out)
        except pa.ArrowInvalid:  # a column that is not what its first block looked like: everything as text
            names = pc.open_csv(pa.BufferReader(content), read_options=options, parse_options=parse).schema.names
            texts = pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
            return copied(pc.open_csv(pa.BufferReader(content), read_options=options, parse_options=parse, convert_options=texts), out)

    def copied(reader: Any, out: Path) -> int:
        rows = 0
        with reader, pq.ParquetWriter(out, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        return rows

    total = 0
    for number, path in enumerate(sorted(p for p in landing.rglob("*") if p.is_file())):
        out = target / f"{number}.parquet"
        match path.suffix:
            case ".csv":
                total += text_csv(path.read_bytes(), out)
            case ".jsonl":
                table = pj.read_json(path)
                pq.write_table(table, out)
                total += table.num_rows
            case ".parquet":
                table = pq.read_table(path)
                pq.write_table(table, out)
                total += table.num_rows
            case ".xlsx":
                rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
                columns = list(zip(*rows[1:], strict=False)) or [()] * len(rows[0])
                pq.write_table(pa.table({str(h): pa.array(map(str, c)) for h, c in zip(rows[0], columns, strict=False)}), out)
                total += len(rows) - 1
            case ".zip":
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        with archive.open(member) as file:
                            total += text_csv(file.read(), target / f"{number}_{Path(member).name}.parquet")
    return total


def generate(out: Path, scale: int, seed: int) -> None:
    """A synthetic province."""
    import subprocess

    subprocess.run([sys.executable, "-m", "ingestion.synthetic", "--out", str(out), "--scale", str(scale), "--seed", str(seed)], check=True)


def deliver_day(out: Path) -> None:
    """A thousandth of the province's records anew or corrected, delivered after everything that lies there."""
    from ingestion.synthetic.increment import deliver_increment

    deliver_increment(out, 0.001, DAY)


def load_everything() -> Loaded:
    """Landing to raw zone and lake, one organisation after the other."""
    from infra.settings import load_settings
    from ingestion import load

    settings = load_settings()
    rows, stages = 0, {}
    for family in load.FAMILIES:
        for organisation in load.organisations(settings, family):
            done = load.load_organisation(settings, family, organisation, "bench")
            rows += sum(f["rows_read"] for f in done["feeds"].values())
            for name, (wall, cpu) in done["stages"].items():
                before = stages.get(name, (0.0, 0.0))
                stages[name] = (before[0] + wall, before[1] + cpu)
    return Loaded(rows, stages)


def load_real_export(work: Path, export: Path) -> int:
    """A real check-up export through its shipped mapping, in a lakehouse of its own; returns rows read. Raises RuntimeError when a row is lost."""
    day = work / "real" / "landing" / "checkup" / "PE0001" / "physical_exam" / "2024-12-31"
    shutil.rmtree(work / "real", ignore_errors=True)
    day.mkdir(parents=True)
    shutil.copy(export, day)
    os.environ |= {"LAKEHOUSE_HOME": str(work / "real" / "home"), "EXTRACTS": str(work / "real" / "landing")}
    rows = load_everything().rows
    lines = sum(1 for line in export.read_bytes().splitlines() if line.strip()) - 1
    if rows != lines:
        raise RuntimeError(f"{lines} rows in the export, {rows} in the books")
    return rows


def link_and_export() -> int:
    """Identities to persons, and the map into the lake; returns identities."""
    from infra.settings import load_settings
    from ingestion import export, identity

    settings = load_settings()
    linked = identity.link(settings)
    export.export(settings)
    return linked["identities"]


def gate(checkpoint: str) -> int:
    """One checkpoint; returns rows examined."""
    from infra import steps

    return steps.gate(checkpoint)["examined"]


def dbt() -> int:
    """All models and tests."""
    from infra import steps

    as_of = steps.anything_new()
    nodes = steps.dbt_build(as_of or "")
    broken = [n["name"] for n in nodes if steps.is_broken(n)]
    if broken:
        raise RuntimeError(f"dbt nodes failed: {broken}")
    return len(nodes)


def publish() -> int:
    """Copy, switch and report; returns rows published."""
    from infra import steps
    from infra.settings import load_settings
    from ingestion import load

    settings = load_settings()
    done = steps.publish((settings.as_of or load.latest_business_date(settings)).isoformat())
    steps.report()
    return done["rows"]
