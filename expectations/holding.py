"""People's decisions about held batches: release one by hand, or have it judged again."""

from __future__ import annotations

from typing import Any

from infra.settings import Settings
from ingestion import ops

BY_HAND = "released_by_hand"


def release_batch(settings: Settings, batch_id: str, who: str, why: str) -> None:
    """Release a held batch by hand; `who` is a staff number or role, `why` is shown in the report.

    Raises LookupError for an unknown batch and ValueError for one that is not held, or without who and why.
    """
    if not (who.strip() and why.strip()):
        raise ValueError("a release by hand needs who decides and why")
    with ops.transaction(settings.ops_url) as connection:
        batch = _held_batch(settings, batch_id)
        reason = f"由 {who.strip()} 人工放行：{why.strip()}。原拦截原因：{batch['reason_zh']}"
        ops.replace(connection, ops.batch_state, [{**batch, "status": "released", "rule": BY_HAND, "reason_zh": reason, "decided_at": ops.now()}])


def judge_again(settings: Settings, batch_id: str) -> None:
    """Put a held batch before the next lake gate again, after a suite or a mapping has changed. Raises as `release_batch`."""
    with ops.transaction(settings.ops_url) as connection:
        batch = _held_batch(settings, batch_id)
        ops.replace(connection, ops.batch_state, [{**batch, "status": "loaded", "rule": None, "reason_zh": None, "decided_at": ops.now()}])


def _held_batch(settings: Settings, batch_id: str) -> dict[str, Any]:
    found = ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.batch_id == batch_id)
    if not found:
        raise LookupError(f"no batch {batch_id}")
    if found[0]["status"] != "held":
        raise ValueError(f"batch {batch_id} is {found[0]['status']}, not held")
    return found[0]
