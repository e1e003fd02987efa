"""How a source writes down who a person is: names, numbers and addresses as that source has them, with the usual variants.

What a source writes about a person depends on the seed, the person and the source alone, so that all feeds of one source agree, and
the truth can tell the variants from the same rule (`variants`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.synthetic.cells import Text, dates, whole
from ingestion.synthetic.people import People


def as_recorded(people: People, person: np.ndarray, source: str, *, day: np.ndarray | None = None) -> dict[str, Text]:
    """Identifying columns of some people as one organisation holds them.

    source  organisation code
    day     day of writing per entry, for addresses and telephones that change; without it those of the survey time
    Returns person_name, id_card_no, sex_code, birth_date, mobile_phone, residence_address; a builder takes those its form has.
    """
    index = pa.array(person)
    return {
        "person_name": people.name.take(index),
        "id_card_no": people.id_card.take(index),
        "sex_code": whole(people.sex[person]),
        "birth_date": dates(people.birth[person]),
        "mobile_phone": people.phone.take(index),
        "residence_address": people.address.take(index),
    }
