"""`python -m ingestion.text --kind KIND IN.jsonl OUT.jsonl`: one {"text": …} per line in, one structured report per line out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ingestion.text.structure import KINDS, structure


def main() -> None:
    """Read and write line by line, so that a file of any length needs the memory of one report."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.text", description=__doc__)
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("source", type=Path, metavar="IN.jsonl")
    parser.add_argument("target", type=Path, metavar="OUT.jsonl")
    arguments = parser.parse_args()
    with arguments.source.open(encoding="utf-8") as source, arguments.target.open("w", encoding="utf-8") as target:
        for number, line in enumerate(source, start=1):
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"{arguments.source}, line {number}: not a JSON object with a key text ({type(error).__name__})")
            target.write(json.dumps(structure(arguments.kind, text or "").to_json(), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
