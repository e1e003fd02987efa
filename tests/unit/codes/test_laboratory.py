"""Local laboratory names and units to one item and one unit."""

from __future__ import annotations

import pytest

from ingestion.codes import laboratory
from ingestion.codes.laboratory import _rows, item_key, items, unit_key, unit_of

NAMES = [
    ("甲胎蛋白", "afp", "name"),
    ("血清甲胎蛋白测定", "afp", "name_cut"),
    ("甲胎蛋白（化学发光法）", "afp", "name_without_bracket"),
    ("AFP定量", "afp", "name"),
    ("谷丙转氨酶(ALT)", "alt", "name"),
    ("★总胆红素", "total_bilirubin", "name_cut"),
    ("肿瘤标志物一（CEA）", "cea", "name_in_bracket"),
    ("ＣＡ１９－９", "ca199", "name"),
    ("胃蛋白酶原Ⅱ", "pepsinogen_2", "name"),
    ("PGⅠ", "pepsinogen_1", "name"),
    ("Platelets", "platelet", "name"),
    ("White blood cells", "wbc", "name"),
    ("乙型肝炎病毒表面抗原", "hbsag", "name"),
    ("碳13呼气试验", "hp_breath_test", "name"),
    ("人乳头瘤病毒16型", "hpv_16", "name"),
]


@pytest.mark.parametrize(("name", "item", "method"), NAMES)
def test_a_local_name_is_one_item(name: str, item: str, method: str):
    found = laboratory(name)
    assert (found.item, found.method, found.status, found.name) == (item, method, "coded", name)
    assert found.loinc_code == items()[item].loinc_code


@pytest.mark.parametrize("name", ["尿白蛋白(ALB)", "尿微量白蛋白", "餐后2小时血糖", "胸水CEA", "白蛋白/球蛋白比值", "不知名项目"])
def test_another_specimen_or_an_unknown_name_is_no_item(name: str):
    assert laboratory(name, item_code="ALB").status == ("unmapped" if name != "不知名项目" else "coded")
    assert laboratory(name).status == "unmapped"


def test_an_item_of_blood_is_not_known_in_urine():
    assert laboratory("葡萄糖", specimen="尿液").status == "unmapped"
    assert laboratory("葡萄糖", specimen="血清").item == "glucose"
    assert laboratory("尿液葡萄糖", loinc_code="14749-6").item == "glucose", "the delivered LOINC code says what it is"


def test_loinc_stands_before_the_name_and_the_name_before_the_local_code():
    assert laboratory("癌胚抗原", loinc_code="1834-1").item == "afp"
    found = laboratory("癌胚抗原", item_code="AFP")
    assert (found.item, found.confidence) == ("cea", 0.5), "name and code disagree"
    assert (laboratory(None, item_code="AFP").method, laboratory("", item_code="").status) == ("item_code", "empty")


UNITS = [
    # item, printed, status, factor
    ("甲胎蛋白", "ng/mL", "known", 1.0),
    ("甲胎蛋白", "μg/L", "known", 1.0),
    ("甲胎蛋白", "IU/ml", "known", 1.21),
    ("总胆红素", "mg/dL", "known", 17.1),
    ("血小板", "10^9/L", "known", 1.0),
    ("血小板", "×10⁹/L", "known", 1.0),
    ("白蛋白", "g/dL", "known", 10.0),
    ("甲胎蛋白", "mmol/L", "other_unit", None),
    ("甲胎蛋白", "桶", "unknown_unit", None),
    ("甲胎蛋白", None, "no_unit", None),
    ("甲胎蛋白", " ", "no_unit", None),
]


@pytest.mark.parametrize(("name", "printed", "status", "factor"), UNITS)
def test_a_printed_unit_is_converted_or_said_to_be_unusable(name: str, printed: str | None, status: str, factor: float | None):
    found = laboratory(name, printed)
    assert (found.unit_status, found.factor) == (status, factor)
    assert found.unit == (items()[found.item].unit if factor is not None else None)
    assert found.confidence <= 0.5 if status in ("other_unit", "unknown_unit") else found.confidence > 0.5


def test_every_alias_is_found_by_its_own_spelling_and_none_means_two_items():
    seen: dict[str, str] = {}
    for row in _rows("seed_measurement_alias"):
        assert seen.setdefault(item_key(row["alias"]), row["item"]) == row["item"], row
        assert row["item"] in items()
    for row in _rows("seed_unit"):
        assert unit_of(row["printed"]) == row["unit"]
    assert unit_key("Μg／L".replace("Μ", "μ")) == "ug/l"
