"""Airflow's configuration, as environment variables made from the settings; there is no file to keep in step."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import MutableMapping
from pathlib import Path

from infra.airflow.timetable import REPLAYS, TIMEZONE
from infra.settings import ROOT, Settings

DEFAULT_PORT = 8080
LOOPBACK = "127.0.0.1"
KEYS = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY")


def airflow_home(settings: Settings) -> Path:
    """Folder of Airflow's database, password and pid files."""
    return settings.home / "airflow"


def port() -> int:
    """Port of the web page, AIRFLOW_PORT or 8080."""
    return int(os.environ.get("AIRFLOW_PORT") or DEFAULT_PORT)


def environment(settings: Settings) -> dict[str, str]:
    """Variables of every Airflow process of this LAKEHOUSE_HOME: bound to loopback, no example DAGs, no usage reports, no file outside."""
    home, logs = airflow_home(settings), settings.home / "logs" / "airflow"
    base = f"http://{LOOPBACK}:{port()}"
    local = f"{LOOPBACK},localhost"
    proxied = [v for v in (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")) if v]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(settings.threads + REPLAYS),
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
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(logs / "dag_processor"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": ",".join([*proxied, local]),
        "no_proxy": ",".join([*proxied, local]),
    }


def keys(settings: Settings) -> dict[str, str]:
    """Airflow's own signing keys, generated once: its processes must agree on them, and each would make up its own."""
    path = airflow_home(settings) / "keys.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        made = {name: base64.urlsafe_b64encode(os.urandom(32)).decode() for name in KEYS}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(made, file)
        return made


def apply(settings: Settings, target: MutableMapping[str, str]) -> None:
    """Put the configuration into an environment. A variable AIRFLOW__… that is set already wins; AIRFLOW_HOME never does.

    In this process it must happen before the first `import airflow`, which reads its configuration once.
    """
    for name, value in {**environment(settings), **keys(settings)}.items():
        if name.startswith("AIRFLOW__") and target.get(name):
            continue
        target[name] = value
    paths = [str(ROOT), *[p for p in target.get("PYTHONPATH", "").split(os.pathsep) if p and p != str(ROOT)]]
    target["PYTHONPATH"] = os.pathsep.join(paths)
