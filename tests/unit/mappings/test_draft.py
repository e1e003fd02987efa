"""A mapping drafted from headers and values loads, and on a simple file passes the check as it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from infra.settings import Settings
from ingestion.contracts import contract
from ingestion.mapping_check.__main__ import main
from ingestion.mapping_check.check import checked
from ingestion.mapping_check.draft import Draft, drafted
from ingestion.mapping_check.matching import guess_codes, header_score
from ingestion.mapping_check.profile import Profile
from ingestion.mappings import Mapping, read_mapping


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def of(draft: Draft, tmp_path: Path) -> Mapping:
    """The draft, read as a mapping file is."""
    path = tmp_path / "NEWORG.yml"
    path.write_text(draft.text, encoding="utf-8")
    return read_mapping(path)


def profile(**codes: int) -> Profile:
    return Profile("x", 100, 100, len(codes), 5, {}, codes)


@pytest.mark.parametrize(
    ("feed", "field", "header", "at_least"),
    [
        ("visit", "visit_no", "jzlsh", 0.9),
        ("visit", "visit_no", "VISIT_ID", 0.9),
        ("visit", "visit_start_date", "就诊开始日期", 1.0),
        ("visit", "visit_start_date", "入院时间", 0.9),
        ("patient", "person_name", "姓名", 1.0),
        ("patient", "birth_date", "DateOfBirth", 0.85),
        ("patient", "birth_date", "chushengriqi", 0.85),
        ("diagnosis", "diagnosis_code", "Diag_Code", 0.85),
        ("surgery", "blood_loss_ml", "出血量(ml)", 0.95),
        ("surgery", "procedure_name", "ssczmc", 0.75),
    ],
)
def test_headers_are_recognised_by_name_pinyin_synonym_and_words(feed: str, field: str, header: str, at_least: float) -> None:
    assert header_score(feed, contract(feed).field(field), header)[0] >= at_least


@pytest.mark.parametrize("header", ["yljgdm", "费用", "flag", "jl"])
def test_headers_of_other_things_are_no_field_of_a_patient(header: str) -> None:
    assert max(header_score("patient", f, header)[0] for f in contract("patient").fields) < 0.5


def test_codes_are_guessed_where_they_say_it_themselves() -> None:
    patient, visit, surgery = contract("patient"), contract("visit"), contract("surgery")
    assert guess_codes(patient.field("sex_code"), "xb", profile(男=5, 女=5)) == {"男": "1", "女": "2"}
    assert guess_codes(patient.field("sex_code"), "sex", profile(M=5, F=5, U=1)) == {"M": "1", "F": "2", "U": "9"}
    assert guess_codes(patient.field("sex_code"), "xb", profile(**{"1": 5, "2": 5})) == {}
    assert guess_codes(visit.field("visit_type_code"), "lx", profile(门诊=5, 住院=5)) == {"门诊": "1", "住院": "2"}
    emergency = surgery.field("is_emergency")
    assert guess_codes(emergency, "jz", profile(是=1, 否=4)) == {"是": "1", "否": "0"}
    assert guess_codes(emergency, "急诊(1否2是)", profile(**{"1": 5, "2": 5})) == {"1": "0", "2": "1"}
    assert guess_codes(emergency, "急诊 1=是 2=否", profile(**{"1": 5, "2": 5})) == {"2": "0"}
    assert guess_codes(emergency, "急诊", profile(**{"1": 5, "2": 5})) == {}


NAMES = [f"王{given}" for given in "伟芳娜敏静强磊军洋勇艳杰涛明超"]
DAYS = range(28)
SIMPLE = {
    "pinyin": (
        "visit",
        ["jzlsh,kh,jzlx,jzksrq,ksbm,zs", *(f"Z{n},K{n % 7},{'住院' if n % 2 else '门诊'},202405{n + 1:02d},10{n % 3},咳嗽" for n in DAYS)],
    ),
    "english": (
        "visit",
        ["Visit ID|Patient ID|Visit Type|Admit Date", *(f"{n}|{n % 7}|{'IMP' if n % 2 else 'AMB'}|{n + 1:02d}/05/2024" for n in DAYS)],
    ),
    "chinese": (
        "patient",
        [
            "病人编号\t姓名\t性别\t出生日期\t联系电话",
            *(f"P{n}\t{who}\t{'男女'[n % 2]}\t1960-01-{n + 1:02d}\t138000011{n:02d}" for n, who in enumerate(NAMES)),
        ],
    ),
    "no key": (
        "lab_result",
        ["subject_id;itemid;label;valuenum;valueuom;charttime", *(f"{n % 5};{n % 3};L{n % 3};{n}.5;g/L;2024-05-{n + 1:02d} 10:00:00" for n in DAYS)],
    ),
    "wide": (
        "lab_result",
        ["登记号,报告日期,白细胞,血红蛋白(g/L),谷丙转氨酶", *(f"{n},2024年5月{n + 1}日,{4 + n % 4}.1,{120 + n},{n + 8}" for n in DAYS)],
    ),
    "several": ("diagnosis", ["就诊号,病人编号,诊断日期,诊断名称", *(f"{n},{n % 9},2024/5/{n + 1},肺恶性肿瘤；高血压病" for n in DAYS)]),
    "groups": ("diagnosis", ["encounter_id,patient_nbr,date,diag_1,diag_2,diag_3", *(f"{n},{n % 9},2024-05-{n + 1:02d},C34.9,I10,?" for n in DAYS)]),
}


@pytest.mark.parametrize("kind", SIMPLE)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_draft_of_a_simple_file_loads_and_passes_the_check_unchanged(settings: Settings, tmp_path: Path, kind: str, encoding: str) -> None:
    feed, rows = SIMPLE[kind]
    path = tmp_path / "table.csv"
    path.write_bytes(lines(*rows).encode(encoding))
    draft = drafted(path, feed)
    assert draft.missing == []
    mapping = of(draft, tmp_path)
    report = checked(settings, mapping, {feed: [path]}, today=date(2024, 12, 31))
    assert [f.text for f in report.tables[0].findings if f.weight == "problem"] == []
    assert report.tables[0].counts["可接收"] == report.tables[0].counts["记录数"] >= 15


@pytest.mark.parametrize("kind", ["pinyin", "english", "chinese", "no key", "wide"])
def test_without_a_feed_the_one_that_fits_best_is_drafted(tmp_path: Path, kind: str) -> None:
    feed, rows = SIMPLE[kind]
    path = tmp_path / "table.txt"
    path.write_text(lines(*rows), encoding="utf-8")
    draft = drafted(path)
    assert draft.ranking[0][0] == draft.feed == feed


def test_the_sheet_that_fits_is_chosen_among_several(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["说明"])
    sheet = book.create_sheet("手术登记")
    sheet.append(["手术编号", "病人编号", "手术日期", "手术名称"])
    for n in range(5):
        sheet.append([f"S{n}", f"P{n}", f"2024-05-0{n + 1}", "结肠切除"])
    out = io.BytesIO()
    book.save(out)
    path = tmp_path / "book.xlsx"
    path.write_bytes(out.getvalue())
    draft = drafted(path, "surgery")
    assert of(draft, tmp_path).feeds["surgery"].sheet == "手术登记"
    assert draft.missing == []


def test_a_draft_shows_no_value_of_a_person(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"P{n},王{c}某,13800001{n:03d},1101011960010{n % 9 + 1}{n:03d}X" for n, c in enumerate("伟芳娜敏静强磊军洋勇艳杰")]
    path.write_text(lines("编号,甲,乙,丙", *rows), encoding="utf-8")
    text = drafted(path, "patient").text
    assert "13800001" not in text and "110101196" not in text and "王伟某" not in text
    assert "mobile_phone: 乙" in text


def test_the_command_writes_the_draft_and_names_what_it_cannot_do(tmp_path: Path, land: Callable[..., Path], capsys: object) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "H9.yml"
    path.write_text(lines(*SIMPLE["pinyin"][1]), encoding="utf-8")
    assert main(["draft", "--file", str(path), "--org", "H9", "--out", str(out)]) == 0
    assert "visit 就诊记录" in capsys.readouterr().err
    assert read_mapping(out).organisation == "H9"
    assert main(["draft", "--file", str(path), "--feed", "visits"]) == 2
    assert main(["draft", "--file", str(tmp_path / "none.csv")]) == 2
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    assert main(["draft", "--file", str(empty)]) == 2
    assert "文件为空" in capsys.readouterr().err
