"""Commands of the vault's keeper: `python -m ingestion.identity --help`; see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

from infra.settings import Settings, load_settings
from ingestion import duck
from ingestion.identity import estimate, linking, model, review, tokens, vault
from ingestion.identity.reveal import LogBroken, Refused, entries, reveal
from ingestion.identity.scanner import Needles, of_vault, project_text, scan_home
from ingestion.keyring import KeyringError
from ingestion.seal_check import check_seals


def _check_seals(settings: Settings) -> int:
    found = check_seals(settings)
    print(f"{found.intact} runs of sealed rows are intact, {len(found.tampered)} are not; {found.without_tag} rows are from before there were tags")
    for feed, seal_id in found.tampered:
        print(f"changed: feed {feed}, seal {seal_id}", file=sys.stderr)
    return 1 if found.tampered else 0


def _scan(settings: Settings) -> int:
    needles = Needles(of_vault(settings), words=project_text())
    found = scan_home(settings, needles)
    for finding in found:
        print(finding, file=sys.stderr)
    print(f"{len(needles)} forms of identifying values searched for, {needles.left_out} names left out as words, {len(found)} findings")
    return 1 if found else 0


def _revealed(settings: Settings) -> None:
    for e in entries(settings):
        print(f"{e.entry_no}\t{e.revealed_at:%Y-%m-%d %H:%M:%S}\t{e.who} ({e.account})\t{e.person_id}\t{e.why}")


def _review(settings: Settings, asked: argparse.Namespace) -> None:
    if asked.clear:
        review.clear(settings)
        return
    path, pairs = review.page(settings, who=asked.who or "", why=asked.why, most=asked.most)
    print(f"{pairs} pairs in {path}; remove it with --clear when the review is done")


def _estimate(settings: Settings, version: str, *, adopt: bool) -> None:
    found = estimate.estimate(settings, version)
    print(json.dumps(found.model_dump(), ensure_ascii=False, indent=1))
    if adopt:
        connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
        with vault.opened(settings, connection):
            linking.prepare(connection)
            model.adopt(connection, found, "estimated")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 1 where something is not as it should be, 2 where it was refused."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.identity", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("rotate", help="a new master key, a new key of the database, a new key for what is sealed from now on")
    commands.add_parser("check-seals", help="open every sealed run of the raw zone and say whether it is what was sealed")
    asking = commands.add_parser("reveal", help="who a person key stands for; asker and reason are logged")
    asking.add_argument("--person", required=True, help="person key, P and ten digits")
    asking.add_argument("--who", required=True, help="name or staff number of the person who asks")
    asking.add_argument("--why", required=True, help="what it is needed for")
    commands.add_parser("revealed", help="the log of all re-identifications")
    commands.add_parser("scan", help="search everything under LAKEHOUSE_HOME outside the vault for the values the vault knows")
    reviewing = commands.add_parser("review", help="write the clerk's page of open pairs into the vault's folder; asker and reason are logged")
    reviewing.add_argument("--who", help="name or staff number of the clerk")
    reviewing.add_argument("--why", default="record linkage review", help="what it is needed for")
    reviewing.add_argument("--most", type=int, default=100, help="pairs on the page, those with most evidence first")
    reviewing.add_argument("--clear", action="store_true", help="remove the page instead")
    estimating = commands.add_parser("estimate", help="estimate the weights of the linkage from the records at hand, and show them")
    estimating.add_argument("--version", required=True, help="name of these weights from now on")
    estimating.add_argument("--adopt", action="store_true", help="keep them in the vault and link by them from the next run on")
    making = commands.add_parser("tokens-make", help="at a hospital: keyed tokens in place of the values of a CSV")
    making.add_argument("source", type=Path, help=f"CSV with {', '.join(tokens.COLUMNS)}")
    making.add_argument("target", type=Path, help="Parquet file to hand over")
    making.add_argument("--key-file", required=True, help="file with the programme's key in hex")
    taking = commands.add_parser("tokens-take", help="take a hospital's tokens into the vault")
    taking.add_argument("source", type=Path)
    taking.add_argument("--organisation", required=True)
    taking.add_argument("--delivered-on", required=True, type=date.fromisoformat)
    asked = parser.parse_args(arguments)
    settings = load_settings()
    try:
        match asked.command:
            case "rotate":
                print(vault.rotate(settings))
            case "check-seals":
                return _check_seals(settings)
            case "reveal":
                print(json.dumps(reveal(settings, asked.person, who=asked.who, why=asked.why), ensure_ascii=False, indent=1))
            case "revealed":
                _revealed(settings)
            case "scan":
                return _scan(settings)
            case "review":
                _review(settings, asked)
            case "tokens-make":
                print(tokens.make(asked.source, asked.target, tokens.programme_key(asked.key_file) or b""))
            case "tokens-take":
                print(tokens.take(settings, asked.organisation, asked.source, asked.delivered_on))
            case "estimate":
                _estimate(settings, asked.version, adopt=asked.adopt)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except (LogBroken, KeyringError, estimate.TooFew) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
