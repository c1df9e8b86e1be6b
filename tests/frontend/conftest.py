"""Two projects with one of everything, made once for a module; each test rolls back to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .world import World


@pytest.fixture(scope="module")
def _worlds(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, World]]:
    from django.db import transaction
    from django.test import override_settings

    from .world import make_world

    media = override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("artifacts"))
    with django_db_blocker.unblock(), media, transaction.atomic():
        yield make_world("ours"), make_world("theirs")
        transaction.set_rollback(True)


@pytest.fixture
def ours(_worlds: tuple[World, World], db: None) -> World:
    return _worlds[0]


@pytest.fixture
def theirs(_worlds: tuple[World, World], db: None) -> World:
    return _worlds[1]
