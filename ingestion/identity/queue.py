"""The review queue: pairs of records that a clerk is to judge, as the vault holds them now."""

from __future__ import annotations

import duckdb

# Candidates shown of one record; a person who fits none of the best few is not among the others.
MOST_CANDIDATES = 3


def waiting(connection: duckdb.DuckDBPyConnection, into: str = "waiting") -> int:
    """Table `into` (record_node, other_node, weight, levels, automatic, version): pairs above the lower threshold that are not one person by now.

    At least one side has no ID number, nobody has judged the pair, and no verdict tells the two persons apart. Best first; returns their number.
    """
    connection.execute(
        f"""
        create or replace temp table {into} as
        with placed as (
            select n.node_no, n.is_numbered, coalesce(c.head_no, n.node_no) as head_no
            from vault.link_node as n left join vault.link_cluster as c using (node_no)
        ),
        headed as (
            select p.*, h.is_numbered as is_settled from placed as p inner join vault.link_node as h on h.node_no = p.head_no
        ),
        judged as (
            select least(l.node_no, r.node_no) as left_node, greatest(l.node_no, r.node_no) as right_node, d.verdict from vault.link_decision as d
            inner join vault.link_statement as l on l.identity_id = d.left_identity_id
            inner join vault.link_statement as r on r.identity_id = d.right_identity_id
            where d.verdict <> 'withdrawn'
        ),
        apart as (
            select least(l.head_no, r.head_no) as low_head, greatest(l.head_no, r.head_no) as high_head
            from judged as j inner join headed as l on l.node_no = j.left_node inner join headed as r on r.node_no = j.right_node
            where j.verdict = 'different'
        ),
        open as (
            select p.*, l.head_no as left_head, r.head_no as right_head, l.is_numbered as left_numbered, r.is_numbered as right_numbered,
                l.is_settled as left_settled, r.is_settled as right_settled
            from vault.link_pair as p inner join headed as l on l.node_no = p.left_node inner join headed as r on r.node_no = p.right_node
            anti join judged as j on j.left_node = p.left_node and j.right_node = p.right_node
            anti join apart as a on a.low_head = least(l.head_no, r.head_no) and a.high_head = greatest(l.head_no, r.head_no)
            where l.head_no <> r.head_no and not (l.is_settled and r.is_settled)
        ),
        sided as (
            select case when left_numbered or (left_settled and not right_settled) then right_node else left_node end as record_node,
                case when left_numbered or (left_settled and not right_settled) then left_node else right_node end as other_node,
                case when left_numbered or (left_settled and not right_settled) then left_head else right_head end as other_head,
                case when left_numbered or (left_settled and not right_settled) then right_head else left_head end as record_head,
                weight, levels, automatic, version
            from open
        )
        select record_node, other_node, weight, levels, automatic, version from (
            select * from sided
            qualify row_number() over (
                partition by least(record_head, other_head), greatest(record_head, other_head) order by weight desc, record_node, other_node
            ) = 1
        )
        qualify row_number() over (partition by record_head order by weight desc, other_node) <= {MOST_CANDIDATES}
        order by weight desc, record_node, other_node
        """
    )
    return connection.execute(f"select count(*) from {into}").fetchone()[0]
