"""Airflow's configuration, as environment variables made from the settings; there is no file to keep in step."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from infra.airflow.timetable import TIMEZONE
from infra.settings import ROOT, Settings

DEFAULT_PORT = 8080
LOOPBACK = "127.0.0.1"


def airflow_home(settings: Settings) -> Path:
    """Folder of Airflow's database, password and pid files."""
    return settings.home / "airflow"


def port() -> int:
    """Port of the web page, AIRFLOW_PORT or 8080."""
    return int(os.environ.get("AIRFLOW_PORT") or DEFAULT_PORT)


def environment(settings: Settings) -> dict[str, str]:
    """Variables of every Airflow process of this LAKEHOUSE_HOME: bound to loopback, no example DAGs, no usage reports, no file outside."""
    home = airflow_home(settings)
    base = f"http://{LOOPBACK}:{port()}"
    local = f"{LOOPBACK},localhost"
    proxied = [v for v in (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")) if v]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(max(2, settings.threads)),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": TIMEZONE,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__MAX_MAP_LENGTH": "20000",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "password.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port()),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.home / "logs" / "airflow"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": ",".join([*proxied, local]),
        "no_proxy": ",".join([*proxied, local]),
    }


def apply(settings: Settings, target: MutableMapping[str, str]) -> None:
    """Put the configuration into an environment. A variable AIRFLOW__… that is set already wins; AIRFLOW_HOME never does.

    In this process it must happen before the first `import airflow`, which reads its configuration once.
    """
    for name, value in environment(settings).items():
        if name.startswith("AIRFLOW__") and target.get(name):
            continue
        target[name] = value
    paths = [str(ROOT), *[p for p in target.get("PYTHONPATH", "").split(os.pathsep) if p and p != str(ROOT)]]
    target["PYTHONPATH"] = os.pathsep.join(paths)
