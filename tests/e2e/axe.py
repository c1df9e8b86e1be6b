"""Accessibility as axe sees it."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# The description of the interface is drawn by Swagger UI, whose colours are not ours.
OTHERS = {"exclude": [[".interface"]]}


def serious(page: Page) -> list[str]:
    """The serious and critical findings on the page: the rule, and where it is broken."""
    return [
        f"{found['id']}: {[node['target'] for node in found['nodes']]}"
        for found in Axe().run(page, context=OTHERS).response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]
