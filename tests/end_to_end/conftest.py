"""One province of 2,000 synthetic residents, run once from landing folder to publication, for all end-to-end tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.end_to_end.lakehouse import Lakehouse

SCALE, SEED = "2000", "11"


@pytest.fixture(scope="session")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """An undisturbed run; LAKEHOUSE_TEST_HOME (its key in vault.key beside it) names one that was made before, to spare the time of a run."""
    if before := os.environ.get("LAKEHOUSE_TEST_HOME"):
        return Lakehouse(Path(before), Path(before).parent / "vault.key")
    root: Path = tmp_path_factory.mktemp("lakehouse")
    made = Lakehouse(root / "home", root / "keys" / "vault.key")
    done = made.run(SCALE=SCALE, SEED=SEED)
    assert done.returncode == 0, done.stdout + done.stderr
    return made
