"""A hospital's extracts: who its patients are, what they came for, and all that was found and done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from ingestion.mappings import load_mapping
from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import column, numbers
from ingestion.synthetic.cells import NEVER, Text, choose, constant, dates, days, draw, flags, join, keep, missing, padded, pick, stream, whole
from ingestion.synthetic.clinic import front_pages, histories, orders
from ingestion.synthetic.dialects import dialect
from ingestion.synthetic.imaging import Plan, choose_at, endoscopy_reports, imaging_reports
from ingestion.synthetic.laboratory import lab_results
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    CANCER,
    CANCERS,
    COLONOSCOPY,
    FIT,
    HIGH,
    HOSPITALS,
    LDCT,
    LIVER_US_AFP,
    LOW,
    PREVALENT,
    SYMPTOM,
    UGI_ENDOSCOPY,
    Lives,
    histologies,
    metastasis_sites,
    sites,
    stages,
)
from ingestion.synthetic.oncology import deaths, follow_ups, report_cards, surgeries, treatments
from ingestion.synthetic.pathology import pathology_reports
from ingestion.synthetic.people import FEMALE, People
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.reference import DOCTORS_PER_DEPARTMENT, departments
from ingestion.synthetic.tumours import SYSTEMS, Tumours, stage_group, tumours

# Where an examination, and where a cancer, is looked after.
EXAM_DEPARTMENTS = {
    LDCT: "呼吸内科",
    BREAST_US: "乳腺外科",
    BREAST_MG: "乳腺外科",
    UGI_ENDOSCOPY: "消化内科",
    FIT: "消化内科",
    COLONOSCOPY: "消化内科",
    LIVER_US_AFP: "肝胆外科",
}
CANCER_DEPARTMENTS = ("胸外科", "乳腺外科", "普通外科", "普通外科", "肝胆外科", "妇科")
COMPLAINTS = {
    LDCT: ("要求胸部CT检查", "体检发现肺结节", "咳嗽1月"),
    BREAST_US: ("乳房胀痛3月", "要求乳腺检查", "触及乳房肿物1周"),
    BREAST_MG: ("要求乳腺检查", "乳房肿物"),
    UGI_ENDOSCOPY: ("上腹隐痛反酸2月", "吞咽不适1月", "要求胃镜检查"),
    FIT: ("体检", "便秘加重3月"),
    LIVER_US_AFP: ("乙肝病史，复查", "右上腹不适1月", "要求肝脏检查"),
    COLONOSCOPY: ("间断便血2月", "大便习惯改变半年", "腹痛腹胀1月", "体检便潜血阳性", "便秘加重3月", "要求肠镜检查"),
}
GYNAECOLOGY = ("要求宫颈癌筛查", "接触性出血1月", "白带增多")
SYMPTOMS = ("咳嗽、痰中带血1月", "发现乳房肿物1月", "进行性吞咽困难或上腹痛2月", "便血伴大便变细2月", "右上腹痛、消瘦1月", "不规则阴道出血2月")
NAMES = ("肺癌", "乳腺癌", "上消化道癌", "结直肠癌", "肝癌", "宫颈癌")
# Other codes a visit may bear, beside those of complaints and cancer sites.
OTHERS = {
    "Z12.2": "肺癌筛查",
    "Z12.3": "乳腺癌筛查",
    "Z12.0": "胃癌筛查",
    "Z12.1": "肠癌筛查",
    "Z12.9": "肝癌筛查",
    "Z12.4": "宫颈癌筛查",
    "R91": "肺部结节",
    "D24": "乳腺良性肿瘤",
    "N60.9": "乳腺不典型增生",
    "K29.5": "慢性胃炎",
    "K29.4": "慢性萎缩性胃炎",
    "D00.2": "胃高级别上皮内瘤变",
    "D00.1": "食管高级别上皮内瘤变",
    "K63.5": "结肠息肉",
    "K59.0": "便秘",
    "K52.9": "非感染性胃肠炎",
    "K74.6": "肝硬化",
    "K76.0": "脂肪肝",
    "D37.6": "肝脏结节性质待定",
    "N87.0": "宫颈上皮内瘤变1级",
    "D06.9": "宫颈上皮内瘤变3级",
    "N72": "慢性宫颈炎",
    "Z51.1": "恶性肿瘤化学治疗",
    "Z51.0": "恶性肿瘤放射治疗",
    "D02.2": "肺原位腺癌",
    "R19.4": "排便习惯改变",
    "R87.6": "宫颈细胞学异常",
}
# What an examination without, with a lower, with a higher lesion is coded as.
EXAM_CODES = {
    LDCT: ("Z12.2", "R91", "R91"),
    BREAST_US: ("Z12.3", "D24", "N60.9"),
    BREAST_MG: ("Z12.3", "D24", "N60.9"),
    UGI_ENDOSCOPY: ("K29.5", "K29.4", "D00.2"),
    FIT: ("K59.0", "R19.4", "R19.4"),
    COLONOSCOPY: ("K59.0", "K63.5", "K63.5"),
    LIVER_US_AFP: ("K76.0", "K74.6", "D37.6"),
}
CERVICAL_CODES = ("Z12.4", "N87.0", "D06.9")
PRECURSORS = ("D02.2", "D24", "D00.2", "K63.5", "D37.6", "D06.9")
SIX_PLACES = {"H1401", "H1405"}


class Hospital:
    """One hospital's view of the province; `feeds` yields its records feed by feed, so that only one is held at a time."""

    endoscopies: Plan

    def __init__(self, people: People, life: Lives, hospital: int, seed: int):
        self.people, self.life, self.number, self.seed = people, life, hospital, seed
        self.name = HOSPITALS[hospital]
        self.tumours: dict[str, Tumours] = {cancer: tumours(life, cancer, seed) for cancer in CANCERS}
        self.visits = v = v_.hospital_visits(people, life, hospital, seed)
        self.patients, first = np.unique(v.person, return_index=True)
        by_time = np.argsort(first)
        self.registered = v.start[first]
        local = np.full(len(people), -1)
        local[self.patients[by_time]] = np.arange(len(self.patients))
        self.local = local
        # what a general visit is about: women and men have some complaints of their own
        rng = self.stream("reasons")
        weights, sex = np.array(numbers("diagnoses", "weight")), np.array(column("diagnoses", "sex"))
        woman = people.sex[v.person] == FEMALE
        self.reason = np.where(woman, draw(rng, weights * (sex != "1"), len(v)), draw(rng, weights * (sex != "2"), len(v)))
        self.reason_department = np.array(column("diagnoses", "department"))[self.reason]

    def stream(self, *names: object) -> np.random.Generator:
        return stream(self.seed, self.name, *names)

    def patient_no(self, person: np.ndarray) -> Text:
        """The hospital's own numbers, each in its own form."""
        local = self.local[person]
        match self.number:
            case 0:
                return join("P", padded(local + 1, 8))
            case 1:
                return join("20", padded(local + 100_001, 7))
            case 2:
                return join("PID-", whole(local * 7 + 500_003))
            case 3:
                return padded(local + 3_000_001, 10)
            case 4:
                return join("K14", padded(local + 1, 9))
            case 5:
                return join("M", padded(local * 3 + 1_001, 8))
        return whole(local + 70_000_001)

    def visit_no(self, visit: np.ndarray) -> Text:
        v = self.visits
        letter = choose(v.type[visit] == v_.INPATIENT, "ZY", constant("MZ", len(visit))) if self.number % 2 == 0 else constant("V", len(visit))
        return join(letter, dates(v.start[visit], "%Y%m%d"), padded(visit, 7))

    def icd(self, codes: list[str], index: np.ndarray) -> Text:
        """Codes in the hospital's habit: some write the six places of the China clinical version."""
        if self.name in SIX_PLACES:
            codes = [f"{c}00" if "." in c else f"{c}.x00" for c in codes]
        return pick(codes, index)

    def doctor(self, department: np.ndarray, rng: np.random.Generator) -> Text:
        return join("YS", padded(department * DOCTORS_PER_DEPARTMENT + rng.integers(1, DOCTORS_PER_DEPARTMENT + 1, len(department)), 3))

    def room(self, name: str) -> int:
        """Position of a department in `departments()`."""
        return departments().index(name)

    def department(self) -> np.ndarray:
        """Department of each visit, as position in `departments()`."""
        return self._department

    @cached_property
    def _department(self) -> np.ndarray:
        v = self.visits
        general = np.array([self.room(name) for name in column("diagnoses", "department")])[self.reason]
        exam = np.array([self.room(EXAM_DEPARTMENTS.get(m, "妇科")) for m in range(10)])[np.maximum(v.modality, 0)]
        own = np.array([self.room(name) for name in CANCER_DEPARTMENTS])[np.maximum(v.cancer, 0)]
        oncology, radiation = self.room("肿瘤科"), self.room("放疗科")
        return np.select(
            [
                v.kind == v_.GENERAL,
                v.kind == v_.EXAM,
                v.kind == v_.RADIOTHERAPY,
                np.isin(v.kind, (v_.SYSTEMIC, v_.FOLLOW_UP, v_.SECOND_OPINION, v_.RELAPSE, v_.INTERVENTIONAL)),
            ],
            [general, exam, radiation, oncology],
            own,
        )

    def of_visit(self, visit: np.ndarray) -> dict[str, Text]:
        """Patient and visit number of visits."""
        return {"patient_no": self.patient_no(self.visits.person[visit]), "visit_no": self.visit_no(visit)}

    def feeds(self) -> Iterator[Records]:
        """Every feed in turn."""
        made: list[Callable[[], Records]] = [
            self.patient,
            self.visit,
            self.diagnosis,
            lambda: histories(self),
            lambda: orders(self),
            lambda: lab_results(self),
            lambda: imaging_reports(self),
            lambda: endoscopy_reports(self),
            lambda: pathology_reports(self),
            lambda: surgeries(self),
            lambda: treatments(self),
            lambda: front_pages(self),
            lambda: report_cards(self),
            lambda: follow_ups(self),
            lambda: deaths(self),
        ]
        for make in made:
            yield make()

    def identity(self, person: np.ndarray, day: np.ndarray) -> dict[str, Text]:
        """Identifying columns of people as this hospital has them."""
        return as_recorded(self.people, person, self.name, day=day)

    def patient(self) -> Records:
        person, rng = self.patients, self.stream("patient")
        order = np.argsort(self.local[person])
        person, day = person[order], self.registered[order]
        n = len(person)
        columns = {
            "patient_no": self.patient_no(person),
            **self.identity(person, day),
            "registered_date": dates(day),
            "marital_status_code": pick(("10", "20", "30", "40"), draw(rng, (4, 82, 9, 5), n)),
            "occupation_code": pick(("11", "9", "14", "15", "16", "99"), draw(rng, (34, 16, 14, 20, 10, 6), n)),
            "insurance_type_code": pick(("1", "2", "7", "4"), draw(rng, (35, 55, 8, 2), n)),
        }
        return records(self.name, "patient", columns, person, day + days(rng, 0, 3, n))

    def complaint(self, rng: np.random.Generator) -> Text:
        """Chief complaint of every visit."""
        v, n = self.visits, len(self.visits)
        pools = [list(COMPLAINTS.get(m, GYNAECOLOGY)) for m in range(10)]
        starts, lengths = np.cumsum([0, *(len(p) for p in pools[:-1])]), np.array([len(p) for p in pools])
        modality = np.maximum(v.modality, 0)
        exam = pick([w for p in pools for w in p], starts[modality] + (rng.random(n) * lengths[modality]).astype(np.int64))
        cancer = np.maximum(v.cancer, 0)
        words = {
            v_.WORKUP: SYMPTOMS,
            v_.SURGERY: [f"确诊{x}，入院手术" for x in NAMES],
            v_.SYSTEMIC: [f"{x}，入院化疗" for x in NAMES],
            v_.RADIOTHERAPY: [f"{x}，入院放疗" for x in NAMES],
            v_.RESECTION: [f"发现{x.replace('癌', '')}病变，入院治疗" for x in NAMES],
            v_.INTERVENTIONAL: [f"{x}，入院介入治疗" for x in NAMES],
            v_.FOLLOW_UP: [f"{x}治疗后复查" for x in NAMES],
            v_.SECOND_OPINION: [f"{x}，要求会诊" for x in NAMES],
            v_.RELAPSE: [f"{x}治疗后，发现新病灶" for x in NAMES],
        }
        text = choose(v.kind == v_.EXAM, exam, pick(column("diagnoses", "complaint_zh"), self.reason))
        for kind, options in words.items():
            text = choose(v.kind == kind, pick(list(options), cancer), text)
        return text

    def visit(self) -> Records:
        v, rng, department, n = self.visits, self.stream("visit"), self.department(), len(self.visits)
        visit = np.arange(n)
        inpatient = v.type == v_.INPATIENT
        died = inpatient & (v.end == self.life.death_date[v.person])
        columns = {
            **self.of_visit(visit),
            "visit_type_code": whole(v.type),
            "visit_start_date": dates(v.start),
            "visit_end_date": dates(v.end),
            "department_code": join("KS", padded(department + 1, 2)),
            "doctor_code": self.doctor(department, rng),
            "chief_complaint": self.complaint(rng),
            "discharge_department_code": keep(join("KS", padded(department + 1, 2)), inpatient),
            "discharge_way_code": keep(choose(died, constant("5", n), pick("1234", draw(rng, (94, 3, 1, 2), n))), inpatient),
            "insurance_type_code": pick(("1", "2", "7", "4"), draw(rng, (35, 55, 8, 2), n)),
            "symptom_text": keep(
                pick(
                    ["一般情况可，饮食睡眠可，大小便正常", "近来乏力，体重下降约3kg", "无发热，无明显消瘦", "症状反复，自行服药无明显缓解"],
                    rng.integers(4, size=n),
                ),
                rng.random(n) < 0.6,
            ),
        }
        return records(self.name, "visit", columns, v.person, v.end + days(rng, 0, 3, n), department_name=pick(departments(), department))

    @cached_property
    def codes(self) -> tuple[list[str], list[str]]:
        """Every diagnosis code with its name: cancer sites, benign bowel sites, complaints, others."""
        found = [(s["icd10"], f"{s['name_zh']}恶性肿瘤") for cancer in CANCERS for s in sites(cancer)]
        found += [(code, f"{name}腺瘤") for code, name in zip(column("colon_sites", "benign_icd10"), column("colon_sites", "name_zh"), strict=True)]
        found += list(zip(column("diagnoses", "icd10"), column("diagnoses", "name_zh"), strict=True))
        found += list(OTHERS.items())
        found += [(m["icd10"] or "Z08.9", f"{m['name_zh'].replace('转移', '')}继发恶性肿瘤") for m in metastasis_sites()]
        return [c for c, _ in found], [n for _, n in found]

    def site_code(self, cancer: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Position in `codes` of the cancer of people, by index into CANCERS."""
        start, found = 0, np.zeros(len(person), dtype=np.int64)
        for number, name in enumerate(CANCERS):
            at = np.flatnonzero(cancer == number)
            found[at] = start + self.life.cancers[name].site[person[at]]
            start += len(sites(name))
        return found

    @cached_property
    def main_diagnosis(self) -> tuple[np.ndarray, np.ndarray]:
        """Position in `codes` of the main diagnosis of each visit, and whether it is only suspected."""
        v, rng, n = self.visits, self.stream("diagnosis"), len(self.visits)
        site_count = sum(len(sites(c)) for c in CANCERS)
        benign = site_count
        general = benign + len(column("colon_sites", "icd10"))
        other = general + len(column("diagnoses", "icd10"))
        position = {code: other + i for i, code in enumerate(OTHERS)}
        own = self.site_code(v.cancer, v.person)
        table = np.array([[position[c] for c in EXAM_CODES.get(m, CERVICAL_CODES)] for m in range(10)])
        exam = table[np.maximum(v.modality, 0), np.clip(v.finding, 0, 2)]
        bowel = self.life.cancers["colorectum"].site[v.person]
        polyp = (v.modality == COLONOSCOPY) & np.isin(v.finding, (LOW, HIGH)) & (rng.random(n) < 0.45)
        exam = np.where(polyp, benign + bowel, exam)
        rule_out = (v.kind == v_.EXAM) & (v.finding < LOW) & (rng.random(n) < 0.02)
        seen = (v.kind == v_.EXAM) & (v.finding == CANCER)
        ill = np.zeros(n, dtype=bool)
        route = np.zeros(n, dtype=int)
        for number, name in enumerate(CANCERS):
            at = v.cancer == number
            ill[at] = self.life.cancers[name].has_cancer[v.person[at]]
            route[at] = self.life.cancers[name].route[v.person[at]]
        precursor = np.array([position[c] for c in PRECURSORS])[np.maximum(v.cancer, 0)]
        precursor = np.where(v.cancer == CANCERS.index("colorectum"), benign + bowel, precursor)
        main = np.select(
            [
                v.kind == v_.GENERAL,
                rule_out | seen,
                v.kind == v_.EXAM,
                v.kind == v_.SYSTEMIC,
                v.kind == v_.RADIOTHERAPY,
                (v.kind == v_.RESECTION) & ~ill,
            ],
            [general + self.reason, own, exam, np.full(n, position["Z51.1"]), np.full(n, position["Z51.0"]), precursor],
            own,
        )
        by_symptom = np.isin(route, (SYMPTOM, PREVALENT))
        return main, rule_out | seen | ((v.kind == v_.WORKUP) & (by_symptom | (rng.random(n) < 0.3)))

    def main_diagnosis_name(self) -> Text:
        return pick(self.codes[1], self.main_diagnosis[0])

    def diagnosis(self) -> Records:
        v, rng, n = self.visits, self.stream("more diagnoses"), len(self.visits)
        codes, names = self.codes
        main, suspected = self.main_diagnosis
        general = codes.index(column("diagnoses", "icd10")[0])
        spread = len(codes) - len(metastasis_sites())
        own = self.site_code(v.cancer, v.person)
        site = np.full(n, -1)
        for number, name in enumerate(CANCERS):
            at = np.flatnonzero((v.cancer == number) & np.isin(v.kind, (v_.SURGERY, v_.RELAPSE, v_.WORKUP)))
            life = self.life.cancers[name]
            where = np.where(v.kind[at] == v_.RELAPSE, life.recurrence_site[v.person[at]], life.metastasis_site[v.person[at]])
            site[at] = np.where(where > 0, where, -1)
        lots = rng.random(n)
        complaint = general + draw(rng, np.array(numbers("diagnoses", "weight")) * (np.array(column("diagnoses", "sex")) == ""), n)
        second = np.select([np.isin(v.kind, (v_.SYSTEMIC, v_.RADIOTHERAPY)), site > 0, lots < 0.32], [own, spread + site, complaint], -1)
        second = np.where((second == main) | ((v.kind == v_.WORKUP) & suspected), -1, second)
        more = np.flatnonzero(second >= 0)
        visit, code = np.r_[np.arange(n), more], np.r_[main, second[more]]
        is_main = np.r_[np.ones(n, dtype=bool), np.zeros(len(more), dtype=bool)]
        is_suspected = np.r_[suspected, np.zeros(len(more), dtype=bool)]
        order = np.lexsort((~is_main, visit))
        visit, code, is_main, is_suspected = visit[order], code[order], is_main[order], is_suspected[order]
        m = len(visit)
        staging, staged = self._staging(visit, is_main, rng)
        known = (v.end + days(rng, 0, 3, n))[visit]
        columns = {
            "diagnosis_no": join("ZD", padded(np.arange(m), 9)),
            **self.of_visit(visit),
            "diagnosis_code": self.icd(codes, code),
            "diagnosis_name": join(pick(names, code), flags(is_suspected, "？", "")) if self.number in (1, 5) else pick(names, code),
            "diagnosis_date": dates(v.start[visit]),
            "is_main": flags(is_main),
            "is_suspected": flags(is_suspected),
            "diagnosis_kind_code": choose(v.type[visit] == v_.INPATIENT, constant("discharge", m), "outpatient"),
            **staging,
        }
        return records(self.name, "diagnosis", columns, v.person[visit], np.where(missing(staged), known, np.maximum(known, staged)))

    def _staging(self, visit: np.ndarray, is_main: np.ndarray, rng: np.random.Generator) -> tuple[dict[str, Text], np.ndarray]:
        """Clinical stage, entered with the diagnosis of the work-up, sometimes only at the operation, sometimes never."""
        v, m = self.visits, len(visit)
        text = {name: constant(None, m) for name in ("t", "n", "m", "stage", "system", "code", "class")}
        side, ecog, staged = np.full(m, -1), np.full(m, -1), np.full(m, NEVER)
        lots = rng.random(m)
        for number, name in enumerate(CANCERS):
            own, tumour = self.life.cancers[name], self.tumours[name]
            person = v.person[visit]
            at = np.flatnonzero(is_main & (v.cancer[visit] == number) & np.isin(v.kind[visit], (v_.WORKUP, v_.SURGERY)) & own.has_cancer[person])
            at = at[np.where(v.kind[visit[at]] == v_.WORKUP, lots[at] < 0.86, lots[at] < 0.5)]
            if len(at) == 0:
                continue
            person, row = person[at], tumour.row(person[at])
            stage = own.tnm[person].astype(np.int64)
            for slot in "tnm":
                text[slot] = choose_at(text[slot], at, pick([r[slot] for r in stages(name)], stage))
            text["stage"] = choose_at(text["stage"], at, stage_group(self.life, name, person, tumour))
            text["system"] = choose_at(text["system"], at, constant(SYSTEMS.get(name, "ajcc8"), len(at)))
            kinds = histologies(name) or ({"code": "8140/3"},)
            text["code"] = choose_at(text["code"], at, pick([h["code"] for h in kinds], own.histology[person].astype(np.int64)))
            if name == "liver":
                text["class"] = choose_at(text["class"], at, pick("ABC", tumour.child_pugh[row]))
            if name in ("lung", "breast"):
                right = np.array([s["name_zh"].startswith("右") for s in sites(name)])[own.site[person]]
                side[at] = np.where(right, 1, 2)
            ecog[at] = tumour.ecog[row]
            staged[at] = np.where(v.kind[visit[at]] == v_.WORKUP, np.maximum(own.diagnosis_date[person], v.start[visit[at]]), v.end[visit[at]])
        return {
            "laterality_code": whole(np.maximum(side, 0), side >= 0),
            "morphology_code": text["code"],
            "clinical_t_category": text["t"],
            "clinical_n_category": text["n"],
            "clinical_m_category": text["m"],
            "stage_group": text["stage"],
            "staging_system_code": text["system"],
            "staged_date": dates(staged),
            "ecog_score": whole(np.maximum(ecog, 0), ecog >= 0),
            "child_pugh_class": text["class"],
        }, staged


def hospital_records(number: int) -> Callable[[People, Lives, int], Iterator[Records]]:
    """The builder of one hospital's records."""

    def build(people: People, life: Lives, seed: int) -> Iterator[Records]:
        hospital = Hospital(people, life, number, seed)
        patients: Records | None = None
        for made in hospital.feeds():
            if made.feed == "patient":
                patients = made
            if made.feed == "visit" and patients is not None:
                made = with_patients(made, patients)
            yield made

    return build


def with_patients(visits: Records, patients: Records) -> Records:
    """Visits that bring the patient's own columns along, where the organisation keeps both in one table."""
    mapping = load_mapping(visits.organisation)
    if mapping.with_defaults("patient").folder != mapping.with_defaults("visit").folder:
        return visits
    said = mapping.with_defaults("patient")
    known = patients.table.select([name for name in patients.table.column_names if name in said.columns])
    words = dialect(replace(patients, table=known), said.model_copy(update={"ignore": ()}))
    order = np.argsort(patients.person)
    row = order[np.searchsorted(patients.person[order], visits.person)]
    first = np.zeros(len(visits), dtype=np.int64)
    first[np.unique(visits.person, return_index=True)[1]] = 1
    extra = {name: words[name].combine_chunks().take(pa.array(row)) for name in words.column_names}
    return replace(visits, extra={**visits.extra, **extra}, also={"patient": first})


BUILDERS = {name: hospital_records(number) for number, name in enumerate(HOSPITALS)}
