"""How the interface describes itself as OpenAPI: names, tags, errors, what every write takes."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from accounts.idempotency import LONGEST_KEY

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
PROJECT = ("projects", "{slug}")
VERBS = {"PUT": "set", "PATCH": "change", "DELETE": "delete"}
# Words that end like a plural and are none.
ONE = re.compile(r"(ss|us|is)$")
# What any route may answer, and what those may that write.
EVERYWHERE = {
    "400": ("Unreadable", "The request cannot be read."),
    "401": ("Unknown", "No login and no valid token."),
    "403": ("Forbidden", "The role, or the scopes of the token, do not allow it."),
    "404": ("NotFound", "There is no such thing, or one is no member of its project."),
    "406": ("NotAcceptable", "The interface answers in no format that was asked for."),
    "422": ("Invalid", "It can be read and makes no sense."),
    "429": ("TooMany", "Too many requests; Retry-After says when to come back."),
}
IN_WRITES = {
    "409": ("Conflict", "The state does not allow it, or the same request is being answered."),
    "413": ("TooLarge", "The body is too large."),
    "415": ("UnknownFormat", "The body is in no format that is taken here."),
    "502": ("Elsewhere", "A server that this one asked did not answer as it should."),
    "503": ("Busy", "What has to answer is not there; Retry-After says when to ask again."),
}
AS_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description="The same key with the same request is done once and answered again for a day.",
)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Some kinds have more fields, which tell what is wrong where.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:tandem:problem:invalid-input"]},
        "title": {"type": "string", "examples": ["Unprocessable Entity"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string", "examples": ["`limit` must be a whole number."]},
        "instance": {"type": "string"},
        "retry_after": {"type": "integer", "description": "Seconds."},
    },
}


class Bearer(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "tdm_…",
            "description": "An access token with scopes: docs/api.md says how to make one.",
        }


class Schema(AutoSchema):
    """One operation: `list_runs`, `create_run`, `get_run`, `cancel_run`; its tag is the noun."""

    def get_override_parameters(self) -> list[Any]:
        return [KEY] if self.method in UNSAFE else []

    def get_tags(self) -> list[str]:
        return [self._parts()[0].replace("-", " ")]

    def get_summary(self) -> str | None:
        """The first sentence of what the view says of itself."""
        said = (self.get_description() or "").split("\n\n")[0].replace("\n", " ")
        return re.split(r"[.;:] |\.$", said)[0] or None

    def get_operation_id(self) -> str:
        parts = self._parts()
        *before, noun = [_word(part) for part in parts if not part.startswith("{")]
        words, row = [singular(word) for word in before], parts[-1].startswith("{")
        if self._is_page():
            return "_".join(["list", *words, noun])
        if self.method == "GET" or self.method in VERBS:
            verb = VERBS.get(self.method, "get")
            return "_".join([verb, *words, singular(noun) if row else noun])
        if row or (self.path.endswith("/") and singular(noun) != noun):
            return "_".join(["create", *words, singular(noun)])
        return "_".join([noun, *words])

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        """The class without what says how it is used; two rooms may have one of the same name."""
        kind = serializer if isinstance(serializer, type) else type(serializer)
        name = re.sub(r"(Serializer|Output|Body|Input)$", "", kind.__name__)
        identity = f"{kind.__module__}.{kind.__qualname__}"
        *rooms, _module = kind.__module__.split(".")
        for room in ("", *reversed(rooms)):
            longer = f"{room.title()}{name}"
            if NAMES.setdefault((direction, longer), identity) == identity:
                return longer
        raise ValueError(f"{identity} has a name that others have: rename it.")

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, body in bodies.items():
            if code >= "400":
                body["content"] = AS_PROBLEM
        errors = EVERYWHERE | (IN_WRITES if self.method in UNSAFE else {})
        for code, (name, _description) in errors.items():
            bodies.setdefault(code, {"$ref": f"#/components/responses/{name}"})
        return dict(sorted(bodies.items()))

    def _parts(self) -> list[str]:
        """The parts of the path after the version, and after the project where more follows."""
        parts = [part for part in self.path.split("/") if part][2:]
        return parts[2:] if tuple(parts[:2]) == PROJECT and len(parts) > len(PROJECT) else parts

    def _is_page(self) -> bool:
        page = type(self.get_response_serializers()).__name__.endswith("Page")
        return page and self.method == "GET"


# Which class has which name in requests and in responses: the first one that is met, and paths are
# walked in order.
NAMES: dict[tuple[str, str], str] = {}


def _any_holds_null(value: Any) -> None:
    """`anything or null` is anything: said as one of two, null would be both."""
    each = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in each:
        _any_holds_null(inner)
    if isinstance(value, dict) and value.get("oneOf") == [{}, {"type": "null"}]:
        del value["oneOf"]


def _word(part: str) -> str:
    """A part of a path as part of a name: `write-back` → `write_back`."""
    return re.sub(r"\W+", "_", re.sub(r"\{.*?\}", "", part)).strip("_")


def singular(word: str) -> str:
    """`policies` → `policy`, `runs` → `run`; what is no plural stays."""
    if word == "criteria":
        return "criterion"
    if ONE.search(word) or not word.endswith("s"):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word[:-1]


def finish(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """The shape of errors, the tags in order, and values of any kind told once."""
    _any_holds_null(result)
    result["components"]["schemas"]["Problem"] = PROBLEM
    result["components"]["responses"] = {
        name: {"description": description, "content": AS_PROBLEM}
        for name, description in (EVERYWHERE | IN_WRITES).values()
    }
    used = {
        tag for path in result["paths"].values() for each in path.values() for tag in each["tags"]
    }
    result["tags"] = [{"name": tag} for tag in sorted(used)]
    return result
