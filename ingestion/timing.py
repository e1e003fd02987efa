"""Where the time of a load goes: wall and CPU seconds by stage, those of a stage inside another counted there alone.

Work that other threads do beside the load (reading ahead, writing) is counted by its own threads and taken from the stage it runs beside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

OTHER = "other"
T = TypeVar("T")


@dataclass
class _Clock:
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    running: list[str] = field(default_factory=lambda: [OTHER])
    wall_at: float = field(default_factory=time.perf_counter)
    cpu_at: float = field(default_factory=time.process_time)
    beside: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def switch(self) -> None:
        """Give what has passed since the last switch to the stage that is running."""
        wall, cpu = time.perf_counter(), time.process_time()
        with self.lock:
            beside, self.beside = self.beside, 0.0
        self.add(self.running[-1], wall - self.wall_at, cpu - self.cpu_at - beside)
        self.wall_at, self.cpu_at = wall, cpu

    def add(self, name: str, wall: float, cpu: float) -> None:
        with self.lock:
            self.wall[name] = self.wall.get(name, 0.0) + wall
            self.cpu[name] = self.cpu.get(name, 0.0) + cpu


_clock = _Clock()


def start() -> None:
    """Forget what was measured before."""
    global _clock
    _clock = _Clock()


def spent() -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds by stage since `start`."""
    _clock.switch()
    return {name: (round(_clock.wall[name], 3), round(_clock.cpu[name], 3)) for name in sorted(_clock.wall)}


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What runs inside belongs to this stage (in the thread of the load)."""
    _clock.switch()
    _clock.running.append(name)
    try:
        yield
    finally:
        _clock.switch()
        _clock.running.pop()


@contextmanager
def beside(name: str) -> Iterator[None]:
    """What this thread does inside belongs to this stage, whatever the load does at the time. Wall seconds are not counted: nobody waits."""
    clock, used = _clock, time.thread_time()
    try:
        yield
    finally:
        used = time.thread_time() - used
        clock.add(name, 0.0, used)
        with clock.lock:
            clock.beside += used


def each(name: str, items: Iterable[T]) -> Iterator[T]:
    """The items, the making of which belongs to a stage."""
    iterator = iter(items)
    while True:
        with stage(name):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
