"""What may reach a page from untrusted text: an allow-list of tags, attributes and schemes."""

import nh3

_MATHML = (
    "math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms "
    "mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none"
)
_MARKDOWN = (
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th "
    "thead tr ul"
)
MATHML = frozenset(_MATHML.split())
MARKDOWN = frozenset(_MARKDOWN.split())
ATTRIBUTES: dict[str, set[str]] = {
    "*": {"dir"},
    "a": {"href", "class"},
    "code": {"class"},
    "pre": {"class", "tabindex"},
    "table": {"tabindex"},
    "span": {"class"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
    "math": {"display"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mo": {"fence", "form", "largeop", "movablelimits", "separator", "stretchy", "symmetric"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mspace": {"width", "height", "depth"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mpadded": {"width", "height", "depth"},
    "mtable": {"columnalign", "columnlines", "rowlines"},
    "mtd": {"columnalign"},
}


def sanitise(html: str) -> str:
    """HTML without scripts, styles, frames, forms and media; links leave safely."""
    return nh3.clean(
        html,
        tags=set(MATHML | MARKDOWN),
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener nofollow noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
