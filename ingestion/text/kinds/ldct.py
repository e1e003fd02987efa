"""Chest CT of lung cancer screening: nodules by lobe and segment with density, diameters, margin, signs and growth; Lung-RADS; other findings.

Fields of a lesion: side, lobe (RUL RML RLL LUL LLL), segment, zone, lesion_type (nodule, mass, opacity), density (solid, part_solid, ground_glass,
subsolid), long_, short_, third_, mean_ and smallest_diameter_mm, diameter_comparator, solid_component_mm, pleural_distance_mm, margin, yes/no of
lobulation, spiculation, calcification, pleural_retraction, vacuole, cavity, air_bronchogram, vessel_convergence, fat, endobronchial; count,
is_multiple, growth, compared_on, previous_diameter_mm, nature, lung_rads, series_number, image_number, attenuation_hu.
Fields of the report: nodule_present, nodule_count, nodule_count_left, _right, lung_rads (worst), airway_lesion, lymph_nodes_mediastinal, _hilar,
_axillary, _other (not_enlarged, visible, calcified, enlarged), lymph_node_long_mm, _short_mm, postoperative, and yes/no of the concepts of `finding`
in lexicons/ldct.yaml, with <finding>_side and <finding>_grade where they are said.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ingestion.text.document import Document, Field
from ingestion.text.lesion_reader import Lesion, Reader, Token, Value
from ingestion.text.measurements import Measurement

LUNG = "lung"
LOBES = {
    ("right", "upper"): "RUL",
    ("right", "middle"): "RML",
    ("right", "lower"): "RLL",
    ("left", "upper"): "LUL",
    ("left", "lingula"): "LUL",
    ("left", "lower"): "LLL",
    ("both", "upper"): "RUL+LUL",
    ("both", "lower"): "RLL+LLL",
    ("right", "upper_middle"): "RUL+RML",
    ("right", "middle_lower"): "RML+RLL",
    ("right", "upper_lower"): "RUL+RLL",
    ("left", "upper_lower"): "LUL+LLL",
}
PARTS = {"RUL": ("right", "upper"), "RML": ("right", "middle"), "RLL": ("right", "lower"), "LUL": ("left", "upper"), "LLL": ("left", "lower")}
# Segments by Boyden's number, and the part of the lung in which a segment lies when the report does not say it.
SEGMENTS = {
    "right": (
        "apical",
        "posterior",
        "anterior",
        "lateral",
        "medial",
        "superior",
        "medial_basal",
        "anterior_basal",
        "lateral_basal",
        "posterior_basal",
    ),
    "left": (
        *("apicoposterior", "apicoposterior", "anterior", "superior_lingular", "inferior_lingular"),
        *("superior", "anteromedial_basal", "anteromedial_basal", "lateral_basal", "posterior_basal"),
    ),
}
PART_OF_SEGMENT = (
    dict.fromkeys(("apical", "posterior", "anterior", "apicoposterior", "superior_lingular", "inferior_lingular"), "upper")
    | dict.fromkeys(("lateral", "medial"), "middle")
    | dict.fromkeys(("superior", "basal", "medial_basal", "anterior_basal", "lateral_basal", "posterior_basal", "anteromedial_basal"), "lower")
)
# What a word for a lesion says besides that there is one.
HEADS = {
    "nodule": ("nodule", {}),
    "mass": ("mass", {}),
    "opacity": ("opacity", {}),
    "ground_glass_nodule": ("nodule", {"density": "ground_glass"}),
    "part_solid_nodule": ("nodule", {"density": "part_solid"}),
    "solid_nodule": ("nodule", {"density": "solid"}),
    "subsolid_nodule": ("nodule", {"density": "subsolid"}),
    "calcified_nodule": ("nodule", {"calcification": True}),
    "hamartoma": ("nodule", {"nature": "benign"}),
    "cancer": ("mass", {"nature": "probably_malignant"}),
}
STATES = {
    ("pleural_cavity", "effusion"): "pleural_effusion",
    ("pleura", "effusion"): "pleural_effusion",
    ("pleura", "thickening"): "pleural_thickening",
    ("pleura", "calcification"): "pleural_calcification",
    ("pericardium", "effusion"): "pericardial_effusion",
    ("coronary", "calcification"): "coronary_calcification",
    ("aorta", "calcification"): "aortic_calcification",
    ("coronary", "sclerosis"): "coronary_calcification",
    ("aorta", "sclerosis"): "aortic_calcification",
    ("valve", "calcification"): "valve_calcification",
    ("heart", "enlargement"): "cardiac_enlargement",
    ("heart", "increased"): "cardiac_enlargement",
    ("airway", "dilatation"): "bronchiectasis",
    ("airway", "narrowing"): "airway_lesion",
}
# From the least to the most that has to be done about it (0: more images are needed).
LUNG_RADS = ("1", "2", "0", "3", "4", "4A", "4B", "4X")
# A cancer that the patient comes with is no finding: 肺癌化疗后, 肺癌术前.
KNOWN_CANCER = re.compile(r"[^,。;:?]{0,12}(?:后|前|史|复查)")
NODE_REGIONS = {"mediastinum": "mediastinal", "hilum": "hilar", "axilla": "axillary"}
NODE_SITES = frozenset({*NODE_REGIONS, "nodes"})
NODE_SEVERITY = ("not_enlarged", "visible", "calcified", "enlarged")


class LungReader(Reader):
    """Reads the chest CT report of a document."""

    BOOK = "ldct"
    HOME = LUNG
    ATTRIBUTES: ClassVar[dict[str, str]] = {"density": "density", "margin": "margin", "nature": "nature"}
    SITES = frozenset({LUNG})
    KEPT = frozenset({"lesion_type", "density"})

    def __init__(self, doc: Document) -> None:
        self.organs: list[str] = []
        self.expected: Token | None = None
        super().__init__(doc)
        self.found: dict[str, Value] = {}
        self.details: dict[str, Value] = {}
        self.nodes: dict[str, Value] = {}
        self.regions: list[str] = []
        self.no_nodule: Value | None = None
        self.solid_part = False
        self.site_side: Value | None = None
        self.rads: list[Value] = []

    # ------------------------------------------------------------------ tokens

    def extra_tokens(self) -> list[Token]:
        norm, patterns, token = self.norm, self.book.patterns, self.token
        result = self.counted("个枚颗处")
        if "rad" in norm:
            for found in patterns["lung_rads"].finditer(norm):
                grade = found["digit"] + (found["letter"] or "").upper() * (found["digit"] == "4") + ("S" if found["s"] else "")
                end = found.end() + (norm[found.end() : found.end() + 1] in ("类", "级"))
                result.append(token(found.start(), end, "lung_rads", grade))
        if "结节" in norm and ":" in norm:
            result += [token(*found.span(), "numbered", found["number"]) for found in patterns["numbered"].finditer(norm)]
        if "im" in norm or "图像" in norm:
            for found in patterns["image"].finditer(norm):
                result.append(token(*found.span(), "image", f"{found['series'] or ''}|{found['image'] or found['alone']}"))
        if "hu" in norm:
            result += [token(*found.span(), "hounsfield", found["hu"]) for found in patterns["hounsfield"].finditer(norm)]
        if "s" in norm:
            for found in patterns["bronchopulmonary"].finditer(norm):
                start = found.start()
                sided = norm[start - 1 : start] in ("l", "r")
                if not norm[start - 1 - sided : start - sided].isascii() or start - sided == 0 or norm[start - 1 - sided] in " ,:;(\n":
                    result.append(token(start - sided, found.end(), "boyden", found["number"]))
        return result

    # ------------------------------------------------------------------ places

    def _new_sentence(self) -> None:
        super()._new_sentence()
        self.organs, self.regions, self.expected = [], [], None

    def comma(self, token: Token) -> None:
        self.claim_expected()
        super().comma(token)
        self.organs = []

    def end_sentence(self) -> None:
        self.claim_expected()
        self.solid_part = False

    def on_lung(self, token: Token) -> None:
        if not self.take_pending(token.start) and self.site != LUNG:
            self.home()

    def on_lobe(self, token: Token) -> None:
        self.slot("lobe", self.value(token))

    def on_lobe_code(self, token: Token) -> None:
        side, part = PARTS[token.concept.upper()]
        self.pending = self.value(token, side)
        self.slot("lobe", self.value(token, part))

    def on_segment(self, token: Token) -> None:
        self.slot("segment", self.value(token))

    def on_boyden(self, token: Token) -> None:
        letter = self.norm[token.start]
        if letter in "lr":
            self.pending = self.value(token, "left" if letter == "l" else "right")
        side = self.pending or (self.places[-1].side if self.places else None) or self.last_side
        if self.site == LUNG and side and side.value in SEGMENTS:
            self.slot("segment", self.value(token, SEGMENTS[side.value][int(token.concept) - 1]))

    def on_zone(self, token: Token) -> None:
        if self.site == LUNG:
            self.slot("zone", self.value(token))

    def on_site(self, token: Token) -> None:
        joined = self.joined(token.start)
        self.site_side = self.pending if self.pending and token.start - self.pending.end <= 2 else None
        super().on_site(token)
        if token.concept in NODE_REGIONS:
            self.regions = [*(self.regions if joined else []), NODE_REGIONS[token.concept]]
        else:
            self.regions = []

    # ------------------------------------------------------------------ nodules

    def on_numbered(self, token: Token) -> None:
        """结节2：右肺上叶，实性，… - a record that numbers its nodules."""
        self.stop(token)
        self.home()
        self.last_side = None
        self.expected = token

    def claim_expected(self) -> None:
        """The announced nodule (阳性结节：右肺上叶尖段，…) is opened once its place is known, when no other word named it."""
        if self.expected and self.places and not self.sentence_lesions:
            token, self.expected = self.expected, None
            self.open_lesions(token, "lesion_type", Value("nodule", token.start, token.end, "ldct.numbered"))

    def set(self, name: str, value: Value) -> None:
        if not self.heads_ahead[self.index]:
            self.claim_expected()
        super().set(name, value)

    def on_head(self, token: Token) -> None:
        if self.site == "thyroid":
            self.finding("thyroid_abnormality", token)
        if self.site == "hilum" and not self.norm.startswith("淋巴", token.end) and not self.denied():
            self.home()
            self.open_place(self.site_side).slots["zone"] = self.value(token, "perihilar")
            self.regions = []
        if self.norm[token.end : token.end + 1] == ":" and not self.places and self.site == LUNG and not self.denied():
            self.last_side = None
            self.expected = token
            return
        if token.concept == "cancer" and KNOWN_CANCER.match(self.norm, token.end):
            self.places = []
            return
        kind, more = HEADS[token.concept]
        if "玻璃" in self.norm[token.start : token.end] or "ggo" in self.norm[token.start : token.end]:
            more = {"density": "ground_glass"} | more
        known = len(self.lesions)
        self.head(token, "lesion_type", kind)
        if more and self.current and (len(self.lesions) > known or self.current[-1] in self.sentence_lesions) and not self.denied():
            for lesion in self.current:
                for name, value in more.items():
                    lesion.values.setdefault(name, Value(value, token.start, token.end, "ldct.head"))

    def agree(self, earlier: Lesion, later: Lesion) -> bool:
        """A nodule of the impression may be an opacity or a mass of the findings."""
        word = later.values.pop("lesion_type")
        agrees = super().agree(earlier, later)
        later.values["lesion_type"] = word
        return agrees

    def absent(self, token: Token, concept: str) -> None:
        if self.no_nodule is None and concept in {"nodule", "mass"}:
            self.no_nodule = self.value(token, False)

    def on_sign(self, token: Token) -> None:
        if token.concept == "calcification" and (self.organs or self.site != LUNG):
            self.state("calcification", token)
        elif not self.skip:
            self.flag(token)

    def on_number(self, token: Token) -> None:
        """右肺8枚，左肺5枚: counts by side are of the report."""
        side = self.places[-1].side if self.places and self.current and not self.heads_ahead[self.index] else None
        if side and not self.places[-1].slots and self.current[-1].side == "both":
            self.say(f"nodule_count_{side.value}", self.value(token, int(token.concept)))
            self.places = []
        else:
            super().on_number(token)

    def on_solid_part(self, token: Token) -> None:
        self.solid_part = True

    def aside(self, token: Token, one: Measurement, before: str) -> bool:
        if one.cue == "distance":
            if "胸膜" in before:
                self.measured("pleural_distance_mm", one.values_mm[0], one)
            return True
        if self.solid_part or "实性成分" in before:
            self.solid_part = False
            self.measured("solid_component_mm", one.long_mm, one)
            return True
        if self.site in NODE_SITES:
            if "淋巴" in self.norm[max(0, one.start - 30) : one.start]:
                name = "lymph_node_short_mm" if one.cue == "short_axis" else "lymph_node_long_mm"
                self.say(name, Value(one.long_mm, one.start, one.end, "ldct.node_size", "mm"))
            return True
        return one.cue == "thickness" or self.site != LUNG

    def on_image(self, token: Token) -> None:
        series, _, image = token.concept.partition("|")
        if series:
            self.set("series_number", self.value(token, int(series)))
        self.set("image_number", self.value(token, int(image)))

    def on_hounsfield(self, token: Token) -> None:
        self.set("attenuation_hu", self.value(token, int(token.concept), "HU"))

    def on_lung_rads(self, token: Token) -> None:
        value = self.value(token)
        self.rads.append(value)
        for lesion in self.sentence_lesions:
            lesion.values.setdefault("lung_rads", value)

    # ------------------------------------------------------------------ other findings

    def on_organ(self, token: Token) -> None:
        self.organs = [*(self.organs if self.joined(token.start) else []), token.concept]

    def on_state(self, token: Token) -> None:
        self.state(token.concept, token)

    def state(self, state: str, token: Token) -> None:
        """A state said of the organs before it in its clause."""
        if state == "retraction" and "pleura" in self.organs and self.current:
            self.set("pleural_retraction", self.value(token, not self.denied()))
        elif state == "patent" and "airway" in self.organs and not self.denied():
            self.note("airway_lesion", self.value(token, False))
        elif state == "calcification" and self.regions and not self.denied():
            self.node(token, "calcified")
        for organ in self.organs:
            if (organ, state) in STATES:
                self.finding(STATES[organ, state], token)

    def on_growth(self, token: Token) -> None:
        if "heart" in self.organs:
            self.state(token.concept, token)
        elif self.site in NODE_SITES:
            word = self.norm[token.start : token.end]
            if word.endswith("增大") and "前" not in word:  # 未见增大淋巴结 is no comparison
                self.negated = self.negated or token.concept == "stable"
                self.on_node_state(token._replace(concept="enlarged"))
        else:
            super().on_growth(token)

    def on_finding(self, token: Token) -> None:
        self.finding(token.concept, token)

    def on_airway(self, token: Token) -> None:
        if token.concept == "clear":
            if not self.denied():
                self.note("airway_lesion", self.value(token, False))
        else:
            self.finding("airway_lesion", token)

    def on_abnormal(self, token: Token) -> None:
        if self.site == "thyroid":
            self.finding("thyroid_abnormality", token)

    def finding(self, name: str, token: Token) -> None:
        """A finding besides nodules, with the side and the grade that stand beside it; an opinion (考虑炎症) is none."""
        if self.skip or self.opinion:
            return
        denied = self.denied()
        self.note(name, self.value(token, not denied))
        if denied:
            return
        sides = {place.side.value: place.side for place in self.places if place.side}
        side = self.pending if self.pending and token.start - self.pending.end <= 6 else next(iter(sides.values()), None)
        if side and len(sides) > 1:
            side = side._replace(value="both")
        if side:
            self.details.setdefault(f"{name}_side", side)
        for index in (self.index - 1, self.index + 1):
            beside = self.tokens[index] if 0 <= index < len(self.tokens) else None
            if beside and beside.category == "grade" and min(abs(token.start - beside.end), abs(beside.start - token.end)) <= 2:
                self.details.setdefault(f"{name}_grade", self.value(beside))
                break
        if not self.heads_ahead[self.index]:
            if self.places or not self.sentence_lesions:
                self.current = []
            self.places = []

    def note(self, name: str, value: Value) -> None:
        """Of several statements the positive one holds."""
        known = self.found.get(name)
        if known is None or (value.value and not known.value):
            self.found[name] = value

    def on_node(self, token: Token) -> None:
        if self.opinion or self.site not in NODE_SITES | {LUNG}:
            return
        if self.site == LUNG and not self.denied():
            self.site = "nodes"
        self.node(token, "not_enlarged" if self.denied() else "visible")

    def on_node_state(self, token: Token) -> None:
        if self.site not in NODE_SITES | {LUNG}:
            return
        around = self.norm[max(0, token.start - 12) : token.end + 6]
        if self.regions or "淋巴" in around:
            self.node(token, "not_enlarged" if self.denied() else token.concept)

    def node(self, token: Token, state: str) -> None:
        for region in self.regions or ["other"]:
            known = self.nodes.get(region)
            if known is None or NODE_SEVERITY.index(state) > NODE_SEVERITY.index(known.value) or known.value == "visible":
                self.nodes[region] = self.value(token, state)

    def on_postoperative(self, token: Token) -> None:
        if not self.skip and not self.denied():
            self.note("postoperative", self.value(token, True))
            self.places = []

    # ------------------------------------------------------------------ result

    def fields(self) -> list[Field]:
        """Lobe codes from side and part, then the report's fields."""
        for lesion in self.lesions:
            values = lesion.values
            part, segment = values.get("lobe"), values.get("segment")
            if part is None and segment is not None and lesion.side in ("left", "right"):
                said = PART_OF_SEGMENT[segment.value]
                part = segment._replace(value="upper" if (lesion.side, said) == ("left", "middle") else said)
            if part is not None:
                if part.value == "lingula" and segment is None:
                    values["segment"] = part._replace(value="lingular")
                code: Any = LOBES.get((lesion.side or "", part.value))
                values["lobe"] = part._replace(value=code or part.value)
        told = {"lesion_type", "count", "is_multiple", "side"}
        for lesion in [one for one in self.lesions if one.values.keys() <= told and "count" in one.values and one.side in (None, "both")]:
            if len(self.lesions) > 1:  # 检出结节3个。结节1：… - the announcement is none of the nodules
                self.lesions.remove(lesion)
                self.say("nodule_count", lesion.values["count"])
        nodules = [one for one in self.lesions if one.values["lesion_type"].value != "opacity" or "long_diameter_mm" in one.values]
        if nodules:
            first = nodules[0]
            self.say("nodule_present", Value(True, first.start, first.end, "ldct.nodule_present"))
        elif self.no_nodule and not self.lesions:
            self.say("nodule_present", self.no_nodule)
        if self.rads:
            self.say("lung_rads", max(self.rads, key=lambda one: LUNG_RADS.index(one.value.rstrip("S"))))
        for name, value in (self.found | self.details).items():
            self.say(name, value)
        for region, state in self.nodes.items():
            self.say(f"lymph_nodes_{region}", state)
        return super().fields()


def read(doc: Document) -> list[Field]:
    """Fields of a chest CT report."""
    reader = LungReader(doc)
    reader.read()
    return reader.fields()
