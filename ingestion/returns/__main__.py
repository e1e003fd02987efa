"""`make returns`: write the return file of every organisation again, from what the last run found."""

from __future__ import annotations

from infra.settings import load_settings
from ingestion import returns


def main() -> None:
    """Write all files and say where each is; defects themselves are entered by the runs."""
    settings = load_settings()
    for path in returns.write_files(settings, again=True):
        print(path)


if __name__ == "__main__":
    main()
