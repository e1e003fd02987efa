"""What a generator hands to the delivery: canonical records as text, with the person and the day each became known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import DAY, Text

NOBODY = -1


@dataclass
class Records:
    """Records of one feed of one organisation.

    table     canonical fields as text, dates in ISO form, numbers as printed
    person    true person per record, NOBODY where the feed has none
    known_on  day from which the organisation holds the record; it is delivered on the first delivery date from then on
    extra     delivered columns that no canonical field uses
    words     the rows in the organisation's own words, where a delivered row is not a record; `table` then holds, row by row, the
              canonical fields that the records of a row have in common
    count     records in each row, where `words` is given
    also      records of other feeds in each row, by feed
    part      position of these records among the parts that a large feed is made in, and the number of parts; files are named by it
    stated    what the report texts say, row by row: truth for tests of the structuring of texts
    """

    organisation: str
    feed: str
    table: pa.Table
    person: np.ndarray
    known_on: np.ndarray
    extra: dict[str, Text] = field(default_factory=dict)
    words: pa.Table | None = None
    count: np.ndarray | None = None
    stated: pa.Table | None = None
    also: dict[str, np.ndarray] = field(default_factory=dict)
    part: tuple[int, int] = (0, 1)

    def __len__(self) -> int:
        return len(self.person)

    @property
    def suffix(self) -> str:
        """What tells the files of one part from those of the others."""
        return f"_p{self.part[0] + 1:02d}" if self.part[1] > 1 else ""


def records(organisation: str, feed: str, columns: dict[str, Text], person: np.ndarray, known_on: np.ndarray, **extra: Text) -> Records:
    """Put columns together. Raises ValueError when the columns differ in length."""
    sizes = {name: len(column) for name, column in columns.items()} | {"person": len(person), "known_on": len(known_on)}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"records of {organisation} {feed}: columns of different length {sizes}")
    return Records(organisation, feed, pa.table(columns), person.astype(np.int64), known_on.astype(DAY), extra)
