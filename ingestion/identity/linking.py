"""Linking: which identities are one person, and what key that person has.

A valid ID number makes a person. Identities without one first join by rule (name, birth date, sex and telephone all the same, and of one number
alone), then by weight: what a record says is compared with every record that shares a block with it, and Splink scores the pair (see `model.py`).
A pair above the upper threshold is one person, a pair between the two waits for a clerk (`review.py`), whose verdict wins.

Groups depend on what is known and on the weights in force, not on the order in which records came: delivery dates are taken in turn, and each
change of an identity's person is a dated row and an event. A key once issued is never changed or reused. A run compares only what is new or
changed; the pairs of all others are kept in the vault.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import candidates, clusters, decisions, features, id_number, model, tokens, vault

SCHEMA = """
create sequence if not exists vault.node_sequence;
create table if not exists vault.link_statement (
    identity_id varchar not null, id_card_no varchar, demographic varchar, current_on date, current_position bigint, current_name varchar,
    method varchar not null, node_no bigint not null
);
create table if not exists vault.link_node (
    node_no bigint not null, group_key varchar not null, is_numbered boolean not null, tie varchar not null,
    sex varchar, first_year int, last_year int
);
create table if not exists vault.link_pair (left_node bigint not null, right_node bigint not null, weight double not null, levels varchar not null,
    automatic boolean not null, version varchar not null);
create table if not exists vault.link_scored (version varchar not null, scheme varchar not null);
create table if not exists vault.link_cluster (node_no bigint not null, head_no bigint not null);
alter table vault.person_event add column if not exists evidence varchar;
alter table vault.person_event add column if not exists recorded_at timestamp;
"""

# What dirty identities say now: the latest of an organisation's own number, everything else that was ever said.
STATE = """
create or replace temp table current_claim as
with mine as (select c.*, i.kind from vault.claim as c inner join vault.identity as i using (identity_id) semi join dirty using (identity_id)
    where c.delivered_on <= $day),
latest as (select identity_id, max((delivered_on, position)) as place from mine where kind = 'local' group by all)
select m.*, m.kind = 'local' as is_local from mine as m left join latest as l using (identity_id)
where l.place is null or l.place = (m.delivered_on, m.position);

create or replace temp table touched_demographic as
select distinct demographic from vault.claim semi join dirty using (identity_id) where demographic is not null;

create or replace temp table said as
select i.identity_id, max(c.id_card_no) as id_card_no, max(c.demographic) as demographic,
    max(c.delivered_on) filter (c.is_local) as current_on, max(c.position) filter (c.is_local) as current_position,
    max(c.person_name) filter (c.is_local) as current_name
from dirty as i left join current_claim as c using (identity_id) group by all;

insert into said
select identity_id, id_card_no, demographic, current_on, current_position, current_name
from vault.link_statement semi join touched_demographic using (demographic) anti join dirty using (identity_id) where id_card_no is null;

create or replace temp table number_of_demographic as
select c.demographic, min(c.id_card_no) as id_card_no
from vault.claim as c semi join touched_demographic using (demographic)
left join (
    select identity_id, current_on, current_position from vault.link_statement anti join said using (identity_id)
    union all select identity_id, current_on, current_position from said
) as s using (identity_id)
where c.id_card_no is not null and c.delivered_on <= $day
    and (s.current_on is null or (c.delivered_on, c.position) = (s.current_on, s.current_position))
group by all having count(distinct c.id_card_no) = 1;

create or replace temp table grouped as
select s.*,
    case when p.identity_id is not null then 's:' || s.identity_id when s.id_card_no is not null then 'n:' || s.id_card_no
        when n.id_card_no is not null then 'n:' || n.id_card_no when s.demographic is not null then 'd:' || s.demographic
        else 's:' || s.identity_id end as group_key,
    case when p.identity_id is not null then 'told_apart' when s.id_card_no is not null then 'id_card_no'
        when n.id_card_no is not null then 'demographic_to_id_card_no' when s.demographic is not null then 'demographic' else 'alone' end as method
from said as s left join number_of_demographic as n on n.demographic = s.demographic left join parted as p using (identity_id);

insert into vault.link_node
select nextval('vault.node_sequence'), g.group_key, g.group_key like 'n:%', case when g.group_key like 's:%' then g.natural else g.group_key end,
    null, null, null
from (
    select group_key, min(concat_ws('|', i.kind, i.organisation, i.key)) as natural, min(identity_id) as first
    from grouped inner join vault.identity as i using (identity_id) group by all
) as g anti join vault.link_node using (group_key) order by g.first;

