"""Who delivers when, and whose job a red DAG is: the data behind the DAG files and the table in `dags/README.md`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

TIMEZONE = "Asia/Shanghai"
WAREHOUSE_POOL = "warehouse"
LOAD_POOL = "loads"
REPLAYS = 2  # dbt nodes shown at the same time, beside the work
PUBLISHED = "lakehouse://published"


@dataclass(frozen=True)
class Family:
    """One family of source systems: the name of its landing folder, when its deliveries are looked for and who answers for them."""

    name: str
    schedule: str
    owner: str
    title: str

    @property
    def dag_id(self) -> str:
        return f"ingest_{self.name}"

    @property
    def lake_uri(self) -> str:
        """The asset that a finished ingest of this family touches and the build waits for."""
        return f"lakehouse://lake/{self.name}"


FAMILIES = (
    Family("reference", "0 0 * * *", "data-management", "Organisations, departments, doctors, divisions"),
    Family("national_platform", "15 0 * * *", "data-engineering", "Questionnaires of the national platform"),
    Family("hospital", "30 0 * * *", "hospital-liaison", "Hospital information systems"),
    Family("checkup", "45 0 * * *", "hospital-liaison", "Check-up centres"),
    Family("screening_centre", "0 1 * * *", "screening-office", "National standardised-screening centres"),
    Family("free_screening", "15 1 * * *", "screening-office", "National free-screening institutions"),
    Family("regional_platform", "30 1 * * *", "data-engineering", "Regional health platform (Taiyuan)"),
    Family("registry", "45 1 * * *", "data-management", "Cancer registry, death registration, population"),
    Family("programme", "0 2 * * *", "screening-office", "Targets, training and people's decisions"),
)
BUILD_OWNER = "data-engineering"


def retry_delay() -> timedelta:
    """Wait before a failed task is tried again: five minutes, or LAKEHOUSE_RETRY_SECONDS (the in-process run does not wait that long)."""
    return timedelta(seconds=float(os.environ.get("LAKEHOUSE_RETRY_SECONDS") or 300))
