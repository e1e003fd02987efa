"""`make up` and `make down`, for real: three processes on loopback, healthy, and gone afterwards."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psutil
import pytest

from infra.airflow import environment, service
from infra.run import alone
from infra.settings import ROOT, Settings
from infra.steps import CannotRun


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.socket() as probe:
        probe.bind((environment.LOOPBACK, 0))
        free = probe.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_PORT", str(free))
    return free


def command(what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.airflow.service", what], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def up(settings: Settings, port: int) -> Iterator[str]:
    done = command("up")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield done.stdout
    finally:
        command("down")


def test_airflow_comes_up_healthy_on_loopback_alone_and_goes_down(settings: Settings, port: int, up: str) -> None:
    password = json.loads((environment.airflow_home(settings) / "password.json").read_text())["admin"]
    assert f"http://127.0.0.1:{port}" in up and password in up, "the first password is told"
    assert command("status").returncode == 0

    processes = [p for c in service.COMPONENTS if (p := service._process(settings, c))]
    assert len(processes) == 3
    everyone = [*processes, *(child for p in processes for child in p.children(recursive=True))]
    listening = {c.laddr.ip for p in everyone for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}

    base = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{base}/api/v2/dags", trust_env=False, timeout=120).status_code == 401
    token = httpx.post(f"{base}/auth/token", json={"username": "admin", "password": password}, trust_env=False, timeout=120).json()["access_token"]
    health = httpx.get(f"{base}/api/v2/pools/warehouse", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=120)
    assert health.json()["slots"] == 1

    with pytest.raises(CannotRun, match="Airflow is up"), alone(settings):
        pass
    again = command("up")
    assert again.returncode == 0
    assert password not in again.stdout, "and told once"

    assert command("down").returncode == 0
    assert service.running(settings) == []
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in everyone)


def test_a_taken_port_is_said_before_anything_starts(settings: Settings, port: int) -> None:
    with socket.socket() as other:
        other.bind((environment.LOOPBACK, port))
        other.listen()
        done = command("up")
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert service.running(settings) == []


def test_a_pid_that_belongs_to_another_process_by_now_is_leftalone(settings: Settings) -> None:
    pid_file = environment.airflow_home(settings) / "scheduler.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{os.getpid()} 1.0\n")
    assert service.running(settings) == []
    assert service.down(settings) == []


def test_password_and_keys_are_made_once_and_readable_by_the_owneralone(settings: Settings) -> None:
    first = service.ensure_password(settings)
    assert first and service.ensure_password(settings) is None
    assert environment.keys(settings) == environment.keys(settings)
    for name in ("password.json", "keys.json"):
        path = environment.airflow_home(settings) / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