create or replace temp table regrouped as
select g.identity_id, g.id_card_no, g.demographic, g.current_on, g.current_position, g.current_name, g.method, n.node_no, s.node_no as previous_node
from grouped as g inner join vault.link_node as n using (group_key) left join vault.link_statement as s using (identity_id);

delete from vault.link_statement where identity_id in (select identity_id from regrouped);
insert into vault.link_statement
select identity_id, id_card_no, demographic, current_on, current_position, current_name, method, node_no from regrouped;

create or replace temp table changed_node as
select node_no from regrouped union select previous_node from regrouped where previous_node is not null;
"""

# What a person's records say of them; an organisation's own number may be given to another person, whose claims then do not count.
PROFILE = """
create or replace temp table {into} as
select distinct s.node_no, c.person_name, c.birth_date, c.sex_code, c.mobile_phone, c.residence_address
from vault.claim as c inner join (select * from vault.link_statement semi join {nodes} using (node_no)) as s using (identity_id)
where c.delivered_on <= $day and (s.current_on is null or (c.delivered_on, c.position) = (s.current_on, s.current_position)
    or c.person_name = s.current_name)
"""
NUMBER_BIRTHS = f"""
insert into {{into}} by name
select node_no, {id_number.birth_date("substr(group_key, 3)")} as birth_date
from vault.link_node semi join {{nodes}} using (node_no) where is_numbered and regexp_full_match(group_key, 'n:[0-9]{{{{17}}}}[0-9X]')
"""

PERSONS = """
create or replace temp table touched as
select identity_id, node_no, method from vault.link_statement semi join (
    select node_no from changed_node
    union select node_no from (from vault.link_cluster except from new_cluster)
    union select node_no from (from new_cluster except from vault.link_cluster)
) using (node_no);
delete from vault.link_cluster;
insert into vault.link_cluster from new_cluster;

create or replace temp table headed as
select t.identity_id, h.group_key, case when c.head_no is null or c.head_no = t.node_no then t.method
    when m.node_no is not null then 'clerk' else 'splink' end as method, t.node_no
from touched as t left join vault.link_cluster as c using (node_no)
inner join vault.link_node as h on h.node_no = coalesce(c.head_no, t.node_no)
left join (select distinct node_no from clerk_node) as m on m.node_no = t.node_no;

insert into vault.person_group
select group_key, 'P' || lpad(cast(nextval('vault.person_sequence') as varchar), 10, '0')
from (
    select g.group_key, min(g.identity_id) as first from headed as g anti join vault.person_group as p using (group_key) group by all order by first
);

create or replace temp table changed as
with current_map as (
    select identity_id, person_id from vault.identity_person semi join headed using (identity_id)
    qualify row_number() over (partition by identity_id order by change_no desc) = 1
)
select g.identity_id, p.person_id, g.method, m.person_id as previous, i.first_seen, g.node_no
from headed as g inner join vault.person_group as p using (group_key) inner join vault.identity as i using (identity_id)
left join current_map as m using (identity_id)
where m.person_id is distinct from p.person_id;
"""

CHANGES = """
create or replace temp table lived as
select person_id, bool_or(identity_id not in (select identity_id from changed)) as is_still_there from (
    select identity_id, person_id from vault.identity_person
    where identity_id in (
        select identity_id from vault.identity_person
        where person_id in (select previous from changed union select person_id from changed where previous is not null)
    )
    qualify row_number() over (partition by identity_id order by change_no desc) = 1
) group by person_id;

insert into vault.person_event (event_no, event, person_id, other_person_id, identity_id, reason, known_on, evidence, recorded_at)
select nextval('vault.event_sequence'), event, person_id, previous, identity_id, method, $day, evidence, now()::timestamp
from (
    select c.*, e.evidence,
        case when coalesce(o.is_still_there, false) then 'split' when n.person_id is not null then 'merge' else 'alias' end as event
    from changed as c left join lived as o on o.person_id = c.previous left join lived as n on n.person_id = c.person_id
    left join evidence as e on e.node_no = c.node_no
    where c.previous is not null order by c.identity_id
);

insert into vault.identity_person
select nextval('vault.map_sequence'), identity_id, person_id, method, $change_no, case when previous is null then first_seen else $day end
from (select * from changed order by identity_id);

