"""A paged HTTP interface as it stands: every record of every page, byte for byte, as one JSON line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from ingestion.mappings.pulls import Cursor, HttpPull, NextLink, PageNumbers
from ingestion.readers.pull_model import PullFailed, from_environment

PAGE_BYTES = 256 << 20
LONGEST_WAIT = 60.0
PASSING = {408, 425, 429, 500, 502, 503, 504}
_DECODER = json.JSONDecoder()


class _Passing(Exception):
    """A failure that may be gone at the next try."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Page:
    """One answer: the text of each of its records, the rest of it as values, and the address its Link header names."""

    records: list[str]
    values: Any
    link: str | None


def pull_http(source: HttpPull, target: Path, delivered_on: date) -> int:
    """Write every record to `target`; the number of records. Raises PullFailed when any page cannot be had whole."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {header: from_environment(name) for header, name in source.headers_env.items()}
    url = from_environment(source.url_env)
    records = 0
    try:
        with httpx.Client(headers=headers, timeout=source.timeout_seconds) as client, target.open("wb") as out:
            page = None
            for page in _pages(source, client, httpx.URL(url), delivered_on):
                out.writelines(record.encode("utf-8") + b"\n" for record in page.records)
                records += len(page.records)
    except httpx.InvalidURL:
        raise PullFailed(f"{source.url_env} does not hold a usable address") from None
    if source.total and page is not None:
        stated = _value_at(page.values, source.total)
        if str(stated) != str(records):
            raise PullFailed(f"{source.url_env}: {records} records came, {stated} were announced")
    return records


def _pages(source: HttpPull, client: httpx.Client, first: httpx.URL, delivered_on: date) -> Iterator[Page]:
    fixed = {name: value.replace("{delivered_on}", delivered_on.isoformat()) for name, value in source.parameters.items()}
    url, paging = first.copy_merge_params(fixed), source.paging
    if isinstance(paging, PageNumbers):
        url = url.copy_set_param(paging.parameter, paging.first)
    asked: set[str] = set()
    for number in range(1, source.page_limit + 1):
        asked.add(str(url))
        page = _page(source, client, url, number)
        following = _following(paging, page, url, number)
        yield page
        if following is None:
            return
        if (following.scheme, following.host, following.port) != (first.scheme, first.host, first.port):
            raise PullFailed(f"{source.url_env}: page {number} points to another server")
        if str(following) in asked:
            raise PullFailed(f"{source.url_env}: page {number} points back to a page already read")
        url = following
    raise PullFailed(f"{source.url_env}: more than {source.page_limit} pages")


def _following(paging: PageNumbers | Cursor | NextLink | None, page: Page, url: httpx.URL, number: int) -> httpx.URL | None:
    match paging:
        case PageNumbers():
            return url.copy_set_param(paging.parameter, paging.first + number) if page.records else None
        case Cursor():
            cursor = _value_at(page.values, paging.next)
            return None if cursor in (None, "", False) else url.copy_set_param(paging.parameter, str(cursor))
        case NextLink():
            link = _value_at(page.values, paging.next) if paging.next else page.link
            return url.join(str(link)) if link else None
    return None


def _page(source: HttpPull, client: httpx.Client, url: httpx.URL, number: int) -> Page:
    def wait(state: RetryCallState) -> float:
        asked = getattr(state.outcome and state.outcome.exception(), "wait", 0.0)
        return min(max(asked, wait_exponential(source.wait_seconds)(state)), LONGEST_WAIT)

    again = Retrying(retry=retry_if_exception_type(_Passing), stop=stop_after_attempt(source.attempts), wait=wait, reraise=True)
    try:
        return again(_fetch, source, client, url)
    except _Passing as error:
        raise PullFailed(f"{source.url_env}: page {number} failed {source.attempts} times, at last with {error}") from None
    except PullFailed as error:
        raise PullFailed(f"{source.url_env}: page {number}: {error}") from None


def _fetch(source: HttpPull, client: httpx.Client, url: httpx.URL) -> Page:
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code in PASSING:
                raise _Passing(f"HTTP {answer.status_code}", _asked_wait(answer))
            if answer.status_code != 200:
                raise PullFailed(f"HTTP {answer.status_code}")
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > PAGE_BYTES:
                    raise PullFailed(f"larger than {PAGE_BYTES >> 20} MB")
            link = answer.links.get("next", {}).get("url")
    except httpx.TransportError as error:
        raise _Passing(type(error).__name__) from None
    except httpx.HTTPError as error:
        raise PullFailed(type(error).__name__) from None
    try:
        records, values = split_records(body.decode("utf-8-sig"), source.records)
    except (ValueError, RecursionError):
        raise _Passing("a page that is not whole JSON") from None
    if records is None:
        raise PullFailed(f"no list of records at {source.records or 'the top'}")
    return Page(records, values, link)


def _asked_wait(answer: httpx.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else 0.0


def _value_at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def split_records(text: str, path: str | None) -> tuple[list[str] | None, Any]:
    """The text of each record of the list at a path, exactly as it stands, and the page's values.

    Records are None when there is no list at the path. Raises ValueError when the text is not JSON.
    """
    values = _DECODER.decode(text)
    at = _skip_blanks(text, 0)
    for key in path.split(".") if path else ():
        found = _member(text, at, key) if text[at] == "{" else None
        if found is None:
            return None, values
        at = found
    if text[at] != "[":
        return None, values
    records: list[str] = []
    at = _skip_blanks(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        records.append(text[at:end].replace("\r", " ").replace("\n", " "))
        at = _skip_blanks(text, end)
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)
    return records, values


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _member(text: str, at: int, wanted: str) -> int | None:
    """Where the value of an object's key begins; the last one when the key occurs twice, as any JSON reader takes it."""
    found = None
    at = _skip_blanks(text, at + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        at = _skip_blanks(text, _skip_blanks(text, end) + 1)
        if key == wanted:
            found = at
        _, end = _DECODER.raw_decode(text, at)
        at = _skip_blanks(text, end)
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)
    return found
