"""From pairs to persons: which nodes are one person, when links are followed from one to the next and none may contradict another.

Links are taken in the order of their weight; a link that would put two ID numbers, two sexes, two distant birth years, or two records that a
clerk told apart into one person is left out. Ties are broken by what the records hold, never by the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Node:
    """What a person may hold only once. years  first and last birth year stated, None for none; tie  breaks ties"""

    numbers: int
    sex: str | None
    years: tuple[int, int] | None
    tie: str


@dataclass
class _Group:
    members: list[int]
    numbers: int
    sexes: set[str]
    years: tuple[int, int] | None
    apart: set[int] = field(default_factory=set)


class Groups:
    """Disjoint groups of nodes that grow by links."""

    def __init__(self, nodes: dict[int, Node], apart: Iterable[tuple[int, int]]):
        """apart  pairs that a clerk told apart"""
        self._nodes = nodes
        self._of: dict[int, _Group] = {}
        for no, node in nodes.items():
            self._of[no] = _Group([no], node.numbers, {node.sex} - {None}, node.years)
        for left, right in apart:
            if left in self._of and right in self._of:
                self._of[left].apart.add(right)
                self._of[right].apart.add(left)

    def conflict(self, left: int, right: int) -> str | None:
        """Why two nodes cannot be one person, None where they can."""
        a, b = self._of[left], self._of[right]
        if a is b:
            return None
        if a.numbers + b.numbers > 1:
            return "two_numbers"
        if a.sexes and b.sexes and a.sexes != b.sexes:
            return "two_sexes"
        if a.years and b.years:
            low, high = min(a.years[0], b.years[0]), max(a.years[1], b.years[1])
            if high - low > max(1, a.years[1] - a.years[0], b.years[1] - b.years[0]):
                return "two_birth_years"
        return "told_apart" if self.told_apart(left, right) else None

    def told_apart(self, left: int, right: int) -> bool:
        """Whether a clerk told members of the two groups apart."""
        a, b = self._of[left], self._of[right]
        return not a.apart.isdisjoint(b.members) or not b.apart.isdisjoint(a.members)

    def join(self, left: int, right: int) -> None:
        """Make the groups of two nodes one, whatever they hold."""
        a, b = self._of[left], self._of[right]
        if a is b:
            return
        if len(a.members) < len(b.members):
            a, b = b, a
        a.members += b.members
        a.numbers += b.numbers
        a.sexes |= b.sexes
        a.apart |= b.apart
        spans = [y for y in (a.years, b.years) if y]
        a.years = (min(y[0] for y in spans), max(y[1] for y in spans)) if spans else None
        for no in b.members:
            self._of[no] = a

    def members(self) -> list[list[int]]:
        """Groups of more than one node."""
        return [g.members for g in {id(g): g for g in self._of.values()}.values() if len(g.members) > 1]


def grouped(
    nodes: dict[int, Node],
    links: Iterable[tuple[int, int, float]],
    same: Iterable[tuple[int, int]],
    apart: Iterable[tuple[int, int]],
) -> list[list[int]]:
    """Groups of several nodes.

    links  (left, right, weight) that may be followed without a clerk; same, apart  a clerk's verdicts, which win: a clerk may even join two numbers
    """
    groups = Groups(nodes, apart)
    tied = sorted(tuple(sorted((nodes[a].tie, nodes[b].tie))) + (a, b) for a, b in same)
    for *_, left, right in tied:
        if not groups.told_apart(left, right):
            groups.join(left, right)
    ordered = sorted((-round(weight, 6), *sorted((nodes[a].tie, nodes[b].tie)), a, b) for a, b, weight in links)
    for *_, left, right in ordered:
        if groups.conflict(left, right) is None:
            groups.join(left, right)
    return groups.members()
