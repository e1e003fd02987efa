"""The programme office: targets by year, place, organisation and cancer, and the rule sets it adopted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import document, rows
from ingestion.synthetic.records import NOBODY, Records, records

ORGANISATION = "PG14"
OFFICE = "SX14"
PROVINCE = "140000"
Row = dict[str, str | None]


def listed(feed: str, found: list[Row], known_on: list[str]) -> Records:
    """A short feed about nobody, from its rows."""
    columns = {name: pa.array([row[name] for row in found], pa.string()) for name in found[0]}
    return records(ORGANISATION, feed, columns, np.full(len(found), NOBODY), np.array(known_on, dtype="datetime64[D]"))


def apportioned(total: int, weights: list[float]) -> list[int]:
    """A whole number shared out by weight; the parts add up to it (largest remainders)."""
    exact = total * np.array(weights, dtype=float) / sum(weights)
    parts = np.floor(exact).astype(int)
    parts[np.argsort(parts - exact, kind="stable")[: total - parts.sum()]] += 1
    return parts.tolist()


def _places(level: str, indicator: str) -> list[tuple[str | None, str | None, float]]:
    """Division, organisation and weight of each place of a level."""
    if level == "province":
        return [(PROVINCE, None, 1.0)]
    if level == "prefecture":
        return [(row["code"], None, float(row["weight"])) for row in rows("prefectures")]
    return [(None, code, weight) for code, weight in document("programme")["targets"]["organisations"][indicator].items()]


def _targets() -> Iterator[tuple[int, str, str | None, str | None, str, str, int]]:
    """Year, level, division, organisation, cancer, indicator, people: each level adds up to the province, each cancer to all."""
    plan = document("programme")["targets"]
    for indicator, total in plan["totals"].items():
        for year, of_year in zip(plan["years"], apportioned(total, list(plan["years"].values())), strict=True):
            by_cancer = plan["cancers"].get(indicator, {})
            scopes = dict(zip(by_cancer, apportioned(of_year, list(by_cancer.values())), strict=True)) if by_cancer else {}
            for level in ("province", "prefecture", "organisation"):
                places = _places(level, indicator)
                parts = {c: apportioned(n, [w for *_, w in places]) for c, n in scopes.items()}
                # what a place has to do for all cancers is the sum of what it has to do for each
                every = [sum(p) for p in zip(*parts.values(), strict=True)] if parts else apportioned(of_year, [w for *_, w in places])
                for cancer, people in {"all": every, **parts}.items():
                    for (division, organisation, _), count in zip(places, people, strict=True):
                        yield year, level, division, organisation, cancer, indicator, count


def target_records() -> Records:
    """The targets, as issued at the beginning of each year."""
    plan = document("programme")["targets"]
    found: list[Row] = []
    for year, level, division, organisation, cancer, indicator, count in _targets():
        found.append(
            {
                "target_no": f"MB{year}-{organisation or division}-{indicator}-{cancer}",
                "target_year": str(year),
                "level_code": level,
                "division_code": division,
                "organisation_code": organisation,
                "cancer_code": cancer,
                "indicator_code": indicator,
                "target_count": str(count),
                "issued_date": plan["issued"][year],
                "document_no": plan["document"].format(year=year, number=3 + list(plan["totals"]).index(indicator)),
            }
        )
    return listed("programme_target", found, [str(row["issued_date"]) for row in found])


def decision(number: str, kind: str, day: str, reason: str, by: str, supersedes: str | None = None) -> dict[str, str | None]:
    """Number, author, day and reason of a decision of the programme office."""
    return {
        "decision_no": f"{kind}{number}",
        "decided_by": by,
        "decided_organisation_code": OFFICE,
        "decided_at": day,
        "reason": reason,
        "supersedes": supersedes,
    }


def rule_records() -> Records:
    """Which rule sets the province and its organisations use."""
    found: list[Row] = []
    for number, said in enumerate(document("programme")["rules"], 1):
        scope = said["scope"]
        replaced = said.get("replaces")
        made = decision(f"{number:04d}", "GZ", said["decided"], said["reason"], "YS001", f"GZ{replaced:04d}" if replaced else None)
        found.append(
            {
                "decision_no": made.pop("decision_no"),
                "cancer_code": said["cancer"],
                "rule_id": said["rule"],
                "rule_version": said["version"],
                "scope_code": scope,
                "division_code": PROVINCE if scope == "province" else said.get("division"),
                "organisation_code": said.get("organisation"),
                "verdict_code": said["verdict"],
                "valid_from": said["from"],
                "valid_to": said.get("to"),
                **made,
            }
        )
    return listed("decision_rule_adoption", found, [str(row["decided_at"]) for row in found])
