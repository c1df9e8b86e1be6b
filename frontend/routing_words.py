"""What strategies are called and what they do, in one sentence each."""

from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from accounts.models import Project
from routing.live.obstacles import obstacles
from routing.live.selectors import choosable

# One sentence each; a strategy without one is shown by its title alone.
SENTENCES = {
    "hyper-linear": _("People get what a reward model would gain most from, by a linear model."),
    "hyper-quadratic": _("The same with pairs of features: what counts only together."),
    "hyper-boosted": _("The same with boosted trees: steps and exceptions, slower to explain."),
    "influence": _("People get the labels whose change would move the reward model most."),
    "learned": _("All signals together learn where the judge and people disagree."),
    "learned-error": _("Features and the judge's doubt learn where it disagrees with people."),
    "judge-uncertainty": _("People get what the judge is unsure of or flips on."),
    "reward-uncertainty": _("People get what reward models disagree about."),
    "small-margin": _("People get the pairs that are nearly equal to the judge."),
    "active-preference": _(
        "People get sure bets of the policy on prompts about which it is unsure."
    ),
    "d-optimal": _("People get the pairs that say most about what is not known yet."),
    "escalation": _("The judge decides where its agreement is guaranteed; people get the rest."),
    "cascade": _(
        "A cheap judge, then a strong one, then people: each where the one before doubts."
    ),
    "verifier-first": _("A program decides where it can; the rest is scored as usual."),
    "allocated": _(
        "Each domain gets the share at which its next label helps as much as any other."
    ),
    "random": _("A draw: the baseline that anything else must beat."),
    "all-human": _("People label everything that can be paid."),
    "all-judge": _("The judge labels everything but the audit arm and the exploration."),
}


@dataclass(frozen=True)
class StrategyWords:
    key: str
    title: str
    sentence: str
    # Why it cannot work in the project; blank where it can.
    lacking: str = ""


def strategies(project: Project | None = None) -> list[StrategyWords]:
    """The strategies that live routing can use, in the words of the page; of a project with what
    each lacks there."""
    lacking = obstacles(project, choosable()) if project else {}
    return [
        StrategyWords(
            spec.key,
            gettext(spec.title),
            gettext(SENTENCES.get(spec.key, "")) if spec.key in SENTENCES else "",
            lacking.get(spec.key, ""),
        )
        for spec in choosable()
    ]
