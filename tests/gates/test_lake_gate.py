"""The lake gate: what holds a batch, what releases it, and what is written about it."""

from __future__ import annotations

from datetime import date

import pytest

from expectations.gates import judge_again, release_batch, run_checkpoint
from infra.settings import Settings
from ingestion import ops

from .conftest import Deliver, fit_row


def states(settings: Settings) -> dict[str, str]:
    return {b["batch_id"]: b["status"] for b in ops.rows(settings.ops_url, ops.batch_state)}


def verdicts(settings: Settings, rule: str) -> dict[str | None, str]:
    rows = ops.rows(settings.ops_url, ops.check_result, ops.check_result.c.rule == rule)
    return {r["batch_id"]: r["verdict"] for r in rows}


def test_a_good_batch_is_released_and_a_bad_one_held_with_its_reason(settings: Settings, deliver: Deliver) -> None:
    good = deliver([fit_row(n) for n in range(60)])
    bad = deliver([fit_row(n) for n in range(60)], organisation="S1402", quarantined=40)

    outcome = run_checkpoint(settings, "lake", "run-1")

    assert states(settings) == {good: "released", bad: "held"}
    assert outcome.ok and [(h["organisation"], h["feed"], h["rule"]) for h in outcome.held] == [
        ("S1402", "screening_fit", "lake.books.quarantined")
    ]
    assert "20%" in outcome.held[0]["reason_zh"] and "40" in outcome.held[0]["reason_zh"]
