"""`make docs`: the documentation of models and columns, as one page that opens without a server."""

from __future__ import annotations

import sys

from infra.dbt_runner import run_dbt
from infra.settings import load_settings
from ingestion.load import latest_business_date


def main() -> int:
    """Write the page and say where it is; exit code 1 when nothing has been built that it could describe."""
    settings = load_settings()
    as_of = settings.as_of or latest_business_date(settings)
    if as_of is None:
        print("make docs: nothing has been built yet; `make run` first", file=sys.stderr)
        return 1
    run_dbt(settings, "docs", "generate", "--static", as_of=as_of)
    print(settings.home / "dbt" / "target" / "static_index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
