"""A client that speaks JSON below one project."""

import json
from typing import Any

from django.test import Client

from accounts.models import Project, User


class Rest:
    """Requests of one person below one project; replies are checked for their status."""

    def __init__(self, project: Project, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.base = f"/api/v1/projects/{project.slug}/"

    def __call__(
        self, method: str, path: str = "", body: Any = None, expect: int = 200, **query: Any
    ) -> Any:
        """The reply's JSON; `path` below the project, or an absolute one."""
        address = path if path.startswith("/") else self.base + path
        if method == "GET":
            response = self.client.get(address, query)
        else:
            response = self.client.generic(
                method, address, _json(body), content_type="application/json"
            )
        assert response.status_code == expect, response.content
        return response.json() if response.content else None

    def get(self, path: str = "", expect: int = 200, **query: Any) -> Any:
        return self("GET", path, expect=expect, **query)

    def rows(self, path: str, **query: Any) -> list[Any]:
        return list(self.get(path, **query)["results"])

    def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return self("POST", path, body, expect)

    def patch(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return self("PATCH", path, body, expect)

    def put(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return self("PUT", path, body, expect)

    def delete(self, path: str, expect: int = 204) -> Any:
        return self("DELETE", path, expect=expect)


def _json(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()
