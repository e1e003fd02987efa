"""Linking: which identities are one person, and what key that person has.

First cut, deterministic: a valid ID number makes a person; an identity without one joins the single person who was claimed with the same name,
birth date, sex and phone; otherwise those four make a person of their own. The result depends on what is known, not on the order in which it came:
delivery dates are taken in turn, and each change of an identity's person is a dated row and an event. A key once issued is never changed or reused.
"""

from __future__ import annotations

from datetime import date

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import vault

GROUPS = """
create or replace temp table current_claim as
with latest as (
    select c.identity_id, max((c.delivered_on, c.position)) as place
    from vault.claim as c inner join vault.identity as i using (identity_id)
    where i.kind = 'local' and c.delivered_on <= $day
    group by all
)
select c.identity_id, c.id_card_no, c.demographic
from vault.claim as c left join latest as l using (identity_id)
where c.delivered_on <= $day and (l.place is null or l.place = (c.delivered_on, c.position));

create or replace temp table number_of_demographic as
select demographic, min(id_card_no) as id_card_no from current_claim
where demographic is not null and id_card_no is not null
group by demographic having count(distinct id_card_no) = 1;

create or replace temp table grouped as
with stated as (
    select i.identity_id, i.first_seen, max(c.id_card_no) as id_card_no, max(c.demographic) as demographic
    from vault.identity as i left join current_claim as c using (identity_id)
    where i.first_seen <= $day
    group by all
)
select s.identity_id, s.first_seen,
    case when s.id_card_no is not null then 'n:' || s.id_card_no when n.id_card_no is not null then 'n:' || n.id_card_no
        when s.demographic is not null then 'd:' || s.demographic else 's:' || s.identity_id end as group_key,
    case when s.id_card_no is not null then 'id_card_no' when n.id_card_no is not null then 'demographic_to_id_card_no'
        when s.demographic is not null then 'demographic' else 'alone' end as method
from stated as s left join number_of_demographic as n on n.demographic = s.demographic;

insert into vault.person_group
select group_key, 'P' || lpad(cast(nextval('vault.person_sequence') as varchar), 10, '0')
from (
    select g.group_key, min(g.identity_id) as first from grouped as g anti join vault.person_group as p using (group_key) group by all order by first
);
"""

CHANGES = """
create or replace temp table changed as
with current_map as (
    select identity_id, person_id from vault.identity_person qualify row_number() over (partition by identity_id order by change_no desc) = 1
)
select g.identity_id, p.person_id, g.method, m.person_id as previous, g.first_seen
from grouped as g inner join vault.person_group as p using (group_key) left join current_map as m using (identity_id)
where m.person_id is distinct from p.person_id;

insert into vault.person_event
select nextval('vault.event_sequence'), 'alias', person_id, previous, identity_id, method, $day
from (select * from changed where previous is not null order by identity_id);

insert into vault.identity_person
select nextval('vault.map_sequence'), identity_id, person_id, method, $change_no, case when previous is null then first_seen else $day end
from (select * from changed order by identity_id);

insert into vault.identity_person
select nextval('vault.map_sequence'), identity_id, person_id, method, change_no - 1, first_seen
from (
    select m.*, i.first_seen from vault.identity_person as m inner join vault.identity as i using (identity_id)
    qualify row_number() over (partition by identity_id order by m.change_no) = 1
) where first_seen < known_on;

update vault.claim set linked = true where not linked and delivered_on <= $day;
"""


def link(settings: Settings) -> dict[str, int]:
    """Bring the map from identities to persons up to date. Returns counts: identities, persons, changed, aliases.

    Delivery dates that are new are taken in turn, so the map of a past day is what was known on that day. A delivery that comes late
    (its date lies before one already linked) is known from its own date, and is linked with all that is known by now.
    """
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        connection.execute("begin")
        days = [
            r[0]
            for r in connection.execute(
                """
            select distinct delivered_on from vault.claim where not linked
            union
            select distinct first_seen from vault.identity anti join vault.identity_person using (identity_id)
            order by 1
            """
            ).fetchall()
        ]
        latest: date | None = connection.execute("select max(delivered_on) from vault.claim where linked").fetchone()[0]
        changed = 0
        for day in days:
            until = max(day, latest) if latest else day
            for statement in filter(str.strip, GROUPS.split(";\n")):
                connection.execute(statement, {"day": until} if "$day" in statement else {})
            number = connection.execute("select coalesce(max(change_no), 0) + 1 from vault.identity_person").fetchone()[0]
            values = {"day": day, "change_no": number}
            for statement in filter(str.strip, CHANGES.split(";\n")):
                connection.execute(statement, {k: v for k, v in values.items() if f"${k}" in statement})
            changed += connection.execute("select count(*) from changed").fetchone()[0]
        connection.execute("commit")
        identities, persons, aliases = connection.execute(
            "select (select count(*) from vault.identity), (select count(*) from vault.person_group), (select count(*) from vault.person_event)"
        ).fetchone()
    return {"identities": identities, "persons": persons, "changed": changed, "aliases": aliases}
