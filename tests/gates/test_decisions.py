"""`python -m expectations`: what people decide about held batches."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from expectations.__main__ import app
from infra.settings import Settings
from ingestion import ops

from .conftest import Deliver, fit_row


@pytest.fixture
def held(settings: Settings, deliver: Deliver) -> str:
    """A batch that is held."""
    batch = deliver([fit_row(n) for n in range(3)], organisation="S1402")
    with ops.transaction(settings.ops_url) as connection:
        connection.execute(ops.batch_state.update().values(status="held", rule="lake.books.quarantined", reason_zh="隔离行太多"))
    return batch


def state(settings: Settings) -> tuple[str, str | None]:
    (row,) = ops.rows(settings.ops_url, ops.batch_state)
    return row["status"], row["reason_zh"]


def test_held_batches_are_listed_with_their_reason(held: str) -> None:
    said = CliRunner().invoke(app, ["held"]).output
    assert held in said and "S1402" in said and "隔离行太多" in said


def test_a_batch_is_released_with_who_and_why(settings: Settings, held: str) -> None:
    done = CliRunner().invoke(app, ["release", held, "--who", "017", "--why", "机构已说明"])
    assert done.exit_code == 0
    status, reason = state(settings)
    assert status == "released" and reason and "017" in reason and "机构已说明" in reason


def test_a_batch_is_put_before_the_gate_again(settings: Settings, held: str) -> None:
    assert CliRunner().invoke(app, ["judge-again", held]).exit_code == 0
    assert state(settings) == ("loaded", None)


def test_a_release_without_a_reason_is_refused(settings: Settings, held: str) -> None:
    assert CliRunner().invoke(app, ["release", held, "--who", "017", "--why", " "]).exit_code != 0
    assert state(settings)[0] == "held"
