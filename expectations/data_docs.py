"""Data Docs that stand alone: the pages Great Expectations writes, without the outside styles, scripts and links they ask for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
STYLE = HERE / "assets" / "data_docs.css"

_SCRIPT = re.compile(r"<script\b.*?</script>", re.S | re.I)
_TAG = re.compile(r"<(?:link|img)\b[^>]*>", re.S | re.I)
_ANCHOR = re.compile(r"<a\b[^>]*href=[\"']https?://[^>]*>(.*?)</a>", re.S | re.I)
_ADDRESS = re.compile(r"https?://[^\s\"'<>)]+")

# What an exception said may quote a value of a record; its place is the log, not a page.
_EXCEPTION = re.compile(r"(raised an exception:\s*<br>\s*<code[^>]*>).*?(?=</code>)", re.S)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):.*?(?=</)", re.S)


def site_config(folder: Path) -> dict[str, Any]:
    """A static site in a folder."""
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }


def without_addresses(page: str) -> str:
    """A page that names no outside address, in whatever text it came."""
    return _ADDRESS.sub("", page)


def mended(page: str, style: str) -> str:
    """A page without scripts, images, outside links and the words of exceptions, with our own style in place of theirs."""
    page = _TRACEBACK.sub("", _EXCEPTION.sub(r"\1", page))
    page = _TAG.sub("", _SCRIPT.sub("", page))
    page = without_addresses(_ANCHOR.sub(r"\1", page))
    return page.replace("</head>", f"<style>\n{style}\n</style>\n</head>", 1)


@dataclass(frozen=True)
class Page:
    """A suite's page: how many checks it shows and how many of them failed."""

    name: str
    name_zh: str
    checks: int
    failed: int
    href: str = ""


def mend(folder: Path, checkpoint: str, run_id: str, pages: Sequence[Page]) -> None:
    """Mend every page of a site, and write an index of our own: theirs is filled by scripts."""
    style = STYLE.read_text(encoding="utf-8")
    for page in sorted(folder.rglob("*.html")):
        page.write_text(mended(page.read_text(encoding="utf-8"), style), encoding="utf-8")
    shutil.rmtree(folder / "static", ignore_errors=True)
    found = {p.name: next((folder / "validations").rglob(f"*-{p.name}.html"), None) for p in pages}
    linked = [replace(p, href=page.relative_to(folder).as_posix()) for p in pages if (page := found[p.name])]
    environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.get_template("data_docs_index.html.j2")
    index = template.render(checkpoint=checkpoint, run_id=run_id, pages=linked, style=Markup(style))
    (folder / "index.html").write_text(index, encoding="utf-8")
