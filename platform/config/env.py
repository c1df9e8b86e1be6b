"""Typed readers of environment variables; the only place that reads `os.environ`.

Every reader fails at start with the variable's name and what it expects. A secret can be
handed over as `<NAME>_FILE`, the path of a file that holds it.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def env_str(name: str, default: str = "") -> str:
    """The value; an empty one counts as not set."""
    return os.environ.get(name) or default


def env_bool(name: str, *, default: bool) -> bool:
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.lower() in TRUE | FALSE:
        return raw.lower() in TRUE
    raise ImproperlyConfigured(f"{name}={raw!r}: write 1 or 0.")


def env_int(name: str, default: int) -> int:
    raw = os.environ.get(name)
    try:
        return default if raw in (None, "") else int(str(raw))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r}: write a whole number.") from error


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def env_secret(name: str, *, default: str | None = None) -> str:
    """The value of `<name>`, or the content of the file that `<name>_FILE` points to.

    Without a default the variable must be set.
    """
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={path}: {error.strerror}.") from error
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE); see .env.example.")
    return value


def database_from_url(url: str) -> dict[str, Any]:
    """Django's database dictionary of a `postgres://` URL.

    A unix socket folder is given as `postgres:///name?host=/folder&user=name`.
    """
    parts = urlparse(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgres://; see .env.example.")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "tandem",
        "USER": unquote(parts.username or "") or query.get("user", ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or query.get("host", ""),
        "PORT": str(parts.port or query.get("port", "")),
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            # Parsed and planned once per connection: half of the database's work on small reads.
            "server_side_binding": True,
            "prepare_threshold": 3,
            "pool": {"min_size": 1, "max_size": 8, "timeout": 10},
        },
    }


def storage_from_url(url: str) -> dict[str, Any]:
    """Django's storage dictionary of artifacts; without a URL it is MEDIA_ROOT.

    `file:///shared/folder`, or `s3://bucket/prefix?endpoint=https://host&region=name`, whose keys
    are in the usual variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    parts = urlparse(url)
    files = "django.core.files.storage.FileSystemStorage"
    if not url:
        return {"BACKEND": files}
    if parts.scheme == "file" and parts.path:
        return {"BACKEND": files, "OPTIONS": {"location": unquote(parts.path)}}
    if parts.scheme != "s3" or not parts.netloc:
        raise ImproperlyConfigured("ARTIFACTS_URL must be s3://bucket/… or file:///…")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    options = {
        "bucket_name": parts.netloc,
        "location": parts.path.strip("/"),
        "endpoint_url": query.get("endpoint"),
        "region_name": query.get("region"),
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
