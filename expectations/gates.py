"""The gates after lake, features and marts.

A critical check of an organisation that fails holds that organisation's batch; everything else that is new is released. A
critical check of the province that fails stops publication. Either says organisation, feed and rule in Chinese.
"""

from __future__ import annotations

import logging

from expectations import lake_gate, library, warehouse_gate
from expectations.holding import judge_again, release_batch
from expectations.verdicts import GateOutcome
from infra.settings import Settings

__all__ = ["GateOutcome", "judge_again", "release_batch", "run_checkpoint"]

log = logging.getLogger(__name__)


def run_checkpoint(settings: Settings, checkpoint: str, run_id: str) -> GateOutcome:
    """Run the gate `lake`, `features` or `marts`: write a row per check into the operations store, and decide.

    `lake` judges the batches that are `loaded` and sets each to `released` or `held`; batches decided before stay as they are.
    `features` and `marts` read the build database. Raises ValueError for an unknown checkpoint, FileNotFoundError when there
    is no build database.
    """
    suites = library.suites(checkpoint)
    outcome = lake_gate.judge(settings, run_id, suites) if checkpoint == "lake" else warehouse_gate.judge(settings, checkpoint, run_id, suites)
    for failure in outcome.failed_critical:
        log.error("gate %s: %s (%s)", checkpoint, failure["message_zh"], failure["rule"])
    return outcome
