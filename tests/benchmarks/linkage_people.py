"""People and their records written straight into a vault: the generator's own error model, and a second one that shares nothing with it.

The second model draws its errors by kind (see RATES), at rates several times those of the generator, two at a time now and then, and leaves the ID
number out of a given share of the records.
"""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lunardate import LunarDate

from infra.settings import Settings
from ingestion import duck
from ingestion.contracts import contract
from ingestion.identity import vault
from ingestion.synthetic.people import People, populate
from ingestion.synthetic.recorded import as_recorded

COLUMNS = ("person_name", "id_card_no", "sex_code", "birth_date", "mobile_phone", "residence_address")
# Sources by the generator's rates of errors, the share of people each of them knows, and whether it gives numbers of its own.
SOURCES = {
    **{"NP14": (0.86, False), "CR14": (0.02, False), "DR14": (0.03, False), "F1401": (0.10, False), "S1401": (0.12, False)},
    **{f"H140{i}": (0.06, True) for i in range(1, 8)},
    **{f"T140{i}": (0.05, True) for i in range(1, 8)},
}
DELIVERED = (date(2024, 12, 31), date(2025, 3, 31), date(2025, 6, 30))
# Confusions that are not in the generator's list nor in the linkage's: typed by sound, by shape, and by five-stroke code.
SOUND = dict(zip("强磊洋娜欢超勇波鹏丹雪刚明芳军英国伟丽华建平静燕", "墙垒阳纳环朝咏博朋单学纲名坊均莺果炜力骅剑坪竞雁", strict=True))
SHAPE = dict(zip("未土干天玉日兰王田申郝武", "末士千夫王曰三玉由甲赦式", strict=True))
# Kinds of errors and their rates.
RATES = {
    **{"sound": 0.03, "shape": 0.015, "cut_name": 0.005, "masked_name": 0.01, "order": 0.004},
    **{"swapped_birth": 0.01, "lunar": 0.015, "january_first": 0.01, "birth_digit": 0.015, "sex": 0.004},
    **{"phone_digit": 0.015, "other_phone": 0.12, "no_phone": 0.08, "short_address": 0.30, "moved": 0.08, "no_address": 0.15},
}


def _edited_names(name: str, kind: str, rng: np.random.Generator) -> str:
    surname = 2 if name[:2] in {"欧阳", "令狐", "上官", "司马", "皇甫"} else 1
    match kind:
        case "sound" | "shape":
            table = SOUND if kind == "sound" else SHAPE
            at = next((i for i, c in enumerate(name) if c in table), None)
            return name if at is None else name[:at] + table[name[at]] + name[at + 1 :]
        case "cut_name":
            return name[:-1] if len(name) > surname + 1 else name
        case "masked_name":
            at = int(rng.integers(surname, len(name)))
            return name[:at] + "*?〓"[int(rng.integers(3))] + name[at + 1 :]
        case "order":
            return name[:surname] + name[surname:][::-1]
    raise ValueError(kind)


def _edited_births(day: str, kind: str, rng: np.random.Generator) -> str:
    year, month, of_month = (int(part) for part in day.split("-"))
    match kind:
        case "swapped_birth":
            return f"{year:04}-{of_month:02}-{month:02}" if of_month <= 12 else day
        case "lunar":
            found = LunarDate.from_solar_date(year, month, of_month)
            return f"{found.year:04}-{found.month:02}-{min(found.day, 28):02}"
        case "january_first":
            return f"{year:04}-01-01"
        case "birth_digit":
            return f"{year:04}-{month:02}-{(of_month + 10 - 1) % 28 + 1:02}" if rng.random() < 0.5 else f"{year:04}-{month:02}-{of_month % 28 + 1:02}"
    raise ValueError(kind)


