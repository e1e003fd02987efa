"""What is done for a cancer and what becomes of the patient: operations, courses of treatment, report cards, follow-up, death."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import NEVER, Text, choose, constant, dates, days, decimal, draw, flags, join, keep, missing, padded, pick, whole
from ingestion.synthetic.imaging import choose_at
from ingestion.synthetic.life import CANCERS, END, histologies, metastasis_sites, sites, stages
from ingestion.synthetic.people import counties
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.tumours import ORGANS, SYSTEMS, Tumours, organ_of_site, stage_group

if TYPE_CHECKING:
    from ingestion.synthetic.hospital import Hospital

# Code list `metastasis_site` for each row of `metastasis_sites()`; a local relapse is none.
SPREAD_CODES = {"": None, "C77.9": "lymph_node", "C78.0": "lung", "C78.7": "liver", "C79.5": "bone", "C79.3": "brain", "C78.6": "peritoneum"}
RADIO, CHEMO = "radiotherapy", "chemotherapy"
OTHER_CAUSES = (("I21.9", "急性心肌梗死"), ("I63.9", "脑梗死"), ("J44.1", "慢性阻塞性肺疾病"), ("K74.6", "肝硬化"), ("V89.2", "交通事故"))


@cache
def spread_codes() -> tuple[str, ...]:
    """Code of `metastasis_site` per row of `metastasis_sites()`."""
    return tuple(SPREAD_CODES.get(m["icd10"]) or "other" for m in metastasis_sites())


@cache
def _procedures(cancer: str) -> tuple[dict[str, str], ...]:
    if cancer != "colorectum":
        return tuple(r for r in rows("procedures") if r["cancer"] == cancer)
    keep_ = ("procedure", "procedure_zh")
    return tuple(
        {
            **{k: r[k] for k in keep_},
            "keyhole": r["laparoscopic"],
            "keyhole_zh": r["laparoscopic_zh"],
            "organ": "colorectum",
            "weight": "1",
            "keyhole_approach": "laparoscopic",
        }
        for r in rows("colon_sites")
    )


def _choice(rng: np.random.Generator, organ: np.ndarray, options: tuple[dict[str, str], ...], allowed: np.ndarray | None = None) -> np.ndarray:
    """A row of the options per patient, of the patient's organ, by weight; -1 where there is none."""
    fits = np.array([[r["organ"] == o for r in options] for o in ORGANS])[organ]
    fits = fits if allowed is None else fits & allowed
    weight = np.cumsum(fits * np.array([float(r["weight"]) for r in options]), axis=1)
    total = weight[:, -1]
    found = (weight < (rng.random(len(organ)) * total)[:, None]).sum(axis=1)
    return np.where(total > 0, np.minimum(found, len(options) - 1), -1)


def _site_text(hospital: Hospital, cancer: np.ndarray, person: np.ndarray) -> Text:
    return hospital.icd(hospital.codes[0], hospital.site_code(cancer, person))


