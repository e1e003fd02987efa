"""Where everything lies and how big it is: one profile file plus the environment variables of the Makefile."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).resolve().parents[1]
PROFILES = Path(__file__).parent / "profiles"


class Warehouse(BaseModel):
    """The build database dbt writes to."""

    target: str
    path: Path | None = None
    url: str | None = None


class Settings(BaseModel):
    """One run's settings; every path is absolute.

    `key_file` holds the vault's key and must lie outside `home`, so that a stolen data folder is not a stolen vault.
    """

    model_config = ConfigDict(frozen=True)

    profile: str
    home: Path
    extracts: Path
    key_file: Path
    catalogue: dict[str, str]
    ops_url: str
    warehouse: Warehouse
    memory_limit: str
    threads: int
    as_of: date | None = None
    strict: bool = False
    synthetic: bool = False

    @property
    def vault_file(self) -> Path:
        return self.home / "vault" / "vault.duckdb"

    @property
    def serving(self) -> Path:
        """Link to the published version that readers open."""
        return self.home / "serving" / "lakehouse.duckdb"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def run_summary(self) -> Path:
        return self.home / "run_summary.json"


def _flag(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def load_settings(**override: Any) -> Settings:
    """Read `infra/profiles/<PROFILE>.yml` and the variables PROFILE, LAKEHOUSE_HOME, EXTRACTS, AS_OF, STRICT.

    Raises FileNotFoundError for an unknown profile and ValueError when the key file lies inside LAKEHOUSE_HOME.
    """
    profile = override.pop("profile", None) or os.environ.get("PROFILE") or "local"
    home = Path(override.pop("home", None) or os.environ.get("LAKEHOUSE_HOME") or ROOT / "var").expanduser().resolve()
    given = override.pop("extracts", None) or os.environ.get("EXTRACTS")
    extracts = Path(given).expanduser().resolve() if given else home / "extracts" / "landing"
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    key_file = Path(os.environ.get("LAKEHOUSE_KEY_FILE") or config_home / "shanxi-lakehouse" / "vault.key").expanduser().resolve()
    if key_file.is_relative_to(home):
        raise ValueError(f"the vault key {key_file} lies inside LAKEHOUSE_HOME {home}; set LAKEHOUSE_KEY_FILE to a place outside it")
    text = (PROFILES / f"{profile}.yml").read_text(encoding="utf-8").replace("{home}", str(home))
    as_of = os.environ.get("AS_OF")
    values: dict[str, Any] = {
        **yaml.safe_load(text),
        "profile": profile,
        "home": home,
        "extracts": extracts,
        "key_file": key_file,
        "as_of": date.fromisoformat(as_of) if as_of else None,
        "strict": _flag("STRICT"),
        "synthetic": (extracts.parent / "SYNTHETIC").exists(),
        **override,
    }
    return Settings.model_validate(values)
