"""How the instance of a slot stood on the annotator's screen. The server knows; the form repeats
it, and a form that says otherwise is refused."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from annotation.instances.models import Completion
from annotation.labels.asking import asked_of
from annotation.labels.models import Annotator
from annotation.labels.services import order_shown
from annotation.projects.models import Criterion, Protocol
from annotation.queue.barriers import Barrier
from annotation.queue.models import Slot
from core.exceptions import InvalidInput

from .reading import Shown, read_order


def shown_to(
    annotator: Annotator,
    slot: Slot,
    protocol: Protocol,
    criteria: Sequence[Criterion],
    order: str,
) -> Shown:
    """What the places of a submitted form mean.

    A slot that was lost meanwhile is shown to its annotator in the same order again.

    Raises:
        InvalidInput: the form names another order than the one that was shown.
    """
    given = read_order(order)
    if given != order_shown(slot, annotator, protocol, len(given)):
        raise InvalidInput(_("The completions did not stand in this order: reload the page."))
    by_key = {criterion.key: criterion for criterion in criteria}
    texts: list[str] = []
    if protocol.post_edit:
        rows = Completion.objects.filter(instance=slot.instance_id).order_by("position")
        texts = list(rows.values_list("text", flat=True))
    return Shown(given, asked_of(slot, annotator, protocol, by_key, len(given)).groups, texts)


def reason_of(barrier: Barrier) -> str:
    """Why nothing is open to somebody, in words for them."""
    nothing = _("You have seen all that is open to you. New instances appear as they are routed.")
    return {
        Barrier.EXCLUDED: _("Your labels are set aside at the moment: ask who runs this project."),
        Barrier.PAUSED: _("This project is paused. What you have labelled is kept."),
        Barrier.QUOTA: _("You have labelled as many instances as you may here. Thank you!"),
        Barrier.NOT_QUALIFIED: _("This project needs a qualification that you do not have yet."),
    }.get(barrier, nothing)
