"""Review: the disagreement queue, one instance with everybody's answers, and single annotators."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator
from annotation.labels.people import annotator_for
from annotation.labels.selectors import current, label_view, letter_of
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality import reviewing, services
from annotation.queue.models import Slot, SlotState
from core.exceptions import Conflict, InvalidInput, NotFound
from frontend.labelling import key_rows, read_key, read_seconds, read_submit, shown_to, slot_form
from frontend.pages import project_page, user_of
from frontend.spoken import spoken

MOST_ROWS = 50
VERDICTS = {"agree": True, "disagree": False, "": None}


@require_safe
@login_required
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """Instances on which people disagree, the most uncertain first."""
    project = project_for(user_of(request), slug, Action.REVIEW)
    criteria = criteria_of(project)
    chosen = next((c for c in criteria if c.key == request.GET.get("criterion")), None)
    tag = request.GET.get("tag", "").strip()[:80]
    rows = _queue(project, chosen, tag)
    context = {
        "rows": list(rows[:MOST_ROWS]),
        "total": rows.count(),
        "criteria": criteria,
        "chosen": chosen,
        "tag": tag,
    }
    return project_page(request, "review/page.html", project, "review", **context)


def _queue(project: Project, criterion: Criterion | None, tag: str = "") -> QuerySet[Consensus]:
    return reviewing.disagreements(project, criterion=criterion.pk if criterion else None, tag=tag)


def _instance(project: Project, instance_id: int) -> Instance:
    found = Instance.objects.filter(project=project, pk=instance_id).first()
    if found is None:
        raise NotFound(_("There is no such instance in this project."))
    return found


def _place(request: HttpRequest, project: Project, instance_id: int) -> tuple[Slot, Annotator]:
    reviewer = annotator_for(project=project, user=user_of(request))
    instance = _instance(project, instance_id)
    return services.place_for(instance=instance, reviewer=reviewer), reviewer


@dataclass(frozen=True)
class Opinion:
    """One annotator's label with what this reviewer remarked on it."""

    label: Annotation
    answer: str
    agrees: bool | None
    note: str


@require_safe
@login_required
def review_instance(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.REVIEW)
    slot, reviewer = _place(request, project, instance_id)
    return _page(request, project, slot, reviewer)


def _page(
    request: HttpRequest, project: Project, slot: Slot, reviewer: Annotator, problem: str = ""
) -> HttpResponse:
    values = dict(request.POST.lists()) if problem else None
    consensus = Consensus.objects.filter(instance=slot.instance).exclude(scope=Scope.MIXED)
    done = slot.state == SlotState.SUBMITTED
    why_not = _why_no_majority(slot.instance)
    response = project_page(
        request,
        "review/instance.html",
        project,
        "review",
        slot=slot,
        instance=slot.instance,
        form=slot_form(label_view(slot), values, problem),
        people=_by_annotator(_opinions(request, slot, reviewer)),
        consensus=[
            (row, _lettered(row, slot))
            for row in consensus.select_related("criterion").order_by("criterion", "scope")
        ],
        majority=not why_not,
        why_not=why_not,
        keys=key_rows(protocol_of(project), criteria_of(project)),
        done=done,
    )
    response.status_code = 422 if problem else 200
    return response


def _lettered(row: Consensus, slot: Slot) -> list[tuple[str, float | None]]:
    """The mean scores, or the worths, under the letters of the screen."""
    figures = row.scores["mean"] if row.scores else row.worth
    order = slot.shown_order or []
    return [(letter_of(place), figures[position]) for place, position in enumerate(order)]


def _why_no_majority(instance: Instance) -> str:
    """Why there is no majority to accept; empty where there is."""
    try:
        reviewing.majority_answers(instance)
    except Conflict as refusal:
        return refusal.message
    return ""


def _opinions(request: HttpRequest, slot: Slot, reviewer: Annotator) -> list[Opinion]:
    """Everybody else's labels, in the letters that this reviewer sees."""
    rows = current(slot.project, excluded=True).filter(instance=slot.instance)
    rows = rows.exclude(annotator=reviewer).select_related("annotator", "criterion")
    labels = list(rows.order_by("criterion__position", "pk").prefetch_related("remarks"))
    mine = user_of(request).pk
    found = []
    for label in labels:
        said = next((each for each in label.remarks.all() if each.by_id == mine), None)
        label.shown_order = slot.shown_order
        agrees, note = (said.agrees, said.note) if said else (None, "")
        found.append(Opinion(label, spoken(label), agrees, note))
    return found


