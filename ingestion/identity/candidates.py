"""Which records are compared at all: those that share a narrow block, so that the work stays bounded on common names and shared telephones."""

from __future__ import annotations

import duckdb

SCHEMA = """
create table if not exists vault.link_block (block ubigint not null, node_no bigint not null, is_numbered boolean not null);
create table if not exists vault.link_term (term ubigint not null, bearer ubigint not null, node_no bigint not null);
"""
# A block with more records says too little; its records meet in the narrower ones.
LARGEST_BLOCK = 100
BLOCK_TOKENS = (
    *("name_exact", "name_sound", "surname_sound", "given_sound", "birth_exact", "birth_near_year", "birth_day", "phone", "place", "home"),
    "sex",
)
# Records meet where they share both tokens of a line (or the one).
BLOCKS = (
    ("phone", None),
    ("name_sound", "birth_near_year"),
    ("name_sound", "birth_day"),
    ("name_sound", "place"),
    ("surname_sound", "birth_exact"),
    ("given_sound", "birth_exact"),
    ("surname_sound", "home"),
)
# Names and telephones whose bearers are counted: told apart by their birth dates.
TERMS = ("name_exact", "phone")


def replace(connection: duckdb.DuckDBPyConnection, nodes: str, tokens: str) -> None:
    """Replace blocks and terms of the nodes of a table by those of a table of tokens; what this changes for others goes into `disturbed`.

    nodes   table with node_no of all nodes whose records changed
    tokens  table with node_no, is_numbered and BLOCK_TOKENS of those that have records now
    disturbed  (node_no) nodes met or counted differently now, though their own records are the same
    """
    single = [f"select unnest({a}) as block, node_no, is_numbered from {tokens}" for a, b in BLOCKS if b is None]
    double = [
        f"select hash('{a} {b}', x, y) as block, node_no, is_numbered"
        f" from (select node_no, is_numbered, x, unnest({b}) as y from (select node_no, is_numbered, {b}, unnest({a}) as x from {tokens}))"
        for a, b in BLOCKS
        if b
    ]
    bearers = "coalesce(birth_exact, [hash(node_no)])"
    terms = [f"select term, unnest({bearers}) as bearer, node_no from (select *, unnest({t}) as term from {tokens})" for t in TERMS]
    known = connection.execute("select exists (from vault.link_block)").fetchone()[0]
    connection.execute("create or replace temp table disturbed (node_no bigint)")
    connection.execute(
        f"""
        create or replace temp table new_block as select distinct * from ({" union all ".join(single + double)});
        create or replace temp table new_term as select distinct * from ({" union all ".join(terms)});
        """
    )
    if not known:
        connection.execute("insert into vault.link_block from new_block; insert into vault.link_term from new_term")
        connection.execute("drop table new_block; drop table new_term")
        return
    size = "select block, count(*) as n from vault.link_block semi join touched_block using (block) group by block"
    count = f"select term, {bearer_class('count(distinct bearer)')} as class from vault.link_term semi join touched_term using (term) group by term"
    connection.execute(
        f"""
        create or replace temp table touched_block as
        select block from new_block union select block from vault.link_block semi join {nodes} using (node_no);
        create or replace temp table touched_term as
        select term from new_term union select term from vault.link_term semi join {nodes} using (node_no);
        create or replace temp table size_before as {size};
        create or replace temp table class_before as {count};
        delete from vault.link_block where node_no in (select node_no from {nodes});
        delete from vault.link_term where node_no in (select node_no from {nodes});
        insert into vault.link_block from new_block;
        insert into vault.link_term from new_term;
        insert into disturbed
        select distinct node_no from vault.link_block semi join (
            select block from size_before inner join ({size}) as after using (block)
            where (size_before.n > {LARGEST_BLOCK}) <> (after.n > {LARGEST_BLOCK})
        ) using (block)
        union
        select distinct node_no from vault.link_term semi join (
            select term from class_before inner join ({count}) as after using (term) where class_before.class <> after.class
        ) using (term);
        drop table new_block; drop table new_term; drop table touched_block; drop table touched_term; drop table size_before; drop table class_before;
        """
    )


def bearer_class(count: str) -> str:
    """SQL of the class of a count of bearers: up to 4^class of them."""
    return f"cast(ceil(log({count}) / log(4) - 1e-9) as integer)"


def pairs(connection: duckdb.DuckDBPyConnection, of: str, into: str) -> None:
    """Pairs (left_node < right_node) that share a block, of which at least one is in the table `of`, and not both have an ID number."""
    connection.execute(
        f"""
        create or replace temp table of_block as select distinct block from vault.link_block semi join {of} using (node_no);
        create or replace temp table met as
        select b.* from vault.link_block as b semi join (
            select block from vault.link_block semi join of_block using (block) group by block having count(*) between 2 and {LARGEST_BLOCK}
        ) using (block);
        create or replace temp table {into} as
        select distinct least(a.node_no, b.node_no) as left_node, greatest(a.node_no, b.node_no) as right_node
        from (select m.*, o.node_no is not null as is_of from met as m left join (select distinct node_no from {of}) as o using (node_no)) as a
        inner join (select m.*, o.node_no is not null as is_of from met as m left join (select distinct node_no from {of}) as o using (node_no)) as b
            on a.block = b.block and a.node_no <> b.node_no
        where not a.is_numbered and (b.is_numbered or a.node_no < b.node_no) and (a.is_of or b.is_of);
        drop table of_block; drop table met;
        """
    )


def classes(connection: duckdb.DuckDBPyConnection, nodes: str, into: str) -> None:
    """Table `into`: node_no, name_class and phone_class of the nodes of a table with their name_exact and phone tokens."""
    connection.execute(
        f"""
        create or replace temp table {into}_term as
        select node_no, 'name' as kind, unnest(name_exact) as term from {nodes} union all select node_no, 'phone', unnest(phone) from {nodes};
        create or replace temp table {into} as
        select node_no, max(class) filter (kind = 'name') as name_class, max(class) filter (kind = 'phone') as phone_class
        from {into}_term inner join (
            select term, least({bearer_class("count(distinct bearer)")}, 11) as class
            from vault.link_term semi join {into}_term using (term) group by term
        ) using (term) group by node_no;
        drop table {into}_term;
        """
    )
