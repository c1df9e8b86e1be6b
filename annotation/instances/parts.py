"""Contents that are more than text: turns and completions made of parts, and documents. Pure.

| a part                            | must have                                                  |
|-----------------------------------|------------------------------------------------------------|
| `text`, `code`, `html`            | `text`; HTML of at most `MAX_HTML_BYTES`                   |
| `image`, `audio`, `video`         | either `url` (`https`, or a `data:` address of an allowed  |
|                                   | type) or `file`, the name of a media file of the project   |
| `citation`                        | `document`: the id, or from 0 the place, of a document of  |
|                                   | the instance's context                                     |

Each may have `alt` and `title`; `code` a `language`; a citation a `quote`. A `file` gains the
hash of its bytes, so that the content of an instance never changes unseen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from core.content.frames import LONGEST_HTML
from core.content.media import is_inline, is_remote
from core.exceptions import InvalidInput

from .content import document_number

MAX_PARTS = 64
MAX_HTML_BYTES = LONGEST_HTML
MAX_DOCUMENTS = 200
MEDIA = frozenset({"image", "audio", "video"})
TYPES = frozenset({"text", "code", "html", "citation"}) | MEDIA
TEXTS = {"text": None, "language": 60, "url": None, "file": 200, "alt": 2000, "title": 300}
# Name of a media file → (sha256, content type).
Media = Mapping[str, tuple[str, str]]


def read_parts(value: Any, what: str, documents: Sequence[Any], media: Media) -> list[Any]:
    """The parts of a turn or a completion, without keys that mean nothing.

    Raises:
        InvalidInput: a part breaks a rule of the table above; `what` names its place.
    """
    if not isinstance(value, list) or len(value) > MAX_PARTS:
        raise InvalidInput(f"{what}: must be a list of at most {MAX_PARTS} parts")
    return [
        _part(part, f"{what}, part {number}", documents, media) for number, part in enumerate(value)
    ]


def read_context(value: Any) -> list[Any]:
    """The documents beside a prompt: texts, or objects with a text, an id, a title and a url.

    Raises:
        InvalidInput: a document is neither, or two have the same id.
    """
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_DOCUMENTS:
        raise InvalidInput(f"context must be a JSON list of at most {MAX_DOCUMENTS} documents")
    for place, document in enumerate(value):
        _check_document(document, f"document {place} of the context")
    ids = [each["id"] for each in value if isinstance(each, dict) and each.get("id")]
    if len(set(ids)) < len(ids):
        raise InvalidInput("two documents of the context have the same id")
    return value


def _check_document(document: Any, what: str) -> None:
    if isinstance(document, str):
        return
    if not isinstance(document, dict):
        raise InvalidInput(f"{what} must be a text or an object with a text")
    for key in ("id", "title", "text", "url"):
        if document.get(key) is not None and not isinstance(document[key], str):
            raise InvalidInput(f"{what}: {key} must be a text")


def _part(part: Any, what: str, documents: Sequence[Any], media: Media) -> dict[str, Any]:
    if not isinstance(part, dict) or part.get("type") not in TYPES:
        raise InvalidInput(f"{what}: needs a type of {', '.join(sorted(TYPES))}")
    kept = {"type": part["type"]} | {
        key: _text(part[key], f"{what}: {key}", longest)
        for key, longest in TEXTS.items()
        if part.get(key) is not None
    }
    if kept["type"] == "citation":
        return _citation(part, what, documents)
    if kept["type"] in MEDIA:
        return kept | _medium(kept, what, media)
    if "text" not in kept:
        raise InvalidInput(f"{what}: needs a text")
    if kept["type"] == "html" and len(kept["text"].encode()) > MAX_HTML_BYTES:
        raise InvalidInput(f"{what}: HTML is limited to {MAX_HTML_BYTES // 1000} kB")
    return kept


def _text(value: Any, what: str, longest: int | None) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a text")
    if longest is not None and len(value) > longest:
        raise InvalidInput(f"{what} must have at most {longest} characters")
    return value


def _citation(part: Mapping[str, Any], what: str, documents: Sequence[Any]) -> dict[str, Any]:
    document = part.get("document")
    if not document_number(documents, document):
        raise InvalidInput(f"{what}: cites {str(document)[:60]!r}, which is not in the context")
    quote = _text(part.get("quote") or "", f"{what}: quote", 4000)
    return {"type": "citation", "document": document} | ({"quote": quote} if quote else {})


def _medium(part: Mapping[str, Any], what: str, media: Media) -> dict[str, str]:
    if ("url" in part) == ("file" in part):
        raise InvalidInput(f"{what}: needs either a url or a file")
    if "url" in part:
        if not is_remote(part["url"]) and not is_inline(part["type"], part["url"]):
            raise InvalidInput(
                f"{what}: the url must begin with https://, or be a data: address of an allowed "
                f"{part['type']} type"
            )
        return {}
    return _own_file(part, what, media)


def _own_file(part: Mapping[str, Any], what: str, media: Media) -> dict[str, str]:
    found = media.get(part["file"])
    if found is None:
        raise InvalidInput(
            f"{what}: the project has no media file {part['file'][:80]!r}: hand it in first, or in "
            "one .zip with the lines"
        )
    digest, content_type = found
    family = content_type.partition("/")[0]
    # The containers of films may hold sound alone.
    if family != part["type"] and {family, part["type"]} != {"audio", "video"}:
        raise InvalidInput(f"{what}: {part['file'][:80]!r} is {content_type}, no {part['type']}")
    return {"sha256": digest}
