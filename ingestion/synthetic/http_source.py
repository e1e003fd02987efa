"""The national platform as an HTTP interface: the delivered tables of a generated province, page by page.

A small real server of the standard library, for trying out pulls: it asks for a key, and now and then it is busy or fails.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ingestion.mappings import load_mapping
from ingestion.readers import open_file

ORGANISATION = "NP14"
KEY_HEADER = "X-Api-Key"
PAGE_SIZE = 200
BUSY, BROKEN = 429, 500


class Refused(Exception):
    """A request that is answered with an HTTP status and no data."""

    def __init__(self, status: int, retry_after: int | None = None):
        super().__init__(status)
        self.status, self.retry_after = status, retry_after


@dataclass
class Platform:
    """What the interface serves.

    `GET /api/<table>` gives pages by number (`page` from 1, `size`), `GET /api/<table>/cursor` pages by cursor (`cursor`, `size`);
    both take `date`, the delivery date, and answer {"code": 0, "data": {"items": [...], "total": n, "next": cursor or null}}.

    landing    landing folder of a generated province
    key        what the header X-Api-Key must hold
    fail_every each page whose number (counted over all pages asked for) is a multiple of this is refused once before it is served, in turn
               with 429 and Retry-After, and 500; 0 for never
    answers    how often each status was given
    """

    landing: Path
    key: str
    fail_every: int = 0
    retry_after: int = 1
    answers: Counter[int] = field(default_factory=Counter)
    _tables: dict[tuple[str, str], list[dict[str, str | None]]] = field(default_factory=dict)
    _asked: dict[tuple[str, ...], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def records(self, table: str, day: str) -> list[dict[str, str | None]]:
        """The records of a table delivered on a day, in the order and words of its files; rows that cannot be read are left out.

        Raises Refused for a table that the platform does not deliver.
        """
        with self._lock:
            if (table, day) not in self._tables:
                self._tables[table, day] = self._read(table, day)
            return self._tables[table, day]

    def _read(self, table: str, day: str) -> list[dict[str, str | None]]:
        mapping = load_mapping(ORGANISATION)
        if table not in mapping.feeds:
            raise Refused(404)
        how = mapping.resolved(table)
        folder = self.landing / mapping.source / ORGANISATION / how.folder
        days = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
        found: list[dict[str, str | None]] = []
        for path in sorted(days[day].iterdir()) if day in days else []:
            opened = open_file(path, encoding=how.encoding, delimiter=how.delimiter, quote=how.quote, sheet=how.sheet)
            for batch in opened.batches():
                found += batch.select(list(opened.columns)).to_pylist()
        return found

    def answer(self, path: str, asked: dict[str, str], key: str) -> dict[str, object]:
        """The page asked for. Raises Refused."""
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            raise Refused(401)
        parts = path.strip("/").split("/")
        if len(parts) not in (2, 3) or parts[0] != "api" or parts[2:] not in ([], ["cursor"]):
            raise Refused(404)
        try:
            size = int(asked.get("size", PAGE_SIZE))
            start = int(asked.get("cursor") or 0) if parts[2:] else (int(asked.get("page", 1)) - 1) * size
        except ValueError:
            raise Refused(400) from None
        if size < 1 or start < 0:
            raise Refused(400)
        self._fail_now_and_then((*parts, asked.get("date", ""), str(start), str(size)))
        records = self.records(parts[1], asked.get("date", ""))
        following = str(start + size) if start + size < len(records) else None
        return {"code": 0, "data": {"items": records[start : start + size], "total": len(records), "next": following}}

    def _fail_now_and_then(self, page: tuple[str, ...]) -> None:
        if not self.fail_every:
            return
        with self._lock:
            is_new = page not in self._asked
            number = self._asked.setdefault(page, len(self._asked) + 1)
        if is_new and number % self.fail_every == 0:
            raise Refused(BUSY, self.retry_after) if number // self.fail_every % 2 else Refused(BROKEN)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    platform: Platform

    def do_GET(self) -> None:
        """Answer one request."""
        address = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
        status, body, retry_after = 200, b"", None
        try:
            page = self.platform.answer(address.path, asked, self.headers.get(KEY_HEADER, ""))
            body = json.dumps(page, ensure_ascii=False).encode()
        except Refused as refused:
            status, retry_after = refused.status, refused.retry_after
            body = json.dumps({"code": status, "data": None}).encode()
        self.platform.answers[status] += 1
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: their addresses say whom one asks about."""


@contextmanager
def served(platform: Platform, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread; gives the address of the interface."""
    handler = type("Handler", (_Handler,), {"platform": platform})
    with ThreadingHTTPServer((host, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}/api"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Serve a generated province until interrupted; the key stands in PLATFORM_KEY."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.synthetic.http_source", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of a generated province")
    parser.add_argument("--port", type=int, default=8014)
    parser.add_argument("--fail-every", type=int, default=0, metavar="N", help="refuse every Nth page once")
    chosen = parser.parse_args()
    platform = Platform(chosen.out / "landing", os.environ["PLATFORM_KEY"], chosen.fail_every)
    with served(platform, port=chosen.port) as address:
        print(f"{address}/questionnaire?date=… ({KEY_HEADER})")
        threading.Event().wait()


if __name__ == "__main__":
    main()
