"""Records without an ID number: which join a person, which wait for a clerk, and which never do."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import candidates, features, linking, model, tokens, vault
from tests.unit.identity.people import DAY, WANG, decide, events, groups, tell, waiting

KEY = b"the key of a programme"
LATER, LATEST = date(2025, 2, 28), date(2025, 3, 31)


def without(**said: str | None) -> dict[str, str | None]:
    """The same woman without her number, with some of it said otherwise."""
    return {**WANG, "id_card_no": None, **said}


JOINED = {
    "homophone": without(person_name="王小晶"),
    "substitute": without(person_name="王晓瀞"),
    "traditional": without(person_name="王曉靜"),
    "lunar_birth_date": without(birth_date="1961-01-19", person_name="王晓静"),
    "day_and_month_swapped": without(birth_date="1961-05-03"),
    "year_only": without(birth_date="1961-01-01"),
    "one_digit_of_the_day": without(birth_date="1961-03-15"),
    "no_phone": without(mobile_phone=None),
    "other_phone_and_address": without(mobile_phone="18812344321", residence_address="大同市平城区迎宾街8号"),
    "only_name_birth_and_sex": without(mobile_phone=None, residence_address=None),
}
# Everything a twin, or somebody else of the family, would share; or too little to tell.
TO_THE_CLERK = {
    "one_character": without(person_name="王晓雅"),
    "placeholder": without(person_name="王晓*"),
    "order": without(person_name="王静晓"),
    "sex": without(sex_code="1"),
    "year_of_birth": without(birth_date="1971-03-05"),
    "no_birth_date": without(birth_date=None),
}
APART = {
    "twin": without(person_name="王国强", sex_code="1"),
    "father_and_son": without(birth_date="1988-11-17", mobile_phone="13912345678", residence_address=None, sex_code="1", person_name="王建军"),
    "shared_phone": without(person_name="李秀兰", birth_date="1958-07-12"),
    "namesake": without(birth_date="1949-10-22", mobile_phone="18812344321", residence_address="大同市平城区迎宾街8号"),
    "name_alone": without(birth_date=None, mobile_phone=None, residence_address=None),
}


def told_and_linked(settings: Settings, **records: dict[str, str | None]) -> None:
    tell(settings, records)
    linking.link(settings)


def test_what_is_said_otherwise_of_one_person_is_linked_and_explained(settings: Settings) -> None:
    for kind, said in JOINED.items():
        # every case has a person of its own: another given name, birth year, telephone and door
        tell(settings, {f"{kind}-known": WANG, f"{kind}-bare": said} if kind == "homophone" else {f"{kind}-bare": said})
    linking.link(settings)
    assert groups(settings) == [sorted(["homophone-known", *(f"{kind}-bare" for kind in JOINED)])]


@pytest.mark.parametrize("kind", TO_THE_CLERK)
def test_what_a_twin_would_share_waits_for_a_clerk(settings: Settings, kind: str) -> None:
    told_and_linked(settings, known=WANG, bare=TO_THE_CLERK[kind])
    assert groups(settings) == [["bare"], ["known"]]
    assert waiting(settings) == [("bare", "known")]


def test_relatives_namesakes_and_sharers_of_a_phone_stay_apart(settings: Settings) -> None:
    told_and_linked(settings, known=WANG, **APART)
    assert groups(settings) == [[k] for k in sorted(["known", *APART])]


def test_father_and_son_of_one_name_phone_and_door_stay_apart(settings: Settings) -> None:
    son = {**WANG, "person_name": "王建国", "birth_date": "1985-06-07", "sex_code": "1", "id_card_no": "149901198506070019"}
    told_and_linked(settings, son=son, father=without(person_name="王建国", birth_date="1958-02-11", sex_code="1"))
    assert groups(settings) == [["father"], ["son"]]


def test_two_numbers_are_never_one_person_though_all_else_is_the_same(settings: Settings) -> None:
    other = {**WANG, "id_card_no": "149901196103050049"}
    told_and_linked(settings, first=WANG, second=other, bare=without(person_name="王晓婧"))
    assert groups(settings) == [["bare"], ["first"], ["second"]]
    assert waiting(settings) == [("bare", "first"), ("bare", "second")]


def test_a_phone_that_many_share_says_less(settings: Settings) -> None:
    desk = {f"n{i}": {**WANG, "person_name": "赵" + c, "birth_date": f"19{50 + i}-08-09", "id_card_no": f"14990119{50 + i}0809003X"}
            for i, c in enumerate("伟芳强磊洋艳勇杰涛超明刚平辉玲")}  # fmt: skip
    bare = without(person_name="王小晶", birth_date="1961-03-15", residence_address=None)
    tell(settings, {"known": WANG, "bare": bare})
    linking.link(settings)
    alone = _weight(settings)
    tell(settings, desk, LATER)
    linking.link(settings)
    # up to 4 birth dates before, up to 64 now: four bits less
    assert _weight(settings) == pytest.approx(alone - 4, abs=0.01)


def _weight(settings: Settings) -> float:
    connection = duck.connect()
    with vault.opened(settings, connection):
        return connection.execute("select max(weight) from vault.link_pair").fetchone()[0]


def test_a_former_phone_still_counts(settings: Settings) -> None:
    tell(settings, {"known": {**WANG, "residence_address": None}})
    tell(settings, {"known": {**WANG, "mobile_phone": "18800001111", "residence_address": None}}, LATER)
    tell(settings, {"bare": without(person_name="王小晶", residence_address=None)}, LATER)
    linking.link(settings)
    assert groups(settings) == [["bare", "known"]]


def test_no_chain_of_links_joins_two_numbers(settings: Settings) -> None:
    first = {**WANG, "mobile_phone": "13900001111", "residence_address": None}
    second = {**WANG, "mobile_phone": "13900002222", "id_card_no": "149901196103050049", "residence_address": None}
    middle = without(mobile_phone="13900001111", residence_address=None)
    end = without(mobile_phone="13900002222", residence_address=None)
    told_and_linked(settings, first=first, second=second, middle=middle, end=end)
    assert [g for g in groups(settings) if "first" in g and "second" in g] == []


def test_a_clerk_wins_over_the_weights_and_is_kept(settings: Settings) -> None:
    told_and_linked(settings, known=WANG, alike=without(person_name="王晓婧"), doubtful=without(person_name="王晓雅"))
    assert groups(settings) == [["alike", "known"], ["doubtful"]]
    decide(settings, "D1", "alike", "known", "different", LATER)
    decide(settings, "D2", "doubtful", "known", "same", LATER)
    linking.link(settings)
    assert groups(settings) == [["alike"], ["doubtful", "known"]]
    assert waiting(settings) == []
    tell(settings, {"known": {**WANG, "mobile_phone": "18800001111"}}, LATEST)
    linking.link(settings)
    assert groups(settings) == [["alike"], ["doubtful", "known"]]
    decide(settings, "D3", "doubtful", "known", "different", LATEST, supersedes="D2")
    linking.link(settings)
    assert groups(settings) == [["alike"], ["doubtful"], ["known"]]
    assert [(e, r) for e, r, _ in events(settings)] == [("split", "demographic"), ("merge", "clerk"), ("split", "demographic")]


def test_a_clerk_takes_a_record_with_somebody_elses_number_out(settings: Settings) -> None:
    told_and_linked(settings, owner=WANG, borrower={**WANG, "person_name": "李秀兰"})
    assert groups(settings) == [["borrower", "owner"]]
    decide(settings, "D1", "owner", "borrower", "different", LATER)
    linking.link(settings)
    assert groups(settings) == [["borrower"], ["owner"]]


def test_events_say_what_happened_why_and_on_what_evidence_without_a_value(settings: Settings) -> None:
    told_and_linked(settings, bare=without(person_name="王晓婧"))
    tell(settings, {"known": WANG}, LATER)
    linking.link(settings)
    [(event, reason, evidence)] = events(settings)
    assert (event, reason) == ("alias", "splink")
    assert "same_sound" in evidence and "priors-1" in evidence
    assert not any(value in evidence for value in WANG.values() if value and len(value) > 1)


ORDERS = {
    "a": (DAY, {"known": WANG}),
    "b": (LATER, {"bare": without(person_name="王小晶", mobile_phone="18812344321")}),
    "c": (LATEST, {"other": without(person_name="王小晶", birth_date="1961-05-03", mobile_phone="18812344321", residence_address=None)}),
}


def test_any_order_of_deliveries_gives_the_same_groups(settings: Settings) -> None:
    found = []
    for order in itertools.permutations(ORDERS):
        settings.vault_file.unlink(missing_ok=True)
        for name in order:
            day, records = ORDERS[name]
            tell(settings, records, day)
            linking.link(settings)
        found.append((groups(settings), waiting(settings)))
    assert found == [found[0]] * len(found)
    assert len(found[0][0]) == 1


def test_a_batch_compares_what_is_new_and_gives_what_linking_all_at_once_gives(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {f"n{i}": {**WANG, "person_name": f"赵{c}", "birth_date": f"1970-01-1{i}", "id_card_no": None} for i, c in enumerate("伟芳强磊")}
    told_and_linked(settings, known=WANG, **others)
    tell(settings, {"bare": without(person_name="王小晶", mobile_phone=None)}, LATER)
    compared, score = [], model.score

    def counting(connection: duckdb.DuckDBPyConnection, weights: model.Model, nodes: str, pairs: str, into: str) -> None:
        compared.append(connection.execute(f"select count(*) from {pairs}").fetchone()[0])
        score(connection, weights, nodes, pairs, into)

    monkeypatch.setattr(model, "score", counting)
    linking.link(settings)
    assert compared == [1]
    assert ["bare", "known"] in groups(settings)


def test_a_common_name_does_not_make_large_blocks(settings: Settings) -> None:
    connection = duck.connect()
    many = 3 * candidates.LARGEST_BLOCK
    with vault.opened(settings, connection):
        linking.prepare(connection)
        same = ", ".join(f"[7::ubigint] as {t}" for t in candidates.BLOCK_TOKENS)
        connection.execute(f"create temp table tok as select i as node_no, i % 2 = 0 as is_numbered, {same} from range({many}) t(i)")
        connection.execute("create temp table everything as select node_no from tok")
        candidates.replace(connection, "everything", "tok")
        candidates.pairs(connection, "everything", "pair")
        assert connection.execute("select count(*) from pair").fetchone()[0] == 0
        connection.execute(f"delete from tok where node_no >= {candidates.LARGEST_BLOCK}")
        candidates.replace(connection, "everything", "tok")
        assert connection.execute("select count(*) from disturbed").fetchone()[0] == candidates.LARGEST_BLOCK
        candidates.pairs(connection, "everything", "pair")
        pairs = connection.execute("select count(*), count(*) filter (left_node % 2 = 0 and right_node % 2 = 0) from pair").fetchone()
    half = candidates.LARGEST_BLOCK // 2
    assert pairs == (half * half + half * (half - 1) // 2, 0)


def test_other_weights_are_kept_under_their_version_and_score_every_pair_again(settings: Settings) -> None:
    told_and_linked(settings, known=WANG, bare=without(person_name="王小晶", mobile_phone=None))
    assert groups(settings) == [["bare", "known"]]
    connection = duck.connect()
    strict = model.priors().model_copy(update={"version": "strict", "link": 60.0})
    with vault.opened(settings, connection):
        model.adopt(connection, strict, "a test")
        assert model.in_force(connection) == strict
        with pytest.raises(ValueError, match="another version"):
            model.adopt(connection, strict.model_copy(update={"link": 61.0}), "a test")
    linking.link(settings)
    assert groups(settings) == [["bare"], ["known"]]
    with vault.opened(settings, connection):
        assert connection.execute("select distinct version from vault.link_pair").fetchall() == [("strict",)]


def test_tokens_under_a_key_link_as_clear_values_do(settings: Settings) -> None:
    tell(settings, {"known": WANG, "bare": without(person_name="王小晶", birth_date="1961-05-03"), "doubtful": without(person_name="王晓雅")})
    linking.link(settings)
    clear = groups(settings), waiting(settings)
    assert clear == ([["bare", "known"], ["doubtful"]], [("doubtful", "known")])
    assert linking.link(settings, key=KEY)["changed"] == 0
    assert (groups(settings), waiting(settings)) == clear


def test_a_hospital_hands_over_tokens_and_no_value(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told_and_linked(settings, known=WANG)
    said = without(person_name="王小晶", birth_date="1961-05-03")
    (tmp_path / "patients.csv").write_text(
        ",".join(tokens.COLUMNS) + "\n" + ",".join(["0077", *(said[c] or "" for c in tokens.COLUMNS[1:])]) + "\n", encoding="utf-8"
    )
    assert tokens.make(tmp_path / "patients.csv", tmp_path / "tokens.parquet", KEY) == 1
    handed = pq.read_table(tmp_path / "tokens.parquet").to_pylist()[0]
    assert handed["name_exact"] == [features.digest_of("王小晶", "name", KEY)] and handed["name_sound"] != handed["name_exact"]
    assert all(isinstance(t, int) for column, values in handed.items() if column != "local_no" for t in values or [])
    assert tokens.take(settings, "H9", tmp_path / "tokens.parquet", LATER) == 1
    with pytest.raises(ValueError, match="LAKEHOUSE_TOKEN_KEY_FILE"):
        linking.link(settings)
    (tmp_path / "programme.key").write_text(KEY.hex(), encoding="ascii")
    monkeypatch.setenv("LAKEHOUSE_TOKEN_KEY_FILE", str(tmp_path / "programme.key"))
    linking.link(settings)
    assert groups(settings) == [["0077", "known"]]
