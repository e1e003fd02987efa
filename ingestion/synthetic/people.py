"""The people of the province: who they are, where they live, when they were asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import codes
from ingestion.synthetic.calibration import document, rows, share
from ingestion.synthetic.cells import DAY, Text, choose, dates, draw, join, padded, pick, stream, whole

FIRST_SURVEY, LAST_SURVEY = np.datetime64("2024-01-08"), np.datetime64("2024-12-20")
ID_AREA = 1499
ID_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
ID_CHECK = "10X98765432"
# Sequence numbers per birth date and sex: 99 area suffixes with 499 sequences each; a step coprime to their number spreads them.
ID_AREAS, ID_SEQUENCES, ID_STEP = 99, 499, 7919
STRANGER_RANK = 40_000
MALE, FEMALE = 1, 2
LEAST_OUTSIDE = 80


@dataclass(frozen=True)
class People:
    """Residents first, then patients from elsewhere. One entry per person; `person` is the position.

    `survey_date` is missing for people who were never asked.
    """

    residents: int
    sex: np.ndarray
    birth: np.ndarray
    county: np.ndarray
    name: Text
    id_card: Text
    phone: Text
    address: Text
    survey_date: np.ndarray

    def __len__(self) -> int:
        return len(self.sex)

    @property
    def is_resident(self) -> np.ndarray:
        return np.arange(len(self)) < self.residents

    @property
    def is_surveyed(self) -> np.ndarray:
        return ~np.isnat(self.survey_date)


@dataclass(frozen=True)
class Division:
    """A division with the level and parent that its code and name say."""

    code: str
    name: str
    level: str
    parent: str | None


@cache
def divisions() -> tuple[Division, ...]:
    """Province, prefectures and counties of the code list, without the statistical zones (code part 71) that GB/T 2260 lacks."""
    ends = {"区": "district", "县": "county", "市": "county_city"}
    found = []
    for c in codes():
        if c.list != "division" or c.code[4:] == "71":
            continue
        if c.code.endswith("0000"):
            found.append(Division(c.code, c.name_zh, "province", None))
        elif c.code.endswith("00"):
            found.append(Division(c.code, c.name_zh, "prefecture", c.code[:2] + "0000"))
        else:
            found.append(Division(c.code, c.name_zh, ends[c.name_zh[-1]], c.code[:4] + "00"))
    return tuple(found)


@cache
def counties() -> tuple[Division, ...]:
    """The county-level divisions; a person's `county` is an index into them."""
    return tuple(d for d in divisions() if d.parent and not d.parent.endswith("0000"))


@cache
def home_hospital() -> np.ndarray:
    """Per county the index of the hospital that most of its patients go to: 0 H1401, 1 H1402."""
    by_prefecture = {row["code"]: int(row["hospital"] == "H1402") for row in rows("prefectures")}
    return np.array([by_prefecture[c.parent] for c in counties()])


@cache
def usual_hospital() -> np.ndarray:
    """Per county the hospital that most of its people go to, as index into the seven hospitals."""
    by_prefecture = {row["code"]: int(row["usual_hospital"][-1]) - 1 for row in rows("prefectures")}
    return np.array([by_prefecture[c.parent] for c in counties()])


def county_weights() -> np.ndarray:
    """Share of the province's people in each county."""
    by_prefecture = {row["code"]: float(row["weight"]) for row in rows("prefectures")}
    parents = [c.parent for c in counties()]
    urban = np.array([1.8 if c.level == "district" else 1.0 for c in counties()])
    total = {p: urban[[q == p for q in parents]].sum() for p in by_prefecture}
    return np.array([by_prefecture[p] / total[p] for p in parents]) * urban


def _survey_dates(rng: np.random.Generator, n: int) -> np.ndarray:
    """Working days of 2024, fewer in winter and during the spring festival."""
    calendar = np.arange(FIRST_SURVEY, LAST_SURVEY + 1)
    month = calendar.astype("datetime64[M]").astype(int) % 12
    weights = np.array([5, 2, 8, 10, 11, 11, 9, 8, 11, 11, 9, 6])[month] * np.where(np.is_busday(calendar), 1.0, 0.15)
    return calendar[draw(rng, weights, n)]


def _ages(rng: np.random.Generator, n: int) -> np.ndarray:
    bands = [(38, 39), (40, 49), (50, 59), (60, 74), (75, 79)]
    band = draw(rng, [share(f"age_{low}_{high}_pct") for low, high in bands], n)
    low, high = np.array(bands).T
    return low[band] + (rng.random(n) * (high - low + 1)[band]).astype(int)