def surgeries(hospital: Hospital) -> Records:
    """The operations of a hospital."""
    v, rng = hospital.visits, hospital.stream("surgery")
    visit = np.flatnonzero(v.kind == v_.SURGERY)
    person, cancer, n = v.person[visit], v.cancer[visit], len(visit)
    keyhole = rng.random(n) < 0.6
    code, name, approach = constant("", n), constant("", n), constant("open", n)
    day, margin, spread = np.full(n, NEVER), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    stage = np.zeros(n, dtype=int)
    sentinel = np.zeros(n, dtype=bool)
    for number, key in enumerate(CANCERS):
        at = np.flatnonzero(cancer == number)
        if len(at) == 0:
            continue
        own, tumour, options = hospital.life.cancers[key], hospital.tumours[key], _procedures(key)
        row = tumour.row(person[at])
        chosen = own.site[person[at]].astype(np.int64) if key == "colorectum" else np.maximum(_choice(rng, tumour.organ[row], options), 0)
        narrow = keyhole[at]
        code = choose_at(code, at, choose(narrow, pick([o["keyhole"] for o in options], chosen), pick([o["procedure"] for o in options], chosen)))
        name = choose_at(
            name, at, choose(narrow, pick([o["keyhole_zh"] for o in options], chosen), pick([o["procedure_zh"] for o in options], chosen))
        )
        approach = choose_at(approach, at, choose(narrow, pick([o["keyhole_approach"] for o in options], chosen), "open"))
        day[at], margin[at] = own.surgery_date[person[at]], tumour.margin[row]
        stage[at] = own.stage_group[person[at]]
        spread[at] = stage[at] == 4
        sentinel[at] = (key == "breast") & (tumour.positive[row] == 0) & (rng.random(len(at)) < 0.8)
    room = hospital.department()[visit]
    complication = rng.random(n) < 0.09
    columns = {
        "surgery_no": join("SS", padded(np.arange(n), 7)),
        **hospital.of_visit(visit),
        "procedure_code": code,
        "procedure_name": name,
        "surgery_date": dates(day),
        "surgeon_code": hospital.doctor(room, rng),
        "is_emergency": flags(rng.random(n) < 0.03),
        "intent_code": choose(spread, constant("palliative", n), "radical"),
        "approach_code": approach,
        "anaesthesia_code": constant("general", n),
        "preoperative_diagnosis_code": _site_text(hospital, cancer, person),
        "postoperative_diagnosis_code": _site_text(hospital, cancer, person),
        "duration_minutes": whole(np.rint(rng.normal(190, 55, n)).clip(45, 600)),
        "blood_loss_ml": whole(rng.integers(2, 60, n) * 10),
        "margin_status_code": flags(margin, "R1", "R0"),
        "has_sentinel_biopsy": keep(flags(sentinel), cancer == CANCERS.index("breast")),
        "node_station_count": whole(rng.integers(3, 9, n), np.isin(cancer, (0, 2))),
        "is_reoperation": flags(rng.random(n) < 0.015),
        "has_complication": flags(complication),
        "complication_text": keep(pick(["切口感染", "吻合口漏", "肺部感染", "术后出血", "淋巴漏"], rng.integers(5, size=n)), complication),
        "incision_healing_code": pick("129", draw(rng, (92, 6, 2), n)),
        "operation_note_text": join(
            "麻醉成功后取合适体位，常规消毒铺巾，",
            choose(spread, constant("探查见远处转移，", n), "探查未见远处转移，"),
            "行",
            name,
            "，术中出血少，标本送病理。",
        ),
        "department_code": join("KS", padded(room + 1, 2)),
    }
    return records(hospital.name, "surgery", columns, person, v.end[visit] + days(rng, 0, 3, n))


def _allowed(tumour: Tumours, row: np.ndarray, options: tuple[dict[str, str], ...], wanted: np.ndarray) -> np.ndarray:
    """Which regimens a patient may get: of a wanted type, and only where the tumour has what the drug needs."""
    has = {
        "": np.ones(len(row), dtype=bool),
        "egfr": tumour.egfr[row],
        "alk": tumour.alk[row],
        "her2": (tumour.her2[row] == 3) | tumour.fish[row],
        "er": tumour.er[row],
        "kras_wild": ~tumour.kras[row],
        "dmmr": tumour.dmmr[row],
        "hbv": np.ones(len(row), dtype=bool),
    }
    return np.stack([has[o["needs"]] & np.char.equal(wanted, o["type"]) for o in options], axis=1)


