"""Shared ground of all tests: a lakehouse of their own in a temporary folder, with its key beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra.settings import Settings, load_settings
from ingestion import mappings

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay in one process, those that read the same run together; what takes longest begins first, so that no process waits long."""
    long = ("end_to_end", "dbt", "flow", "gates")
    folders = {item: item.path.relative_to(HERE).parts[0] for item in items}
    items.sort(key=lambda item: long.index(folders[item]) if folders[item] in long else len(long))
    for item in items:
        shared = "lakehouse" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("lakehouse" if shared else item.path.relative_to(HERE).as_posix()))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A `local` lakehouse in a temporary folder; its landing folder is `<tmp>/landing`."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_KEY_FILE", str(tmp_path / "keys" / "vault.key"))
    monkeypatch.setenv("EXTRACTS", str(tmp_path / "landing"))
    monkeypatch.setenv("LAKEHOUSE_MAPPINGS", str(tmp_path / "mappings"))
    for name in ("AS_OF", "STRICT", "PROFILE"):
        monkeypatch.delenv(name, raising=False)
    mappings._folders.cache_clear()
    mappings.load_mapping.cache_clear()
    (tmp_path / "landing").mkdir()
    (tmp_path / "mappings").mkdir()
    return load_settings()


@pytest.fixture
def land(settings: Settings) -> Callable[..., Path]:
    """Put a file into the landing folder: `land("hospital/H1/patient/2024-12-31/a.csv", text, encoding="gb18030")`."""

    def put(place: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        path = settings.extracts / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return put


@pytest.fixture
def describe(tmp_path: Path, settings: Settings) -> Callable[..., None]:
    """Write an organisation's mapping file: `describe("H1", "hospital", {"patient": {"columns": {...}}})`."""

    def write(organisation: str, source: str, feeds: dict, **more: object) -> None:
        text = yaml.safe_dump(
            {"organisation": organisation, "source": source, "name_zh": "测试机构（合成）", "synthetic": True, "feeds": feeds, **more}
        )
        (tmp_path / "mappings" / f"{organisation}.yml").write_text(text, encoding="utf-8")
        mappings.load_mapping.cache_clear()

    return write
