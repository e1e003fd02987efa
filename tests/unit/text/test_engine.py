"""What holds for every text: offsets, bounds, time."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.text.document import Document
from ingestion.text.normalise import normalise, number
from ingestion.text.structure import ENGINE_VERSION, KINDS, structure

# Pieces a report is made of, and pieces that tempt a pattern.
PIECES = """
右肺上叶 左乳外上象限3点 甲状腺 结节 淋巴结 肿大 癌 转移 术后 考虑 可能 未见 无 伴 ? 、 , ， 。 ； 1.2×0.8cm 12mm 5-8mm × * 0. 3. 1、 ( ) （-）
“ ” 距门齿 28cm 原约 大小约 吸烟 30年 每日 20支 戒烟 饮酒 母亲 家族史： 建议 3个月 复查 HPV16 BI-RADS 4A类 pT1bN0M0 0/12 ER (+) Ki-67 30%
阴性 LSIL 息肉 进镜 回盲部 _x0004_ ㎝ Ⅳ 😀
""".split()  # noqa: SIM905 a list of so many quotes is unreadable
PIECES += ["\n", "  "]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=80)
LENIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(TEXTS)
@LENIENT
def test_the_normalised_text_has_the_length_of_the_original(text: str) -> None:
    assert len(normalise(text)) == len(text)


@given(TEXTS)
@LENIENT
def test_clauses_lie_in_the_text_in_order_and_do_not_overlap(text: str) -> None:
    clauses = Document(text).clauses
    assert all(one.start <= one.end <= len(text) for one in clauses)
    assert all(one.end <= other.start for one, other in zip(clauses, clauses[1:], strict=False))
    assert [one.index for one in clauses] == list(range(len(clauses)))


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_breaks_a_reader_and_evidence_stands_in_the_text(kind: str, text: str) -> None:
    result = structure(kind, text)
    for field in result.fields:
        assert 0 <= field.evidence.start < field.evidence.end <= len(text)
    for finding in result.findings:
        assert text[finding.start : finding.end] == finding.text
    result.to_json()


REPEATED = """
无 未见肿大淋巴结、 右肺上叶结节，大小约1.2×0.8cm， 1 5mm× ( 痛(-) 肝转移， 右肺癌术后 吸烟30年每日 左乳结节3点BI-RADS4A类 淋巴结0/12, er(+) “ 食管
""".split()  # noqa: SIM905 as above
REPEATED += [" "]


@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_with_the_length_of_the_text(kind: str) -> None:
    """Eight times the text takes about eight times as long; a square law would take sixty-four times."""

    def seconds(text: str) -> float:
        best = float("inf")
        for _ in range(2):
            begin = time.process_time()
            structure(kind, text)
            best = min(best, time.process_time() - begin)
        return best

    structure(kind, "右肺上叶结节")
    for piece in REPEATED:
        short = piece * (800 // len(piece))
        ratio = seconds(short * 8) / max(seconds(short), 0.002)
        assert ratio < 40, f"{kind}: {piece!r} repeated takes {ratio:.0f} times as long when it is 8 times as long"


def test_memory_does_not_grow_with_the_number_of_reports() -> None:
    texts = [f"右肺上叶结节{number}，大小约{number % 40 + 1}mm，无发热、咳嗽，考虑肺癌可能。" for number in range(400)]
    for text in texts:
        structure("imaging", text)
    tracemalloc.start()
    for _ in range(5):
        for text in texts:
            structure("imaging", text)
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 200_000


def test_the_version_names_code_and_data() -> None:
    assert ENGINE_VERSION.startswith("1.") and len(ENGINE_VERSION) > 8


@pytest.mark.parametrize(
    ("written", "value"),
    [("12", 12), ("0.8", 0.8), ("Ⅳ", 4), ("iv", 4), ("十二", 12), ("二十", 20), ("两", 2), ("半", 0.5), ("多", None), ("", None)],
)
def test_numbers_as_people_write_them(written: str, value: float | None) -> None:
    assert number(written) == value


@pytest.mark.parametrize(
    ("text", "values", "cue"),
    [
        ("大小约1.2*0.8cm", (12, 8), "size"),
        ("大小约１．２×０．８ｃｍ", (12, 8), "size"),
        ("大小约12mm×0.8cm", (12, 8), "size"),
        ("直径约5mm", (5,), "diameter"),
        ("短径约0.9厘米", (9,), "short_axis"),
        ("直径2~3mm", (2, 3), "diameter"),
        ("31×22×18mm", (31, 22, 18), ""),
        ("距门齿28-32cm", (280, 320), "distance"),
        ("距肛门约12cm", (120,), "distance"),
        ("内膜厚约9mm", (9,), "thickness"),
        ("约2.5m×1.8cm", (25, 18), ""),
    ],
)
def test_measurements(text: str, values: tuple[float, ...], cue: str) -> None:
    (one,) = Document(text).measurements
    assert one.values_mm == values
    assert one.cue == cue


@pytest.mark.parametrize("text", ["2016-03-16", "SUV 5.1", "CT值约35HU", "T1WI", "0/12", "1.结肠", "Ki-67 30%", "5年前"])
def test_what_is_no_measurement(text: str) -> None:
    assert Document(text).measurements == []
