"""`make worklist`: write the worklist of texts without a code of every organisation again, from what the last run coded."""

from __future__ import annotations

from infra.settings import load_settings
from ingestion.codes.worklist import write_worklists


def main() -> None:
    """Write all files and say where each is."""
    for path in write_worklists(load_settings(), again=True):
        print(path)


if __name__ == "__main__":
    main()
