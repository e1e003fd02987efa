"""Liver screening: alpha-fetoprotein, hepatitis B surface antigen and ultrasound with its lesions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import Text, choose, constant, decimal, draw, flags, keep, pick, whole
from ingestion.synthetic.life import CANCER, HIGH, LIVER_US_AFP, LOW, NONE, POSITIVE, Tests, sites
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, no_yes, readable, repeated, yes_no

CYST, HAEMANGIOMA, UNKNOWN, SUSPECTED = 7, 9, 10, 11
UPPER_LIMIT_NG_ML = 20


def _afp(tests: Tests, raised: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values in ng/mL: raised ones lie above 20, and above 400 only where the screening is positive."""
    n = len(tests)
    usual = np.exp(rng.normal(1.05, 0.45, n)).clip(0.6, 18)
    high = np.exp(rng.normal(5.2, 1.6, n)).clip(20.5, 60_000)
    return np.where(raised, np.where(tests.result == POSITIVE, high, high.clip(20.5, 390)), usual)


def liver_forms(desk: Desk) -> Iterator[Records]:
    """Liver form and its lesions: one form per screening."""
    if not desk.delivers("screening_liver"):
        return
    tests = desk.tests("liver", LIVER_US_AFP)
    n, rng, person = len(tests), desk.random("liver"), tests.person
    number, can = desk.numbers("liver", tests, "LV"), readable(tests)
    seen, positive = tests.seen, tests.result == POSITIVE
    state = desk.lives.cancers["liver"].state[person]
    cirrhosis = can & (state >= LOW) & (rng.random(n) < np.where(state == LOW, 0.85, 0.7))
    hbsag = desk.lives.risk.markers.get("hbsag", np.zeros(len(desk.people), dtype=bool))[person]

    # what makes a screening positive: a suspicious lesion, or the protein alone
    suspicious = positive & ((seen >= HIGH) | (rng.random(n) < 0.55))
    raised = (positive & ~suspicious) | (can & (seen == CANCER) & (rng.random(n) < 0.64))
    raised |= can & ~raised & (rng.random(n) < np.where(cirrhosis, 0.05, share("afp_raised_without_cancer_pct"))) & ~positive
    afp = np.where(positive & ~suspicious, _afp(tests, raised, rng) + 400, _afp(tests, raised, rng))
    printed = choose(afp < 1.5, constant("<1.5", n), choose(afp > 20_000, constant(">20000", n), decimal(afp, 2)))
    cyst, haemangioma = can & (rng.random(n) < share("liver_cyst_pct")), can & (rng.random(n) < share("liver_haemangioma_pct"))
    harmless = np.where(cyst, 1 + draw(rng, (70, 22, 8), n), 0) + haemangioma
    count = harmless + suspicious
    found = count > 0
    decompensated = cirrhosis & (rng.random(n) < 0.12)
    fatty = can & (rng.random(n) < 0.28)
    gall = can & (rng.random(n) < 0.04)
    removed = can & (rng.random(n) < 0.03)
    thrombus = suspicious & (seen == CANCER) & (rng.random(n) < 0.08)
    suspected = suspicious & (seen == CANCER) & (rng.random(n) < 0.75)
    other = cirrhosis | decompensated | fatty | gall

    listed = [("1", cirrhosis), ("2", decompensated), ("3", gall), ("4", decompensated), ("5", decompensated), ("6", fatty), ("7", thrombus)]
    bits = np.zeros(n, dtype=np.int64)
    for i, (_, where) in enumerate(listed):
        bits |= where.astype(np.int64) << i
    words = [";".join(code for i, (code, _) in enumerate(listed) if mask >> i & 1) or "9" for mask in range(1 << len(listed))]
    conclusion = pick(words, bits, can & ((bits > 0) | ~found))
    result = np.select([suspected, suspicious, raised, cirrhosis], [4, 3, 1, 2], 5)

    def usual(chance: float, codes: str = "12", weights: tuple[float, ...] = (1,)) -> Text:
        """The first code, for a share of the livers one of the others."""
        odd = pick(codes[1:], draw(rng, weights, n))
        return keep(choose(rng.random(n) < np.where(cirrhosis, chance + 0.5, chance), odd, codes[0]), can)

    wide_portal = decompensated & (rng.random(n) < 0.8)
    speed = choose(decompensated, "3", "1")
    end, known = desk.tail(rng, tests.day)
    gall_there = can & ~removed
    length = 5.2 + rng.random(n) * 2.8
    columns = {
        **desk.head(number, tests),
        "afp_result_code": keep(flags(afp > UPPER_LIMIT_NG_ML), can),
        "afp_ng_ml": keep(printed, can),
        "hbsag_result_code": keep(flags(hbsag), can),
        "liver_shape_code": keep(choose(cirrhosis & (rng.random(n) < 0.6), "2", "1"), can),
        "liver_size_code": usual(0.02, "1234", (30, 40, 30)),
        "capsule_code": usual(0.01, "123", (75, 25)),
        "lesion_found": keep(yes_no(found), can),
        "lesion_count": whole(count, found),
        "parenchyma_echo_code": keep(choose(cirrhosis, "3", choose(fatty, "2", "1")), can),
        "parenchyma_homogeneity_code": usual(0.04, "123", (60, 40)),
        "hepatic_vein_visibility_code": usual(0.04, "123", (75, 25)),
        "hepatic_vein_tortuous": keep(no_yes(decompensated), can),
        "left_hepatic_vein_cm": decimal(0.6 + rng.random(n) * 0.4, 1, can),
        "middle_hepatic_vein_cm": decimal(0.6 + rng.random(n) * 0.4, 1, can),
        "right_hepatic_vein_cm": decimal(0.6 + rng.random(n) * 0.5, 1, can),
        "hepatic_vein_state_code": usual(0.01, "123", (85, 15)),
        "portal_vein_width_code": keep(no_yes(wide_portal), can),
        "portal_vein_cm": decimal(1.31 + rng.random(n) * 0.5, 2, wide_portal),
        "portal_thrombus_found": keep(no_yes(thrombus), can),
        "portal_thrombus_site_codes": pick(["1", "2", "3", "2;3"], draw(rng, (20, 40, 20, 20), n), thrombus),
        "portal_flow_code": keep(speed, can),
        "portal_flow_cm_s": decimal(np.where(decompensated, 9, 17) + rng.random(n) * 6, 1, can & (rng.random(n) < 0.4)),
        "collateral_found": keep(yes_no(decompensated), can),
        "bile_duct_echo_code": keep(no_yes(can & (rng.random(n) < 0.015)), can),
        "bile_duct_dilated": keep(yes_no(can & (rng.random(n) < 0.002)), can),
        "gallbladder_removed": keep(no_yes(removed), can),
        "gallbladder_length_cm": decimal(length, 1, gall_there),
        "gallbladder_width_cm": decimal(length * (0.3 + rng.random(n) * 0.15), 1, gall_there),
        "gallbladder_shape_code": keep(pick("123", draw(rng, (95, 4, 1), n)), gall_there),
        "after_meal_code": keep(pick("123", draw(rng, (93, 4, 3), n)), gall_there),
        "gallbladder_wall_code": keep(choose(gall, "3", "1"), gall_there),
        "spleen_length_cm": decimal(np.where(decompensated, 12.5, 8.5) + rng.random(n) * 2.2, 1, can),
        "spleen_thickness_cm": decimal(np.where(decompensated, 4.2, 2.8) + rng.random(n) * 0.8, 1, can),
        "ascites_found": keep(no_yes(decompensated), can),
        "ascites_depth_cm": decimal(0.8 + rng.random(n) * 5, 1, decompensated),
        "conclusion_codes": conclusion,
        "conclusion_text": keep(constant("建议肝病专科就诊", n), other & decompensated),
        "needs_consultation": keep(no_yes(suspected & (rng.random(n) < 0.3)), can),
        "result_code": keep(whole(result), can),
        **end,
    }
    yield desk.made("screening_liver", columns, person, known)
    if desk.delivers("screening_liver_lesion"):
        yield _lesions(desk, tests, rng, number, known, count, np.where(suspicious, np.where(suspected, SUSPECTED, UNKNOWN), NONE), cyst)


