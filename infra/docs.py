"""`make docs`: the data dictionary of forms and fields, and the documentation of models, as pages that open without a server."""

from __future__ import annotations

import sys

from infra.dbt_runner import run_dbt
from infra.settings import load_settings
from ingestion import dictionary
from ingestion.load import latest_business_date


def main() -> int:
    """Write both and say where they are; exit code 1 when nothing has been built whose models could be described."""
    settings = load_settings()
    as_of = settings.as_of or latest_business_date(settings)
    if as_of is not None:
        run_dbt(settings, "docs", "generate", "--static", as_of=as_of)
        print(settings.home / "dbt" / "target" / "static_index.html")
    print(dictionary.write(settings))
    if as_of is None:
        print("make docs: nothing has been built yet, so models are not described; `make run` first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
