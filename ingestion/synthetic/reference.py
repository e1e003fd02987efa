"""Reference data: organisations, departments, doctors, divisions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import column, rows
from ingestion.synthetic.cells import draw, stream
from ingestion.synthetic.life import Lives
from ingestion.synthetic.people import FEMALE, MALE, People, divisions, names
from ingestion.synthetic.records import NOBODY, Records, records

ORGANISATION = "REF"
KNOWN_ON = np.datetime64("2024-12-20")
DOCTORS_PER_DEPARTMENT = 4
# Staff of organisations without departments, by type.
STAFF = {"checkup": 10, "screening_standard": 10, "screening_free": 10, "platform": 20, "regional_platform": 5, "registry": 5, "authority": 20}


@cache
def departments() -> tuple[str, ...]:
    """Names of the departments every hospital has; a department's code is KS and its position from 1."""
    return tuple(
        dict.fromkeys(
            [
                "消化内科",
                "普通外科",
                "肿瘤科",
                "放疗科",
                "病理科",
                "内镜中心",
                "检验科",
                "急诊科",
                "放射科",
                "超声科",
                *column("diagnoses", "department"),
            ]
        )
    )


def _table(organisation: str, feed: str, found: list[dict[str, str | None]]) -> Records:
    table = pa.table({key: pa.array([row[key] for row in found], pa.string()) for key in found[0]})
    n = table.num_rows
    return records(organisation, feed, {name: table[name].combine_chunks() for name in table.column_names}, np.full(n, NOBODY), np.full(n, KNOWN_ON))


def organisation_rows() -> list[dict[str, str | None]]:
    """The organisations that deliver, and the programme office above them."""
    return [
        {
            "organisation_code": row["organisation_code"],
            "organisation_name": row["name_zh"],
            "organisation_type_code": row["type"],
            "county_code": row["county_code"],
            "parent_organisation_code": row["parent"] or None,
        }
        for row in rows("organisations")
    ]


def _department_rows() -> list[dict[str, str | None]]:
    return [
        {"organisation_code": row["organisation_code"], "department_code": f"KS{position:02d}", "department_name": name}
        for row in rows("organisations")
        if row["type"] == "hospital"
        for position, name in enumerate(departments(), 1)
    ]


def staff(kind: str) -> list[tuple[str, str]]:
    """Organisation and staff code of everybody who works at organisations of a type without departments."""
    return [(row["organisation_code"], f"YS{n:03d}") for row in rows("organisations") if row["type"] == kind for n in range(1, STAFF[kind] + 1)]


def _doctor_rows(seed: int) -> list[dict[str, str | None]]:
    rng = stream(seed, "doctors")
    posts = [(d["organisation_code"], d["department_code"]) for d in _department_rows() for _ in range(DOCTORS_PER_DEPARTMENT)]
    posts += [(row["organisation_code"], None) for row in rows("organisations") for _ in range(STAFF.get(row["type"], 0))]
    sex = np.where(rng.random(len(posts)) < 0.5, MALE, FEMALE)
    given = names(rng, sex).to_pylist()
    titles = np.array(["主任医师", "副主任医师", "主治医师", "住院医师"])[draw(rng, (15, 25, 35, 25), len(posts))]
    serial: dict[str, int] = {}
    found = []
    for (organisation, department), name, title in zip(posts, given, titles, strict=True):
        serial[organisation] = serial.get(organisation, 0) + 1
        found.append(
            {
                "organisation_code": organisation,
                "doctor_code": f"YS{serial[organisation]:03d}",
                "doctor_name": name,
                "department_code": department,
                "title_name": str(title),
            }
        )
    return found


def _division_rows() -> list[dict[str, str | None]]:
    high = set(column("high_incidence", "county_code"))
    return [
        {
            "division_code": d.code,
            "division_name": d.name,
            "level_code": d.level,
            "parent_code": d.parent,
            "is_ugi_high_incidence": "1" if d.code in high else "0",
        }
        for d in divisions()
    ]


def reference_records(seed: int) -> list[Records]:
    """The four reference feeds."""
    return [
        _table(ORGANISATION, "organisation", organisation_rows()),
        _table(ORGANISATION, "department", _department_rows()),
        _table(ORGANISATION, "doctor", _doctor_rows(seed)),
        _table(ORGANISATION, "division", _division_rows()),
    ]


def reference_feeds(people: People, lives: Lives, seed: int) -> Iterator[Records]:
    """The reference feeds, as the registry of builders asks for them."""
    yield from reference_records(seed)


BUILDERS = {ORGANISATION: reference_feeds}
