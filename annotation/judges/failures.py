"""Why a call gave no label, in words: what happened, whether it was charged, what to do."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from .models import CallState, Failure


@dataclass(frozen=True)
class Words:
    """A failure for people; `what` and `todo` are whole sentences."""

    what: Any
    todo: Any


WORDS: dict[str, Words] = {
    Failure.AUTH: Words(
        _("The provider refused the key."),
        _("Replace the key of the connection, test it, and ask again about what failed."),
    ),
    Failure.NOT_FOUND: Words(
        _("The provider knows no such model or address."),
        _("Check the name of the model and the base URL of the connection."),
    ),
    Failure.BAD_REQUEST: Words(
        _("The provider did not accept the question."),
        _("Its message says why; often a parameter that this model does not know."),
    ),
    Failure.TOO_LARGE: Words(
        _("The question was too large for the provider."),
        _("Show fewer examples, or leave these instances to people."),
    ),
    Failure.CONTEXT: Words(
        _("Conversation and completions do not fit into the context of the model."),
        _("Use a model with a longer context or show fewer examples."),
    ),
    Failure.RATE_LIMIT: Words(
        _("The provider was asked too fast, also after waiting."),
        _("Lower the requests and tokens per minute of the connection, then ask again."),
    ),
    Failure.SERVER: Words(
        _("The provider's server failed, also when asked again."),
        _("Ask again later about what failed."),
    ),
    Failure.TIMEOUT: Words(
        _("No reply came in time."),
        _("The provider may have worked on it. Give the connection more time."),
    ),
    Failure.NETWORK: Words(
        _("The provider could not be reached."),
        _("Check the base URL and the network of the installation, then ask again."),
    ),
    Failure.PRIVATE: Words(
        _("The address lies in a private network, so nothing was sent."),
        _("Whoever runs the installation can allow this host."),
    ),
    Failure.REFUSAL: Words(
        _("The model declined to judge."),
        _("Leave these instances to people, or to another judge."),
    ),
    Failure.EMPTY: Words(
        _("The reply was empty."),
        _("Raise the most tokens of a reply: a reasoning model may have used them all."),
    ),
    Failure.WRONG_LABEL: Words(
        _("The reply holds none of the answers that were asked for."),
        _("Read the reply; a clearer prompt may help. It never becomes a label."),
    ),
    Failure.INVALID_JSON: Words(
        _("What came back was no valid reply of the protocol."),
        _("Check that the base URL leads to the API and not to a web page."),
    ),
    Failure.HALF_REPLY: Words(
        _("The reply broke off."),
        _("Raise the most tokens of a reply, or ask again later."),
    ),
    Failure.NO_LOGPROBS: Words(
        _("The model gave no log-probabilities."),
        _("Choose a prompt with reasons, which needs none."),
    ),
    Failure.PRICE: Words(
        _("Nobody has said what the judge costs, so it was not asked."),
        _("Enter its prices; 0 is a price, for a server of one's own."),
    ),
    Failure.SANDBOX: Words(
        _("This machine has no sandbox for checks, so nothing ran."),
        _("Run a worker where bubblewrap or user namespaces are available."),
    ),
    Failure.LOST: Words(
        _("The process that asked died before the reply was stored."),
        _("Ask again with “also calls of unknown outcome”, which may pay twice."),
    ),
}
OTHER = Words(_("There is no verdict."), _("The message says more."))
CHARGES = {
    CallState.IN_FLIGHT: _("set aside until it ends"),
    CallState.ANSWERED: _("charged"),
    CallState.UNPARSABLE: _("charged: a reply came"),
    CallState.FAILED: _("not charged"),
    CallState.UNKNOWN: _("stays charged: it may have been paid"),
}


def words_of(failure: str) -> Words:
    """What a failure means; a stored one of an older version reads as "no verdict"."""
    return WORDS.get(failure, OTHER)


def charge_of(state: str) -> Any:
    """Whether a call in this state costs money."""
    return CHARGES[CallState(state)]
