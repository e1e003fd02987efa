"""The national platform over HTTP: pulled page by page, past refusals, it gives the lake the rows that its files give."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

from infra.settings import Settings, load_settings
from ingestion import lake, load, mappings
from ingestion.contracts import contract
from ingestion.readers.pull import pull
from ingestion.readers.pull_model import PullFailed
from ingestion.synthetic.deliver import Post
from ingestion.synthetic.http_source import KEY_HEADER, Platform, served
from ingestion.synthetic.life_course import live
from ingestion.synthetic.outreach import outreach_records
from ingestion.synthetic.people import populate
from ingestion.synthetic.questionnaire import questionnaires
from ingestion.synthetic.truth import Truth

SCALE, SEED = 600, 5
DAY = date(2024, 12, 31)
FEEDS = ("questionnaire", "outreach_activity", "outreach_contact")
LINEAGE = {"_file", "_row", "_batch", "_part", "identity_id", "record_key"}
PAGING = {
    "page": {"paging": {"style": "page", "parameter": "page"}, "ending": ""},
    "cursor": {"paging": {"style": "cursor", "parameter": "cursor", "next": "data.next"}, "ending": "/cursor"},
}


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the platform delivers, as files."""
    out = tmp_path_factory.mktemp("platform")
    people = populate(SEED, SCALE)
    lives = live(people, SEED)
    post = Post(out / "landing", Truth(out / "truth"), SEED)
    (made,) = questionnaires(people, lives, SEED)
    for records in [*(made if not hasattr(made, "feed") else [made]), *outreach_records(people, lives, SEED)]:
        post.deliver(records)
    return out / "landing"


def pulling(tmp_path: Path, style: str, **more: object) -> None:
    """A second mapping file of the same organisation: the shipped one, but its tables are pulled and not delivered."""
    said = yaml.safe_load((mappings.FOLDER / "NP14.yml").read_text(encoding="utf-8"))
    for feed in FEEDS:
        said["feeds"][feed]["pull"] = {
            "kind": "http",
            "url_env": f"PLATFORM_{feed.upper()}",
            "headers_env": {KEY_HEADER: "PLATFORM_KEY"},
            "parameters": {"date": "{delivered_on}", "size": "50"},
            "records": "data.items",
            "total": "data.total",
            "paging": PAGING[style]["paging"],
            "wait_seconds": 0,
            **more,
        }
    (tmp_path / "mappings" / "NP14.yml").write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), encoding="utf-8")
    mappings.load_mapping.cache_clear()


def rows_in_lake(settings: Settings, feed: str) -> list[tuple]:
    """What a feed's lake table says, without where it came from."""
    found = lake.table(settings, lake.LAKE, feed, lake.lake_schema(contract(feed))).scan().to_arrow()
    told = found.drop_columns([c for c in found.column_names if c in LINEAGE]).to_pylist()
    return sorted(tuple(str(row[name]) for name in sorted(row)) for row in told)


@pytest.fixture
def from_files(settings: Settings, landing: Path) -> dict[str, list[tuple]]:
    """The lake rows of the first delivery, loaded from its files."""
    for feed in FEEDS:
        target = settings.extracts / "national_platform" / "NP14" / feed / DAY.isoformat()
        target.mkdir(parents=True)
        for path in (landing / "national_platform" / "NP14" / feed / DAY.isoformat()).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    load.load_organisation(settings, "national_platform", "NP14", "files")
    return {feed: rows_in_lake(settings, feed) for feed in FEEDS}


@pytest.mark.parametrize("style", list(PAGING))
def test_the_platform_pulled_over_http_gives_the_lake_the_rows_of_its_files(
    from_files: dict[str, list[tuple]], settings: Settings, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    pulling(tmp_path, style)
    other = load_settings(home=tmp_path / "other", extracts=tmp_path / "pulled")
    platform = Platform(landing, "s3cret", fail_every=4, retry_after=0)
    with served(platform) as address:
        monkeypatch.setenv("PLATFORM_KEY", "s3cret")
        for feed in FEEDS:
            monkeypatch.setenv(f"PLATFORM_{feed.upper()}", f"{address}/{feed}{PAGING[style]['ending']}")
        landed = pull(other, "NP14", DAY)
        load.load_organisation(other, "national_platform", "NP14", "pulled")  # asks for today's delivery too, and gets none
    assert [path.suffix for path in landed] == [".jsonl"] * len(FEEDS)
    assert platform.answers[429] and platform.answers[500] and platform.answers[200] > 10
    for feed in FEEDS:
        rows = rows_in_lake(other, feed)
        assert rows == from_files[feed], feed
        assert len(rows) > 50


def test_a_pull_without_the_key_lands_nothing(settings: Settings, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulling(tmp_path, "page")
    with served(Platform(landing, "s3cret")) as address:
        monkeypatch.setenv("PLATFORM_KEY", "wrong")
        for feed in FEEDS:
            monkeypatch.setenv(f"PLATFORM_{feed.upper()}", f"{address}/{feed}")
        with pytest.raises(PullFailed, match="HTTP 401"):
            pull(settings, "NP14", DAY)
    assert not (settings.extracts / "national_platform").exists()


def test_a_refused_page_is_served_when_it_is_asked_for_again(landing: Path) -> None:
    platform = Platform(landing, "k", fail_every=1, retry_after=7)

    def ask(page: int) -> tuple[int, str | None]:
        request = Request(f"{address}/questionnaire?date={DAY}&page={page}", headers={KEY_HEADER: "k"})
        try:
            with urlopen(request) as answer:
                return answer.status, None
        except OSError as error:
            return error.code, error.headers.get("Retry-After")  # type: ignore[attr-defined]

    with served(platform) as address:
        assert [ask(1), ask(1), ask(2), ask(2)] == [(429, "7"), (200, None), (500, None), (200, None)]


@pytest.mark.parametrize("wrong", ["nothing", "questionnaire/other", "questionnaire?page=0", "questionnaire?size=x", "patient"])
def test_what_the_platform_does_not_have_is_refused(landing: Path, wrong: str) -> None:
    with served(Platform(landing, "k")) as address:
        with pytest.raises(OSError) as refused:
            urlopen(Request(f"{address}/{wrong}", headers={KEY_HEADER: "k"}))
        assert refused.value.code in {400, 404}  # type: ignore[attr-defined]
