"""One life per person: what the generator knows to be true and every record builder reads.

All arrays run over people (residents first, then patients from elsewhere), except those of `Tests`, which run over tests done.
Codes are small integers; the tuples below say which index means what. How the lives come about is told in life_course.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache

import numpy as np

from ingestion.synthetic.calibration import rows
from ingestion.synthetic.cells import DAY, NEVER, missing

# Code list `cancer`; `Lives.cancers` has these keys.
CANCERS = ("lung", "breast", "upper_gi", "colorectum", "liver", "cervix")
# `Tests.source`: code list `screening_source`. `Tests.channel`: code list `channel`.
SOURCES = ("national_free", "national_standard", "hospital_opportunistic", "hospital_own", "checkup")
NATIONAL_FREE, NATIONAL_STANDARD, HOSPITAL_OPPORTUNISTIC, HOSPITAL_OWN, CHECKUP = range(5)
CHANNELS = ("platform", "hospital_opportunistic", "regional_universal")
BY_PLATFORM, BY_HOSPITAL, BY_REGION = range(3)
# `CancerLife.hospital`, `Lives.hospital_of` and `Tests.organisation` of the sources 2 and 3 count hospitals; `Tests.organisation`
# of source 0 counts free-screening institutions, of source 1 standardised centres, of source 4 check-up centres, as `Lives.checkup_of`.
HOSPITALS = tuple(f"H14{n:02d}" for n in range(1, 8))
CHECKUP_CENTRES = tuple(f"T14{n:02d}" for n in range(1, 8))
STANDARD_CENTRES = ("S1401", "S1402")
FREE_INSTITUTIONS = ("F1401", "F1402", "F1403")
ORGANISATIONS_OF_SOURCE = (FREE_INSTITUTIONS, STANDARD_CENTRES, HOSPITALS, HOSPITALS, CHECKUP_CENTRES)

# `CancerLife.state`: what a person carries at the end of the records, found or not. Per cancer the two precursors are
#   lung        benign positive nodule · suspicious nodule that is atypical hyperplasia or carcinoma in situ
#   breast      benign lesion (fibroadenoma, adenosis) · atypical hyperplasia; carcinoma in situ is a cancer of stage 0
#   upper_gi    low-grade intraepithelial neoplasia or atrophy with metaplasia · high-grade intraepithelial neoplasia
#   colorectum  non-advanced adenoma · advanced adenoma
#   liver       cirrhosis without a lesion · dysplastic nodule
#   cervix      CIN1 · CIN2, CIN3 or adenocarcinoma in situ
NONE, LOW, HIGH, CANCER = range(4)
NON_ADVANCED, ADVANCED = LOW, HIGH
# `CancerLife.route`: how the diagnosed cancer came to light. INTERVAL: symptoms within the screening interval after a negative screen.
# PREVALENT: diagnosed before the first day of the records (2024-01-01).
ROUTES = ("", "screening", "symptom", "earlier", "interval")
NO_ROUTE, SCREENED, SYMPTOM, PREVALENT, INTERVAL = range(5)

# `Tests.modality`
MODALITIES = ("ldct", "breast_us", "breast_mg", "ugi_endoscopy", "fit", "colonoscopy", "liver_us_afp", "hpv", "cytology", "colposcopy")
LDCT, BREAST_US, BREAST_MG, UGI_ENDOSCOPY, FIT, COLONOSCOPY, LIVER_US_AFP, HPV, CYTOLOGY, COLPOSCOPY = range(10)
# `Tests.result`. INVALID: the specimen or image was of no use. NO_RESULT: never read. INCOMPLETE: the examination was broken off.
NOT_DONE, NEGATIVE, POSITIVE, INVALID, NO_RESULT, INCOMPLETE = range(6)
FIT_NONE, FIT_NEGATIVE, FIT_POSITIVE, FIT_INVALID, FIT_NO_RESULT = range(5)

START, END = np.datetime64("2024-01-01"), np.datetime64("2025-06-28")
FAMILY_SLOTS = 3
COLORECTAL_RELATIVE = 6
FIRST_DEGREE = (1, 2, 3, 4, 5)
RECTUM_SITES = ("C19", "C20")
NOWHERE = -1


@dataclass
class Risk:
    """What the questionnaire asks, as lived, and what blood and smears would show.

    age            completed years on the survey date (of people never asked: on 2024-07-01)
    smoking        0 never, 1 now, 2 stopped
    relation, relative_cancer, relative_age   per person FAMILY_SLOTS relatives (codes of q_fh_relation and q_fh_cancer_type, years
                   of age at diagnosis), 0 where there is none
    points, score  the colorectal score of the NHC scheme 2024
    answers        questionnaire fields that cause disease, by field name: codes as integers, numbers as asked; where a field allows
                   several codes, one boolean array per code under `<field>.<code>`
    markers        hbsag, anti_hcv, hp (Helicobacter), hpv (high-risk types): whether a test would be positive, as booleans
    """

    age: np.ndarray
    height_cm: np.ndarray
    weight_tenths: np.ndarray
    smoking: np.ndarray
    relatives: np.ndarray
    relation: np.ndarray
    relative_cancer: np.ndarray
    relative_age: np.ndarray
    points: dict[str, np.ndarray] = field(default_factory=dict)
    score: np.ndarray = field(default_factory=lambda: np.empty(0))
    answers: dict[str, np.ndarray] = field(default_factory=dict)
    markers: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Tests:
    """Screening tests of one cancer that were done, one entry each, in order of day and person.

    person        position in People
    day           day of the test (day of sampling for FIT, HPV, cytology)
    modality      index into MODALITIES. Tests of one round belong together by person and round
    result        NEGATIVE, POSITIVE, INVALID, NO_RESULT or INCOMPLETE. POSITIVE: the programme's positive class (lung: C-Lung-RADS 3-4
                  or 4X; breast: BI-RADS 4-5; endoscopy, colonoscopy, colposcopy: a lesion that needs histology; liver: a suspicious
                  lesion or AFP above 400; HPV: any high-risk type; cytology: ASC-US or worse)
    category      class within the modality: LDCT C-Lung-RADS 1-4; breast BI-RADS 0-5; cytology 0 NILM, 1 ASC-US, 2 LSIL, 3 ASC-H,
                  4 HSIL, 5 AGC, 6 SCC; HPV 0 negative, 1 type 16 or 18, 2 other types; else 0
    seen          NONE, LOW, HIGH or CANCER: what histology of this test's findings would say; NONE for a miss
    source        index into SOURCES
    organisation  index into ORGANISATIONS_OF_SOURCE[source]
    channel       index into CHANNELS: which high-risk assessment led to the test
    round         0 the first screening of the person for this cancer, 1 the next …
    """

    __test__ = False  # pytest: not a test class

    person: np.ndarray
    day: np.ndarray
    modality: np.ndarray
    result: np.ndarray
    category: np.ndarray
    seen: np.ndarray
    source: np.ndarray
    organisation: np.ndarray
    channel: np.ndarray
    round: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def where(self, condition: np.ndarray) -> Tests:
        """The tests for which the condition holds, in the same order."""
        return Tests(*(getattr(self, f.name)[condition] for f in fields(self)))

    def at(self, source: int, organisation: int, *modalities: int) -> Tests:
        """The tests that one organisation did as one source, of the given modalities (of all where none is given)."""
        wanted = (self.source == source) & (self.organisation == organisation)
        return self.where(wanted & np.isin(self.modality, modalities) if modalities else wanted)

    def first(self, modality: int, people: int) -> tuple[np.ndarray, np.ndarray]:
        """Day and result of everybody's first test of a kind in the first round, check-ups left out; missing and NOT_DONE for the others."""
        own = self.where((self.modality == modality) & (self.round == 0) & (self.source != CHECKUP))
        day, result = np.full(people, NEVER, dtype=DAY), np.zeros(people, dtype=np.int8)
        day[own.person[::-1]], result[own.person[::-1]] = own.day[::-1], own.result[::-1]
        return day, result

    @staticmethod
    def none() -> Tests:
        """No tests at all."""
        small = np.zeros(0, dtype=np.int8)
        return Tests(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=DAY), *(small for _ in range(8)))