update vault.claim set linked = true where not linked and delivered_on <= $day;
update vault.link_token set linked = true where not linked and delivered_on <= $day;
update vault.link_decision set linked = true where not linked and delivered_on <= $day;
"""

# Identities that turn out to be known for longer than their first row says.
BACKDATE = """
insert into vault.identity_person
select nextval('vault.map_sequence'), identity_id, person_id, method, change_no - 1, first_seen
from (
    select f.identity_id, f.at.person_id as person_id, f.at.method as method, f.change_no, i.first_seen
    from (
        select identity_id, min(change_no) as change_no, arg_min({person_id: person_id, method: method, known_on: known_on}, change_no) as at
        from vault.identity_person group by identity_id
    ) as f inner join vault.identity as i using (identity_id)
    where i.first_seen < f.at.known_on order by identity_id
)
"""


def _run(connection: duckdb.DuckDBPyConnection, script: str, **values: object) -> None:
    for statement in filter(str.strip, script.split(";\n")):
        connection.execute(statement, {k: v for k, v in values.items() if f"${k}" in statement})


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables of linkage in the vault, which is attached."""
    _run(connection, model.SCHEMA + candidates.SCHEMA + decisions.SCHEMA + tokens.SCHEMA + SCHEMA)


def profile(connection: duckdb.DuckDBPyConnection, nodes: str, day: date, into: str) -> None:
    """What the records of nodes say: table `into` with node_no and person_name, birth_date, sex_code, mobile_phone, residence_address."""
    connection.execute(PROFILE.format(nodes=nodes, into=into), {"day": day})
    connection.execute(NUMBER_BIRTHS.format(nodes=nodes, into=into))


def compared(connection: duckdb.DuckDBPyConnection, weights: model.Model, nodes: str, day: date, into: str, key: bytes | None = None) -> None:
    """The table `into` that Splink compares: tokens and classes of nodes."""
    profile(connection, nodes, day, "compared_profile")
    features.tokenise(connection, "compared_profile", "node_no", key, only=model.compared_tokens(weights), into="compared_token")
    tokens.added(connection, nodes, "compared_token", day)
    candidates.classes(connection, "compared_token", "compared_class")
    connection.execute(f"create or replace temp table {into} as select * from compared_token left join compared_class using (node_no)")


