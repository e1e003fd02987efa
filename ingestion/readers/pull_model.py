"""What a pull says when it fails, and how it reads its environment."""

from __future__ import annotations

import os


class PullFailed(Exception):
    """A source could not be pulled whole; nothing of it was landed. The message holds no address, secret or record."""


def from_environment(name: str) -> str:
    """The value of a variable a mapping names. Raises PullFailed when it is not set."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise PullFailed(f"environment variable {name} is not set")
    return value
