"""What the forms of a whole province add up to lies between the published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from ingestion.synthetic.calibration import targets
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.screening_desk import PLACES
from ingestion.synthetic.screening_forms import screening_records

Column = Callable[[str, str], np.ndarray]


@pytest.fixture(scope="module")
def column() -> Column:
    """Values of a field of a form over all organisations of a province of 20,000."""
    people = populate(7, 20_000)
    lives, found = live(people, 7), defaultdict(list)
    for organisation in PLACES:
        for made in screening_records(people, lives, 7, organisation=organisation):
            found[made.feed].append(made.table)
    return lambda feed, field: np.array([v for table in found[feed] for v in table[field].to_pylist()], dtype=object)


def _lies_between_the_published_figures(parameter: str, share: float) -> bool:
    target = targets()[parameter]
    assert target.low is not None and target.high is not None
    return target.low <= 100 * share <= target.high


def test_positive_nodules_and_nodules_of_any_size_are_as_frequent_as_published(column: Column) -> None:
    positive, small = column("screening_ldct", "positive_nodule_found"), column("screening_ldct", "non_positive_nodule_found")
    read = positive != None  # noqa: E711
    assert read.sum() > 500
    assert _lies_between_the_published_figures("ldct_positive_pct", (positive[read] == "2").mean())
    assert _lies_between_the_published_figures("ldct_any_nodule_pct", ((positive[read] == "2") | (small[read] == "2")).mean())


def test_raised_alpha_fetoprotein_is_as_frequent_as_published(column: Column) -> None:
    result = column("screening_liver", "afp_result_code")
    read = result != None  # noqa: E711
    assert read.sum() > 500
    assert _lies_between_the_published_figures("afp_positive_pct", (result[read] == "1").mean())


def test_types_52_and_58_lead_the_types_other_than_16_and_18(column: Column) -> None:
    types = [t for cell in column("screening_cervical_hpv", "hpv_type_codes") if cell for t in cell.split(";")]
    counts = {t: types.count(t) for t in set(types) - {"16", "18"}}
    assert max(counts, key=lambda t: counts[t]) in {"52", "58"}