def treatments(hospital: Hospital) -> Records:
    """Courses of systemic, radiation, interventional, ablative and endoscopic treatment."""
    v, rng, life = hospital.visits, hospital.stream("treatment"), hospital.life
    parts: list[dict[str, np.ndarray | Text]] = []
    for number, key in enumerate(CANCERS):
        own, tumour = life.cancers[key], hospital.tumours[key]
        options = tuple(r for r in rows("regimens") if r["cancer"] == key)
        radiation = tuple(r for r in rows("radiotherapy") if r["cancer"] == key)
        mine = v.cancer == number
        ill = own.has_cancer[v.person]
        # systemic treatment, and what is given beside it
        visit = np.flatnonzero(mine & (v.kind == v_.SYSTEMIC) & ill)
        person, row = v.person[visit], tumour.row(v.person[visit])
        main = "targeted" if key == "liver" else CHEMO
        first = np.full(len(visit), main, dtype="U24")
        advanced = own.stage_group[person] == 4
        driver = advanced & (tumour.egfr[row] | tumour.alk[row])
        first[driver] = "targeted"
        start = v.start[visit]
        parts += _systemic(hospital, number, visit, start, first, options, rng)
        for kind, share in (("targeted", 0.5), ("immunotherapy", 0.35), ("endocrine", 0.95), ("hepatic_arterial_infusion", 0.25), ("antiviral", 0.8)):
            fits = rng.random(len(visit)) < share
            if kind == "targeted":
                fits &= (advanced | (key == "breast")) & ~driver
            if kind == "immunotherapy":
                fits &= advanced & ~driver
            at = visit[fits]
            parts += _systemic(
                hospital,
                number,
                at,
                v.start[at] + (days(rng, 120, 160, len(at)) if kind == "endocrine" else days(rng, 0, 1, len(at))),
                np.full(len(at), kind, dtype="U24"),
                options,
                rng,
            )
        # radiotherapy
        visit = np.flatnonzero(mine & (v.kind == v_.RADIOTHERAPY) & ill)
        parts += _radiation(hospital, number, visit, radiation, rng)
        # TACE
        visit = np.flatnonzero(mine & (v.kind == v_.INTERVENTIONAL) & ill)
        day = own.interventional_date[v.person[visit]]
        parts.append(
            _course(
                visit,
                number,
                day,
                day,
                "tace" if key == "liver" else "interventional",
                constant("经导管动脉化疗栓塞术(TACE)" if key == "liver" else "介入治疗", len(visit)),
                intent="palliative",
                technique="TACE",
            )
        )
        # endoscopic resection, cone, ablation: of precursors too
        visit = np.flatnonzero(mine & (v.kind == v_.RESECTION))
        chosen_from = tuple({**r, "weight": "1"} for r in rows("resections") if r["cancer"] == key)
        chosen = np.maximum(_choice(rng, organ_of_site(key)[own.site[v.person[visit]]], chosen_from), 0)
        day = np.where(missing(own.resection_date[v.person[visit]]), v.start[visit] + 1, own.resection_date[v.person[visit]])
        parts.append(
            _course(
                visit,
                number,
                day,
                day,
                "",
                pick([r["name_zh"] for r in chosen_from], chosen),
                kinds=pick([r["type"] for r in chosen_from], chosen),
                intent="radical",
            )
        )
    return _treatment_records(hospital, [p for p in parts if len(p["visit"])], rng)


def _course(
    visit: np.ndarray, number: int, start: np.ndarray, end: np.ndarray, kind: str, name: Text, **more: object
) -> dict[str, np.ndarray | Text]:
    n = len(visit)
    kinds = more.get("kinds") or constant(kind, n)
    blank = constant(None, n)
    return {
        "visit": visit,
        "cancer": np.full(n, number),
        "start": start,
        "end": end,
        "kind": kinds,
        "name": name,
        "drugs": more.get("drugs", blank),
        "cycles": more.get("cycles", np.zeros(n, dtype=int)),
        "dose": more.get("dose", np.zeros(n)),
        "fractions": more.get("fractions", np.zeros(n, dtype=int)),
        "technique": constant(more["technique"], n) if isinstance(more.get("technique"), str) else more.get("technique", blank),
        "target": more.get("target", blank),
        "intent": constant(more["intent"], n) if isinstance(more.get("intent"), str) else more.get("intent", blank),
        "line": more.get("line", np.ones(n, dtype=int)),
    }


def _intent(hospital: Hospital, number: int, person: np.ndarray, start: np.ndarray) -> Text:
    own = hospital.life.cancers[CANCERS[number]]
    surgery = own.surgery_date[person]
    return choose(
        own.stage_group[person] == 4,
        constant("palliative", len(person)),
        choose(missing(surgery), constant("radical", len(person)), flags(start < surgery, "neoadjuvant", "adjuvant")),
    )


def _systemic(
    hospital: Hospital,
    number: int,
    visit: np.ndarray,
    start: np.ndarray,
    kind: np.ndarray,
    options: tuple[dict[str, str], ...],
    rng: np.random.Generator,
) -> list[dict[str, np.ndarray | Text]]:
    if len(visit) == 0 or not options:
        return []
    tumour = hospital.tumours[CANCERS[number]]
    person = hospital.visits.person[visit]
    row = tumour.row(person)
    chosen = _choice(rng, tumour.organ[row], options, _allowed(tumour, row, options, kind))
    chosen = np.where(start <= END, chosen, -1)
    at = np.flatnonzero(chosen >= 0)
    visit, start, chosen, person = visit[at], start[at], chosen[at], person[at]
    cycles = rng.integers(2, 9, len(at))
    span = cycles * np.array([int(o["days"]) for o in options])[chosen]
    return [
        _course(
            visit,
            number,
            start,
            start + span.astype("timedelta64[D]"),
            "",
            pick([o["name_zh"] for o in options], chosen),
            kinds=pick([o["type"] for o in options], chosen),
            drugs=pick([o["drugs"] for o in options], chosen),
            cycles=cycles,
            intent=_intent(hospital, number, person, start),
        )
    ]


