"""A hospital's extracts: patients, visits, diagnoses, laboratory, endoscopy and pathology reports, treatment, follow-up, death."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from ingestion.synthetic import texts
from ingestion.synthetic.calibration import column, numbers, rows
from ingestion.synthetic.cells import (
    NEVER,
    Text,
    choose,
    constant,
    dates,
    days,
    draw,
    flags,
    join,
    keep,
    missing,
    padded,
    pick,
    stream,
    whole,
)
from ingestion.synthetic.laboratory import laboratory
from ingestion.synthetic.life import CANCER, END, NONE, PREVALENT, SYMPTOM, Life
from ingestion.synthetic.people import People
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.reference import DOCTORS_PER_DEPARTMENT, departments
from ingestion.synthetic.visits import (
    CANCER_KINDS,
    COLONOSCOPY,
    FOLLOW_UP,
    GASTROSCOPY,
    GENERAL,
    HOSPITALS,
    INPATIENT,
    RADIOTHERAPY,
    RESECTION,
    SECOND_OPINION,
    SURGERY,
    SYSTEMIC,
    WORKUP,
    hospital_visits,
)

DEPARTMENT_OF = {
    COLONOSCOPY: "消化内科",
    GASTROSCOPY: "消化内科",
    WORKUP: "消化内科",
    SURGERY: "普通外科",
    SYSTEMIC: "肿瘤科",
    RADIOTHERAPY: "放疗科",
    RESECTION: "内镜中心",
    FOLLOW_UP: "肿瘤科",
    SECOND_OPINION: "肿瘤科",
}
NODES = {"N0": (0, 0), "N1a": (1, 1), "N1b": (2, 3), "N1c": (0, 0), "N2a": (4, 6), "N2b": (7, 14)}


class Hospital:
    """One hospital's view of the province; `feeds` yields its records feed by feed, so that only one is held at a time."""

    def __init__(self, people: People, life: Life, hospital: int, seed: int):
        self.people, self.life, self.number, self.seed = people, life, hospital, seed
        self.name = HOSPITALS[hospital]
        self.visits = v = hospital_visits(people, life, hospital, seed)
        self.patients, first = np.unique(v.person, return_index=True)
        by_time = np.argsort(first)
        self.registered = v.start[first]
        local = np.full(len(people), -1)
        local[self.patients[by_time]] = np.arange(len(self.patients))
        self.local = local
        # what a general visit is about, and what a colonoscopy of it shows
        rng = self.stream("reasons")
        self.reason = draw(rng, numbers("diagnoses", "weight"), len(v))
        hyperplastic = rng.random(len(v)) < 0.08
        state = life.state[v.person]
        self.polyp = (v.kind == COLONOSCOPY) & ((state != NONE) | hyperplastic)

    def stream(self, *names: object) -> np.random.Generator:
        return stream(self.seed, self.name, *names)

    def patient_no(self, person: np.ndarray) -> Text:
        if self.number == 0:
            return join("P", padded(self.local[person] + 1, 8))
        return join("20", padded(self.local[person] + 100_001, 7))

    def visit_no(self, visit: np.ndarray) -> Text:
        v = self.visits
        letter = choose(v.type[visit] == INPATIENT, "ZY", "MZ") if self.number == 0 else constant("V", len(visit))
        return join(letter, dates(v.start[visit], "%Y%m%d"), padded(visit, 7))

    def icd(self, codes: list[str], index: np.ndarray) -> Text:
        """Codes in the hospital's habit: H1401 writes the six places of the China clinical version."""
        if self.number == 0:
            codes = [f"{c}00" if "." in c else f"{c}.x00" for c in codes]
        return pick(codes, index)

    def doctor(self, department: np.ndarray, rng: np.random.Generator) -> Text:
        return join("YS", padded(department * DOCTORS_PER_DEPARTMENT + rng.integers(1, DOCTORS_PER_DEPARTMENT + 1, len(department)), 3))

    def department(self) -> np.ndarray:
        """Department of each visit, as position in `departments()`."""
        found = list(departments())
        general = np.array([found.index(name) for name in column("diagnoses", "department")])
        by_kind = np.array([found.index(DEPARTMENT_OF.get(kind, found[0])) for kind in range(max(DEPARTMENT_OF) + 1)])
        return np.where(self.visits.kind == GENERAL, general[self.reason], by_kind[self.visits.kind])

    def feeds(self) -> Iterator[Records]:
        made: list[Callable[[], Records]] = [
            self.patient,
            self.visit,
            self.diagnosis,
            self.lab_result,
            self.endoscopy_report,
            self.pathology_report,
            self.surgery,
            self.treatment,
            self.follow_up,
            self.death,
        ]
        for make in made:
            yield make()

    def _of_visit(self, visit: np.ndarray) -> dict[str, Text]:
        return {"patient_no": self.patient_no(self.visits.person[visit]), "visit_no": self.visit_no(visit)}

    def patient(self) -> Records:
        people, person, rng = self.people, self.patients, self.stream("patient")
        order = np.argsort(self.local[person])
        person, day = person[order], self.registered[order]
        columns = {
            "patient_no": self.patient_no(person),
            **as_recorded(people, person, self.name, day=day),
            "registered_date": dates(day),
        }
        return records(self.name, "patient", columns, person, day + days(rng, 0, 3, len(person)))

    def visit(self) -> Records:
        v, rng, department = self.visits, self.stream("visit"), self.department()
        visit = np.arange(len(v))
        complaint = pick(column("diagnoses", "complaint_zh"), self.reason)
        complaint = choose(v.kind == COLONOSCOPY, texts.complaint_colon(len(v), rng), complaint)
        said = {
            GASTROSCOPY: "上腹隐痛反酸2月",
            WORKUP: "便血伴大便变细2月",
            SURGERY: "确诊肠道肿瘤，入院手术",
            SYSTEMIC: "肠癌术后，入院化疗",
            RADIOTHERAPY: "直肠癌，入院放疗",
            RESECTION: "发现结肠病变，入院内镜治疗",
            FOLLOW_UP: "肠癌治疗后复查",
            SECOND_OPINION: "肠癌，要求会诊",
        }
        for kind, text in said.items():
            complaint = choose(v.kind == kind, text, complaint)
        columns = {
            **self._of_visit(visit),
            "visit_type_code": whole(v.type),
            "visit_start_date": dates(v.start),
            "visit_end_date": dates(v.end),
            "department_code": join("KS", padded(department + 1, 2)),
            "doctor_code": self.doctor(department, rng),
            "chief_complaint": complaint,
        }
        return records(self.name, "visit", columns, v.person, v.end + days(rng, 0, 3, len(v)), department_name=pick(departments(), department))

    def diagnosis(self) -> Records:
        v, rng, life = self.visits, self.stream("diagnosis"), self.life
        n, site = len(v), life.site[v.person]
        colon, benign = column("colon_sites", "icd10"), column("colon_sites", "benign_icd10")
        colon_names = [f"{name}恶性肿瘤" for name in column("colon_sites", "name_zh")]
        benign_names = [f"{name}腺瘤" for name in column("colon_sites", "name_zh")]
        general, general_names = column("diagnoses", "icd10"), column("diagnoses", "name_zh")
        others = ["K63.5", "K59.0", "K52.9", "K29.5", "Z51.1", "Z51.0", "C78.7", "C77.2", "C18.9", "R19.4"]
        other_names = [
            "结肠息肉",
            "便秘",
            "非感染性胃肠炎",
            "慢性胃炎",
            "恶性肿瘤化学治疗",
            "恶性肿瘤放射治疗",
            "肝继发恶性肿瘤",
            "腹腔淋巴结继发恶性肿瘤",
            "结肠恶性肿瘤？",
            "排便习惯改变",
        ]
        codes, names = [*colon, *benign, *general, *others], [*colon_names, *benign_names, *general_names, *other_names]
        at_benign, at_general, at_other = len(colon), len(colon) + len(benign), len(colon) + len(benign) + len(general)
        position = {code: at_other + i for i, code in enumerate(others)}

        cancer_visit = np.isin(v.kind, CANCER_KINDS)
        rule_out = (v.kind == COLONOSCOPY) & ~self.polyp & (rng.random(n) < 0.03)
        bowel = np.where(rng.random(n) < 0.6, position["K59.0"], position["K52.9"])
        polyp = np.where(rng.random(n) < 0.55, position["K63.5"], at_benign + site)
        main = np.select(
            [
                v.kind == GENERAL,
                rule_out,
                v.kind == COLONOSCOPY,
                v.kind == GASTROSCOPY,
                v.kind == SYSTEMIC,
                v.kind == RADIOTHERAPY,
                cancer_visit,
            ],
            [
                at_general + self.reason,
                position["C18.9"],
                np.where(self.polyp, polyp, bowel),
                position["K29.5"],
                position["Z51.1"],
                position["Z51.0"],
                site,
            ],
            np.where(life.state[v.person] == CANCER, site, at_benign + site),
        )
        by_symptom = np.isin(life.route[v.person], (SYMPTOM, PREVALENT))
        suspected = rule_out | ((v.kind == WORKUP) & (by_symptom | (rng.random(n) < 0.3)))
        # second diagnoses: the cancer under treatment, its spread, or a common disease
        stage = life.stage_group[v.person]
        lots = rng.random(n)
        second = np.select(
            [
                np.isin(v.kind, (SYSTEMIC, RADIOTHERAPY)),
                (v.kind == SURGERY) & (stage == 4),
                (v.kind == SURGERY) & (stage == 3) & (lots < 0.4),
                lots < 0.3,
            ],
            [site, position["C78.7"], position["C77.2"], at_general + draw(rng, numbers("diagnoses", "weight"), n)],
            -1,
        )
        second = np.where(second == main, -1, second)
        more = np.flatnonzero(second >= 0)
        visit, code = np.r_[np.arange(n), more], np.r_[main, second[more]]
        is_main, is_suspected = (
            np.r_[np.ones(n, dtype=bool), np.zeros(len(more), dtype=bool)],
            np.r_[suspected, np.zeros(len(more), dtype=bool)],
        )
        order = np.lexsort((~is_main, visit))
        visit, code, is_main, is_suspected = visit[order], code[order], is_main[order], is_suspected[order]
        columns = {
            "diagnosis_no": join("ZD", padded(np.arange(len(visit)), 9)),
            **self._of_visit(visit),
            "diagnosis_code": self.icd(codes, code),
            "diagnosis_name": pick(names, code),
            "diagnosis_date": dates(v.start[visit]),
            "is_main": flags(is_main),
            "is_suspected": flags(is_suspected),
        }
        known = v.end + days(rng, 0, 3, n)
        return records(self.name, "diagnosis", columns, v.person[visit], known[visit])

    def lab_result(self) -> Records:
        items, visit, day = laboratory(self.life, self.visits, self.number, self.seed)
        columns = {**items, **self._of_visit(visit), "reported_date": dates(day)}
        return records(self.name, "lab_result", columns, self.visits.person[visit], day + 1)

    def endoscopy_report(self) -> Records:
        v, life, rng = self.visits, self.life, self.stream("endoscopy")
        checked = (v.kind == FOLLOW_UP) & (rng.random(len(v)) < 0.2) & ~missing(life.surgery_date[v.person]) & (life.surgery_date[v.person] < v.start)
        visit = np.flatnonzero(np.isin(v.kind, (COLONOSCOPY, GASTROSCOPY, WORKUP)) | checked)
        person, kind, n = v.person[visit], v.kind[visit], len(visit)
        site, state, cancer = life.site[person], life.state[person], kind == WORKUP
        near, far = np.array(numbers("colon_sites", "near_cm")), np.array(numbers("colon_sites", "far_cm"))
        size = np.select([cancer, state >= 2], [rng.integers(20, 61, n), rng.integers(10, 28, n)], rng.integers(3, 10, n))
        several = rng.random(n) < 0.3
        lesion = texts.Lesion(
            kind=np.select(
                [cancer, kind == FOLLOW_UP, self.polyp[visit]],
                [texts.MASS, texts.SURGERY_BED, np.where(several, texts.POLYPS, texts.POLYP)],
                texts.NORMAL,
            ),
            site=site,
            distance_cm=np.rint(near[site] + rng.random(n) * (far - near)[site]),
            size_mm=size,
            width_mm=np.maximum(size - rng.integers(0, 12, n), 2),
            count=rng.integers(2, 9, n),
        )
        style = 2 * self.number + rng.integers(0, 2, n)
        findings, impression = texts.colonoscopy(lesion, style, self.people.name.take(pa.array(person)), rng)
        upper_findings, upper_impression = texts.gastroscopy(style, rng)
        upper = kind == GASTROSCOPY
        day, later = v.start[visit], days(rng, 0, 1, n)
        room = np.full(n, departments().index("内镜中心"))
        columns = {
            "report_no": join("NJ", padded(np.arange(n), 8)),
            **self._of_visit(visit),
            "exam_type_code": choose(upper, constant("gastroscopy", n), constant("colonoscopy", n)),
            "exam_date": dates(day),
            "reported_date": dates(day + later),
            "findings_text": choose(upper, upper_findings, findings),
            "impression_text": choose(upper, upper_impression, impression),
            "doctor_code": self.doctor(room, rng),
        }
        return records(self.name, "endoscopy_report", columns, person, day + later + days(rng, 0, 2, n))

    def pathology_report(self) -> Records:
        v, life, rng = self.visits, self.life, self.stream("pathology")
        taken = rng.random(len(v))
        visit = np.flatnonzero(
            np.isin(v.kind, (WORKUP, SURGERY, RESECTION)) | (self.polyp & (taken < 0.88)) | ((v.kind == GASTROSCOPY) & (taken < 0.3))
        )
        person, kind, n = v.person[visit], v.kind[visit], len(visit)
        state = life.state[person]
        examined = rng.integers(12, 29, n)
        low, high = np.array([NODES[row["n"]] for row in rows("tnm")]).T
        tnm = life.tnm[person]
        positive = low[tnm] + (rng.random(n) * (high - low + 1)[tnm]).astype(int)
        high_grade = rng.random(n) < 0.2
        adenoma = np.select(
            [(state == CANCER), state == 2, state == 1],
            [6, np.where(high_grade, 3, rng.integers(0, 3, n)), 0],
            np.where(rng.random(n) < 0.7, 4, 5),
        )
        spec = texts.Specimen(
            kind=np.select(
                [kind == WORKUP, kind == SURGERY, kind == RESECTION, kind == GASTROSCOPY],
                [texts.CANCER_BIOPSY, texts.RESECTION, texts.ENDOSCOPIC_RESECTION, texts.GASTRIC],
                texts.POLYP_BIOPSY,
            ),
            site=life.site[person],
            histology=life.histology[person],
            tnm=tnm,
            after_neoadjuvant=~missing(life.neoadjuvant_date[person]),
            nodes_positive=positive,
            nodes_examined=examined,
            size_mm=np.where(state == CANCER, rng.integers(20, 71, n), rng.integers(8, 26, n)),
            adenoma=adenoma,
        )
        style = 2 * self.number + rng.integers(0, 2, n)
        index = pa.array(person)
        specimen, gross, diagnosis = texts.pathology(spec, style, self.people.name.take(index), self.people.phone.take(index), rng)
        sampled = np.select([kind == SURGERY, kind == RESECTION], [life.surgery_date[person], life.resection_date[person]], v.start[visit])
        reported = sampled + days(rng, 2, 7, n)
        first = (kind == WORKUP) & (life.diagnosis_date[person] > sampled)
        reported = np.where(first, life.diagnosis_date[person], reported)
        columns = {
            "report_no": join("BL", dates(sampled, "%y"), padded(np.arange(n), 7)),
            **self._of_visit(visit),
            "specimen_text": specimen,
            "sampled_date": dates(sampled),
            "reported_date": dates(reported),
            "gross_text": gross,
            "diagnosis_text": diagnosis,
        }
        return records(self.name, "pathology_report", columns, person, reported + days(rng, 0, 2, n))

    def surgery(self) -> Records:
        v, life, rng = self.visits, self.life, self.stream("surgery")
        visit = np.flatnonzero(v.kind == SURGERY)
        person, n = v.person[visit], len(visit)
        site, keyhole = life.site[person], rng.random(n) < 0.6
        room = np.full(n, departments().index("普通外科"))
        columns = {
            "surgery_no": join("SS", padded(np.arange(n), 7)),
            **self._of_visit(visit),
            "procedure_code": choose(keyhole, pick(column("colon_sites", "laparoscopic"), site), pick(column("colon_sites", "procedure"), site)),
            "procedure_name": choose(
                keyhole, pick(column("colon_sites", "laparoscopic_zh"), site), pick(column("colon_sites", "procedure_zh"), site)
            ),
            "surgery_date": dates(life.surgery_date[person]),
            "surgeon_code": self.doctor(room, rng),
        }
        return records(self.name, "surgery", columns, person, v.end[visit] + days(rng, 0, 3, n))

    def treatment(self) -> Records:
        v, life, rng = self.visits, self.life, self.stream("treatment")
        visit = np.flatnonzero(np.isin(v.kind, (SYSTEMIC, RADIOTHERAPY, RESECTION)))
        kind, stage = v.kind[visit], life.stage_group[v.person[visit]]
        # advanced disease gets a second agent beside chemotherapy
        beside = np.flatnonzero((kind == SYSTEMIC) & (stage == 4) & (rng.random(len(visit)) < 0.5))
        added = np.r_[np.zeros(len(visit), dtype=bool), np.ones(len(beside), dtype=bool)]
        visit, kind = np.r_[visit, visit[beside]], np.r_[kind, kind[beside]]
        person, n = v.person[visit], len(visit)
        immune = rng.random(n) < 0.15
        type_ = np.select(
            [added & immune, added, kind == SYSTEMIC, kind == RADIOTHERAPY],
            [3, 2, 0, 1],
            4,
        )
        regimens = {
            0: ["XELOX", "mFOLFOX6", "FOLFIRI", "卡培他滨单药"],
            1: ["直肠癌术前长程放疗 50Gy/25f"] * 4,
            2: ["贝伐珠单抗", "西妥昔单抗", "贝伐珠单抗", "西妥昔单抗"],
            3: ["帕博利珠单抗", "信迪利单抗", "替雷利珠单抗", "信迪利单抗"],
            4: ["内镜下黏膜切除术(EMR)", "内镜黏膜下剥离术(ESD)", "EMR", "ESD"],
        }
        start = np.select(
            [kind == SYSTEMIC, kind == RADIOTHERAPY],
            [life.systemic_date[person], life.neoadjuvant_date[person]],
            life.resection_date[person],
        )
        cycles = np.where(np.isin(type_, (0, 2, 3)), rng.integers(2, 9, n), 0)
        length = np.select([cycles > 0, kind == RADIOTHERAPY], [cycles * 21, 35], 0)
        death = life.death_date[person]
        end = start + length.astype("timedelta64[D]")
        end = np.where(~missing(death) & (death < end), death, end)
        over = end <= END
        known = np.where(over, np.maximum(end, v.end[visit]), v.end[visit]) + days(rng, 0, 3, n)
        names = ["chemotherapy", "radiotherapy", "targeted", "immunotherapy", "endoscopic_resection"]
        columns = {
            "treatment_no": join("ZL", padded(np.arange(n), 7)),
            **self._of_visit(visit),
            "treatment_type_code": pick(names, type_),
            "regimen_name": pick([r for group in regimens.values() for r in group], type_ * 4 + rng.integers(0, 4, n)),
            "start_date": dates(start),
            "end_date": dates(np.where(over, end, NEVER)),
            "cycle_count": whole(cycles, (cycles > 0) & over),
        }
        return records(self.name, "treatment", columns, person, known)

    def follow_up(self) -> Records:
        v, life, rng = self.visits, self.life, self.stream("follow_up")
        visit = np.flatnonzero((v.kind == FOLLOW_UP) & (rng.random(len(v)) < 0.85))
        person, day = v.person[visit], v.start[visit]
        # deaths are learnt by telephone
        patients = self.patients[life.has_cancer[self.patients] & (life.hospital[self.patients] == self.number)]
        called = patients[~missing(life.death_date[patients])]
        learnt = life.death_date[called] + days(rng, 8, 45, len(called))
        called, learnt = called[learnt <= END], learnt[learnt <= END]
        n_visits = len(person)
        person, day = np.r_[person, called], np.r_[day, learnt]
        n, dead = len(person), np.arange(len(person)) >= n_visits
        lost = ~dead & (rng.random(n) < 0.03)
        stage = life.stage_group[person]
        relapse = rng.random(n) < np.array([0, 0.01, 0.04, 0.1, 0.5])[stage]
        columns = {
            "follow_up_no": join("SF", padded(np.arange(n), 7)),
            "patient_no": self.patient_no(person),
            "follow_up_date": dates(day),
            "follow_up_mode_code": choose(dead | lost, constant("2", n), pick("123", draw(rng, (70, 25, 5), n))),
            "is_lost": flags(lost),
            "vital_status_code": keep(flags(dead, "2", "1"), ~lost),
            "has_recurrence": keep(flags(relapse), ~lost),
            "karnofsky_score": whole(10 * (10 - draw(rng, (10, 45, 30, 10, 5), n)), ~lost & ~dead),
            "next_date": dates(np.where(dead | lost, NEVER, day + 91)),
        }
        return records(self.name, "follow_up", columns, person, day + days(rng, 0, 2, n))

    def death(self) -> Records:
        life, rng, person = self.life, self.stream("death"), self.patients
        death = life.death_date[person]
        known = death + days(rng, 4, 40, len(person))
        told = ~missing(death) & (rng.random(len(person)) < np.where(life.has_cancer[person], 0.95, 0.75)) & (known <= END)
        person, death, known = person[told], death[told], known[told]
        colon, others = column("colon_sites", "icd10"), ["I21.9", "I63.9", "J44.1", "C34.9"]
        cause = np.where(life.died_of_cancer[person], life.site[person], len(colon) + rng.integers(0, 4, len(person)))
        zh = [
            *(f"{name}恶性肿瘤" for name in column("colon_sites", "name_zh")),
            "急性心肌梗死",
            "脑梗死",
            "慢性阻塞性肺疾病",
            "支气管肺恶性肿瘤",
        ]
        columns = {
            "patient_no": self.patient_no(person),
            "death_date": dates(death),
            "cause_code": pick([*colon, *others], cause),
            "cause_name": pick(zh, cause),
        }
        return records(self.name, "death", columns, person, known)


def hospital_records(people: People, life: Life, seed: int, *, number: int) -> Iterator[Records]:
    """A hospital's clinical feeds, one at a time."""
    yield from Hospital(people, life, number, seed).feeds()


BUILDERS = {organisation: partial(hospital_records, number=number) for number, organisation in enumerate(HOSPITALS)}