def _parted(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """Identities that a clerk told apart from another of the same ID number: they stand alone, whatever number they state."""
    decisions.in_force(connection, day)
    connection.execute(
        """
        create or replace temp table parted as
        select distinct case when (l.kind = 'id_card', l.kind, l.organisation, l.key) > (r.kind = 'id_card', r.kind, r.organisation, r.key)
            then r.identity_id else l.identity_id end as identity_id
        from decision_in_force as d
        inner join vault.identity as l on l.identity_id = d.left_identity_id inner join vault.identity as r on r.identity_id = d.right_identity_id
        left join vault.claim as cl on cl.identity_id = l.identity_id left join vault.claim as cr on cr.identity_id = r.identity_id
        where d.verdict = 'different' and cl.id_card_no = cr.id_card_no
        """
    )


def _score(connection: duckdb.DuckDBPyConnection, weights: model.Model, day: date, key: bytes | None) -> None:
    """Blocks and pairs of changed nodes, of those that their change disturbs, and of all where other weights came into force."""
    profile(connection, "changed_node", day, "changed_profile")
    features.tokenise(connection, "changed_profile", "node_no", key, only=candidates.BLOCK_TOKENS, into="changed_token")
    tokens.added(connection, "changed_node", "changed_token", day)
    connection.execute(
        """
        create or replace temp table blocked as select t.*, n.is_numbered from changed_token as t inner join vault.link_node as n using (node_no);
        update vault.link_node as n set sex = p.sex, first_year = p.first_year, last_year = p.last_year from (
            select node_no, case when count(distinct sex_code) = 1 then min(sex_code) end as sex,
                min(year(birth_date)) as first_year, max(year(birth_date)) as last_year
            from changed_profile group by node_no
        ) as p where n.node_no = p.node_no and not n.is_numbered;
        """
    )
    candidates.replace(connection, "changed_node", "blocked")
    connection.execute(
        """
        create or replace temp table rescored as
        select node_no from changed_node union select node_no from disturbed
        union select node_no from vault.link_node where exists (from vault.link_scored where version <> $version) and not is_numbered
        """,
        {"version": weights.version},
    )
    connection.execute(
        """
        delete from vault.link_pair
        where left_node in (select node_no from rescored) or right_node in (select node_no from rescored)
        """
    )
    candidates.pairs(connection, "rescored", "pair")
    connection.execute("create or replace temp table pair_node as select left_node as node_no from pair union select right_node from pair")
    if not connection.execute("select count(*) from pair").fetchone()[0]:
        return
    compared(connection, weights, "pair_node", day, "compared_node", key)
    model.score(connection, weights, "compared_node", "pair", "scored")
    connection.execute("insert into vault.link_pair select *, $version from scored", {"version": weights.version})


def followed(weights: model.Model) -> str:
    """SQL of the pairs that may be linked without a clerk: clearly enough, and clearly better than with the person of another ID number."""
    return f"""
        with sided as (
            select l.node_no, p.weight, p.left_node, p.right_node from vault.link_pair as p
            inner join vault.link_node as l on l.node_no = p.left_node inner join vault.link_node as r on r.node_no = p.right_node and r.is_numbered
            union all
            select r.node_no, p.weight, p.left_node, p.right_node from vault.link_pair as p
            inner join vault.link_node as r on r.node_no = p.right_node inner join vault.link_node as l on l.node_no = p.left_node and l.is_numbered
        ),
        rivals as (
            select left_node, right_node from (
                select *, max(weight) over (partition by node_no) as best, count(*) over (partition by node_no) as n,
                    nth_value(weight, 2) over (
                        partition by node_no order by weight desc rows between unbounded preceding and unbounded following
                    ) as second
                from sided
            ) where n > 1 and (weight < best or best - second < {weights.margin})
        )
        select left_node, right_node, weight from vault.link_pair where automatic and weight >= {weights.link}
            and (left_node, right_node) not in (select (left_node, right_node) from rivals)
    """


def _cluster(connection: duckdb.DuckDBPyConnection, weights: model.Model) -> None:
    """Tables `new_cluster` (node_no, head_no) of nodes that are one person with others, `clerk_node`, and `evidence` per node."""
    links = connection.execute(followed(weights)).fetchall()
    at = dict(
        connection.execute(
            """
            select identity_id, node_no from vault.link_statement where identity_id in (
                select left_identity_id from decision_in_force union select right_identity_id from decision_in_force
            )
            """
        ).fetchall()
    )
    told = connection.execute(
        "select left_identity_id, right_identity_id, verdict, decision_no, decided_by, decided_at from decision_in_force order by decision_no"
    ).fetchall()
    verdicts = [(at[a], at[b], *rest) for a, b, *rest in told if a in at and b in at and at[a] != at[b]]
    wanted = {n for link in links for n in link[:2]} | {n for v in verdicts for n in v[:2]}
    connection.register("wanted", pa.table({"node_no": pa.array(sorted(wanted), pa.int64())}))
    rows = connection.execute(
        f"""
        select node_no, is_numbered, case when is_citizen then sex_inside else sex end,
            case when is_citizen then year_inside else first_year end, case when is_citizen then year_inside else last_year end, tie, person_id
        from (
            select n.*, p.person_id, regexp_full_match(group_key, 'n:[0-9]{{17}}[0-9X]') as is_citizen,
                {id_number.sex_code("substr(group_key, 3)")} as sex_inside, try_cast(substr(group_key, 9, 4) as int) as year_inside
            from vault.link_node as n semi join wanted using (node_no) left join vault.person_group as p using (group_key)
        )
        """
    ).fetchall()
    connection.unregister("wanted")
    nodes = {no: clusters.Node(int(numbered), sex, (y1, y2) if y1 else None, tie) for no, numbered, sex, y1, y2, tie, _ in rows}
    issued = {no: person for no, *_, person in rows}
    same = [v[:2] for v in verdicts if v[2] == "same"]
    found = clusters.grouped(nodes, links, same, [v[:2] for v in verdicts if v[2] == "different"])
    heads: list[tuple[int, int]] = []
    for members in found:
        head = min(members, key=lambda n: (-nodes[n].numbers, issued[n] or "~", nodes[n].tie))
        heads += [(n, head) for n in members]
    connection.register(
        "found", pa.table({"node_no": pa.array([n for n, _ in heads], pa.int64()), "head_no": pa.array([h for _, h in heads], pa.int64())})
    )
    connection.execute("create or replace temp table new_cluster as from found")
    connection.unregister("found")
    together = dict(heads)
    said = {n: f"decision {v[3]} of {v[4]} on {v[5]}" for v in verdicts for n in v[:2] if v[2] == "same" and together.get(v[0]) == together.get(v[1])}
    connection.register("said_by", pa.table({"node_no": pa.array(list(said), pa.int64()), "said": pa.array(list(said.values()), pa.string())}))
    connection.execute(
        """
        create or replace temp table clerk_node as from said_by;
        create or replace temp table evidence as
        with scored as (
            select n.node_no, arg_max(concat_ws(' ', p.version, printf('%.1f bits', p.weight), p.levels), p.weight) as evidence
            from new_cluster as n inner join (
                select left_node as node_no, right_node as other_no, * exclude (left_node, right_node) from vault.link_pair
                union all select right_node, left_node, * exclude (left_node, right_node) from vault.link_pair
            ) as p using (node_no) inner join new_cluster as o on o.node_no = p.other_no
            where o.head_no = n.head_no group by n.node_no
        )
        select node_no, coalesce(c.said, s.evidence) as evidence from scored as s full join clerk_node as c using (node_no);
        """
    )
    connection.unregister("said_by")


def _days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Days on which something was said that is not linked yet."""
    return [
        r[0]
        for r in connection.execute(
            """
            select distinct delivered_on from vault.claim where not linked
            union
            select distinct first_seen from vault.identity anti join vault.identity_person using (identity_id)
            union
            select distinct delivered_on from vault.link_token where not linked
            union
            select distinct delivered_on from vault.link_decision where not linked
            order by 1
            """
        ).fetchall()
    ]


def _one_day(connection: duckdb.DuckDBPyConnection, weights: model.Model, day: date, until: date, key: bytes | None) -> int:
    """Bring the map to what is known by a day; returns the identities whose person changed."""
    connection.execute(
        """
        create or replace temp table dirty as
        select distinct identity_id from vault.claim where not linked and delivered_on <= $day
        union
        select identity_id from vault.identity anti join vault.link_statement using (identity_id) where first_seen <= $day
        union
        select identity_id from vault.link_token where not linked and delivered_on <= $day
        union
        select unnest([left_identity_id, right_identity_id]) from vault.link_decision
        where not linked and delivered_on <= $day and left_identity_id is not null and right_identity_id is not null
        """,
        {"day": until},
    )
    connection.execute("delete from dirty where identity_id not in (select identity_id from vault.identity)")
    _parted(connection, until)
    _run(connection, STATE, day=until)
    _score(connection, weights, until, key)
    _cluster(connection, weights)
    _run(connection, PERSONS)
    number = connection.execute("select coalesce(max(change_no), 0) + 1 from vault.identity_person").fetchone()[0]
    _run(connection, CHANGES, day=day, change_no=number)
    return connection.execute("select count(*) from changed").fetchone()[0]


def _scheme(connection: duckdb.DuckDBPyConnection, weights: model.Model, key: bytes | None) -> tuple[str, str]:
    """Weights and key that pairs are scored with; the key by a digest that tells nothing of it. Raises ValueError for tokens without their key."""
    if key is None and connection.execute("select exists (from vault.link_token)").fetchone()[0]:
        raise ValueError(f"hospitals have handed over tokens; name the file of the programme's key in {tokens.KEY_FILE}")
    return weights.version, f"{features.digest_of('', 'key', key):016x}" if key else "clear"


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _all_days(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> int:
    """Every day that has something new, in turn, each in a transaction of its own; returns the changes of persons."""
    weights = model.in_force(connection)
    latest: date | None = connection.execute("select max(delivered_on) from vault.claim where linked").fetchone()[0]
    version, tokened = _scheme(connection, weights, key)
    before = connection.execute("select version, scheme from vault.link_scored").fetchone()
    with _transaction(connection):
        connection.execute(BACKDATE)
        if before and before[1] != tokened:  # no token of before can be met again: as if nothing had been compared
            for table in ("link_block", "link_term", "link_pair", "link_statement"):
                connection.execute(f"delete from vault.{table}")
    days = _days(connection)
    if before and before != (version, tokened) and not days and latest:
        days = [latest]
    changed = 0
    for day in days:
        with _transaction(connection):
            changed += _one_day(connection, weights, day, max(day, latest) if latest else day, key)
    with _transaction(connection):
        connection.execute("delete from vault.link_scored")
        connection.execute("insert into vault.link_scored values ($v, $s)", {"v": version, "s": tokened})
    return changed


def link(settings: Settings, key: bytes | None = None) -> dict[str, int]:
    """Bring the map from identities to persons up to date. Returns counts: identities, persons, changed, aliases, waiting.

    key  a programme's key (by default that of LAKEHOUSE_TOKEN_KEY_FILE, if any): tokens are made with it and nothing else is compared

    Delivery dates that are new are taken in turn, so the map of a past day is what was known on that day. A delivery that comes late
    (its date lies before one already linked) is known from its own date, and is linked with all that is known by now.
    """
    key = key or tokens.programme_key()
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        connection.execute(f"set temp_directory = '{settings.vault_file.parent / 'spill'}'; set temp_file_encryption = true")
        prepare(connection)
        decisions.take_over(settings, connection)
        changed = _all_days(connection, key)
        identities, persons, aliases = connection.execute(
            "select (select count(*) from vault.identity), (select count(*) from vault.person_group), (select count(*) from vault.person_event)"
        ).fetchone()
    return {"identities": identities, "persons": persons, "changed": changed, "aliases": aliases}
