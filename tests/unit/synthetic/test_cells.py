"""Text columns built in bulk."""

from __future__ import annotations

import numpy as np
import pytest

from ingestion.synthetic import cells


def test_decimals_are_printed_with_their_places() -> None:
    assert cells.decimal(np.array([1.005, 12, 0.4, -0.25]), 2).to_pylist() == ["1.00", "12.00", "0.40", "-0.25"]
    assert cells.decimal(np.array([7.6, np.nan]), 0, np.array([True, False])).to_pylist() == ["8", None]


def test_a_join_with_a_missing_part_is_missing() -> None:
    assert cells.join("a", cells.keep(cells.constant("b", 2), np.array([True, False]))).to_pylist() == ["ab", None]


def test_age_counts_completed_years() -> None:
    birth = np.array(["1970-05-20", "1970-05-21", "1972-02-29"], dtype="datetime64[D]")
    day = np.array(["2024-05-20", "2024-05-20", "2024-02-28"], dtype="datetime64[D]")
    assert cells.age_on(birth, day).tolist() == [54, 53, 51]


def test_systematic_choice_keeps_the_expected_number_in_every_run() -> None:
    chance = np.full(1_000, 0.013)
    hit = cells.systematic(chance, np.arange(1_000), cells.stream(1, "x"))
    assert hit.sum() == 13
    assert abs(hit[:500].sum() - 6.5) <= 1


def test_streams_of_different_names_differ_and_repeat() -> None:
    assert cells.stream(1, "a").random() == cells.stream(1, "a").random()
    assert cells.stream(1, "a").random() != cells.stream(1, "b").random()


@pytest.mark.parametrize("low,high", [(0, 0), (3, 5)])
def test_time_spans_include_both_ends(low: int, high: int) -> None:
    found = cells.days(cells.stream(1), low, high, 300).astype(int)
    assert set(found.tolist()) == set(range(low, high + 1))
