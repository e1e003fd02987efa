"""What ultrasound and mammography of the breast have in common: lesions by side, quadrant and clock, BI-RADS, axillary nodes, composition.

Fields of a lesion: side, quadrant (as written) and quadrant_code, region, clock, nipple_distance_mm, depth, lesion_type (mass, cyst, calcification,
asymmetry, architectural_distortion, non_mass, duct_dilatation, lesion), echo, shape, orientation, margin, posterior, blood_flow, mass_density,
calcification and its morphology and distribution, architectural_distortion, long_, short_, third_, mean_ and smallest_diameter_mm,
diameter_comparator, count, is_multiple, growth, compared_on, previous_diameter_mm, nature, bi_rads, bi_rads_low (the other end of a range),
site where it is not the breast (accessory_breast, chest_wall).
Fields of the report: bi_rads (worst), bi_rads_left, _right (worst of the side), assessment_left, _right, _both, _unsided (a class said of a whole
breast), axillary_nodes_left, _right (not_enlarged, visible, enlarged, suspicious), axillary_node_long_mm, _short_mm, axillary_nodes_bi_rads,
composition (a to d), breast_type, gland_thickness_mm, and by side hyperplasia, duct_dilatation, skin_thickening, nipple_retraction, implant,
postoperative.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from ingestion.text.document import Document, Field
from ingestion.text.lesion_reader import OPPOSITE, Lesion, Place, Reader, Token, Value
from ingestion.text.measurements import Measurement
from ingestion.text.normalise import number

if TYPE_CHECKING:
    from ingestion.text.structure import Structured

SIDES = {"左": "left", "右": "right", "双": "both", "两": "both"}
# From the least to the most that has to be done about it (ACR atlas: 0 needs recall, 6 is known cancer).
SEVERITY = ("1", "2", "3", "0", "4A", "4", "4B", "4C", "5", "6")
NODE_SEVERITY = ("not_enlarged", "visible", "enlarged", "suspicious")
NO_CLOCK = ("状", "片状")
CLOCK = re.compile("1[0-2]|[1-9]")
RADS = re.compile("rads?")
# So far behind BI-RADS a side and a digit are looked for: BI-RADS：右1 左4A.
SIDED = 40
LEGEND = re.compile("0类:?.{2,60}?1类:?.{2,40}?2类")
# What may be a lesion or be part of one.
PARTS = frozenset({"calcification", "architectural_distortion"})
BREAST, AXILLA = "breast", "axilla"
# Reports without a unit give centimetres when the numbers are that small.
CENTIMETRES_BELOW = 5.0


def birads(first: str, letter: str | None) -> str:
    """ "4A" from its parts; a letter counts with 4 only."""
    digit = str(int(number(first) or 0))
    return digit + (letter.upper() if letter and digit == "4" else "")


def worst(classes: list[Value]) -> Value:
    """The class that asks for most."""
    return max(classes, key=lambda one: SEVERITY.index(str(one.value)))


class BreastReader(Reader):
    """Reads the breast report of a document."""

    BOOK = "breast"
    HOME = BREAST
    HEADS = ("head", "echo")
    SITES = frozenset({BREAST, "accessory_breast", "chest_wall"})
    KEPT = frozenset({"lesion_type", "echo"})
    ATTRIBUTES: ClassVar[dict[str, str]] = {
        "shape": "shape",
        "orientation": "orientation",
        "margin": "margin",
        "posterior": "posterior",
        "mass_density": "mass_density",
        "nature": "nature",
        "calcification_morphology": "calcification_morphology",
        "calcification_distribution": "calcification_distribution",
        "depth": "depth",
    }

    def __init__(self, doc: Document) -> None:
        super().__init__(doc)
        self.assessments: list[tuple[str | None, Value]] = []
        self.nodes: dict[str, Value] = {}
        self.node_side: Value | None = None
        self.site_side: Value | None = None
        self.item_side: tuple[int, Value] | None = None
        self.is_background = self.is_hyperplasia = self.has_denial = False

    def is_of_the_gland(self, lesion: Lesion) -> bool:
        """腺体结构紊乱, 结构紊乱，呈豹纹样改变: a whole breast, nothing else known of it."""
        told = self.is_hyperplasia or self.norm[max(0, lesion.start - 2) : lesion.start] == "腺体"
        return told and lesion.values.keys() <= {"lesion_type", "side"} and lesion.values["lesion_type"].value == "architectural_distortion"

    # ------------------------------------------------------------------ tokens

    def extra_tokens(self) -> list[Token]:
        norm, patterns, token = self.norm, self.book.patterns, self.token
        result: list[Token] = []
        has_rads = "rad" in norm and self._rads(result)
        for found, at in self.before("类", patterns["bare_class"]):
            if has_rads or found["letter"] or norm[max(0, found.start() - 1) : found.start()] in ("(", "虑", "为", ":"):
                result.append(token(found.start(), at + 1, "class", self._classes(found)))
        for found, at in self.before("点时", patterns["clock"], 18):
            if norm.startswith(NO_CLOCK, at + 1) or (norm[at] == "时" and not norm.startswith(("位", "方"), at + 1)):
                continue
            start = found.start()
            for one in CLOCK.finditer(found["listed"]):
                result.append(token(start + one.start(), start + one.end(), "clock", one.group()))
            first, last = found["first"], found["last"]
            result.append(token(found.start("first"), at + 1, "clock", f"{first}-{last}" if last else first))
        if ":00" in norm or ":30" in norm:
            result += [token(*found.span(), "clock", found["first"]) for found in patterns["watch"].finditer(norm)]
        result += self.counted("个枚颗")
        hidden = self._legend() if norm.count("类") > 2 else []
        if hidden:
            result = [one for one in result if not any(start <= one.start < end for start, end in hidden)]
            result += [token(start, end, "legend", "") for start, end in hidden]
        return result

    def _rads(self, result: list[Token]) -> bool:
        """Add the classes behind BI-RADS, and behind a side after it. False when every RADS is that of another organ."""
        norm, patterns, token = self.norm, self.book.patterns, self.token
        has_rads = False
        for match in RADS.finditer(norm):
            start, end = match.span()
            found = patterns["class"].match(norm, end)
            if patterns["other_system"].search(norm, max(0, start - 7), start):
                result.append(token(start, found.end() if found else end, "other_class", ""))
                continue
            has_rads = True
            while start > 0 and norm[start - 1] in "bi1l- _":
                start -= 1
            if found:
                again = patterns["again"].match(norm, found.end()) if found["first"] == "4" else None
                end = again.end() if again else self._class_end(found.end())
                result.append(token(start, end, "class", birads("4", again["letter"]) if again else self._classes(found)))
            if found and norm[found.end() : found.end() + 1] in ("类", "级"):
                continue
            sentence_end = min((i for i in (norm.find("。", end, end + SIDED), norm.find("\n", end, end + SIDED)) if i >= 0), default=end + SIDED)
            for sided in patterns["side_class"].finditer(norm, end, sentence_end):
                side = SIDES.get(sided["side"][0], "opposite")
                grade = birads(sided["first"], sided["letter"])
                result.append(token(sided.start(), self._class_end(sided.end()), "side_class", f"{side}|{grade}"))
        return has_rads

    def _class_end(self, end: int) -> int:
        return end + 1 if self.norm[end : end + 1] in ("类", "级", "期") else end

    def _classes(self, found: re.Match[str]) -> str:
        last = found["last"] if not (found["last"] and self.norm[found.end() : found.end() + 1] == "、") else None
        first = birads(found["first"], found["letter"])
        return f"{first}|{birads(last, found['last_letter'])}" if last else first

    def _legend(self) -> list[tuple[int, int]]:
        """The printed explanation of the classes, when there is one: from its first class to the end of its line."""
        found = list(self.book.patterns["legend"].finditer(self.norm))
        if len(found) < 3:
            plain = LEGEND.search(self.norm)
            return [(plain.start(), self._line_end(plain.end()))] if plain else []
        return [(found[0].start(), self._line_end(found[-1].end()))]

    def _line_end(self, offset: int) -> int:
        end = self.norm.find("\n", offset)
        return end if end >= 0 else len(self.norm)

    # ------------------------------------------------------------------ places

    def on_breast(self, token: Token) -> None:
        if not self.take_pending(token.start) and self.site != BREAST and self.norm[token.start - 1 : token.start] not in ("副",):
            self.home()
        if self.last_side:
            self.item_side = (self.item, self.last_side)

    def on_nipple(self, token: Token) -> None:
        self.on_breast(token)

    def on_quadrant(self, token: Token) -> None:
        if self.site != BREAST and "象限" in self.norm[token.start : token.end]:
            self.home()
        if self.site not in self.SITES and not self.pending:
            return
        written = self.doc.text[token.start : token.end]
        self.slot("quadrant", self.value(token, written))
        self.slot("quadrant_code", self.value(token))

    def on_region(self, token: Token) -> None:
        self.slot("region", self.value(token))

    def on_clock(self, token: Token) -> None:
        if self.site not in self.SITES and self.pending:
            self.home()
        self.slot("clock", Value(token.concept, token.start, token.end, "breast.clock"))

    def slot(self, name: str, value: Value) -> None:
        if name == "quadrant_code":  # goes where the quadrant went
            for target in [place.slots for place in self.places[-1:]] or [lesion.values for lesion in self.current]:
                if target.get("quadrant", value).start == value.start:
                    target["quadrant_code"] = value
            return
        super().slot(name, value)

    def on_site(self, token: Token) -> None:
        side = self.pending if self.pending and token.start - self.pending.end <= 2 else None
        if side is None and self.site_side and self.site_sentence == self.sentence and self.site != BREAST:
            side = self.site_side
        self.resolve_places()
        if self.joined(token.start) and token.concept == AXILLA and self.places and side is None:  # 双乳及腋下
            side = self.places[-1].side
        self.site, self.site_sentence, self.site_side = token.concept, self.sentence, side
        self.pending, self.waiting = None, []
        if token.concept == AXILLA:
            self.node_side = side
        elif token.concept in self.SITES:
            self.places = [Place(side)]
            return
        if self.places and not any(place.slots for place in self.places):
            self.places = []

    # ------------------------------------------------------------------ lesions

    def on_echo(self, token: Token) -> None:
        if self.inside and self.current:
            if token.concept == "hyperechoic" and not self.negated:
                self.set("calcification", self.value(token, True))
            return
        if self.site in self.SITES and not self.negated and not self.places and not self.saw and not self.another:
            last = self.current[-1] if self.current else None
            if last is not None and last in self.sentence_lesions and "echo" not in last.values and not self.joined(token.start) and not self.pending:
                self.set("echo", self.value(token))
                return
        self.head(token, "echo", token.concept)

    def same_lesion(self, token: Token, name: str, value: Value) -> bool:
        last = self.current[-1]
        if value.value in PARTS and last.values.get("lesion_type", value).value != value.value:
            self.part(token, name, value)
            return True
        if name == "echo" and "echo" in last.values:
            return False
        kinds = {last.values.get("lesion_type", value).value, value.value}
        if self.saw or kinds == {"mass", "cyst"}:
            return False
        self.closer(name, value)
        return True

    def part(self, token: Token, name: str, value: Value) -> None:
        if value.value in PARTS:
            of_it = [(waiting, one) for waiting, one in self.waiting if waiting.startswith("calcification")]
            for lesion in self.current:
                for waiting, one in [(value.value, value._replace(value=True)), *of_it]:
                    lesion.values.setdefault(waiting, one)
            self.waiting = []

    def absent(self, token: Token, concept: str) -> None:
        here = [one for one in self.current if one in self.sentence_lesions]
        if concept in PARTS and here and not self.places:
            self.set(concept, self.value(token, False))

    def on_echo_spot(self, token: Token) -> None:
        denied = self.negated or self.index in self.negated_behind
        if self.current and not self.places:
            self.set("calcification", self.value(token, not denied))
        elif not denied:
            self.head(token, "lesion_type", "calcification")

    def on_blood_flow(self, token: Token) -> None:
        if token.concept == "none" or not self.negated:
            self.set("blood_flow", self.value(token, "none" if self.index in self.negated_behind else token.concept))

    def on_duct(self, token: Token) -> None:
        """Dilated ducts are a finding of the breast; at a clock position or in a quadrant they are a lesion."""
        if self.negated or self.site != BREAST or self.index in self.negated_behind:
            return
        self.take_pending(token.start, 4)
        if any(place.slots.keys() & {"clock", "quadrant"} for place in self.places):
            self.head(token, "lesion_type", "duct_dilatation")
            return
        self.sided("duct_dilatation", token)
        self.places = []

    def on_not_a_head(self, token: Token) -> None:
        if token.concept == "hyperplasia" and self.site == BREAST and not self.negated and not self.skip:
            self.sided("hyperplasia", token)
            self.is_hyperplasia = True
            if not self.heads_ahead[self.index] and not self.opinion:
                self.places = []

        if token.concept == "background":
            self.is_background = True

    def on_negation(self, token: Token) -> None:
        super().on_negation(token)
        self.has_denial = True

    def end_sentence(self) -> None:
        """Foci that are background enhancement after all are no lesions; what stands at a clock position is one, whatever it is called."""
        for lesion in self.sentence_lesions:
            if (self.is_background and "bi_rads" not in lesion.values) or self.is_of_the_gland(lesion):
                self.lesions = [one for one in self.lesions if one is not lesion]
        if self.places and not self.has_denial:
            for place in self.places:
                if "clock" in place.slots:
                    self.lesions.append(self.at_place(place))
        self.is_background = self.is_hyperplasia = self.has_denial = False

    def at_place(self, place: Place) -> Lesion:
        """A lesion of which nothing but the place is known."""
        side = place.side or self.last_side
        at = next(iter(place.slots.values()))
        values = ({"side": side} if side else {}) | place.slots
        return Lesion(BREAST, self.sentence, self.item, at.start, at.end, side.value if side else None, values)

    def sided(self, name: str, token: Token, value: bool = True) -> None:
        """A finding of one or both breasts: `<name>_left`, `_right`, or `<name>` when no side is said."""
        side = self.places[-1].side if self.places else self.last_side
        sides = {"left": ("_left",), "right": ("_right",), "both": ("_left", "_right")}.get(str(side.value) if side else "", ("",))
        for suffix in sides:
            if not any(one.name == name + suffix for one in self.report):
                self.say(name + suffix, self.value(token, value))

    def on_sign(self, token: Token) -> None:
        if self.site == BREAST and not self.skip:
            self.take_pending(token.start, 2)
            self.sided(token.concept, token, not (self.negated or self.index in self.negated_behind))

    def on_composition(self, token: Token) -> None:
        if not self.negated and not any(one.name == "composition" for one in self.report):
            self.say("composition", self.value(token))
            self.places = []

    def on_breast_type(self, token: Token) -> None:
        self.say("breast_type", self.value(token))
        self.places = []

    # ------------------------------------------------------------------ nodes

    def on_node(self, token: Token) -> None:
        self.node(token, "not_enlarged" if self.negated or self.index in self.negated_behind else "visible")

    def on_node_state(self, token: Token) -> None:
        self.node(token, "not_enlarged" if self.negated or self.index in self.negated_behind else token.concept)

    def node(self, token: Token, state: str) -> None:
        """Axillary nodes by side; of several statements the graver one holds. Without a side it holds for both."""
        if self.site != AXILLA or self.skip:
            return
        side = str(self.node_side.value) if self.node_side else "both"
        for one in ("left", "right") if side == "both" else (side,):
            known = self.nodes.get(one)
            if known is None or NODE_SEVERITY.index(state) > NODE_SEVERITY.index(str(known.value)):
                self.nodes[one] = self.value(token, state)

    # ------------------------------------------------------------------ BI-RADS

    def on_side_class(self, token: Token) -> None:
        side, value = token.concept.split("|")
        if side == "opposite":
            if not self.last_side or self.last_side.value not in OPPOSITE:
                return
            side = OPPOSITE[str(self.last_side.value)]
        self.last_side = Value(side, token.start, token.end, "breast.side")
        self.assess(side, Value(value, token.start, token.end, "breast.bi_rads"))
        self.places, self.pending = [], None

    def on_class(self, token: Token) -> None:
        """A class belongs to the lesions of its sentence that have none, else to the side named before it, else to the report."""
        first, _, last = token.concept.partition("|")
        grades = [Value(one, token.start, token.end, "breast.bi_rads") for one in (first, last) if one]
        value = worst(grades)
        lacking = [one for one in self.sentence_lesions if "bi_rads" not in one.values]
        if self.pending and token.start - self.pending.end <= 3:
            self.home()
            self.open_place(self.pending)
            self.pending = None
        home = self.site in self.SITES or self.site_sentence != self.sentence
        if self.places and home:
            sides = {str(place.side.value) for place in self.places if place.side}
            bare = not any(place.slots for place in self.places)
            if not (bare and lacking and sides <= {one.side for one in lacking}):
                self.places_classed(value, grades)
                return
        if lacking:
            self.give(lacking, value, grades)
        elif self.sentence_lesions:
            for one in self.sentence_lesions:
                known = one.values["bi_rads"]
                if len(str(known.value)) < len(str(value.value)) and str(value.value).startswith(str(known.value)):
                    one.values["bi_rads"] = value
        elif not home:
            if self.site == AXILLA:
                self.say("axillary_nodes_bi_rads", value)
        else:
            before = [one for one in self.lesions if one.item == self.item and one.sentence == self.sentence - 1 and "bi_rads" not in one.values]
            if before:
                self.give(before, value, grades)
            elif self.item_side and self.item_side[0] == self.item:
                self.assess(str(self.item_side[1].value), value)
            else:
                self.assess(None, value)
                alone = [one for one in self.lesions if one.site == BREAST]
                if len(alone) == 1 and "bi_rads" not in alone[0].values:
                    self.give(alone, value, grades)

    def places_classed(self, value: Value, grades: list[Value]) -> None:
        """A class behind places without a head: 右乳头后方所见，BI-RADS 0类; a bare side is assessed as a whole."""
        for place in self.places:
            side = place.side or self.last_side
            if place.slots:
                lesion = self.at_place(place)
                self.lesions.append(lesion)
                self.sentence_lesions.append(lesion)
                self.current = [lesion]
                self.give([lesion], value, grades)
            elif side:
                self.assess(str(side.value), value)
        self.places = []

    def give(self, lesions: list[Lesion], value: Value, grades: list[Value]) -> None:
        """The class to lesions; of a range (3-4A) the graver class holds and the other stands beside it."""
        for lesion in lesions:
            lesion.values["bi_rads"] = value
            if len(grades) > 1:
                lesion.values["bi_rads_low"] = min(grades, key=lambda one: SEVERITY.index(str(one.value)))

    def assess(self, side: str | None, value: Value) -> None:
        """A side assessed as a whole; its only lesion without a class gets it."""
        self.assessments.append((side, value))
        lesions = [one for one in self.lesions if one.site == BREAST and one.side == side and "bi_rads" not in one.values]
        if side and len(lesions) == 1:
            lesions[0].values["bi_rads"] = value

    # ------------------------------------------------------------------ sizes

    def millimetres(self, one: Measurement) -> tuple[float, ...]:
        if not one.unit and max(one.values_mm) < CENTIMETRES_BELOW:
            return tuple(round(value * 10, 2) for value in one.values_mm)
        return one.values_mm

    def aside(self, token: Token, one: Measurement, before: str) -> bool:
        away = one.cue == "distance" or "距" in before or (len(one.values_mm) == 1 and self.norm[one.end : one.end + 1] == "处")
        if away and ("乳头" in before or "乳晕" in before):
            self.measured("nipple_distance_mm", one.values_mm[0], one)
            return True
        if "腺体" in before and "厚" in before and self.site == BREAST:
            self.say("gland_thickness_mm", Value(one.values_mm[0], one.start, one.end, "breast.gland_thickness", "mm"))
            return True
        if one.cue in {"distance", "thickness"} or before.endswith(("厚", "内径", "内径约", "宽约", "管径", "管径约", "厚度")):
            return True
        if self.site == AXILLA:
            side = str(self.node_side.value) if self.node_side else "both"
            suffix = "" if side == "both" else f"_{side}"
            values = sorted(self.millimetres(one), reverse=True)
            name = "axillary_node_short_mm" if one.cue == "short_axis" else "axillary_node_long_mm"
            self.say(name + suffix, Value(values[0], one.start, one.end, "breast.node_size", "mm"))
            if len(values) > 1:
                self.say("axillary_node_short_mm" + suffix, Value(values[1], one.start, one.end, "breast.node_size", "mm"))
            return True
        return self.site not in self.SITES

    # ------------------------------------------------------------------ result

    def fields(self) -> list[Field]:
        """Fields of the lesions and of the report: class by side and worst, nodes by side."""
        for lesion in self.lesions:
            if lesion.site != BREAST:
                lesion.values["site"] = Value(lesion.site, lesion.start, lesion.end, "breast.site")
        for side, state in self.nodes.items():
            self.say(f"axillary_nodes_{side}", state)
        classed = [(one.side, one.values["bi_rads"]) for one in self.lesions if "bi_rads" in one.values]
        for side, value in self.assessments:
            self.say(f"assessment_{side or 'unsided'}", value)
        for side in ("left", "right"):
            of_side = [value for named, value in classed + self.assessments if named in (side, "both")]
            if of_side:
                self.say(f"bi_rads_{side}", worst(of_side))
        if classed or self.assessments:
            self.say("bi_rads", worst([value for _, value in classed + self.assessments]))
        return super().fields()


def breast_lesions(structured: Structured) -> list[dict[str, Any]]:
    """Side, class, quadrant and clock as ../shared/tools/score_text.py takes them: lesions of the breast, and breasts assessed as a whole."""
    lesions = [
        {"side": one.get("side"), "bi_rads": one.get("bi_rads_low") or one.get("bi_rads"), "quadrant": one.get("quadrant"), "clock": one.get("clock")}
        for one in structured.lesions
        if "site" not in one
    ]
    sides = {f"assessment_{side}": side for side in ("left", "right", "both")} | {"assessment_unsided": None}
    assessed = [{"side": sides[one.name], "bi_rads": one.value, "quadrant": None, "clock": None} for one in structured.fields if one.name in sides]
    return lesions + assessed


def read(doc: Document) -> list[Field]:
    """Fields of a breast report."""
    reader = BreastReader(doc)
    reader.read()
    return reader.fields()
