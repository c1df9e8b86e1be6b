"""A server, and the projects on it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

from . import login
from .http import Connection
from .project import Project


class Tandem:
    """A server that one is logged in to.

    >>> tandem = Tandem("https://tandem.example.org", token="tdm_…")  # doctest: +SKIP
    >>> project = tandem.project("helpfulness")  # doctest: +SKIP

    Without arguments it takes TANDEM_URL and TANDEM_TOKEN, else what `tandem login` has kept.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        found = login.find(url, token)
        self.connection = Connection(found.url, found.token, timeout=timeout, transport=transport)

    def __enter__(self) -> Tandem:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Tandem at {self.connection.url}>"

    def close(self) -> None:
        """Give the connections back."""
        self.connection.close()

    def me(self) -> dict[str, Any]:
        """Who is logged in, with which scopes."""
        found: dict[str, Any] = self.connection.get("me")
        return found

    def projects(self) -> list[Project]:
        """The projects that one is a member of."""
        rows = self.connection.pages("projects/")
        return [Project(self.connection, {**row["project"], "role": row["role"]}) for row in rows]

    def project(self, slug: str) -> Project:
        """One project by the name in its address.

        Raises:
            Refused: there is none, or one is no member of it.
        """
        return Project(self.connection, self.connection.get(f"projects/{slug}/"))

    def create_project(self, name: str, *, slug: str | None = None, **settings: Any) -> Project:
        """A new project of which one is the owner.

        `settings` are fields of `POST /api/v1/projects/`: template, criteria, protocol, guideline.
        """
        body: Mapping[str, Any] = {"name": name, **({"slug": slug} if slug else {}), **settings}
        return Project(self.connection, self.connection.post("projects/", body))
