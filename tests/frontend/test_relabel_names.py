"""Pages that send instances to relabelling say which report they come from, by a known name."""

import re
from pathlib import Path

from annotation.quality.relabelling import REPORTS

TEMPLATES = Path(__file__).resolve().parents[2] / "frontend" / "templates"
NAMED = re.compile(r'(?:name="report" value="|report_name=")([^"{]+)"')


def test_every_report_that_a_template_names_is_known() -> None:
    pages = {path: path.read_text() for path in TEMPLATES.rglob("*.html")}
    named = {name: found for name, text in pages.items() if (found := NAMED.findall(text))}
    assert len(named) >= 5
    for page, names in named.items():
        assert set(names) <= REPORTS, page
