"""`make up` and `make down`: scheduler, DAG processor and API server of one LAKEHOUSE_HOME, on loopback."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import psutil

from infra.airflow import database, environment
from infra.settings import ROOT, Settings, load_settings

COMPONENTS = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
}
USER = "admin"
START_SECONDS = 120
STOP_SECONDS = 30


class CannotStart(RuntimeError):
    """Airflow is not up; the message says why and where the log is."""


def _pid_file(settings: Settings, component: str) -> Path:
    return environment.airflow_home(settings) / f"{component}.pid"


def _log_file(settings: Settings, component: str) -> Path:
    return settings.home / "logs" / "airflow" / f"{component}.log"


def _process(settings: Settings, component: str) -> psutil.Process | None:
    """The running process of a component. A pid that the system has since given to another process does not count."""
    try:
        pid, created = _pid_file(settings, component).read_text(encoding="utf-8").split()
        process = psutil.Process(int(pid))
        alive = abs(process.create_time() - float(created)) < 1 and process.status() != psutil.STATUS_ZOMBIE
        return process if alive else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def running(settings: Settings) -> list[str]:
    """Components of this LAKEHOUSE_HOME that run now."""
    return [c for c in COMPONENTS if _process(settings, c)]


def ensure_password(settings: Settings) -> str | None:
    """Generate the first password, readable by the owner alone; returns it when it is new, None when there is one already."""
    path = environment.airflow_home(settings) / "password.json"
    if path.exists():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(15)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({USER: password}, file)
    return password


def health(base: str) -> dict[str, str]:
    """State of metadata database, scheduler and DAG processor as the API server tells it; empty while it does not answer."""
    try:
        answer = httpx.get(f"{base}/api/v2/monitor/health", timeout=5, trust_env=False).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return {part: (answer.get(part) or {}).get("status") or "unknown" for part in ("metadatabase", "scheduler", "dag_processor")}


def is_healthy(state: dict[str, str]) -> bool:
    """Whether every part answered and is well."""
    return bool(state) and all(v == "healthy" for v in state.values())


def _start(settings: Settings, component: str, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    log = _log_file(settings, component)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *COMPONENTS[component]],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _pid_file(settings, component).write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}\n", encoding="utf-8")
    return process


def _start_missing(settings: Settings, components: Iterable[str], base: str, is_ready: Callable[[dict[str, str]], bool]) -> None:
    """Start those of the components that do not run, and wait until the API server says what is asked. Raises CannotStart."""
    variables = dict(os.environ)
    started = {c: _start(settings, c, variables) for c in components if not _process(settings, c)}
    until = time.monotonic() + START_SECONDS
    while not is_ready(state := health(base)):
        if ended := [c for c, p in started.items() if p.poll() is not None]:
            raise CannotStart(f"{ended[0]} ended at once; see {_log_file(settings, ended[0])}")
        if time.monotonic() > until:
            raise CannotStart(f"not healthy after {START_SECONDS} s: {state or 'no answer'}; see {_log_file(settings, 'scheduler').parent}")
        time.sleep(1)


def up(settings: Settings) -> str:
    """Start what does not run yet and wait until it is healthy; returns what to tell the user. Raises CannotStart."""
    base = f"http://{environment.LOOPBACK}:{environment.port()}"
    if not _process(settings, "api-server"):
        with socket.socket() as probe:
            if probe.connect_ex((environment.LOOPBACK, environment.port())) == 0:
                raise CannotStart(f"port {environment.port()} is taken; choose another with AIRFLOW_PORT")
    environment.apply(settings, os.environ)
    database.prepare(settings)
    password = ensure_password(settings)
    try:
        # A task that starts before the API server answers fails and waits for its retry, so that one comes first.
        _start_missing(settings, ["api-server"], base, bool)
        _start_missing(settings, COMPONENTS, base, is_healthy)
    except CannotStart:
        down(settings)
        raise
    told = f"password {password} (shown this once)" if password else f"password in {environment.airflow_home(settings) / 'password.json'}"
    return f"Airflow is up at {base}, user {USER}, {told}"


def down(settings: Settings) -> list[str]:
    """Stop the components of this LAKEHOUSE_HOME and the tasks they started; returns those that ran."""
    found = {c: p for c in COMPONENTS if (p := _process(settings, c))}
    family = [child for p in found.values() for child in p.children(recursive=True)]
    for process in found.values():
        process.terminate()
    _, left = psutil.wait_procs([*found.values(), *family], timeout=STOP_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
    for component in COMPONENTS:
        _pid_file(settings, component).unlink(missing_ok=True)
    return list(found)


def main(arguments: list[str]) -> int:
    """`python -m infra.airflow.service up|down|status`."""
    settings = load_settings()
    match arguments:
        case ["up"]:
            try:
                print(up(settings))
            except CannotStart as error:
                print(f"make up: {error}", file=sys.stderr)
                return 1
        case ["down"]:
            print(f"stopped {', '.join(down(settings)) or 'nothing: nothing was running'}")
        case ["status"]:
            base = f"http://{environment.LOOPBACK}:{environment.port()}"
            print(f"running: {', '.join(running(settings)) or 'nothing'}; {health(base)}")
            return 0 if len(running(settings)) == len(COMPONENTS) and is_healthy(health(base)) else 1
        case _:
            print("usage: python -m infra.airflow.service up|down|status", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