def _by_annotator(opinions: list[Opinion]) -> list[tuple[Annotator, list[Opinion]]]:
    """Each annotator with what they say on every criterion."""
    found: dict[int, tuple[Annotator, list[Opinion]]] = {}
    for opinion in opinions:
        who = opinion.label.annotator
        found.setdefault(who.pk, (who, []))[1].append(opinion)
    return list(found.values())


@require_POST
@login_required
def review_submit(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    """The reviewer's own label, or what the majority says; then the next of the queue."""
    project = project_for(user_of(request), slug, Action.REVIEW)
    slot, reviewer = _place(request, project, instance_id)
    act = _accept if request.POST.get("act") == "accept" else _submit
    try:
        act(request, project, slot, reviewer)
    except InvalidInput as refusal:
        return _page(request, project, slot, reviewer, str(refusal))
    return _next(request, project, slot, reviewer)


def _accept(request: HttpRequest, project: Project, slot: Slot, reviewer: Annotator) -> None:
    services.accept_majority(
        slot=slot,
        reviewer=reviewer,
        client_id=read_key(request.POST.get("client_id", "")),
        seconds=read_seconds(request.POST.get("seconds", "")),
    )


def _submit(request: HttpRequest, project: Project, slot: Slot, reviewer: Annotator) -> None:
    protocol, criteria = protocol_of(project), criteria_of(project)
    shown = shown_to(reviewer, slot, protocol, criteria, request.POST.get("order", ""))
    sent = read_submit(request.POST, criteria, protocol, shown)
    services.submit_review(
        slot=slot,
        reviewer=reviewer,
        client_id=sent.client_id,
        answers=sent.answers,
        seconds=sent.seconds,
    )


def _next(request: HttpRequest, project: Project, slot: Slot, reviewer: Annotator) -> HttpResponse:
    if _queue(project, None).filter(instance=slot.instance_id).exists():
        messages.info(request, _("Your answer is kept. It leaves open what you could not judge."))
    else:
        messages.success(request, _("Your review decides this instance."))
    row = reviewing.disagreements(project, new_to=reviewer).first()
    if row is None:
        return redirect("review", project.slug)
    return redirect("review-instance", project.slug, row.instance_id)


def _annotation(project: Project, raw: str) -> Annotation:
    if not raw:
        raise InvalidInput(_("Choose a label to remark on."))
    known = raw.isascii() and raw.isdigit() and len(raw) < 19
    found = current(project, excluded=True).filter(pk=int(raw)).first() if known else None
    if found is None:
        raise NotFound(_("There is no such label in this project."))
    return found


@require_POST
@login_required
def review_remark(request: HttpRequest, slug: str) -> HttpResponse:
    """Agree or disagree with one label, and leave its annotator a note."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    annotation = _annotation(project, request.POST.get("annotation", ""))
    agrees = VERDICTS.get(request.POST.get("verdict", ""))
    drawn = request.POST.get("back") == "check"
    services.remark(
        annotation=annotation,
        by=user,
        agrees=agrees,
        note=request.POST.get("note", ""),
        drawn=drawn and annotation in reviewing.labels_to_check(annotation.annotator, user),
    )
    messages.success(request, _("Your remark is kept; its annotator reads the note."))
    if drawn:
        return redirect("review-annotator", slug, annotation.annotator_id)
    return redirect("review-instance", slug, annotation.instance_id)


@require_safe
@login_required
def review_annotator(request: HttpRequest, slug: str, annotator_id: int) -> HttpResponse:
    """A random draw of one annotator's labels that this reviewer has not judged yet."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    annotator = Annotator.objects.filter(project=project, pk=annotator_id).first()
    if annotator is None:
        raise NotFound(_("There is no such annotator in this project."))
    context = {"annotator": annotator, "labels": reviewing.labels_to_check(annotator, user)}
    return project_page(request, "review/annotator.html", project, "review", **context)
