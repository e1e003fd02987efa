"""What linkage compares: tokens of names, birth dates, telephones and addresses, so that "the same sound" is "a token in common".

Every comparison asks whether two lists of tokens share one. A token is a 64-bit digest, and says nothing of the text it was made of: a plain
hash inside the vault, or an HMAC-SHA256 under a key of the programme, with which a hospital that keeps a vault of its own makes its tokens.
"""

from __future__ import annotations

import csv
import hmac
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import yaml
from lunardate import LunarDate
from pypinyin import Style, pinyin

HERE = Path(__file__).parent
# What stands for a character that a system could not write; X and 某 too, beside Chinese characters.
PLACEHOLDERS = "*＊?？〓□○●◯×┼﹡�"
NAME_TOKENS = ("name_exact", "name_variant", "name_sound", "name_masked", "name_wild", "name_short", "name_order", "surname_sound", "given_sound")
BIRTH_TOKENS = (
    *("birth_exact", "birth_swapped", "birth_lunar", "birth_year_only", "birth_year", "birth_digit", "birth_year_digit", "birth_day"),
    "birth_near_year",
)
PHONE_TOKENS = ("phone", "phone_digit")
ADDRESS_TOKENS = ("home", "home_gram", "address_end", "place", "county")
TOKENS = (*NAME_TOKENS, *BIRTH_TOKENS, "sex", *PHONE_TOKENS, *ADDRESS_TOKENS)


