"""Published rates and stated assumptions that shape the synthetic province, from `data/calibration.csv`."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

DATA = Path(__file__).parent / "data"


class Target(BaseModel):
    """One rate: the value aimed at and, where published figures span one, the interval a province must lie in."""

    model_config = ConfigDict(frozen=True)

    parameter: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str
    basis: str
    source: str

    @field_validator("low", "high", mode="before")
    @classmethod
    def _empty(cls, value: str) -> str | None:
        return value or None


@cache
def targets() -> dict[str, Target]:
    """All calibration targets by parameter."""
    return {row["parameter"]: Target.model_validate(row) for row in rows("calibration")}


def value(parameter: str) -> float:
    """The value of a parameter in its unit."""
    return targets()[parameter].value


def share(parameter: str) -> float:
    """A percentage as a share of one."""
    return value(parameter) / 100


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a CSV file of the data folder."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def document(name: str) -> dict:
    """A YAML file of the data folder."""
    return yaml.load((DATA / f"{name}.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def column(name: str, field: str) -> list[str]:
    """One column of a CSV file of the data folder."""
    return [row[field] for row in rows(name)]


def numbers(name: str, field: str) -> list[float]:
    """One numeric column of a CSV file of the data folder."""
    return [float(row[field]) for row in rows(name)]