def check_digits(body: np.ndarray) -> np.ndarray:
    """Position in ID_CHECK of the check digit of each 17-digit number (GB 11643), given as integers."""
    digits = (body[:, None] // 10 ** np.arange(16, -1, -1, dtype=np.int64)) % 10
    return digits @ ID_WEIGHTS % 11


def _id_cards(birth: np.ndarray, sex: np.ndarray, first_rank: int = 0) -> Text:
    day = birth.astype(np.int64)
    group = day * 2 + (sex == MALE)
    order = np.argsort(group, kind="stable")
    first = np.r_[True, group[order][1:] != group[order][:-1]]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(group)), 0))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - starts + first_rank
    slots = ID_AREAS * ID_SEQUENCES
    if len(rank) and rank.max() >= slots:
        raise ValueError(f"more than {slots} people of one sex share a birth date; the ID area {ID_AREA} has no further numbers")
    slot = (rank * ID_STEP + group * 104_729) % slots
    area, sequence = ID_AREA * 100 + 1 + slot % ID_AREAS, 2 * (slot // ID_AREAS) + np.where(sex == MALE, 1, 2)
    year = birth.astype("datetime64[Y]").astype(np.int64) + 1970
    month = birth.astype("datetime64[M]").astype(np.int64) % 12 + 1
    date = year * 10_000 + month * 100 + (birth - birth.astype("datetime64[M]")).astype(np.int64) + 1
    body = area * 10**11 + date * 1000 + sequence
    return join(whole(body), pick(list(ID_CHECK), check_digits(body)))


def names(rng: np.random.Generator, sex: np.ndarray) -> Text:
    """Names with the usual weight of surnames and given-name characters; three in four given names have two characters."""
    pools, n = document("pools"), len(sex)
    surname = pick(list(pools["surnames"]), draw(rng, list(pools["surnames"].values()), n))
    parts = []
    for _ in range(2):
        male, female = pools["given_male"], pools["given_female"]
        for_male, for_female = draw(rng, list(male.values()), n), draw(rng, list(female.values()), n)
        parts.append(choose(sex == MALE, pick(list(male), for_male), pick(list(female), for_female)))
    return join(surname, parts[0], choose(rng.random(n) < 0.75, parts[1], ""))


def _phones(rng: np.random.Generator, n: int) -> Text:
    prefixes = document("pools")["mobile_prefixes"]
    step, space = 61_803_399, 10**8  # coprime: no number is given twice
    number = (np.arange(n, dtype=np.int64) * step + int(rng.integers(space))) % space
    own = join(pick([str(p) for p in prefixes], np.arange(n) % len(prefixes)), padded(number, 8))
    # Some couples share one telephone.
    shared = np.where(rng.random(n) < 0.04, np.maximum(np.arange(n) - 1, 0), np.arange(n))
    return own.take(pa.array(shared))


def _addresses(rng: np.random.Generator, county: np.ndarray) -> Text:
    pools, n = document("pools"), len(county)
    label = {d.code: d.name for d in divisions()}
    full = [label["140000"] + label[c.parent] + c.name for c in counties()]
    short = [label[c.parent] + c.name for c in counties()]
    lone = [c.name if len(c.name) > 2 and sum(o.name == c.name for o in counties()) == 1 else s for c, s in zip(counties(), short, strict=True)]
    style = draw(rng, [70, 22, 8], n)
    place = pick([*full, *short, *lone], style * len(full) + county)
    street = pick(pools["streets"], rng.integers(len(pools["streets"]), size=n))
    community = pick(pools["communities"], rng.integers(len(pools["communities"]), size=n))
    flat = join(whole(rng.integers(1, 31, n)), "号楼", whole(rng.integers(1, 7, n)), "单元", whole(rng.integers(101, 2700, n)), "室")
    rural = join("第", whole(rng.integers(1, 12, n)), "组", whole(rng.integers(1, 240, n)), "号")
    is_village = pc.ends_with(community, "村").to_numpy(zero_copy_only=False)
    return join(place, choose(is_village, join(community, rural), join(street, whole(rng.integers(1, 400, n)), "号", community, flat)))


def populate(seed: int, scale: int) -> People:
    """Make `scale` residents and the patients from elsewhere whom the hospitals see."""
    outside = max(round(scale * share("outside_patients_pct")), LEAST_OUTSIDE)
    n = scale + outside
    rng = stream(seed, "people")
    sex = np.where(rng.random(n) < share("male_pct"), MALE, FEMALE)
    county = draw(rng, county_weights(), n)
    survey = _survey_dates(rng, n)
    surveyed = (np.arange(n) < scale) & (rng.random(n) < share("surveyed_pct"))
    age = _ages(rng, n)
    birth = survey - (age * 365.25 + rng.random(n) * 365).astype("timedelta64[D]")
    return People(
        residents=scale,
        sex=sex,
        birth=birth.astype(DAY),
        county=county,
        name=names(rng, sex),
        id_card=_id_cards(birth, sex),
        phone=_phones(rng, n),
        address=_addresses(rng, county),
        survey_date=np.where(surveyed, survey, np.datetime64("NaT", "D")),
    )


def strangers(rng: np.random.Generator, sex: np.ndarray, birth: np.ndarray, county: np.ndarray) -> tuple[Text, Text, Text, Text]:
    """Names, ID numbers, phones and addresses of people whom the programme never met; their ID numbers lie apart from those of `populate`."""
    return names(rng, sex), _id_cards(birth, sex, STRANGER_RANK), _phones(rng, len(sex)), _addresses(rng, county)


def birth_texts(people: People) -> Text:
    """Birth dates in ISO form."""
    return dates(people.birth)
