"""What a strategy needs that a project does not have: told in the form, before it is chosen."""

from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.judges.models import Judge, Provider, Stage
from routing.features.models import Embedding
from routing.features.services import last_encoder
from routing.strategies.registry import EMBEDDINGS, REWARD, SEED, VERIFIER_NEED, Spec
from training.runs.encoders import INCLUDED, can_encode

from .asking import CASCADE, verifier_of


def obstacles(project: Project, specs: list[Spec]) -> dict[str, str]:
    """By key of a strategy that cannot work here why not. A constant number of queries."""
    lacks = {
        need: sentence
        for need, sentence in (
            (VERIFIER_NEED, _lacks_program(project)),
            (EMBEDDINGS, _lacks_encoder(project)),
            (REWARD, _lacks_reward_model(project)),
            (SEED, _lacks_pairs(project)),
        )
        if sentence
    }
    found = {
        spec.key: " ".join(lacks[need] for need in sorted(spec.needs & set(lacks)))
        for spec in specs
        if spec.needs & set(lacks)
    }
    if CASCADE not in found and (sentence := _lacks_strong_judge(project)):
        found[CASCADE] = sentence
    return found


def _lacks_program(project: Project) -> str:
    return "" if verifier_of(project) else _("No program in use checks the completions here.")


def _lacks_encoder(project: Project) -> str:
    chosen = last_encoder(project)
    if can_encode(None if chosen == INCLUDED else chosen):
        return ""
    if Embedding.objects.filter(instance__project=project).exists():
        return ""
    return _("No encoder is installed that makes embeddings.")


def _lacks_reward_model(project: Project) -> str:
    models = Judge.objects.filter(project=project, provider=Provider.REWARD, stage=Stage.ACTIVE)
    return "" if models.exists() else _("No reward model is in use as a judge.")


def _lacks_strong_judge(project: Project) -> str:
    judges = Judge.objects.filter(project=project, stage=Stage.ACTIVE)
    asked = judges.exclude(provider__in=[Provider.VERIFIER, Provider.REWARD])
    return "" if asked.count() > 1 else _("It takes a second, stronger judge.")


def _lacks_pairs(project: Project) -> str:
    """It learns from pairs: said where there are lists alone."""
    of = Completion.objects.filter(instance__project=project)
    lists = of.filter(position=2)
    if not lists.exists():
        return ""
    pairs = of.filter(position=1).exclude(instance__in=lists.values("instance"))
    return "" if pairs.exists() else _("It learns from pairs, and the instances here are lists.")
