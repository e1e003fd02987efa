"""The synthetic province that `make run` loads when EXTRACTS names no landing folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.settings import ROOT, Settings
from infra.steps import CannotRun

DEFAULT_SCALE, DEFAULT_SEED = 20_000, 7
MADE_OF = "generated.json"
_offered: dict[str, str] = {}


def wanted() -> tuple[int, int] | None:
    """Residents and seed of the province to generate (SCALE, SEED), or None when EXTRACTS is given."""
    if os.environ.get("EXTRACTS"):
        return None
    return int(os.environ.get("SCALE") or DEFAULT_SCALE), int(os.environ.get("SEED") or DEFAULT_SEED)


def _made_of(folder: Path) -> tuple[int, int] | None:
    try:
        told = json.loads((folder / MADE_OF).read_text(encoding="utf-8"))
        return told["scale"], told["seed"]
    except (OSError, ValueError, KeyError):
        return None


def offer(extracts: Path) -> None:
    """Say in the environment where the databases of a synthetic province are, that mappings pull from.

    extracts  landing folder; the databases lie beside it, in `systems/`. A variable that somebody else has set stays; those set here for
              another province are taken back.
    """
    there = sorted((extracts.parent / "systems").glob("*.db")) if (extracts.parent / "SYNTHETIC").exists() else []
    found = {f"{path.stem}_DATABASE_URL": f"sqlite:///{path}" for path in there}
    for name, url in [*_offered.items()]:
        if os.environ.get(name) == url:
            del os.environ[name]
        del _offered[name]
    for name, url in found.items():
        if name not in os.environ:
            os.environ[name] = _offered[name] = url


def make(settings: Settings, scale: int, seed: int) -> bool:
    """Generate the extracts under LAKEHOUSE_HOME unless they are there; returns whether that was done.

    They appear in one step, so a killed generation leaves nothing that looks finished. Raises CannotRun when this LAKEHOUSE_HOME holds
    another province, because two provinces in one lake are nobody's population.
    """
    folder = settings.home / "extracts"
    made = _made_of(folder)
    if made == (scale, seed):
        return False
    if made:
        raise CannotRun(
            f"{settings.home} holds the synthetic province SCALE={made[0]} SEED={made[1]}; "
            f"run `make clean` or choose another LAKEHOUSE_HOME for SCALE={scale} SEED={seed}"
        )
    if folder.exists():
        raise CannotRun(f"{folder} exists and was not made by `make run`; remove it, or name it with EXTRACTS={folder / 'landing'}")
    unfinished = settings.home / ".extracts.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ingestion.synthetic", "--out", str(unfinished), "--scale", str(scale), "--seed", str(seed)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise CannotRun("the synthetic province could not be generated; the log says why")
    (unfinished / MADE_OF).write_text(json.dumps({"scale": scale, "seed": seed}) + "\n", encoding="utf-8")
    os.replace(unfinished, folder)
    return True
