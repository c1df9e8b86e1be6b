"""Untrusted HTML as the document of a sandboxed frame.

Four walls, each of which would do: the frame has `sandbox=""` (no script, form, popup or origin),
the document carries a policy that loads nothing, the page's own policy is inherited by a `srcdoc`
frame, and the HTML is sanitised beforehand, so that nothing is left for the walls to stop.
"""

import nh3

LONGEST_HTML = 200_000
POLICY = "default-src 'none'; img-src data:; form-action 'none'; base-uri 'none'"
_TAGS = (
    "a abbr address article aside b bdi bdo blockquote br caption cite code col colgroup dd del "
    "details dfn div dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd "
    "li main mark nav ol p pre q rp rt ruby s samp section small span strong sub summary sup table "
    "tbody td tfoot th thead time tr u ul var wbr"
)
_REMOVED = {"script", "style", "title", "template", "noscript", "iframe", "object", "svg", "math"}
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS.split()),
    clean_content_tags=_REMOVED,
    attributes={
        "*": {"dir", "lang", "title"},
        "img": {"src", "alt", "width", "height"},
        "ol": {"start", "reversed"},
        "td": {"align", "colspan", "rowspan"},
        "th": {"align", "colspan", "rowspan", "scope"},
        "details": {"open"},
    },
    url_schemes={"data"},
    url_relative="deny",
    link_rel=None,
)


def frame_document(html: str) -> str:
    """A whole document for `srcdoc`: structure and text, no style, link, script or remote image."""
    readable = html[:LONGEST_HTML].encode("utf-8", "replace").decode()
    body = _CLEANER.clean(readable)
    return (
        '<!doctype html><html><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="color-scheme" content="light"></head>'
        f'<body dir="auto">{body}</body></html>'
    )
