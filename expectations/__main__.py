"""`python -m expectations`: decisions about held batches, and the report on its own."""

from __future__ import annotations

from typing import Annotated

import typer

from expectations import holding
from expectations.names import feed_name, organisation_name
from infra.settings import load_settings
from ingestion import ops

app = typer.Typer(help="Held batches and the validation report.", no_args_is_help=True, add_completion=False)


@app.command("held")
def held() -> None:
    """List the batches that are held, and why."""
    for batch in ops.rows(load_settings().ops_url, ops.batch_state, ops.batch_state.c.status == "held"):
        where = f"{organisation_name(batch['organisation'])} {feed_name(batch['feed'])} {batch['delivered_on']}"
        typer.echo(f"{batch['batch_id']}  {where}\n    {batch['reason_zh']}")


@app.command("release")
def release(
    batch_id: str,
    who: Annotated[str, typer.Option(help="Staff number or role of the person who decides.")],
    why: Annotated[str, typer.Option(help="The reason, shown in the report.")],
) -> None:
    """Release a held batch by hand; the next run builds with it."""
    holding.release_batch(load_settings(), batch_id, who, why)
    typer.echo(f"已放行 {batch_id}，下次运行时生效")


@app.command("judge-again")
def judge_again(batch_id: str) -> None:
    """Have a held batch judged again in the next run, after its mapping or a suite has changed."""
    holding.judge_again(load_settings(), batch_id)
    typer.echo(f"{batch_id} 将在下次运行时重新判定")


@app.command("report")
def report(run_id: str) -> None:
    """Write the validation report of a run again."""
    from expectations.report import write_report

    typer.echo(write_report(load_settings(), run_id))


if __name__ == "__main__":
    app()
