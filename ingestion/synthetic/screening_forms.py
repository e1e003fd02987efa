"""What screening organisations deliver: every result form of standardised centres, free-screening institutions and hospitals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.mappings import FeedMapping
from ingestion.synthetic.cells import Text
from ingestion.synthetic.life import Lives
from ingestion.synthetic.people import People
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_breast import mammography_form, ultrasound_forms
from ingestion.synthetic.screening_cervix import cervix_forms
from ingestion.synthetic.screening_colorectum import colonoscopy_forms, fit_form
from ingestion.synthetic.screening_desk import PLACES, Desk
from ingestion.synthetic.screening_follow_up import follow_up_form
from ingestion.synthetic.screening_liver import liver_forms
from ingestion.synthetic.screening_lung import lung_forms
from ingestion.synthetic.screening_upper_gi import upper_gi_forms

FORMS = (
    *(fit_form, colonoscopy_forms, lung_forms, upper_gi_forms, liver_forms),
    *(ultrasound_forms, mammography_form, cervix_forms, follow_up_form),
)


def screening_records(people: People, lives: Lives, seed: int, *, organisation: str) -> Iterator[Records]:
    """Every screening form of an organisation that its mapping and delivery plan name, one form at a time."""
    desk = Desk(organisation, people, lives, seed)
    for forms in FORMS:
        yield from _in_rows(desk, forms(desk))


def _in_rows(desk: Desk, made: Iterator[Records]) -> Iterator[Records]:
    """Forms as they come; repeating parts that the organisation writes into the row of their examination are put there."""
    waiting: Records | None = None
    for form in made:
        feed = desk.mapping.resolved(form.feed) if desk.mapping else None
        if feed and feed.groups and waiting is not None:
            waiting = _side_by_side(waiting, form, feed)
            continue
        if waiting is not None:
            yield waiting
        waiting = form
    if waiting is not None:
        yield waiting


def _side_by_side(whole: Records, parts: Records, feed: FeedMapping) -> Records:
    """The examinations with columns for their first, second … nodule or lesion, as the mapping's groups name them.

    Raises ValueError when an examination has more parts than the organisation has columns for.
    """
    if feed.groups is None or feed.groups.number_as is None:
        raise ValueError(f"feed {parts.feed} of {parts.organisation} does not number its groups")
    number = parts.table[feed.groups.number_as].combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    groups = feed.groups.listed()
    if len(number) and number.max() > len(groups):
        raise ValueError(f"feed {parts.feed} of {parts.organisation}: {number.max()} parts, columns for {len(groups)}")
    row = pc.index_in(parts.table["screening_no"].combine_chunks(), value_set=whole.table["screening_no"].combine_chunks())
    row = row.to_numpy(zero_copy_only=False).astype(np.int64)
    columns: dict[str, Text] = {}
    for n, group in enumerate(groups, 1):
        at = np.flatnonzero(number == n)
        place = np.full(len(whole), -1)
        place[row[at]] = at
        index = pa.array(place, mask=place < 0)
        for field, delivered in group.items():
            values, said = parts.table[field].combine_chunks(), feed.columns[field]
            if said.separator:
                values = pc.replace_substring(values, ";", said.separator)
            columns[delivered] = values.take(index)
    counts = np.bincount(row, minlength=len(whole))
    return replace(whole, extra={**whole.extra, **columns}, also={**whole.also, parts.feed: counts})


BUILDERS = {organisation: partial(screening_records, organisation=organisation) for organisation in PLACES}
