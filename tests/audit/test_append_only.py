import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Event
from audit.services import record

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET action = 'x'", "DELETE FROM audit_event"]
)
def test_postgresql_refuses_to_change_or_remove_an_event(statement: str) -> None:
    record(action="project.created", actor=None, project=None, target="p", reason="test")
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert Event.objects.get().data == {"reason": "test"}
