"""Data Docs that stand alone: the pages Great Expectations writes, without the outside styles, scripts and links they ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

STYLE = Path(__file__).parent / "assets" / "data_docs.css"

_SCRIPT = re.compile(r"<script\b.*?</script>", re.S | re.I)
_OUTSIDE_TAG = re.compile(r"<(?:link|img)\b[^>]*https?://[^>]*>", re.S | re.I)
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
    """A page without scripts, outside tags and links, and words of exceptions, and with our own style in place of theirs."""
    page = _TRACEBACK.sub("", _EXCEPTION.sub(r"\1", page))
    page = _OUTSIDE_TAG.sub("", _SCRIPT.sub("", page))
    page = without_addresses(_ANCHOR.sub(r"\1", page))
    return page.replace("</head>", f"<style>\n{style}\n</style>\n</head>", 1)


def mend(folder: Path) -> int:
    """Mend every page of a site; returns their number."""
    style = STYLE.read_text(encoding="utf-8")
    pages = sorted(folder.rglob("*.html"))
    for page in pages:
        page.write_text(mended(page.read_text(encoding="utf-8"), style), encoding="utf-8")
    return len(pages)
