"""The dictionary as one HTML page: no address outside, works from a file, prints."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingestion.dictionary import content as told
from ingestion.dictionary.content import Content

HERE = Path(__file__).parent / "templates"
CODES_SHOWN = 300
FEW_CODES = 6  # a list as short as this is shown beside its fields


def render(content: Content, links: dict[str, str | None]) -> str:
    """The page's text; `links` leads to workbook and dbt documentation, relative to the page."""
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(type_zh=told.type_zh, range_zh=told.range_zh, n=lambda v: f"{v:,}")
    names = {name: getattr(told, name) for name in ("FAMILIES_ZH", "CLASSES_ZH", "SEVERITIES_ZH", "OUTCOMES_ZH", "SUBJECTS_ZH", "rule_fields_zh")}
    return environment.get_template("dictionary.html.j2").render(content=content, links=links, shown=CODES_SHOWN, few=FEW_CODES, **names)
