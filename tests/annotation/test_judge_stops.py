"""Why a run stopped: what is kept in English is told in the language of the reader."""

import pytest
from django.utils import translation

from annotation.judges import stops


def test_a_reason_is_found_with_what_was_put_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "gettext", lambda words: f"<{words}>")
    reason = stops.REFUSED % {"calls": 10, "error": "401: bad\nkey (50%)"}
    assert stops.told(reason) == f"<{reason}>"
    for words in stops.ALL:
        values = {"budget": "'one'", "missing": "0.5", "currency": "USD"}
        kept = words % ({"calls": 3, "seconds": 9, "error": "no"} | values)
        assert stops.told(kept) == f"<{kept}>"


def test_a_reason_that_nobody_foresaw_stays() -> None:
    with translation.override("de"):
        assert stops.told("RuntimeError: 100% odd") == "RuntimeError: 100% odd"
        assert stops.told("") == ""