@dataclass
class CancerLife:
    """One cancer in every life. Dates are missing where the event did not happen; nothing happens after END or after death.

    cancer              key of CANCERS
    eligible            asked or assessed, of the rule's sex and age, without known cancer of this site: the denominator of the
                        high-risk rate
    high_risk           high risk by the selected rule set (cervix: equals eligible); channel says by which assessment
    channel             index into CHANNELS of the assessment that judged the person, NOWHERE for nobody
    invited, declined   asked to come to the test; said no (the others of those invited without a test never answered)
    state               NONE, LOW, HIGH or CANCER
    onset_date          start of the preclinical stage of a cancer that could be seen by a test, diagnosed or not
    route               how the cancer came to light, NO_ROUTE for undiagnosed
    site                row of `sites(cancer)`; of the lesion that state means
    tnm                 row of `stages(cancer)`, meaningful where diagnosed
    histology           row of `histologies(cancer)`, meaningful where diagnosed
    diagnosis_date      day of the histological (liver: clinical) diagnosis
    hospital            index into HOSPITALS of the hospital that treats, NOWHERE for people without work-up
    workup_date         first visit to that hospital for this disease; missing for patients who never come
    neoadjuvant_date, surgery_date, resection_date, systemic_date, radiotherapy_date, interventional_date
                        first treatment of each kind. resection: endoscopic resection, cone or loop excision, local ablation of the
                        liver; also of precursors (state HIGH). interventional: TACE
    recurrence_date     relapse or new metastasis after treatment
    recurrence_site     row of `metastasis_sites()`: 0 local, others distant; meaningful where recurrence_date is given
    metastasis_site     row of `metastasis_sites()` of a cancer of stage IV at diagnosis, NOWHERE for the others
    died_of             whether this cancer is the cause of death
    tests               the screening tests of this cancer
    """

    cancer: str
    eligible: np.ndarray
    high_risk: np.ndarray
    channel: np.ndarray
    invited: np.ndarray
    declined: np.ndarray
    state: np.ndarray
    onset_date: np.ndarray
    route: np.ndarray
    site: np.ndarray
    tnm: np.ndarray
    histology: np.ndarray
    diagnosis_date: np.ndarray
    hospital: np.ndarray
    workup_date: np.ndarray
    neoadjuvant_date: np.ndarray
    surgery_date: np.ndarray
    resection_date: np.ndarray
    systemic_date: np.ndarray
    radiotherapy_date: np.ndarray
    interventional_date: np.ndarray
    recurrence_date: np.ndarray
    recurrence_site: np.ndarray
    metastasis_site: np.ndarray
    died_of: np.ndarray
    tests: Tests

    @property
    def has_cancer(self) -> np.ndarray:
        """Diagnosed with this cancer up to END."""
        return ~missing(self.diagnosis_date)

    @property
    def stage_group(self) -> np.ndarray:
        """1 to 4 for a diagnosed cancer (stage 0 counts as 1, as on the programme's forms), 0 for everybody else."""
        groups = np.array([max(int(row["group"]), 1) for row in stages(self.cancer)], dtype=np.int8)
        return np.where(self.has_cancer, groups[self.tnm], 0)

    @property
    def is_treated(self) -> np.ndarray:
        """Any treatment of a diagnosed cancer."""
        given = (
            *(self.neoadjuvant_date, self.surgery_date, self.resection_date),
            *(self.systemic_date, self.radiotherapy_date, self.interventional_date),
        )
        return self.has_cancer & np.any([~missing(day) for day in given], axis=0)

    @property
    def first_treatment(self) -> np.ndarray:
        """First day of any treatment, missing for nobody treated."""
        far = np.datetime64("2999-01-01")
        given = (
            *(self.neoadjuvant_date, self.surgery_date, self.resection_date),
            *(self.systemic_date, self.radiotherapy_date, self.interventional_date),
        )
        first = np.minimum.reduce([np.where(missing(day), far, day) for day in given])
        return np.where(first == far, NEVER, first).astype(DAY)

    @classmethod
    def of_nobody(cls, cancer: str, n: int) -> CancerLife:
        """A cancer that nobody has and nobody was screened for."""
        no, small, far = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int8), np.full(n, NEVER)
        nowhere = np.full(n, NOWHERE, dtype=np.int8)
        return cls(
            cancer=cancer,
            **{name: no for name in ("eligible", "high_risk", "invited", "declined", "died_of")},
            **{name: small for name in ("state", "route", "site", "tnm", "histology", "recurrence_site")},
            **{name: nowhere for name in ("channel", "hospital", "metastasis_site")},
            **{f.name: far for f in fields(cls) if f.name.endswith("_date")},
            tests=Tests.none(),
        )