def _radiation(
    hospital: Hospital, number: int, visit: np.ndarray, plans: tuple[dict[str, str], ...], rng: np.random.Generator
) -> list[dict[str, np.ndarray | Text]]:
    if len(visit) == 0 or not plans:
        return []
    key = CANCERS[number]
    own, person = hospital.life.cancers[key], hospital.visits.person[visit]
    chosen = np.maximum(_choice(rng, organ_of_site(key)[own.site[person]], tuple({**p, "weight": "1"} for p in plans)), 0)

    def of(name: str) -> np.ndarray:
        return np.array([float(p[name]) for p in plans])[chosen]

    start = hospital.visits.start[visit] + 1
    end = start + np.rint(of("fractions") * 1.4).astype("timedelta64[D]")
    words = {name: pick([p[name] for p in plans], chosen) for name in ("name_zh", "target", "technique")}
    name = join(words["name_zh"], " ", decimal(of("dose_gy"), 1), "Gy/", whole(of("fractions")), "f")
    found = [
        _course(
            visit,
            number,
            start,
            end,
            RADIO,
            name,
            dose=of("dose_gy"),
            fractions=of("fractions").astype(int),
            technique=words["technique"],
            target=words["target"],
            intent=_intent(hospital, number, person, start),
        )
    ]
    inner = np.flatnonzero(of("brachytherapy_gy") > 0)
    if len(inner):
        last = end[inner] + 7
        found.append(
            _course(
                visit[inner],
                number,
                last,
                last + 21,
                "brachytherapy",
                constant("宫颈腔内后装治疗", len(inner)),
                dose=of("brachytherapy_gy")[inner],
                fractions=of("brachytherapy_fractions")[inner].astype(int),
                technique="HDR后装",
                intent="radical",
            )
        )
    return found


def _treatment_records(hospital: Hospital, parts: list[dict[str, np.ndarray | Text]], rng: np.random.Generator) -> Records:
    v, life = hospital.visits, hospital.life

    def all_(name: str) -> np.ndarray:
        return np.concatenate([p[name] for p in parts]) if parts else np.zeros(0, dtype=int)

    def text(name: str) -> Text:

        return pa.concat_arrays([p[name].cast(pa.string()) for p in parts]) if parts else constant("", 0)

    visit, cancer = all_("visit").astype(np.int64), all_("cancer").astype(np.int64)
    start, end = all_("start").astype("datetime64[D]"), all_("end").astype("datetime64[D]")
    person, n = v.person[visit], len(visit)
    death = life.death_date[person]
    lived = life.alive(person, start) & (start <= END)
    end = np.where(~missing(death) & (death < end), death, end)
    over = end <= END
    cycles, dose, fractions = all_("cycles").astype(int), all_("dose").astype(float), all_("fractions").astype(int)
    judged = over & (cycles > 0) & (rng.random(n) < 0.7)
    response_day = end + days(rng, 0, 20, n)
    judged &= (response_day <= END) & (missing(death) | (response_day < death))
    stage = np.zeros(n, dtype=int)
    fit = np.zeros(n, dtype=int)
    for number, key in enumerate(CANCERS):
        at = np.flatnonzero(cancer == number)
        stage[at] = life.cancers[key].stage_group[person[at]]
        row = hospital.tumours[key].row(person[at])
        fit[at] = hospital.tumours[key].ecog[row] if len(hospital.tumours[key].person) else 0
    adjuvant = stage < 4
    response = np.where(adjuvant, np.where(rng.random(n) < 0.9, 4, 1), draw(rng, (6, 34, 38, 22), n))
    known = np.where(over, np.maximum(np.where(judged, response_day, end), v.end[visit]), np.maximum(start, v.end[visit])) + days(rng, 0, 3, n)
    room = hospital.department()[visit]
    keep_rows = np.flatnonzero(lived)
    order = keep_rows[np.lexsort((start[keep_rows], visit[keep_rows]))]
    columns = {
        **hospital.of_visit(visit),
        "treatment_type_code": text("kind"),
        "regimen_name": text("name"),
        "start_date": dates(start),
        "end_date": dates(np.where(over, end, NEVER)),
        "cycle_count": whole(cycles, (cycles > 0) & over),
        "intent_code": text("intent"),
        "line_number": whole(all_("line")),
        "drug_names": text("drugs"),
        "dose_gy": decimal(dose, 1, dose > 0),
        "fraction_count": whole(fractions, fractions > 0),
        "technique_name": text("technique"),
        "target_text": text("target"),
        "ecog_score": whole(fit, stage > 0),
        "response_code": keep(pick(("CR", "PR", "SD", "PD", "NE"), response), judged),
        "response_date": dates(np.where(judged, response_day, NEVER)),
        "adverse_event_grade": whole(draw(rng, (20, 35, 30, 12, 3), n), (cycles > 0) & over),
        "diagnosis_code": keep(_site_text(hospital, cancer, person), stage > 0),
        "department_code": join("KS", padded(room + 1, 2)),
        "doctor_code": hospital.doctor(room, rng),
    }

    index = pa.array(order)
    columns = {"treatment_no": join("ZL", padded(np.arange(len(order)), 7)), **{name: c.take(index) for name, c in columns.items()}}
    return records(hospital.name, "treatment", columns, person[order], known[order])


