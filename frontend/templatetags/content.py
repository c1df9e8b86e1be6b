"""Tags that show untrusted content: texts, parts, conversations, documents, steps.

Each emits its own `<div class="prose">`. Plain text takes no template: most of what a labelling
page shows is that, and the annotator waits for it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from annotation.instances.content import document_number, text_of
from core.content import render_markdown
from core.content.citations import link_citations
from core.content.frames import frame_document
from core.content.markdown import highlighted, host_of
from core.content.media import is_inline, is_remote
from core.content.steps import split_steps

register = template.Library()
MEDIA = frozenset({"image", "audio", "video"})
PREFIX = "document"
_DIGEST = re.compile(r"[0-9a-f]{64}")
Documents = Sequence[Any] | None


@dataclass(frozen=True)
class Medium:
    """An image, sound or film: `source` may load at once, `remote` after a click on it."""

    kind: str
    source: str
    remote: str
    host: str
    alt: str
    title: str


@dataclass(frozen=True)
class Source:
    """A document that a completion cites: its number (0 where there is none) and name."""

    number: int
    name: str
    quote: str


@register.simple_tag(takes_context=True)
def content(context: Context, value: Any, documents: Documents = None) -> SafeString:
    """A text, or a list of parts."""
    if isinstance(value, str):
        return _prose(value, documents)
    return parts(context, value, documents)


@register.simple_tag(takes_context=True)
def turns(
    context: Context, messages: Sequence[Mapping[str, Any]] | None, named: bool = False
) -> SafeString:
    """A conversation; roles are named where it is more than one question, or always."""
    rows = messages or ()
    named = named or len(rows) > 1 or any(row.get("role") != "user" for row in rows)
    names = {"system": _("System"), "user": _("User"), "assistant": _("Assistant")}
    return format_html_join(
        "\n",
        '<div class="turn {}">{}{}</div>',
        (
            (
                row.get("role", ""),
                format_html('<div class="role">{}</div>', names.get(row.get("role", ""), ""))
                if named
                else "",
                content(context, row.get("content", "")),
            )
            for row in rows
        ),
    )


@register.simple_tag(takes_context=True)
def parts(
    context: Context, values: Sequence[Any] | None, documents: Documents = None
) -> SafeString:
    """The parts in their order; neighbouring media share a row; citations come last."""
    shown = [part for part in values or () if isinstance(part, Mapping)]
    found = "".join(
        _group(context, kind, list(group), documents)
        for kind, group in groupby(
            (part for part in shown if part.get("type") != "citation"),
            key=lambda part: "media" if part.get("type") in MEDIA else part.get("type"),
        )
    )
    return mark_safe(found + _sources(shown, documents))  # noqa: S308 - built of safe strings


@register.simple_tag(takes_context=True)
def completion_body(context: Context, completion: Any, documents: Documents = None) -> SafeString:
    """What a completion says: text, parts, sources. Its own prompt is not part of it."""
    text = completion.text
    body = _prose(text, documents) if text.strip() else SafeString("")
    if completion.parts:
        return body + parts(context, completion.parts, documents)
    return body or format_html(
        '<div class="prose"><p class="muted"><em>{}</em></p></div>', _("(an empty completion)")
    )


@register.simple_tag
def documents(values: Documents, prefix: str = PREFIX) -> SafeString:
    """The documents of an instance, numbered; a citation opens the one it names."""
    if not values:
        return SafeString("")
    rows = [_document(number, value, prefix) for number, value in enumerate(values, 1)]
    return render_to_string("content/_documents.html", {"documents": rows})


@register.simple_tag
def steps(value: Any, documents: Documents = None) -> SafeString:
    """The steps of a reasoning chain (a completion or a text), numbered."""
    text = value if isinstance(value, str) else value.text
    rows = ((number, _prose(step, documents)) for number, step in enumerate(split_steps(text), 1))
    return format_html(
        '<ol class="reasoning">{}</ol>',
        format_html_join("", '<li value="{}">{}</li>', rows),
    )


@register.filter
def gist(value: Any) -> str:
    """The first words of a text or of parts, for a line of its own."""
    return text_of(value)[:160]


def _prose(text: str, documents: Documents = None) -> SafeString:
    body = render_markdown(text)
    if documents:
        body = mark_safe(link_citations(body, len(documents), PREFIX))  # noqa: S308 - sanitised
    return mark_safe(f'<div class="prose">{body}</div>')  # noqa: S308 - sanitised


def _group(context: Context, kind: Any, group: list[Any], documents: Documents) -> str:
    if kind == "media":
        media = [_medium(context, part) for part in group]
        return render_to_string("content/_media.html", {"media": media, "several": len(media) > 1})
    return "".join(_part(kind, part, documents) for part in group)


def _part(kind: Any, part: Mapping[str, Any], documents: Documents) -> str:
    text = str(part.get("text", ""))
    if kind == "text":
        return _prose(text, documents)
    if kind == "code":
        return format_html(
            '<div class="prose">{}<pre tabindex="0"><code>{}</code></pre></div>',
            _caption(part),
            mark_safe(highlighted(text, str(part.get("language", "")))),  # noqa: S308 - escaped
        )
    if kind == "html":
        return render_to_string(
            "content/_frame.html",
            {"title": part.get("title", ""), "document": frame_document(text), "source": text},
        )
    return ""


def _caption(part: Mapping[str, Any]) -> SafeString:
    title = str(part.get("title", ""))
    return format_html('<div class="caption" dir="auto">{}</div>', title) if title else SafeString()


def _medium(context: Context, part: Mapping[str, Any]) -> Medium:
    kind, address = str(part["type"]), str(part.get("url", ""))
    source = address if is_inline(kind, address) else _own_address(context, part)
    remote = address if not source and is_remote(address) else ""
    return Medium(
        kind=kind,
        source=source,
        remote=remote,
        host=host_of(remote) if remote else "",
        alt=str(part.get("alt", "")),
        title=str(part.get("title", "")),
    )


def _own_address(context: Context, part: Mapping[str, Any]) -> str:
    """Where a media file of the project is served; empty where the part names none."""
    digest, project = str(part.get("sha256", "")), context.get("project")
    if project is None or not _DIGEST.fullmatch(digest):
        return ""
    return reverse("media", args=[project.slug, digest])


def _document(number: int, value: Any, prefix: str) -> dict[str, Any]:
    fields = value if isinstance(value, Mapping) else {}
    address = str(fields.get("url", ""))
    return {
        "number": number,
        "anchor": f"{prefix}-{number}",
        "title": str(fields.get("title") or fields.get("id") or ""),
        "body": _prose(text_of(value)),
        "address": address if is_remote(address) else "",
        "host": host_of(address),
    }


def _sources(shown: list[Any], documents: Documents) -> str:
    found = list(_cited(shown, documents))
    if not found:
        return ""
    return render_to_string("content/_sources.html", {"sources": found, "prefix": PREFIX})


def _cited(shown: list[Any], documents: Documents) -> Iterator[Source]:
    for part in shown:
        if part.get("type") != "citation":
            continue
        number = document_number(documents or (), part.get("document"))
        known = (documents or ())[number - 1] if number else None
        title = known.get("title") or known.get("id") if isinstance(known, Mapping) else ""
        name = title or (_("Document %d") % number if number else part.get("document", ""))
        yield Source(number, str(name), str(part.get("quote", "")))