def _lesions(
    desk: Desk, tests: Tests, rng: np.random.Generator, number: Text, known: np.ndarray, count: np.ndarray, leading: np.ndarray, cyst: np.ndarray
) -> Records:
    """The first lesion is the suspicious one where there is one; the others are cysts and haemangiomas."""
    exam, order = repeated(count)
    m = len(exam)
    kind = np.where((order == 0) & (leading[exam] > 0), leading[exam], np.where(cyst[exam] & (rng.random(m) < 0.85), CYST, HAEMANGIOMA))
    kind = np.where((kind == HAEMANGIOMA) & cyst[exam] & (order == 0), CYST, kind)
    bad = kind >= UNKNOWN
    cancer = bad & (tests.seen[exam] == CANCER)
    early = rng.random(m) < share("screened_liver_below_5cm_pct")
    size = np.select(
        [cancer & early, cancer, bad], [1.0 + rng.random(m) * 3.8, 5.1 + rng.random(m) * 6, 0.8 + rng.random(m) * 1.8], 0.5 + rng.random(m) ** 2 * 4
    )
    flow = bad & (rng.random(m) < 0.7)
    left = np.array([row["name_zh"] == "肝左叶" for row in sites("liver")])
    of_site = np.where(left[desk.lives.cancers["liver"].site[tests.person[exam]]], 1, 2)
    echo = np.select([kind == CYST, kind == HAEMANGIOMA], [1, np.where(rng.random(m) < 0.8, 4, 2)], np.where(rng.random(m) < 0.7, 2, 3))
    columns = {
        "screening_no": number.take(pa.array(exam)),
        "lesion_no": whole(order + 1),
        "lobe_code": whole(np.where(bad, of_site, 1 + draw(rng, (35, 65), m))),
        "shape_code": flags(bad & (rng.random(m) < 0.5), "2", "1"),
        "length_cm": decimal(size, 1),
        "width_cm": decimal(size * (0.7 + rng.random(m) * 0.28), 1),
        "border_code": flags(bad & (rng.random(m) < 0.6), "2", "1"),
        "margin_code": flags(bad & (rng.random(m) < 0.5), "2", "1"),
        "echo_code": whole(echo),
        "homogeneity_code": pick("123", np.where(bad, draw(rng, (15, 35, 50), m), draw(rng, (85, 12, 3), m))),
        "is_grid_like": yes_no((kind == HAEMANGIOMA) & (rng.random(m) < 0.4)),
        "posterior_echo_code": pick("123", np.where(kind == CYST, 2, draw(rng, (88, 8, 4), m))),
        "has_lateral_shadow": yes_no((kind == CYST) & (rng.random(m) < 0.3)),
        "has_flow": no_yes(flow),
        "flow_rich_code": keep(pick("12", draw(rng, (55, 45), m)), flow),
        "flow_place_codes": pick(["1", "2", "1;2"], draw(rng, (25, 45, 30), m), flow),
        "resistance_index": decimal(0.55 + rng.random(m) * 0.25, 2, flow),
        "conclusion_code": whole(kind),
    }
    return desk.made("screening_liver_lesion", columns, tests.person[exam], known[exam])