def _patients(hospital: Hospital, number: int) -> np.ndarray:
    """Patients whom the hospital treats for a cancer."""
    own = hospital.life.cancers[CANCERS[number]]
    return hospital.patients[own.has_cancer[hospital.patients] & (own.hospital[hospital.patients] == hospital.number)]


def report_cards(hospital: Hospital) -> Records:
    """Report cards of newly found tumours: most new patients have one, most of them in time."""
    v, life, rng = hospital.visits, hospital.life, hospital.stream("report card")
    visit = np.flatnonzero(v.kind == v_.WORKUP)
    visit = visit[rng.random(len(visit)) < 0.93]
    number, person = v.cancer[visit], v.person[visit]
    has = np.zeros(len(visit), dtype=bool)
    for c, key in enumerate(CANCERS):
        has |= (number == c) & life.cancers[key].has_cancer[person]
    visit, number, person = visit[has], number[has], person[has]
    n = len(visit)
    text = {name: constant(None, n) for name in ("t", "n", "m", "stage", "system", "morphology", "histology", "spread")}
    diagnosed, surgery, side, grade = np.full(n, NEVER), np.full(n, NEVER), np.zeros(n, dtype=int), np.full(n, 9)
    basis, fit = np.full(n, 7), np.zeros(n, dtype=int)
    for c, key in enumerate(CANCERS):
        at = np.flatnonzero(number == c)
        if len(at) == 0:
            continue
        own, tumour = life.cancers[key], hospital.tumours[key]
        who, row = person[at], tumour.row(person[at])
        stage = own.tnm[who].astype(np.int64)
        for slot in "tnm":
            text[slot] = choose_at(text[slot], at, pick([r[slot] for r in stages(key)], stage))
        text["stage"] = choose_at(text["stage"], at, stage_group(life, key, who, tumour))
        text["system"] = choose_at(text["system"], at, constant(SYSTEMS.get(key, "ajcc8"), len(at)))
        kinds = histologies(key) or ({"code": "8140/3", "name_zh": "腺癌"},)
        text["morphology"] = choose_at(text["morphology"], at, pick([h["code"] for h in kinds], own.histology[who].astype(np.int64)))
        text["histology"] = choose_at(text["histology"], at, pick([h["name_zh"] for h in kinds], own.histology[who].astype(np.int64)))
        text["spread"] = choose_at(text["spread"], at, pick(spread_codes(), own.metastasis_site[who].astype(np.int64)))
        diagnosed[at], surgery[at] = own.diagnosis_date[who], own.surgery_date[who]
        names = np.array([s["name_zh"][:1] for s in sites(key)])[own.site[who]]
        side[at] = np.select([names == "右", names == "左"], [1, 2], 0) if key in ("lung", "breast") else 0
        grade[at], fit[at] = tumour.grade[row], tumour.ecog[row]
        basis[at] = np.where(rng.random(len(at)) < (0.6 if key == "liver" else 0.04), 2, 7)
    reported = np.maximum(diagnosed, v.start[visit]) + days(rng, 1, 40, n)
    there = reported <= END
    death = life.death_date[person]
    dead = ~missing(death) & (death < reported)
    room = hospital.department()[visit]
    columns = {
        "card_no": join("BK14", padded(np.full(n, hospital.number + 1), 2), padded(np.arange(n), 7)),
        **hospital.of_visit(visit),
        "occupation_code": pick(("11", "9", "14", "15", "16", "99"), draw(rng, (34, 16, 14, 20, 10, 6), n)),
        "is_informed": flags(rng.random(n) < 0.55),
        "icd10_code": _site_text(hospital, number, person),
        "topography_code": pick(hospital.codes[0], hospital.site_code(number, person)),
        "morphology_code": text["morphology"],
        "histology_name": text["histology"],
        "differentiation_code": whole(grade),
        "laterality_code": whole(side),
        "pathology_no": keep(join("BL", dates(diagnosed, "%y"), padded(rng.integers(0, 9999, n), 7)), basis == 7),
        "t_category": text["t"],
        "n_category": text["n"],
        "m_category": text["m"],
        "stage_group": text["stage"],
        "staging_system_code": text["system"],
        "first_symptom_date": dates(np.where(rng.random(n) < 0.6, diagnosed - days(rng, 20, 200, n), NEVER)),
        "first_diagnosis_date": dates(diagnosed),
        "diagnosis_basis_code": whole(basis),
        "multiple_primary_text": constant(None, n),
        "karnofsky_score": whole(90 - 20 * fit),
        "smoking_status": whole(life.risk.smoking[person]),
        "has_family_cancer": flags(life.risk.relatives[person] > 0),
        "first_surgery_date": dates(np.where(surgery <= reported, surgery, NEVER)),
        "metastasis_site_codes": text["spread"],
        "report_county_code": pick([c.code for c in counties()], hospital.people.county[person]),
        "department_code": join("KS", padded(room + 1, 2)),
        "doctor_code": hospital.doctor(room, rng),
        "reported_date": dates(reported),
        "entered_date": dates(np.minimum(reported + days(rng, 0, 5, n), END + 1)),
        "is_dead": flags(dead),
        "death_date": dates(np.where(dead, death, NEVER)),
        "death_icd10_code": keep(_site_text(hospital, number, person), dead),
        "card_state_code": choose(dead, constant("3", n), "1"),
        "quality_check_date": dates(np.where(reported + 20 <= END, reported + 20, NEVER)),
        "quality_check_passed": keep(flags(rng.random(n) < 0.94), reported + 20 <= END),
    }
    checked = np.where(reported + 20 <= END, reported + 20, reported)
    made = records(hospital.name, "tumour_report_card", columns, person, np.maximum(checked, v.end[visit]) + days(rng, 5, 8, n))

    made.table = made.table.filter(pa.array(there))
    made.person, made.known_on = made.person[there], made.known_on[there]
    return made


