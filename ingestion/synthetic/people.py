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

    survey_date       missing for people who were never asked
    resurvey_date     day of a second questionnaire about a year later, mostly missing
    kin               a person of the same family whose telephone is sometimes written down, -1 for most
    twin, son_of      the person's twin, the person's father; -1 for nobody known
    moved_on          day of a move within the county, mostly missing; new_address from then on
    phone_changed_on  day of a change of number, mostly missing; new_phone from then on
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
    seed: int = 0
    resurvey_date: np.ndarray | None = None
    kin: np.ndarray | None = None
    twin: np.ndarray | None = None
    son_of: np.ndarray | None = None
    moved_on: np.ndarray | None = None
    new_address: Text | None = None
    phone_changed_on: np.ndarray | None = None
    new_phone: Text | None = None

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
def usual_hospital() -> np.ndarray:
    """Per county the hospital that most of its people go to, as index into the seven hospitals."""
    by_prefecture = {row["code"]: int(row["hospital"][-1]) - 1 for row in rows("prefectures")}
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


@dataclass
class NameParts:
    """Names as positions in the pools; `second` is -1 for given names of one character."""

    surname: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def text(self, sex: np.ndarray) -> Text:
        """The names, with the given-name characters of the sex."""
        pools = document("pools")
        male, female = list(pools["given_male"]), list(pools["given_female"])
        given = [*male, *female, ""]
        shift = np.where(sex == MALE, 0, len(male))
        first = pick(given, self.first % np.where(sex == MALE, len(male), len(female)) + shift)
        second = self.second % np.where(sex == MALE, len(male), len(female)) + shift
        return join(pick(list(pools["surnames"]), self.surname), first, pick(given, np.where(self.second < 0, len(given) - 1, second)))


def _name_parts(rng: np.random.Generator, sex: np.ndarray) -> NameParts:
    pools, n = document("pools"), len(sex)
    surname = draw(rng, list(pools["surnames"].values()), n)
    parts = []
    for _ in range(2):
        for_male, for_female = (draw(rng, list(pools[name].values()), n) for name in ("given_male", "given_female"))
        parts.append(np.where(sex == MALE, for_male, for_female))
    return NameParts(surname, parts[0], np.where(rng.random(n) < 0.75, parts[1], -1))


def names(rng: np.random.Generator, sex: np.ndarray) -> Text:
    """Names with the usual weight of surnames and given-name characters; three in four given names have two characters."""
    return _name_parts(rng, sex).text(sex)


def _phones(rng: np.random.Generator, n: int) -> Text:
    """Telephone numbers, each given once."""
    prefixes = document("pools")["mobile_prefixes"]
    step, space = 61_803_399, 10**8  # coprime: no number is given twice
    number = (np.arange(n, dtype=np.int64) * step + int(rng.integers(space))) % space
    return join(pick([str(p) for p in prefixes], np.arange(n) % len(prefixes)), padded(number, 8))


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


@dataclass
class Families:
    """Who belongs together among the residents: positions, -1 for nobody."""

    twin: np.ndarray
    son_of: np.ndarray
    couple: np.ndarray

    @property
    def kin(self) -> np.ndarray:
        """One person of the family."""
        return np.where(self.twin >= 0, self.twin, np.where(self.son_of >= 0, self.son_of, self.couple))


