"""Training of the programme: topics, sessions, who came, who passed, and the certificates of those who did."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ingestion.contracts import code_list
from ingestion.synthetic.calibration import document, rows
from ingestion.synthetic.cells import DAY, NEVER, Text, choose, constant, dates, days, decimal, draw, join, keep, padded, pick, stream, whole
from ingestion.synthetic.programme import ORGANISATION, listed
from ingestion.synthetic.records import NOBODY, Records, records
from ingestion.synthetic.reference import DOCTORS_PER_DEPARTMENT, departments, staff

PRESENT, LATE, LEFT_EARLY, ABSENT, EXCUSED = range(5)
KINDS = ("present", "late", "left_early", "absent", "excused")


def _hospitals() -> list[str]:
    return [row["organisation_code"] for row in rows("organisations") if row["type"] == "hospital"]


def topic_records() -> Records:
    """The topics of the programme (requirement R5.1)."""
    plan = document("programme")["training"]
    group = {topic: name for name, topics in plan["groups"].items() for topic in topics}
    found = [
        {
            "topic_code": code,
            "topic_name": code_list("training_topic")[code].name_zh,
            "topic_group_code": group[code],
            "audience_name": audience,
            "standard_hours": str(hours),
            "has_exam": str(exam),
            "valid_from": plan["first"],
        }
        for code, (exam, hours, audience) in plan["topics"].items()
    ]
    return listed("training_topic", found, [plan["first"]] * len(found))


def _doctor(number: np.ndarray) -> Text:
    return join("YS", padded(number + 1, 3))


def _department(number: np.ndarray) -> Text:
    return join("KS", padded(number // DOCTORS_PER_DEPARTMENT + 1, 2))


def training_records(seed: int) -> Iterator[Records]:
    """All training feeds, one after the other."""
    yield topic_records()
    rng, plan, hospitals = stream(seed, "training"), document("programme")["training"], _hospitals()
    topics = list(plan["topics"])
    low, high = plan["sessions_per_topic"]
    topic = np.repeat(np.arange(len(topics)), rng.integers(low, high + 1, len(topics)))
    n = len(topic)
    calendar = np.arange(np.datetime64(plan["first"]), np.datetime64(plan["last"]) + 1)
    day = np.sort(rng.choice(calendar[np.is_busday(calendar)], n)).astype(DAY)
    topic = rng.permutation(topic)
    host, hours = rng.integers(len(hospitals), size=n), np.array([plan["topics"][t][1] for t in topics])[topic]
    per_hospital = len(departments()) * DOCTORS_PER_DEPARTMENT
    yield _session_records(rng, topic, day, host, hours, per_hospital)

    # Trainees: most from the hospital that holds the session, nobody twice in a session.
    low, high = plan["trainees_per_session"]
    session = np.repeat(np.arange(n), rng.integers(low, high + 1, n))
    at_home = rng.random(len(session)) < 0.7
    hospital = np.where(at_home, host[session], rng.integers(len(hospitals), size=len(session)))
    doctor = rng.integers(per_hospital, size=len(session))
    _, first = np.unique(np.stack([session, hospital, doctor]), axis=1, return_index=True)
    session, hospital, doctor = (a[np.sort(first)] for a in (session, hospital, doctor))
    kind = draw(rng, (84, 5, 4, 4, 3), len(session))
    yield _attendance_records(rng, session, hospital, doctor, kind, day, hours)
    yield _exam_records(rng, session, hospital, doctor, kind, day, topic)


def _session_number(index: np.ndarray) -> Text:
    return join("PX14", padded(index + 1, 5))


def _session_records(rng: np.random.Generator, topic: np.ndarray, day: np.ndarray, host: np.ndarray, hours: np.ndarray, per_hospital: int) -> Records:
    n, plan, hospitals, teachers = len(topic), document("programme")["training"], _hospitals(), staff("authority")
    venue = rng.integers(len(plan["venues"]), size=n)
    online = np.array(["线上" in v for v in plan["venues"]])[venue]
    from_office = rng.random(n) < 0.4
    invited, teacher = rng.integers(len(hospitals), size=n), rng.integers(len(teachers), size=n)
    counties = {row["organisation_code"]: row["county_code"] for row in rows("organisations")}
    hands_on = np.array(["25" in t or t in {"T02", "T12"} for t in plan["topics"]])[topic]
    columns = {
        "session_no": _session_number(np.arange(n)),
        "topic_code": pick(list(plan["topics"]), topic),
        "session_date": dates(day),
        "host_organisation_code": pick(hospitals, host),
        "teacher_organisation_code": choose(from_office, pick([o for o, _ in teachers], teacher), pick(hospitals, invited)),
        "teacher_code": choose(from_office, pick([s for _, s in teachers], teacher), _doctor(rng.integers(per_hospital, size=n))),
        "venue_name": pick(plan["venues"], venue),
        "county_code": keep(pick([counties[h] for h in hospitals], host), ~online),
        "mode_code": pick(["online", "bedside", "on_site", "blended"], np.select([online, hands_on], [0, 1], 2 + (rng.random(n) < 0.15))),
        "hours": decimal(hours * np.where(rng.random(n) < 0.85, 1.0, 0.5), 1),
        "planned_count": whole(rng.integers(4, 10, n) * 5),
    }
    return records(ORGANISATION, "training_session", columns, np.full(n, NOBODY), day + 1)


def _attendance_records(
    rng: np.random.Generator, session: np.ndarray, hospital: np.ndarray, doctor: np.ndarray, kind: np.ndarray, day: np.ndarray, hours: np.ndarray
) -> Records:
    n = len(session)
    part = np.array([1.0, 0.9, 0.6, 0.0, 0.0])[kind]
    recorded = (day[session] + days(rng, 0, 3, n)).astype(DAY)
    columns = {
        "session_no": _session_number(session),
        "organisation_code": pick(_hospitals(), hospital),
        "staff_code": _doctor(doctor),
        "department_code": _department(doctor),
        "attendance_code": pick(KINDS, kind),
        "attended_hours": decimal(np.floor(hours[session] * part * 2) / 2, 1),
        "recorded_date": dates(recorded),
    }
    return records(ORGANISATION, "training_attendance", columns, np.full(n, NOBODY), recorded)


def _exam_records(
    rng: np.random.Generator, session: np.ndarray, hospital: np.ndarray, doctor: np.ndarray, kind: np.ndarray, day: np.ndarray, topic: np.ndarray
) -> Records:
    plan = document("programme")["training"]
    has_exam = np.array([bool(plan["topics"][t][0]) for t in plan["topics"]])[topic]
    sits = np.flatnonzero(has_exam[session] & np.isin(kind, (PRESENT, LATE)) & (rng.random(len(session)) < 0.96))
    score = np.rint(rng.normal(76, 12, len(sits)).clip(18, 100) * 2) / 2
    failed = np.flatnonzero((score < plan["pass_mark"]) & (rng.random(len(sits)) < 0.7))
    again = np.minimum(score[failed] + np.rint(rng.normal(14, 9, len(failed)).clip(-10, 40)), 100)
    attempt = np.r_[np.ones(len(sits), dtype=int), np.full(len(failed), 2)]
    first_day = day[session[sits]] + days(rng, 0, 14, len(sits))
    when = np.r_[first_day, first_day[failed] + days(rng, 14, 40, len(failed))].astype(DAY)
    who, score = np.r_[sits, sits[failed]], np.r_[score, again]
    order = np.argsort(when, kind="stable")
    attempt, when, who, score = attempt[order], when[order], who[order], score[order]
    n, passed = len(who), score >= plan["pass_mark"]
    issued = np.where(passed & (rng.random(n) < 0.98), when + days(rng, 3, 20, n), NEVER).astype(DAY)
    given = ~np.isnat(issued)
    number = np.cumsum(given)
    columns = {
        "exam_no": join("KH14", padded(np.arange(n) + 1, 6)),
        "topic_code": pick(list(plan["topics"]), topic[session[who]]),
        "session_no": _session_number(session[who]),
        "organisation_code": pick(_hospitals(), hospital[who]),
        "staff_code": _doctor(doctor[who]),
        "department_code": _department(doctor[who]),
        "exam_date": dates(when),
        "attempt_number": whole(attempt),
        "score": decimal(score, 1),
        "pass_mark": constant(str(plan["pass_mark"]), n),
        "is_passed": pick("01", passed.astype(int)),
        "certificate_no": keep(join("SXAF", dates(np.where(given, issued, when), "%Y"), padded(number, 5)), given),
        "certificate_date": dates(issued),
    }
    return records(ORGANISATION, "training_exam", columns, np.full(n, NOBODY), np.where(given, issued, when + 2))
