"""`python -m ingestion.mapping_check check --org H1401 [--file F --feed X]` and `… draft --file F [--feed X] [--org H1401]`.

check exits with 0 when nothing is rejected or quarantined, 1 when something is, 2 when it cannot be run as asked; draft with 0, or 2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.settings import load_settings
from ingestion import ops
from ingestion.contracts import contracts
from ingestion.mapping_check import check, draft
from ingestion.mapping_check.findings import as_html, as_markdown
from ingestion.mappings import MappingError, UnknownOrganisation, load_mapping
from ingestion.readers import UnreadableFile
from ingestion.readers.model import REASONS

USAGE = 2


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return USAGE


def _check(organisation: str, file: str | None, feed: str | None, out: str | None) -> int:
    settings = load_settings()
    try:
        mapping = load_mapping(organisation)
    except UnknownOrganisation:
        return _fail(f"机构 {organisation} 没有映射文件；可用 make draft-mapping 起草")
    except MappingError as error:
        print("映射文件有错误：")
        print("\n".join(f"- {line}" for line in str(error).splitlines()))
        return 1
    if file:
        path = Path(file).expanduser()
        if not path.is_file():
            return _fail(f"没有这个文件：{path}")
        entries = list(check.usable_entries(mapping, feed)) if feed else list(mapping.feeds_in_folder(path.parent.parent.name, path.name))
        if not entries and not feed and len(mapping.feeds) == 1:
            entries = list(mapping.feeds)
        if not entries:
            return _fail(f"请用 FEED 说明这个文件属于哪个表；映射中有 {'、'.join(mapping.feeds)}")
        files = {entry: [path] for entry in entries}
    else:
        files = check.landed(settings, mapping)
        files = {e: p for e, p in files.items() if not feed or e in check.usable_entries(mapping, feed)}
        if not files:
            return _fail(f"落地区没有机构 {organisation} 的文件；请用 FILE 和 FEED 指定样本")
    report = check.checked(settings, mapping, files, today=ops.now().date())
    if not file:
        for entry in mapping.feeds:
            if entry not in files and (not feed or entry in check.usable_entries(mapping, feed)):
                report.general.append(check.not_landed(entry))
    print(as_markdown(report))
    if out:
        Path(out).write_text(as_html(report) if out.lower().endswith((".html", ".htm")) else as_markdown(report), encoding="utf-8")
    return 1 if report.has_problems else 0


def _draft(file: str, feed: str | None, organisation: str | None, out: str | None) -> int:
    path = Path(file).expanduser()
    if not path.is_file():
        return _fail(f"没有这个文件：{path}")
    if feed and feed not in contracts():
        return _fail(f"没有 {feed} 这个表；有 {'、'.join(contracts())}")
    try:
        made = draft.drafted(path, feed, organisation)
    except UnreadableFile as error:
        return _fail(f"文件无法读取：{REASONS[error.code]}（{error.code}）")
    if not feed:
        ranked = "；".join(f"{f} {contracts()[f].name_zh} {fit:.2f}" for f, fit in made.ranking[:5])
        print(f"# 最相近的表：{ranked}", file=sys.stderr)
    if out:
        Path(out).write_text(made.text, encoding="utf-8")
    else:
        print(made.text, end="")
    print(f"# 归位 {len(made.matches)} 个字段，未归位 {len(made.unplaced)} 列，缺少必填 {len(made.missing)} 个", file=sys.stderr)
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ingestion.mapping_check", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("check", "draft"):
        sub = commands.add_parser(command)
        sub.add_argument("--org", required=command == "check")
        sub.add_argument("--file", required=command == "draft")
        sub.add_argument("--feed")
        sub.add_argument("--out")
    said = parser.parse_args(arguments)
    if said.command == "check":
        return _check(said.org, said.file, said.feed, said.out)
    return _draft(said.file, said.feed, said.org, said.out)


if __name__ == "__main__":
    raise SystemExit(main())
