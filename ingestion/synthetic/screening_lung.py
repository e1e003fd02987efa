"""Low-dose CT: nodules with density, size and place as the class of the scan says, other findings, management."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import Text, choose, constant, decimal, draw, keep, pick, whole
from ingestion.synthetic.life import CANCER, HIGH, LDCT, LOW, Tests, sites
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, no_yes, readable, repeated, several

SOLID, PART_SOLID, NON_SOLID = 1, 2, 3
LOBE_WEIGHTS = (30, 8, 20, 25, 17)
# Codes of the form by the name of the site; a main bronchus says nothing of the lobe.
LOBES = {"右肺上叶": 1, "右肺中叶": 2, "右肺下叶": 3, "左肺上叶": 4, "左肺下叶": 5}
# Mean diameter in mm by class of the scan (C-Lung-RADS 1 to 4; rules.md C1.3) and density (solid, part-solid, non-solid).
LOW_MM = np.array([[5.0, 5.0, 8.0], [6.0, 6.0, 6.0], [10.0, 8.0, 20.0], [18.0, 15.0, 20.0]])
HIGH_MM = np.array([[5.9, 5.9, 9.0], [9.9, 11.9, 19.5], [17.5, 15.5, 29.0], [46.0, 34.0, 38.0]])
# Non-solid nodules of class 2 that stay below 8 mm, and so are no positive nodules of the programme.
SMALL_NON_SOLID = 0.92
# Density by class of the scan (solid, part-solid, non-solid); of cancers as found by screening in Shanghai (kpi_calibration.csv).
DENSITY_WEIGHTS = ((60, 8, 32), (42, 5, 53), (70, 12, 18), (74, 14, 12))
DENSITY_OF_CANCER = (15, 32, 53)
LOBE_SETS = ("1", "2", "3", "4", "5", "1;4", "3;5", "1;2;3", "4;5")


def _lobes(rng: np.random.Generator, where: np.ndarray) -> Text:
    return pick(LOBE_SETS, draw(rng, (20, 6, 18, 18, 14, 10, 8, 3, 3), len(where)), where)


def _lobe_of(desk: Desk, tests: Tests, rng: np.random.Generator) -> np.ndarray:
    """The lobe of the leading nodule: the one of the disease where the scan shows it."""
    lobe = np.array([LOBES.get(row["name_zh"], 0) for row in sites("lung")])[desk.lives.cancers["lung"].site[tests.person]]
    return np.where((tests.seen >= LOW) & (lobe > 0), lobe, 1 + draw(rng, LOBE_WEIGHTS, len(tests)))


def lung_forms(desk: Desk) -> Iterator[Records]:
    """Nodule form, its nodules, and the form of other findings: one of each per scan."""
    tests = desk.tests("lung", LDCT)
    n, rng, person = len(tests), desk.random("ldct"), tests.person
    number, can = desk.numbers("lung", tests, "LC"), readable(tests)
    grade = np.where(can, np.clip(tests.category, 1, 4), 1)
    other = _other_findings(desk, tests, rng)

    # the leading nodule
    large = can & (grade >= 2)
    five = can & (grade == 1) & (rng.random(n) < 0.006)
    cancer = tests.seen == CANCER
    density = np.select([grade == g for g in (1, 2, 3)], [draw(rng, w, n) for w in DENSITY_WEIGHTS[:3]], draw(rng, DENSITY_WEIGHTS[3], n))
    density = 1 + np.where(cancer, draw(rng, DENSITY_OF_CANCER, n), density)
    density = np.where(five, SOLID, density)
    low, high = LOW_MM[grade - 1, density - 1], HIGH_MM[grade - 1, density - 1]
    high = np.where((grade == 2) & (density == NON_SOLID) & (rng.random(n) < SMALL_NON_SOLID), 7.9, high)
    size = low + (high - low) * rng.random(n) ** 1.6
    within_bronchus = large & (rng.random(n) < 0.01)
    spread = rng.random(n) * 0.2
    long, short = np.round(size * (1 + spread), 1), np.round(size * (1 - spread), 1)
    mean = np.round((long + short) / 2 + 1e-9, 1)
    positive = ((large | five) & (mean >= np.where(density == NON_SOLID, 8, 5))) | within_bronchus
    below = (large | five) & ~positive
    nature = np.where(
        cancer, 3 + draw(rng, (15, 65, 20), n), np.select([grade == 4, grade == 3], [4, 2 + draw(rng, (40, 60), n)], 1 + draw(rng, (35, 65), n))
    )
    nature = np.where((tests.seen == HIGH) & (nature < 3), 3, nature)
    suspected = positive & (nature >= 4)

    # small nodules that the programme does not count as positive
    small_solid = can & (rng.random(n) < share("ldct_small_nodule_pct") * 0.8)
    small_non_solid = (can & (rng.random(n) < share("ldct_small_nodule_pct") * 0.3)) | (below & (density == NON_SOLID))
    small_solid |= below & (density != NON_SOLID)
    small = small_solid | small_non_solid
    airway = can & (rng.random(n) < 0.002)
    count = np.where(positive, 1 + draw(rng, (72, 18, 7, 3), n), 0)

    soon = np.select([grade == 4, grade == 3, positive], [0, 1, 2], 3)  # 1 month, 3 months, 6 months, 1 year
    follow = positive | small
    care = suspected | (positive & (grade == 4)) | airway
    advice = pick(["4;5", "2;5", "4", "1", "2;6", "3"], np.where(airway & ~suspected, 5, draw(rng, (34, 18, 26, 16, 6), n)), care)
    consult = suspected & (rng.random(n) < 0.25)
    result = np.select([suspected, positive & airway, positive, airway, small, other["lung"], other["elsewhere"]], [1, 8, 2, 3, 4, 5, 6], 7)
    end, known = desk.tail(rng, tests.day)
    if desk.delivers("screening_ldct"):
        columns = {
            **desk.head(number, tests),
            "suspected_cancer_found": keep(no_yes(suspected), can),
            "positive_nodule_found": keep(no_yes(positive), can),
            "recorded_nodule_count": whole(count, positive),
            "airway_lesion_found": keep(no_yes(airway), can),
            "non_positive_nodule_found": keep(no_yes(small), can),
            "small_solid_found": keep(no_yes(small_solid), small),
            "small_solid_number_code": keep(pick("12", draw(rng, (55, 45), n)), small_solid),
            "small_non_solid_found": keep(no_yes(small_non_solid), small),
            "small_non_solid_number_code": keep(pick("12", draw(rng, (70, 30), n)), small_non_solid),
            "needs_consultation": keep(no_yes(consult), can),
            "consultation_nodule_numbers": keep(constant("1", n), consult),
            "consultation_text": keep(constant("请协助判断病灶性质", n), consult & (rng.random(n) < 0.5)),
            "needs_follow_up": keep(no_yes(follow), can),
            "follow_up_interval_code": pick("1234", soon, follow),
            "needs_clinical_care": keep(no_yes(care), can),
            "management_codes": advice,
            "result_code": keep(whole(result), can),
            **end,
        }
        yield desk.made("screening_ldct", columns, person, known)
    if desk.delivers("screening_ldct_nodule"):
        yield _nodules(desk, tests, rng, number, known, count, (density, long, short, mean, nature, within_bronchus))
    if desk.delivers("screening_ldct_other"):
        columns = {**desk.head(number, tests), **other["columns"], **end}
        yield desk.made("screening_ldct_other", columns, person, known)


def _nodules(
    desk: Desk, tests: Tests, rng: np.random.Generator, number: Text, known: np.ndarray, count: np.ndarray, leading: tuple[np.ndarray, ...]
) -> Records:
    """The first nodule of a scan is the leading one; the others are solid, small and look benign."""
    exam, order = repeated(count)
    m, first = len(exam), order == 0
    density, long, short, mean, nature, within_bronchus = (values[exam] for values in leading)
    size = 5.2 + rng.random(m) * 2.6
    a, b = np.round(size + rng.random(m) * 0.5, 1), np.round(size - rng.random(m) * 0.2, 1)
    long, short = np.where(first, long, a), np.where(first, short, b)
    mean = np.where(first, mean, np.round((a + b) / 2 + 1e-9, 1))
    density = np.where(first, density, SOLID)
    nature = np.where(first, nature, 1 + draw(rng, (45, 55), m))
    bad = first & (nature >= 4)
    lobe = np.where(first, _lobe_of(desk, tests, rng)[exam], 1 + draw(rng, LOBE_WEIGHTS, m))
    columns = {
        "screening_no": number.take(pa.array(exam)),
        "nodule_no": whole(order + 1),
        "lobe_code": whole(lobe),
        "is_endobronchial": no_yes(first & within_bronchus),
        "density_code": whole(density),
        "pleura_distance_mm": decimal(rng.random(m) * 40, 1),
        "long_diameter_mm": decimal(long, 1),
        "short_diameter_mm": decimal(short, 1),
        "mean_diameter_mm": decimal(mean, 1),
        "is_margin_smooth": no_yes(rng.random(m) < np.where(bad, 0.12, 0.82)),
        "has_calcification": no_yes(rng.random(m) < np.where(bad, 0.03, 0.16)),
        "has_pleural_retraction": no_yes(rng.random(m) < np.where(bad, 0.45, 0.05)),
        "series_no": whole(rng.integers(2, 6, m)),
        "image_no": whole(rng.integers(30, 360, m)),
        "nature_code": whole(nature),
    }
    return desk.made("screening_ldct_nodule", columns, tests.person[exam], known[exam])


def _other_findings(desk: Desk, tests: Tests, rng: np.random.Generator) -> dict:
    """Findings other than nodules: emphysema follows smoking, calcified arteries follow age."""
    n, can = len(tests), readable(tests)
    risk = desk.lives.risk
    smoked, age = risk.smoking[tests.person] > 0, risk.age[tests.person]

    def has(chance: float | np.ndarray) -> np.ndarray:
        return can & (rng.random(n) < chance)

    def graded(where: np.ndarray, codes: str = "234", weights: tuple[float, ...] = (70, 24, 6)) -> Text:
        return keep(choose(where, pick(codes, draw(rng, weights, n)), "1"), can)

    emphysema, bulla = has(np.where(smoked, 0.2, 0.05)), has(0.06)
    bronchi, interstitial, scar, collapse = has(0.035), has(0.02), has(0.12), has(0.004)
    lung = emphysema | bulla | bronchi | interstitial | scar | collapse
    right, left, thick, pleural_calcium, pleural_mass = has(0.004), has(0.004), has(0.05), has(0.01), has(0.0005)
    pleura = right | left | thick | pleural_calcium | pleural_mass
    aorta, chamber, valve, pericardium = has(np.clip((age - 45) / 60, 0.02, 0.5)), has(0.015), has(0.01), has(0.008)
    coronary = has(np.clip((age - 45) / 70, 0.02, 0.45))
    arteries = [coronary & has(chance) for chance in (0.15, 0.85, 0.4, 0.5)]
    arteries[1] |= coronary & ~np.any(arteries, axis=0)
    thyroid, thymus, node, old_node, axilla = has(0.05), has(0.004), has(0.012), has(0.03), has(0.006)
    gullet, hernia = has(0.005), has(0.008)
    middle = thyroid | thymus | node | old_node | axilla | gullet | hernia
    breast, belly, bone = has(0.006) & (desk.people.sex[tests.person] == 2), has(0.06), has(0.02)
    elsewhere = pleura | aorta | chamber | valve | pericardium | coronary | middle | breast | belly | bone
    follow, care = has(0.05) & (lung | elsewhere), has(0.02) & elsewhere
    columns = {
        "lung_abnormality_found": keep(no_yes(lung), can),
        "emphysema_code": graded(emphysema),
        "pleural_abnormality_found": keep(no_yes(pleura), can),
        "right_effusion_code": graded(right, weights=(90, 8, 2)),
        "left_effusion_code": graded(left, weights=(90, 8, 2)),
        "has_pleural_thickening": keep(no_yes(thick), can),
        "pleural_thickening_side_codes": pick(["1", "2", "1;2"], draw(rng, (42, 38, 20), n), thick),
        "has_pleural_calcification": keep(no_yes(pleural_calcium), can),
        "has_pleural_mass": keep(no_yes(pleural_mass), can),
        "heart_abnormality_found": keep(no_yes(aorta | chamber | valve | pericardium), can),
        "has_aortic_calcification": keep(no_yes(aorta), can),
        "has_chamber_enlargement": keep(no_yes(chamber), can),
        "has_valve_calcification": keep(no_yes(valve), can),
        "pericardial_effusion_code": graded(pericardium, weights=(92, 7, 1)),
        "coronary_calcification_found": keep(no_yes(coronary), can),
        "mediastinal_abnormality_found": keep(no_yes(middle), can),
        "thyroid_abnormality_found": keep(no_yes(thyroid), can),
        "thyroid_finding_codes": keep(several(rng, "1 2 3 4", (40, 35, 5, 20), n), thyroid),
        "thymus_abnormality_found": keep(no_yes(thymus), can),
        "thymus_finding_codes": keep(several(rng, "1 2 3 4", (20, 45, 15, 20), n, 0), thymus),
        "has_enlarged_node": keep(no_yes(node), can),
        "enlarged_node_stations": pick(["4R", "7", "4R；7", "10L"], draw(rng, (40, 30, 20, 10), n), node),
        "has_calcified_node": keep(no_yes(old_node), can),
        "has_axillary_node": keep(no_yes(axilla), can),
        "axillary_node_side_codes": pick(["1", "2", "1;2"], draw(rng, (40, 40, 20), n), axilla),
        "oesophagus_abnormality_found": keep(no_yes(gullet), can),
        "oesophagus_text": keep(constant("食管下段管壁略厚", n), gullet),
        "has_hiatal_hernia": keep(no_yes(hernia), can),
        "breast_abnormality_found": keep(no_yes(breast), can),
        "breast_text": keep(constant("乳腺内结节影，建议超声", n), breast),
        "abdominal_abnormality_found": keep(no_yes(belly), can),
        "abdomen_text": pick(["肝囊肿", "胆囊结石", "左肾囊肿", "脂肪肝", "肾上腺结节"], draw(rng, (34, 22, 18, 22, 4), n), belly),
        "bone_abnormality_found": keep(no_yes(bone), can),
        "bone_text": pick(["胸椎退行性变", "陈旧性肋骨骨折"], draw(rng, (70, 30), n), bone),
        "needs_consultation": keep(no_yes(has(0.001)), can),
        "needs_follow_up": keep(no_yes(follow), can),
        "follow_up_interval_code": pick("234", draw(rng, (20, 30, 50), n), follow),
        "needs_clinical_care": keep(no_yes(care), can),
        "management_codes": keep(several(rng, "1 4 6 7", (30, 30, 34, 6), n, 0.1), care),
    }
    for name, where in (("bulla", bulla), ("bronchiectasis", bronchi), ("interstitial", interstitial), ("scar", scar), ("atelectasis", collapse)):
        flag = {"interstitial": "has_interstitial_disease", "scar": "has_fibrotic_scar"}.get(name, f"has_{name}")
        columns[flag] = keep(no_yes(where), can)
        columns[f"{name}_lobe_codes"] = _lobes(rng, where)
    for name, where in zip(("left_main", "lad", "lcx", "rca"), arteries, strict=True):
        columns[f"{name}_calcification_code"] = graded(where, weights=(60, 30, 10))
    return {"columns": columns, "lung": lung, "elsewhere": elsewhere}