@dataclass
class Lives:
    """Everybody's life.

    risk                risk factors and markers
    known_other_cancer  had a cancer other than the six before the survey
    death_date          missing for the living
    cancers             by key of CANCERS
    hospital_of         index into HOSPITALS of the hospital that a person goes to for any complaint
    is_patient          seen in that hospital between START and END for complaints other than the six cancers
    checkup_of          index into CHECKUP_CENTRES, NOWHERE for people who are no customers
    checkup_date        day of the (first) check-up
    in_region           in the resident register of the regional platform (people of Taiyuan)
    """

    risk: Risk
    known_other_cancer: np.ndarray
    death_date: np.ndarray
    cancers: Mapping[str, CancerLife]
    hospital_of: np.ndarray
    is_patient: np.ndarray
    checkup_of: np.ndarray
    checkup_date: np.ndarray
    in_region: np.ndarray

    @property
    def died_of_cancer(self) -> np.ndarray:
        """Whether one of the six cancers is the cause of death."""
        return np.any([c.died_of for c in self.cancers.values()], axis=0)

    def known_cancer(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether some people had a diagnosed cancer before a day."""
        earlier = [c.diagnosis_date[person] < day for c in self.cancers.values()]
        return self.known_other_cancer[person] | np.any(earlier, axis=0)

    def alive(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether the person lives on that day."""
        death = self.death_date[person]
        return missing(death) | (day < death)


Life = Lives


@cache
def sites(cancer: str) -> tuple[dict[str, str], ...]:
    """Where a cancer sits: icd10, name_zh, short_zh, weight, and organ (esophagus, stomach …); `CancerLife.site` is the row."""
    if cancer == "colorectum":
        return tuple({**r, "organ": "colorectum", "weight": r["cancer_weight"]} for r in rows("colon_sites"))
    return tuple(r for r in rows("cancer_sites") if r["cancer"] == cancer)


@cache
def stages(cancer: str) -> tuple[dict[str, str], ...]:
    """Stage groupings: organ, group (0-4), t, n, m, stage, weight within the group; `CancerLife.tnm` is the row."""
    if cancer == "colorectum":
        return tuple({**r, "organ": "colorectum"} for r in rows("tnm"))
    return tuple(r for r in rows("cancer_stages") if r["cancer"] == cancer)


@cache
def histologies(cancer: str) -> tuple[dict[str, str], ...]:
    """Histological types: organ, code (ICD-O-3), name_zh, weight; `CancerLife.histology` is the row."""
    return tuple(r for r in rows("cancer_histologies") if r["cancer"] == cancer)


@cache
def metastasis_sites() -> tuple[dict[str, str], ...]:
    """Where relapses and metastases sit: icd10 of the secondary tumour, name_zh; row 0 is a local relapse."""
    return rows("metastasis_sites")
