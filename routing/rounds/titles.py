"""The stages of a round by name: what pages show, without the code that runs them."""

from django.utils.translation import gettext_noop as _

TITLES = {
    "prepare": _("Draw the splits, open the budgets"),
    "embed": _("Embed the completions"),
    "seed": _("Dual-label the seed and the held-out prompts"),
    "fit": _("Fit the router"),
    "route": _("Route the rest under the budget"),
    "label": _("Collect the labels"),
    "consensus": _("Bring the labels together"),
    "snapshot": _("Freeze a snapshot"),
    "reward": _("Train the reward model"),
    "policy": _("Train the policy with DPO"),
    "compare": _("Compare with other mixes"),
    "export": _("Export the data set"),
}

ONLINE_TITLES = {
    "prepare": _("Fix the versions, draw the prompts"),
    "generate": _("Let the current policy answer"),
    "select": _("Choose what is shown"),
    "label": _("Collect the labels"),
    "consensus": _("Bring the labels together"),
    "snapshot": _("Freeze a snapshot"),
    "reward": _("Train the reward model"),
    "policy": _("Train the policy"),
    "evaluate": _("Measure it beside the policy before"),
}


def titles_of(kind: str) -> dict[str, str]:
    """Titles of the stages of a kind of round, in order."""
    return ONLINE_TITLES if kind == "online" else TITLES
