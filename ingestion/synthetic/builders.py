"""Who builds the records of which organisation: every module of this package that offers BUILDERS takes part.

BUILDERS is a dict: organisation code → function of (people, lives, seed) that yields `Records`, feed by feed. A feed of an organisation
comes from one builder only. Several modules may build for one organisation.
"""

from __future__ import annotations

import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

from ingestion import synthetic
from ingestion.synthetic.life import Lives
from ingestion.synthetic.people import People
from ingestion.synthetic.records import Records

Builder = Callable[[People, Lives, int], Iterator[Records]]


@cache
def builders() -> dict[str, tuple[Builder, ...]]:
    """The builders of each organisation, in order of organisation and module name."""
    found: dict[str, list[Builder]] = defaultdict(list)
    for module in sorted(m.name for m in pkgutil.iter_modules(synthetic.__path__)):
        if module == "__main__":
            continue
        for organisation, builder in getattr(import_module(f"{synthetic.__name__}.{module}"), "BUILDERS", {}).items():
            found[organisation].append(builder)
    return {organisation: tuple(found[organisation]) for organisation in sorted(found)}
