"""The clerk's page: pairs of records that the weights leave open, side by side, with the picture of how their score came about.

The page shows names, numbers and addresses. It is made when a clerk asks for it, in the vault's own folder and readable by the owner alone, every
person on it is entered into the log of re-identifications, and `clear` removes it. What the clerk decides comes back as a delivery of the feed
decision_linkage_review; the page gives the identity keys that such a decision names.
"""

from __future__ import annotations

import html
import json
import os
import shutil
from pathlib import Path
from typing import Any

import duckdb

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import linking, model, queue, vault
from ingestion.identity.reveal import Refused, enter

FIELDS = {
    "organisation": "机构",
    "person_name": "姓名",
    "id_card_no": "证件号码",
    "sex_code": "性别",
    "birth_date": "出生日期",
    "mobile_phone": "电话",
    "residence_address": "住址",
}
SEXES = {"1": "男", "2": "女"}
STYLE = """body{font-family:sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;
padding:.3em .6em;text-align:left;vertical-align:top}tr.differs td{background:#fff3d6}h2{margin-top:2.5em}.key{font-family:monospace}"""


def folder(settings: Settings) -> Path:
    """Where pages lie: beside the vault, in its restricted area."""
    return settings.vault_file.parent / "review"


def clear(settings: Settings) -> None:
    """Remove the pages."""
    shutil.rmtree(folder(settings), ignore_errors=True)


def _said(connection: duckdb.DuckDBPyConnection) -> dict[int, dict[str, list[str]]]:
    """Per node of `shown` the values its records state."""
    columns = ", ".join(
        f"list(distinct cast({c} as varchar) order by cast({c} as varchar)) filter ({c} is not null) as {c}" for c in FIELDS if c != "organisation"
    )
    rows = connection.execute(
        f"""
        select s.node_no, list(distinct s.identity_id order by s.identity_id) as identity_id,
            list(distinct c.organisation order by c.organisation) as organisation, {columns}
        from vault.link_statement as s left join vault.claim as c using (identity_id) semi join shown using (node_no) group by s.node_no
        """.replace("cast(id_card_no", "cast(c.id_card_no").replace("filter (id_card_no", "filter (c.id_card_no")
    )
    names = [d[0] for d in rows.description]
    return {row[0]: {name: value or [] for name, value in zip(names[1:], row[1:], strict=True)} for row in rows.fetchall()}


def _pictures(connection: duckdb.DuckDBPyConnection, weights: model.Model) -> dict[tuple[int, int], dict[str, Any]]:
    """Splink's waterfall picture of each waiting pair, as a specification of Vega-Lite; levels and bits only, no value."""
    last = connection.execute("select max(delivered_on) from vault.claim").fetchone()[0]
    linking.compared(connection, weights, "shown", last, "compared_node")
    with model.predicted(connection, weights, "compared_node", "waiting_pair", threshold=None) as (linker, table):
        found = table.as_record_list()
        names = {c: said.zh for c, said in weights.comparisons.items()}
        labels = {c: {lv.label: lv.zh for lv in said.levels} for c, said in weights.comparisons.items()}
        pictures = {}
        for record in found:
            picture = linker.visualisations.waterfall_chart([record], remove_sensitive_data=True).chart_dict
            for row in picture["data"]["values"]:
                row["label_for_charts"] = labels.get(row["column_name"], {}).get(row["label_for_charts"], row["label_for_charts"])
                row["column_name"] = names.get(row["column_name"], row["column_name"])
            pictures[tuple(sorted((record["node_no_l"], record["node_no_r"])))] = picture
    return pictures


def _table(left: dict[str, list[str]], right: dict[str, list[str]]) -> str:
    rows = []
    for field, label in FIELDS.items():
        sides = [[SEXES.get(v, v) if field == "sex_code" else v for v in side[field]] for side in (left, right)]
        mark = "" if set(sides[0]) & set(sides[1]) or field == "organisation" else ' class="differs"'
        cells = "".join(f"<td>{'<br>'.join(html.escape(v) for v in side)}</td>" for side in sides)
        rows.append(f"<tr{mark}><th>{label}</th>{cells}</tr>")
    keys = "".join(f'<td class="key">{"<br>".join(html.escape(i) for i in side["identity_id"])}</td>' for side in (left, right))
    return f"<table><tr><th></th><th>甲方</th><th>乙方</th></tr><tr><th>身份键</th>{keys}</tr>{''.join(rows)}</table>"


def page(settings: Settings, *, who: str, why: str, most: int = 100) -> tuple[Path, int]:
    """Write the page of the pairs that wait, best first; returns its place and the pairs on it.

    who, why  who asks and what for, for the log  most  pairs on the page
    Raises Refused without an asker or a reason.
    """
    from splink.internals.html_utils import load_chart_libraries

    if not who.strip() or len(why.strip()) < 4:
        raise Refused("say who asks and why: --who, --why")
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        linking.prepare(connection)
        waiting = queue.waiting(connection)
        connection.execute(
            f"""
            create or replace temp table waiting_pair as
            select least(record_node, other_node) as left_node, greatest(record_node, other_node) as right_node, * from waiting limit {most};
            create or replace temp table shown as select record_node as node_no from waiting_pair union select other_node from waiting_pair
            """
        )
        persons: dict[str, list[str]] = {}
        for person_id, identities in connection.execute(
            """
            select person_id, list(identity_id order by identity_id) from (
                select identity_id, person_id from vault.identity_person
                semi join (select identity_id from vault.link_statement semi join shown using (node_no)) using (identity_id)
                qualify row_number() over (partition by identity_id order by change_no desc) = 1
            ) group by person_id order by person_id
            """
        ).fetchall():
            persons[person_id] = identities
        enter(settings, connection, persons, who=who.strip(), why=why.strip())
        pairs = connection.execute("select record_node, other_node, weight, version from waiting_pair order by weight desc, 1, 2").fetchall()
        said = _said(connection)
        pictures = _pictures(connection, model.in_force(connection)) if pairs else {}
    body = []
    for number, (record, other, weight, version) in enumerate(pairs, 1):
        spec = json.dumps(pictures[tuple(sorted((record, other)))], ensure_ascii=False).replace("</", "<\\/")
        body.append(
            f"<h2>{number}. {weight:.1f} bits（权重 {html.escape(version)}）</h2>{_table(said[record], said[other])}"
            f'<div id="c{number}"></div><script>vegaEmbed("#c{number}", {spec}, {{actions: false}})</script>'
        )
    libraries = "".join(f"<script>{text}</script>" for name, text in load_chart_libraries().items() if name.startswith("vega"))
    text = (
        f'<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>人员匹配复核</title><style>{STYLE}</style>{libraries}</head><body>'
        f"<h1>人员匹配复核：{len(pairs)} / {waiting} 对</h1>"
        "<p>复核结论按 decision_linkage_review 表报送：same 同一人，different 不是同一人，unsure 无法判断。</p>" + "".join(body) + "</body></html>"
    )
    folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder(settings) / "index.html"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path, len(pairs)