def follow_ups(hospital: Hospital) -> Records:
    """Follow-up contacts: at visits, and by telephone where a death is learnt."""
    v, life, rng = hospital.visits, hospital.life, hospital.stream("follow_up")
    visit = np.flatnonzero((v.kind == v_.FOLLOW_UP) & (rng.random(len(v)) < 0.85))
    number, person, day = v.cancer[visit], v.person[visit], v.start[visit]
    for c in range(len(CANCERS)):
        called = _patients(hospital, c)
        called = called[~missing(life.death_date[called])]
        learnt = life.death_date[called] + days(rng, 8, 45, len(called))
        called, learnt = called[learnt <= END], learnt[learnt <= END]
        number, person, day = np.r_[number, np.full(len(called), c)], np.r_[person, called], np.r_[day, learnt]
    n, dead = len(person), np.arange(len(person)) >= len(visit)
    lost = ~dead & (rng.random(n) < 0.03)
    relapsed, relapse_day, where = np.zeros(n, dtype=bool), np.full(n, NEVER), np.zeros(n, dtype=int)
    treated = np.zeros(n, dtype=bool)
    died_of = np.zeros(n, dtype=bool)
    for c, key in enumerate(CANCERS):
        at, own = np.flatnonzero(number == c), life.cancers[key]
        relapse_day[at] = own.recurrence_date[person[at]]
        relapsed[at] = own.recurrence_date[person[at]] <= day[at]
        where[at] = own.recurrence_site[person[at]]
        treated[at] = own.first_treatment[person[at]] <= day[at]
        died_of[at] = own.died_of[person[at]]
    told = ~lost
    relapsed &= told
    distant = relapsed & (where > 0)
    kind = np.where(~relapsed, 0, np.where(where == 0, 1, np.where(where == 1, 2, 3)))
    state = np.where(relapsed, 5, np.where(treated & (rng.random(n) < 0.7), 1, 2))
    fit = draw(rng, (35, 45, 15, 5), n)
    columns = {
        "follow_up_no": join("SF", padded(np.arange(n), 7)),
        "patient_no": hospital.patient_no(person),
        "follow_up_date": dates(day),
        "follow_up_mode_code": choose(dead | lost, constant("2", n), pick("123", draw(rng, (70, 25, 5), n))),
        "is_lost": flags(lost),
        "vital_status_code": keep(flags(dead, "2", "1"), told),
        "has_recurrence": keep(flags(relapsed), told),
        "karnofsky_score": whole(90 - 20 * fit, told & ~dead),
        "next_date": dates(np.where(dead | lost, NEVER, day + 91)),
        "diagnosis_code": _site_text(hospital, number, person),
        "ecog_score": whole(fit, told & ~dead),
        "weight_kg": decimal(life.risk.weight_tenths[person] / 10 - rng.integers(0, 6, n), 1, told & ~dead & (rng.random(n) < 0.7)),
        "disease_state_code": whole(state, told & ~dead),
        "recurrence_kind_code": whole(kind, told),
        "recurrence_date": dates(np.where(relapsed, relapse_day, NEVER)),
        "recurrence_site_text": keep(pick([m["name_zh"] for m in metastasis_sites()], where), relapsed),
        "metastasis_site_codes": keep(pick(spread_codes(), where), distant),
        "metastasis_date": dates(np.where(distant, relapse_day, NEVER)),
        "current_treatment_text": keep(pick(["定期复查", "口服靶向药物", "辅助化疗中", "中药治疗", "未治疗"], rng.integers(5, size=n)), told & ~dead),
        "death_date": dates(np.where(dead, life.death_date[person], NEVER)),
        "death_cause_code": keep(_site_text(hospital, number, person), dead & died_of),
        "closing_reason_name": keep(constant("死亡", n), dead),
        "doctor_code": hospital.doctor(np.full(n, hospital.room("肿瘤科")), rng),
    }
    return records(hospital.name, "follow_up", columns, person, day + days(rng, 0, 2, n))


