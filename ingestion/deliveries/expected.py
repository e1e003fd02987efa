"""Which delivery answers which period: pure functions over dates.

One delivery is expected in each calendar period. Whether a delivery holds the data of a period cannot be seen from its date, so the
rule goes by dates alone. A delivery answers the period before its own while that one's grace lasts, or, late, while that one's end is
nearer than the end of its own; otherwise it answers its own period; and where that has been answered already, the earliest period that
has not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import pandas as pd

FREQUENCIES = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
EVERY_ZH = {"day": "每日", "week": "每周", "month": "每月", "quarter": "每季", "year": "每年"}


@dataclass(frozen=True)
class Period:
    """A calendar period: its name for staff, first and last day."""

    name: str
    first: date
    last: date


@dataclass(frozen=True)
class Due:
    """A delivery that was due, or came before it was.

    deadline       last day of the period plus the grace
    delivered_on   the delivery that answers it, None where it is missing
    days_late      days after the deadline: of the delivery, or until the business date where it is missing; 0 in time
    """

    period: Period
    deadline: date
    delivered_on: date | None
    days_late: int

    @property
    def state(self) -> str:
        """in_time, late or missing."""
        if self.delivered_on is None:
            return "missing"
        return "late" if self.days_late else "in_time"


def _name(every: str, period: pd.Period) -> str:
    first, last = period.start_time, period.end_time
    match every:
        case "day":
            return f"{first:%Y-%m-%d}"
        case "week":
            return f"{first:%Y-%m-%d}至{last:%m-%d}这一周"
        case "month":
            return f"{period.year}年{period.month}月"
        case "quarter":
            return f"{period.year}年第{period.quarter}季度"
    return f"{period.year}年"


@cache
def periods(every: str, first_day: date, until: date) -> tuple[Period, ...]:
    """The calendar periods from the one that holds `first_day` to the one that holds `until`. Raises KeyError for an unknown `every`."""
    found = pd.period_range(start=first_day, end=until, freq=FREQUENCIES[every])
    return tuple(Period(_name(every, p), p.start_time.date(), p.end_time.date()) for p in found)


def _answers(expected: Sequence[Period], grace: timedelta, delivered: Iterable[date]) -> dict[Period, date]:
    """Which delivery answers which period."""
    answers: dict[Period, date] = {}
    ends = [p.last for p in expected]
    for day in sorted(set(delivered)):
        place = bisect_left(ends, day)
        own = expected[place] if place < len(expected) and expected[place].first <= day else None
        before = expected[place - 1] if place else None
        if own is None:
            continue
        if before and before not in answers and (day <= before.last + grace or day - before.last <= own.last - day):
            answers[before] = day
        elif own not in answers:
            answers[own] = day
        elif open_one := next((p for p in expected[:place] if p not in answers), None):
            answers[open_one] = day
    return answers


def due(every: str, grace_days: int, first_day: date, as_of: date, delivered: Iterable[date]) -> list[Due]:
    """The deliveries due by `as_of`, and those of the running periods that have come already, in order of their periods."""
    grace, expected = timedelta(days=grace_days), periods(every, first_day, as_of)
    answers = _answers(expected, grace, (d for d in delivered if d <= as_of))
    made = []
    for period in expected:
        deadline, came = period.last + grace, answers.get(period)
        if came is None and deadline >= as_of:
            continue
        made.append(Due(period, deadline, came, max(0, ((came or as_of) - deadline).days)))
    return made