def second_model(known: dict[str, pa.Array], source: str, bare: float, seed: int) -> dict[str, pa.Array]:
    """Errors of another kind in records as they should be. bare  share of records without an ID number (their errors are drawn for them alone)"""
    rng = np.random.default_rng([seed, sum(source.encode())])
    n = len(known["person_name"])
    text = {c: known[c].to_pylist() for c in COLUMNS}
    without = rng.random(n) < bare
    struck = {kind: np.flatnonzero(rng.random(n) < rate) for kind, rate in RATES.items()}
    others = np.asarray(text["residence_address"], dtype=object)
    for kind, rows in struck.items():
        for i in rows:
            match kind:
                case "sound" | "shape" | "cut_name" | "masked_name" | "order":
                    text["person_name"][i] = _edited_names(text["person_name"][i], kind, rng)
                case "swapped_birth" | "lunar" | "january_first" | "birth_digit" if without[i]:  # a number repairs the date
                    text["birth_date"][i] = _edited_births(text["birth_date"][i], kind, rng)
                case "sex" if without[i]:
                    text["sex_code"][i] = "2" if text["sex_code"][i] == "1" else "1"
                case "phone_digit" if text["mobile_phone"][i]:
                    phone = text["mobile_phone"][i]
                    text["mobile_phone"][i] = phone[:6] + str((int(phone[6]) + 3) % 10) + phone[7:]
                case "other_phone":
                    text["mobile_phone"][i] = f"139{rng.integers(10**8):08}"
                case "no_phone":
                    text["mobile_phone"][i] = None
                case "short_address" if text["residence_address"][i]:
                    text["residence_address"][i] = text["residence_address"][i][-int(rng.integers(6, 14)) :]
                case "moved":
                    text["residence_address"][i] = others[int(rng.integers(n))]
                case "no_address":
                    text["residence_address"][i] = None
    for i in np.flatnonzero(without):
        text["id_card_no"][i] = None
    return {c: pa.array(text[c], pa.string()) for c in COLUMNS}


def fill(settings: Settings, scale: int, seed: int, *, second: float | None = None) -> pa.Table:
    """A vault filled with the records of every source; returns identity_id and person_no.

    second  share of records without an ID number under the second error model; the generator's own errors where it is None
    """
    people = populate(seed, scale)
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    rng = np.random.default_rng([seed, 7])
    truth = []
    vault.prepare(connection)
    with vault.opened(settings, connection):
        for place, (source, (share, has_numbers)) in enumerate(SOURCES.items()):
            person = np.flatnonzero(rng.random(len(people)) < share)
            day = rng.integers(0, len(DELIVERED), len(person)) if share < 0.5 else np.zeros(len(person), dtype=np.int64)
            truth.append(_deliver(connection, people, source, person, day, has_numbers, seed, second, place))
    return pa.concat_tables(truth)


def _deliver(
    connection: duckdb.DuckDBPyConnection,
    people: People,
    source: str,
    person: np.ndarray,
    day: np.ndarray,
    has_numbers: bool,
    seed: int,
    second: float | None,
    place: int,
) -> pa.Table:
    when = np.array(DELIVERED, dtype="datetime64[D]")[day]
    if second is None:
        said = as_recorded(people, person, source, day=when)
        bare = np.random.default_rng([seed, place]).random(len(person)) < 0.008
        said["id_card_no"] = pc.if_else(pa.array(bare), pa.scalar(None, pa.string()), said["id_card_no"])
    else:
        said = second_model(as_recorded(people, person, "?", day=when), source, second, seed)
    number = said["id_card_no"].combine_chunks() if isinstance(said["id_card_no"], pa.ChunkedArray) else said["id_card_no"]
    number = pc.if_else(pc.equal(pc.utf8_length(number), 18), number, pa.scalar(None, pa.string()))
    described = contract("patient" if has_numbers else "questionnaire")
    fields = {f.name: f for f in described.fields}
    rows = {
        "_seq": pa.array(np.arange(len(person))),
        "_batch": pa.array([f"{source}-{d}" for d in day]),
        "_delivered_on": pa.array(when),
        "_accepted": pa.repeat(True, len(person)),
        "_deleted": pa.repeat(False, len(person)),
        **{c: said[c] for c in COLUMNS if c in fields},
        "id_card_no": number,
    }
    rows["birth_date"] = pc.strptime(rows["birth_date"], "%Y-%m-%d", "s").cast(pa.date32())
    for field in described.fields:
        if (field.subject or field.primary_key) and field.name not in rows:
            own = field.subject == "local_no" or field.name.endswith("_no")
            rows[field.name] = (
                pa.array([f"{source}{p}" for p in person]) if own else pa.array(when) if field.type == "date" else pa.nulls(len(person), pa.string())
            )
    connection.register("delivered", pa.table(rows))
    found = vault.identify(connection, described, source, "delivered")
    connection.unregister("delivered")
    return pa.table({"identity_id": found["identity_id"].combine_chunks(), "person_no": pa.array(person)})


def add(settings: Settings, scale: int, seed: int, records: int) -> None:
    """A later delivery of one hospital: some of the people again, under the generator's errors."""
    people = populate(seed, scale)
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    person = np.sort(np.random.default_rng([seed, 8]).choice(len(people), records, replace=False))
    vault.prepare(connection)
    with vault.opened(settings, connection):
        _deliver(connection, people, "H1499", person, np.zeros(records, dtype=np.int64) + len(DELIVERED) - 1, True, seed, None, len(SOURCES))