@cache
def _characters() -> tuple[tuple[str, str], ...]:
    with (HERE / "characters.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["written"], row["standard"]) for row in csv.DictReader(file))


@cache
def _surnames() -> dict[str, list[str]]:
    return yaml.safe_load((HERE / "surnames.yml").read_text(encoding="utf-8"))["readings"]


@cache
def _double_surnames() -> tuple[str, ...]:
    return tuple(yaml.safe_load((HERE / "surnames.yml").read_text(encoding="utf-8"))["double"])


def folded(reading: str) -> str:
    """A toneless reading without the differences that Shanxi's speakers do not make: zh z, ch c, sh s, and -ng -n."""
    for retroflex in ("zh", "ch", "sh"):
        if reading.startswith(retroflex):
            reading = retroflex[0] + reading[2:]
    return reading[:-1] if reading.endswith("ng") else reading


@cache
def reading(character: str) -> str:
    """The usual reading of a character, folded; a character that has none stands for itself."""
    return folded(pinyin(character, style=Style.NORMAL)[0][0])


def digest(text: str, kind: str, key: bytes | None) -> str:
    """SQL of the token of a text; kinds never share a token. key  the programme's key (at most 64 bytes), or none for plain hashes."""
    if key is None:
        return f"hash('{kind}', {text})"
    padded = key.ljust(64, b"\0")
    inner, outer = (b"".join(bytes([b ^ mask]) for b in padded).hex() for mask in (0x36, 0x5C))
    message = f"encode('{kind}|' || {text})"
    whole = f"sha256(unhex('{outer}') || unhex(sha256(unhex('{inner}') || {message})))"
    return f"cast('0x' || substr({whole}, 1, 16) as ubigint)"


def digest_of(text: str, kind: str, key: bytes) -> int:
    """The keyed token of one text, as a hospital that does not run this program makes it."""
    return int(hmac.new(key, f"{kind}|{text}".encode(), "sha256").hexdigest()[:16], 16)


def _listed(texts: str, kind: str, key: bytes | None) -> str:
    """SQL of the tokens of a list of texts; nulls leave none."""
    return f"list_transform(list_filter({texts}, lambda x: x is not null), lambda x: {digest('x', kind, key)})"


def normalised_name(name: str) -> str:
    """A name without blanks, dots, brackets with what they hold, and trailing numbers; placeholders as '?'."""
    half = f"translate(upper({name}), '（）．｡，', '()..,')"
    bare = f"regexp_replace({half}, '\\([^)]*\\)|[\\s　·•．.,、''\\-]|[0-9]+$', '', 'g')"
    masked = f"translate({bare}, '{PLACEHOLDERS}', '{'?' * len(PLACEHOLDERS)}')"
    return f"case when regexp_matches({masked}, '\\p{{Han}}') then translate({masked}, 'X某', '??') else {masked} end"


def _standard(name: str) -> str:
    """Variant characters and characters written in parts, as the standard character."""
    for parts, standard in (c for c in _characters() if len(c[0]) > 1):
        name = f"replace({name}, '{parts}', '{standard}')"
    single = [c for c in _characters() if len(c[0]) == 1]
    return f"translate({name}, '{''.join(w for w, _ in single)}', '{''.join(s for _, s in single)}')"


def names(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """`value` (text) of the table `name_value` → table `name_feature`, one row a text."""
    doubles = ", ".join(f"'{s}'" for s in _double_surnames())
    connection.execute(
        f"""
        create or replace temp table name_text as
        with normal as (select value, {normalised_name("value")} as name from name_value),
        standard as (select value, name, {_standard("name")} as plain from normal where length(name) between 1 and 30)
        select value, name, plain, length(plain) as n, length(plain) - length(replace(plain, '?', '')) as masks,
            case when length(plain) > 2 and substr(plain, 1, 2) in ({doubles}) then 2 else 1 end as surname_length
        from standard
        """
    )
    characters = [c for (c,) in connection.execute("select distinct unnest(string_split(plain, '')) from name_text").fetchall()]
    connection.register("character_reading", pa.table({"c": characters, "reading": [reading(c) for c in characters]}))
    other = [(s, " ".join(folded(part) for part in r.split())) for s, readings in _surnames().items() for r in readings]
    connection.register("surname_reading", pa.table({"surname": [s for s, _ in other], "reading": [r for _, r in other]}))

    def tokens(texts: str, kind: str) -> str:
        return _listed(texts, kind, key)

    without = "list_transform(range(1, n + 1), lambda i: substr(plain, 1, i - 1) || '{}' || substr(plain, i + 1))"
    connection.execute(
        f"""
        create or replace temp table name_feature as
        with spelt as (
            select plain, surname_length, string_agg(reading, ' ' order by place) filter (place <= surname_length) as surname,
                coalesce(string_agg(reading, ' ' order by place) filter (place > surname_length), '') as given
            from (
                select distinct plain, surname_length, unnest(string_split(plain, '')) as c, unnest(range(1, n + 1)) as place from name_text
            ) inner join character_reading using (c) group by all
        ),
        heard as (
            select plain, s.given, list_distinct([s.surname] || coalesce(list(o.reading) filter (o.reading is not null), [])) as surnames
            from spelt as s left join surname_reading as o on o.surname = substr(s.plain, 1, s.surname_length) group by plain, s.given, s.surname
        )
        select value,
            case when masks = 0 then {tokens("[name]", "name")} end as name_exact,
            case when masks = 0 then {tokens("[plain]", "variant")} end as name_variant,
            case when masks = 0 then {tokens("list_transform(surnames, lambda s: s || ' ' || given)", "sound")} end as name_sound,
            case when masks = 1 then {tokens("[plain]", "wild")} end as name_masked,
            case when masks = 0 then {tokens(without.format("?"), "wild")} end as name_wild,
            case when masks = 0 and n > 2 then {tokens(without.format(""), "variant")} end as name_short,
            case when masks = 0 then {tokens("[array_to_string(list_sort(string_split(plain, '')), '')]", "order")} end as name_order,
            case when substr(plain, 1, 1) <> '?' then {tokens("surnames", "surname")} end as surname_sound,
            case when masks = 0 and given <> '' then {tokens("[given]", "given")} end as given_sound
        from name_text left join heard using (plain)
        """
    )
    connection.unregister("character_reading")
    connection.unregister("surname_reading")


def _solar(day: str) -> str | None:
    """The solar date of a date that was a lunar one (yyyy-mm-dd)."""
    year, month, of_month = (int(part) for part in day.split("-"))
    try:
        return LunarDate(year, month, of_month).to_solar_date().isoformat()
    except ValueError:
        return None


def births(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """`value` (date) of the table `birth_value` → table `birth_feature`, one row a date."""
    days = [d.isoformat() for (d,) in connection.execute("select distinct value from birth_value").fetchall()]
    connection.register("lunar_day", pa.table({"day": pa.array(days, pa.string()), "solar": pa.array([_solar(d) for d in days], pa.string())}))

    def tokens(texts: str, kind: str) -> str:
        return _listed(texts, kind, key)

    def wild(first: int, last: int) -> str:
        return f"list_transform(range({first}, {last + 1}), lambda i: substr(t, 1, i - 1) || '?' || substr(t, i + 1))"

    swapped = (
        "case when day(value) <= 12 and day(value) <> month(value) then strftime(make_date(year(value), day(value), month(value)), '%Y%m%d') end"
    )
    first = "month(value) = 1 and day(value) = 1"
    connection.execute(
        f"""
        create or replace temp table birth_feature as
        select value,
            {tokens("[t]", "birth")} as birth_exact,
            {tokens(f"[{swapped}]", "birth")} as birth_swapped,
            {tokens("[replace(solar, '-', '')]", "birth")} as birth_lunar,
            {tokens(f"[case when {first} then y end]", "year")} as birth_year_only,
            {tokens("[y]", "year")} as birth_year,
            {tokens(wild(5, 8), "birth digit")} as birth_digit,
            {tokens(wild(1, 4), "birth digit")} as birth_year_digit,
            {tokens("[substr(t, 5)]", "birth day")} as birth_day,
            {tokens("[y, substr(solar, 1, 4)]", "year")} as birth_near_year
        from (
            select value, strftime(value, '%Y%m%d') as t, cast(year(value) as varchar) as y, solar
            from birth_value left join lunar_day on day = cast(value as varchar)
        )
        """
    )
    connection.unregister("lunar_day")


def phones(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """`value` (text) of the table `phone_value` → table `phone_feature`, one row a text; a number of one repeated digit says nothing."""
    wild = "list_transform(range(4, length(t) + 1), lambda i: substr(t, 1, i - 1) || '?' || substr(t, i + 1))"
    digits = "regexp_replace(translate(value, '０１２３４５６７８９', '0123456789'), '[^0-9]', '', 'g')"
    connection.execute(
        f"""
        create or replace temp table phone_feature as
        select value, {_listed("[t]", "phone", key)} as phone, {_listed(wild, "phone digit", key)} as phone_digit
        from (select value, regexp_replace({digits}, '^(00)?86(1[0-9]{{10}})$', '\\2') as t from phone_value)
        where length(t) between 7 and 13 and not regexp_matches(t, '^1?[0-9]?(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)$')
        """
    )


def addresses(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """`value` (text) of the table `address_value` → table `address_feature`: county, street or village, door, and pairs of characters."""
    grams = "list_transform(range(1, length(tail)), lambda i: substr(tail, i, 2))"
    units = "号楼|单元|室|号|栋|幢|楼|层|组|户|第|弄|巷|门|#|[-—－~]"
    plain = "regexp_replace(translate(upper(value), '０１２３４５６７８９（）－', '0123456789()-'), '[\\s　,，。.、;；()]', '', 'g')"
    connection.execute(
        f"""
        create or replace temp table address_feature as
        with local as (
            select value, regexp_replace(regexp_replace({plain}, '^(中国|中华人民共和国)', ''), '^.{{2,3}}(省|自治区)', '') as a from address_value
        ),
        without_city as (
            select value, a, case when regexp_matches(a, '^[^市县区]{{2,4}}市[^市县区旗]{{1,5}}[县区市旗]')
                then regexp_replace(a, '^[^市]{{2,4}}市', '') else a end as b
            from local
        ),
        parted as (
            select value, regexp_extract(b, '^[^市县区旗0-9]{{1,6}}[市县区旗]') as county, b from without_city
        ),
        tailed as (select value, county, b, substr(b, length(county) + 1) as tail from parted)
        select value,
            {_listed("[case when length(b) > 6 then right(b, 7) end]", "ending", key)} as address_end,
            {_listed("[case when length(county) > 1 then county end]", "county", key)} as county,
            {_listed("[case when length(place) > 1 then county || place end]", "place", key)} as place,
            {_listed("[case when length(door) > 3 and regexp_matches(door, '[0-9]') then door end]", "home", key)} as home,
            case when length(tail) > 5 then {_listed(grams, "gram", key)} end as home_gram
        from (
            select *, regexp_extract(tail, '^[^0-9第]+') as place, rtrim(regexp_replace(
                regexp_replace(tail, '({units})+', '-', 'g'), '([^0-9-])-([0-9])', '\\1\\2', 'g'), '-') as door
            from tailed
        )
        where value is not null
        """
    )


BUILD = {
    "person_name": ("name", NAME_TOKENS, names),
    "birth_date": ("birth", BIRTH_TOKENS, births),
    "mobile_phone": ("phone", PHONE_TOKENS, phones),
    "residence_address": ("address", ADDRESS_TOKENS, addresses),
}


def tokenise(connection: duckdb.DuckDBPyConnection, source: str, by: str, key: bytes | None, *, only: Iterable[str] = TOKENS, into: str) -> None:
    """Tokens per `by` of a table of clear values (person_name, birth_date, sex_code, mobile_phone, residence_address), as lists without repeats."""
    wanted = [t for t in TOKENS if t in set(only)]
    connection.execute(f"create or replace temp table {into} as select distinct {by} from {source}")
    for column, (kind, tokens, build) in BUILD.items():
        taken = [t for t in tokens if t in wanted]
        if not taken:
            continue
        connection.execute(
            f"create or replace temp table {kind}_of as select distinct {by}, {column} as value from {source} where {column} is not null"
        )
        connection.execute(f"create or replace temp table {kind}_value as select distinct value from {kind}_of")
        build(connection, key)
        lists = ", ".join(f"list_distinct(flatten(list({t}) filter ({t} is not null))) as {t}" for t in taken)
        connection.execute(
            f"""
            create or replace temp table {into}_{kind} as select {by}, {lists} from {kind}_of inner join {kind}_feature using (value) group by {by};
            create or replace temp table {into} as select * from {into} left join {into}_{kind} using ({by});
            drop table {into}_{kind}; drop table {kind}_of; drop table {kind}_value; drop table {kind}_feature;
            """
        )
    if "sex" in wanted:
        sex = digest("sex_code", "sex", key)
        connection.execute(
            f"""
            create or replace temp table {into} as select * from {into} left join (
                select {by}, list(distinct {sex}) as sex from {source} where sex_code in ('1', '2') group by {by}
            ) using ({by})
            """
        )