def deaths(hospital: Hospital) -> Records:
    """Deaths the hospital knows of."""
    life, rng, person = hospital.life, hospital.stream("death"), hospital.patients
    death = life.death_date[person]
    cancer = np.full(len(person), -1)
    known_ill = np.zeros(len(person), dtype=bool)
    for c, key in enumerate(CANCERS):
        cancer = np.where(life.cancers[key].died_of[person], c, cancer)
        known_ill |= life.cancers[key].has_cancer[person]
    known = death + days(rng, 4, 40, len(person))
    told = ~missing(death) & (rng.random(len(person)) < np.where(known_ill, 0.95, 0.75)) & (known <= END)
    person, death, known, cancer = person[told], death[told], known[told], cancer[told]
    n, other = len(person), rng.integers(0, len(OTHER_CAUSES), int(told.sum()))
    own = cancer >= 0
    columns = {
        "patient_no": hospital.patient_no(person),
        "death_date": dates(death),
        "cause_code": choose(own, pick(hospital.codes[0], hospital.site_code(cancer, person)), pick([c for c, _ in OTHER_CAUSES], other)),
        "cause_name": choose(own, pick(hospital.codes[1], hospital.site_code(cancer, person)), pick([c for _, c in OTHER_CAUSES], other)),
        "place_name": pick(["医院", "家中", "其他"], draw(rng, (40, 55, 5), n)),
        "is_cancer_death": flags(own),
        "direct_cause_name": choose(own, pick(["恶病质", "多器官功能衰竭", "呼吸衰竭", "消化道出血"], rng.integers(4, size=n)), constant(None, n)),
    }
    return records(hospital.name, "death", columns, person, known)