def _families(rng: np.random.Generator, scale: int, n: int, sex: np.ndarray, age: np.ndarray) -> Families:
    twin, son_of, couple = (np.full(n, -1, dtype=np.int64) for _ in range(3))
    # twins stand side by side
    pairs = max(round(scale * share("twin_pct") / 2), 2)
    elder = 2 * np.sort(rng.choice(scale // 2, pairs, replace=False))
    twin[elder], twin[elder + 1] = elder + 1, elder
    free = (np.arange(n) < scale) & (twin < 0) & (sex == MALE)
    fathers, sons = np.flatnonzero(free & (age >= 63)), np.flatnonzero(free & (age < 42))
    pairs = min(max(round(scale * share("father_son_pct") / 2), 2), len(fathers), len(sons))
    father, son = rng.choice(fathers, pairs, replace=False), rng.choice(sons, pairs, replace=False)
    son_of[son] = father
    follows = np.flatnonzero((rng.random(n) < 0.04) & (twin < 0) & (son_of < 0) & (np.arange(n) > 0))
    couple[follows] = follows - 1
    return Families(twin, son_of, couple)


def _some_days(rng: np.random.Generator, n: int, rate: float) -> np.ndarray:
    """For a share of the people a day of the period, missing for the others."""
    day = np.full(n, np.datetime64("NaT", "D"))
    who = np.flatnonzero(rng.random(n) < rate)
    day[who] = FIRST_SURVEY + rng.integers(0, 520, len(who)).astype("timedelta64[D]")
    return day


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
    parts = _name_parts(rng, sex)
    phone, address = np.arange(n), np.arange(n)

    # families: twins share birth date, surname and county; father and son a surname and often a given-name character
    own = stream(seed, "families")
    families = _families(own, scale, n, sex, age)
    younger = np.flatnonzero((families.twin >= 0) & (families.twin < np.arange(n)))
    elder = families.twin[younger]
    birth[younger], county[younger], survey[younger] = birth[elder], county[elder], survey[elder]
    sex[younger] = np.where(own.random(len(younger)) < 0.65, sex[elder], sex[younger])
    parts.surname[younger] = parts.surname[elder]
    alike = younger[(own.random(len(younger)) < 0.6) & (sex[younger] == sex[elder])]
    parts.first[alike], parts.second[alike] = parts.first[families.twin[alike]], np.where(parts.second[alike] < 0, 3, parts.second[alike])
    son = np.flatnonzero(families.son_of >= 0)
    father = families.son_of[son]
    parts.surname[son], county[son] = parts.surname[father], county[father]
    alike = son[own.random(len(son)) < 0.5]
    parts.first[alike] = parts.first[families.son_of[alike]]
    for who, chance in ((younger, 0.4), (son, 0.3)):
        shares = who[own.random(len(who)) < chance]
        phone[shares] = families.kin[shares]
    couples = np.flatnonzero(families.couple >= 0)
    phone[couples] = families.couple[couples]
    for who, chance in ((younger, 0.7), (son, 0.6)):
        shares = who[own.random(len(who)) < chance]
        address[shares] = families.kin[shares]
    county_of_couples = couples[own.random(len(couples)) < 0.7]
    county[county_of_couples] = county[families.couple[county_of_couples]]
    address[county_of_couples] = families.couple[county_of_couples]
    address = np.where(county[address] == county, address, np.arange(n))

    surveyed_on = np.where(surveyed, survey, np.datetime64("NaT", "D"))
    again = surveyed & (survey < np.datetime64("2024-05-20")) & (own.random(n) < 3 * share("repeat_survey_pct"))
    moved_on, changed_on = _some_days(own, n, share("moved_pct")), _some_days(own, n, share("phone_changed_pct"))
    movers, changers = np.flatnonzero(~np.isnat(moved_on)), np.flatnonzero(~np.isnat(changed_on))
    phones = _phones(rng, n + len(changers))
    return People(
        residents=scale,
        sex=sex,
        birth=birth.astype(DAY),
        county=county,
        name=parts.text(sex),
        id_card=_id_cards(birth, sex),
        phone=phones.take(pa.array(phone)),
        address=_addresses(rng, county).take(pa.array(address)),
        survey_date=surveyed_on,
        seed=seed,
        resurvey_date=np.where(again, survey + own.integers(345, 400, n).astype("timedelta64[D]"), np.datetime64("NaT", "D")).astype(DAY),
        kin=families.kin,
        twin=families.twin,
        son_of=families.son_of,
        moved_on=moved_on,
        new_address=_scattered(_addresses(own, county[movers]), movers, n),
        phone_changed_on=changed_on,
        new_phone=_scattered(phones.slice(n), changers, n),
    )


def _scattered(texts: Text, at: np.ndarray, n: int) -> Text:
    """Texts at some positions of a longer column, null elsewhere."""
    place = np.full(n, -1)
    place[at] = np.arange(len(at))
    return texts.take(pa.array(place, mask=place < 0))


def strangers(rng: np.random.Generator, sex: np.ndarray, birth: np.ndarray, county: np.ndarray) -> tuple[Text, Text, Text, Text]:
    """Names, ID numbers, phones and addresses of people whom the programme never met; their ID numbers lie apart from those of `populate`."""
    return names(rng, sex), _id_cards(birth, sex, STRANGER_RANK), _phones(rng, len(sex)), _addresses(rng, county)


def birth_texts(people: People) -> Text:
    """Birth dates in ISO form."""
    return dates(people.birth)
