"""No tag lets a response act, whatever it holds."""

import time
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.template import Context, Template

from core.content.frames import POLICY, frame_document
from core.content.sanitise import MARKDOWN, MATHML
from tests.hostile import ATTACKS, HOST, documents_with, parts_with

TEMPLATE = Template(
    "{% load content %}{% content text %}{% content parts documents %}{% turns messages %}"
    "{% parts parts documents %}{% completion_body completion documents=documents %}"
    "{% documents documents %}{% steps text documents %}{{ parts|gist }}"
)
ALLOWED = (
    MARKDOWN
    | MATHML
    | {
        "article",
        "audio",
        "bdi",
        "details",
        "div",
        "figcaption",
        "figure",
        "iframe",
        "img",
        "li",
        "ol",
        "p",
        "q",
        "section",
        "summary",
        "video",
    }
)
ATTRIBUTES = {
    "align", "alt", "aria-label", "class", "controls", "data-alt", "data-kind", "decoding", "dir",
    "href", "id", "loading", "playsinline", "preload", "referrerpolicy", "rel", "sandbox", "src",
    "srcdoc", "start", "tabindex", "target", "title", "value",
}  # fmt: skip
MATHML_ATTRIBUTES = {"display", "linethickness", "mathvariant", "stretchy", "fence", "form"}


class Elements(HTMLParser):
    """Every start tag with its attributes, as a browser would read them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def rendered(text: str) -> str:
    completion = SimpleNamespace(text=text, parts=parts_with(text), messages=None)
    messages = [
        {"role": "system", "content": text},
        {"role": "user", "content": parts_with(text)},
        {"role": text[:20], "content": None},
    ]
    return TEMPLATE.render(
        Context(
            {
                "project": SimpleNamespace(slug="p"),
                "text": text,
                "parts": parts_with(text),
                "messages": messages,
                "completion": completion,
                "documents": documents_with(text),
            }
        )
    )


def check_attributes(tag: str, attributes: dict[str, str]) -> None:
    allowed = ATTRIBUTES | (MATHML_ATTRIBUTES if tag in MATHML else set())
    assert set(attributes) <= allowed, (tag, attributes)
    source = attributes.get("src", "")
    assert not source or source.startswith(("data:image/", "data:audio/", "data:video/"))
    assert "svg" not in source[:40]
    href = attributes.get("href", "")
    assert not href or href.startswith("#") or urlsplit(href).scheme in {"http", "https", "mailto"}
    if tag == "a" and HOST in href:
        assert attributes["rel"] == "noopener nofollow noreferrer"
    if tag == "iframe":
        assert attributes["sandbox"] == ""
        check_frame(attributes["srcdoc"])


def check_frame(document: str) -> None:
    """The document of a frame holds structure only, and a policy that loads nothing."""
    assert POLICY in unescape(document)
    for tag, attributes in Elements(document).found:
        assert tag not in {"script", "style", "link", "base", "iframe", "form", "object", "svg"}
        assert (
            tag != "meta"
            or set(attributes) in ({"charset"}, {"name", "content"})
            or (attributes["http-equiv"] == "Content-Security-Policy")
        )
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "href" not in attributes
        assert attributes.get("src", "data:").startswith("data:")


@pytest.mark.parametrize("name", ATTACKS)
def test_no_tag_lets_an_attack_through(name: str) -> None:
    started = time.process_time()
    elements = Elements(rendered(ATTACKS[name])).found
    assert time.process_time() - started < 20
    assert {"iframe", "details", "pre"} <= {tag for tag, _ in elements}
    for tag, attributes in elements:
        assert tag in ALLOWED, tag
        check_attributes(tag, attributes)


def test_a_frame_keeps_structure_and_drops_what_acts() -> None:
    document = frame_document(
        "<h1 onclick=x>Title</h1><a href='https://evil.example'>go</a><table><tr><td>1</table>"
    )
    assert "<h1>Title</h1>" in document
    assert "<td>1</td>" in document
    assert "evil.example" not in document
