"""What a clerk is shown and what comes back: pictures, logs, decisions from the lake; and weights estimated from records."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion.identity import __main__ as commands
from ingestion.identity import estimate, linking, model, review
from ingestion.identity.reveal import Refused, entries
from tests.unit.identity.people import WANG, groups, tell
from tests.unit.ingestion.lakehouse import ask, load_all
from tests.unit.ingestion.test_linking import COLUMNS, HEADER
from tests.unit.ingestion.test_linking import WANG as NUMBER

DOUBTFUL = {**WANG, "id_card_no": None, "person_name": "王晓雅", "residence_address": "平阳路<12>号"}


def test_the_page_shows_both_sides_and_the_waterfall_and_is_logged(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    tell(settings, {"known": WANG, "doubtful": DOUBTFUL})
    linking.link(settings)
    assert commands.main(["review", "--who", "YS001", "--why", "人员匹配复核"]) == 0
    assert "1 pairs" in capsys.readouterr().out
    path = review.folder(settings) / "index.html"
    text = path.read_text(encoding="utf-8")
    assert path.is_relative_to(settings.vault_file.parent) and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "王晓静" in text and "王晓雅" in text and "平阳路&lt;12&gt;号" in text and "<12>" not in text
    assert "vegaEmbed" in text and "差一字" in text and "I00000000001" in text
    assert [(e.who, e.why) for e in entries(settings)] == [("YS001", "人员匹配复核")] * 2
    assert commands.main(["review", "--clear"]) == 0
    assert not path.exists()


def test_no_page_without_an_asker(settings: Settings) -> None:
    with pytest.raises(Refused):
        review.page(settings, who=" ", why="record linkage review")
    assert commands.main(["review"]) == 2


def test_a_decision_file_joins_records_named_by_number_or_key(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("N1", "national_platform", {"questionnaire": {"columns": COLUMNS}})
    fields = ("decision_no", "left_identity_id", "right_identity_id", "right_organisation_code", "right_feed", "right_record_no", "verdict_code",
              "decided_by", "decided_at", "reason", "supersedes")  # fmt: skip
    describe("PG", "programme", {"decision_linkage_review": {"columns": {f: f for f in fields}}})
    case = {
        "case_no": "n",
        "person_name": "xm",
        "birth_date": "csrq",
        "sex_code": "xb",
        "incidence_date": "d",
        "icd10_code": "c",
        "diagnosis_basis_code": "j",
    }
    describe("C1", "registry", {"cancer_registry_case": {"columns": case}})
    land("national_platform/N1/questionnaire/2024-01-31/a.csv", HEADER + f"2024-01-05,王芳,{NUMBER},1960-01-01,1,13900000001\n")
    land("registry/C1/cancer_registry_case/2024-01-31/c.csv", "n,xm,csrq,xb,d,c,j\nK1,王方,1971-01-01,1,2024-01-01,C18.0,7\n")
    load_all(settings)
    [(known,)] = ask(settings, "select identity_id from questionnaire")
    assert ask(settings, "select count(distinct person_id) from identity_map") == [(2,)]
    header = ",".join(fields) + "\n"
    land("programme/PG/decision_linkage_review/2024-02-29/d.csv", header + f"D1,{known},,C1,cancer_registry_case,K1,same,YS001,2024-02-20,核对,\n")
    load_all(settings)
    moved = ask(settings, "select event, reason, evidence, known_on::varchar from person_event")
    assert moved == [("merge", "clerk", "decision D1 of YS001 on 2024-02-20", "2024-02-29")]
    land(
        "programme/PG/decision_linkage_review/2024-03-31/d.csv",
        header + f"D2,{known},,C1,cancer_registry_case,K1,different,YS001,2024-03-20,误判,D1\n",
    )
    load_all(settings)
    assert ask(settings, "select event from person_event order by event_no") == [("merge",), ("split",)]


def many(settings: Settings) -> None:
    given = "伟芳强磊洋艳勇杰涛超明刚平辉玲"
    tell(
        settings,
        {
            f"{source}-{i}": {
                **WANG,
                "person_name": "赵李王"[i % 3] + given[i % 15] + given[i // 15 % 15],
                "birth_date": f"19{50 + i % 30}-{1 + i % 12:02}-{1 + i % 28:02}",
                "mobile_phone": f"139{i:08}" if source == "a" or i % 4 else f"188{i:08}",
                "id_card_no": f"14990119600101{i:04}",
            }
            for i in range(60)
            for source in "ab"
        },
    )
    linking.link(settings)


def test_weights_follow_the_records_and_few_records_change_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many(settings)
    with pytest.raises(estimate.TooFew):
        estimate.estimate(settings, "v1")
    assert commands.main(["estimate", "--version", "v1"]) == 1
    monkeypatch.setattr(estimate, "FEWEST_PAIRS", 30)
    monkeypatch.setattr(estimate, "ASSUMED_PAIRS", 5)
    found = estimate.estimate(settings, "v1")
    shares = {lv.label: lv.m for lv in found.comparisons["phone"].levels}
    assert shares["same"] == pytest.approx(0.75, abs=0.04) and sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert found.comparisons["name"].levels[0].u == model.priors().comparisons["name"].levels[0].u
    assert commands.main(["estimate", "--version", "v1", "--adopt"]) == 0
    capsys.readouterr()
    linking.link(settings)
    assert all(len(g) == 2 for g in groups(settings))
