"""Words that are kept in the database in English, such as states and roles, in one's language."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

# What `named` translates; anything else, such as a name somebody gave, stays as it is.
KNOWN = {
    # roles
    _("owner"),
    _("admin"),
    _("researcher"),
    _("reviewer"),
    _("annotator"),
    # jobs, runs and the stages of a round
    _("queued"),
    _("leased"),
    _("running"),
    _("succeeded"),
    _("failed"),
    _("cancelled"),
    _("no job"),
    _("done"),
    _("current"),
    _("waiting"),
    _("to come"),
    _("Reward model"),
    _("Policy"),
    _("candidate"),
    _("production"),
    _("archived"),
    # instances, their labels and where they went
    _("new"),
    _("routed"),
    _("settled"),
    _("dropped"),
    _("gold"),
    _("flagged"),
    _("human"),
    _("judge"),
    _("both"),
    _("verifier"),
    _("drop"),
    _("seed"),
    _("audit"),
    _("explore"),
    _("mixed"),
    _("pairwise"),
    _("listwise"),
    _("rating"),
    _("binary"),
    _("in flight"),
    _("answered"),
    _("unparsable"),
    _("unknown"),
    _("tie"),
    _("both good"),
    _("both bad"),
    _("cannot judge"),
    # filters of the list of instances
    _("State"),
    _("Destination"),
    _("Arm"),
    _("tag"),
    _("criterion"),
    _("answer"),
    _("day"),
    _("until"),
    _("timed"),
    _("shared"),
    _("ranked"),
    _("without"),
    _("slot"),
    # places, gold, studies and earnings
    _("submitted"),
    _("open"),
    _("withdrawn"),
    _("attention"),
    _("qualification"),
    _("draft"),
    _("active"),
    _("paused"),
    _("closed"),
    _("completed"),
    _("returned"),
    _("timed out"),
    _("label"),
    _("hour"),
    _("bonus"),
    _("study"),
    _("person"),
    _("import"),
    # series and figures of a training run
    _("loss"),
    _("accuracy"),
    _("step"),
    _("train"),
    _("eval"),
    _("warmup"),
}

# Filters of a snapshot's query, by their names in it.
FILTERS = {
    "labelled": _("Labelled"),
    "agreement.least": _("Agreement at least"),
    "agreement.most": _("Agreement at most"),
    "consensus.methods": _("Methods"),
    "consensus.versions": _("Versions"),
    "sources": _("Its labels are of"),
    "states": _("State"),
    "tags.any": _("With one of these tags"),
    "tags.without": _("Without these tags"),
    "external_ids": _("Only these ids"),
    "decisions.arms": _("Arm"),
    "decisions.destinations": _("Destination"),
    "decisions.strategies": _("Strategies"),
    "decisions.routers": _("Router versions"),
    "decisions.propensity_known": _("only where the propensity is known"),
}

# What a job does, by its kind.
JOBS = {
    "annotation.import": _("Import"),
    "annotation.send": _("Send to people"),
    "annotation.judge": _("Ask a judge"),
    "annotation.snapshot": _("Snapshot"),
    "annotation.export": _("Export"),
    "annotation.push": _("Send to the Hub"),
    "annotation.explain": _("Explain"),
    "annotation.arena": _("Answers of the arena"),
    "annotation.consensus": _("Consensus"),
    "annotation.quality": _("Quality"),
    "annotation.generators": _("Leaderboard"),
    "routing.round": _("Round"),
    "routing.embed": _("Embed completions"),
    "routing.frontier": _("Score the open instances"),
    "training.fit": _("Train"),
    "training.retrain": _("Train again"),
}


def named(word: str) -> str:
    """The word in the language of the page; a capital, as Django gives to choices, stays one."""
    if word in KNOWN:
        return gettext(word)
    if text := FILTERS.get(word) or JOBS.get(word):
        return gettext(text)
    small = word[:1].lower() + word[1:]
    if small not in KNOWN:
        return word
    translated = gettext(small)
    return translated[:1].upper() + translated[1:]
