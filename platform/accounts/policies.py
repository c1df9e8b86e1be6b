"""Who may do what: the one place. Views, API and commands ask here and nowhere else."""

from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from core.exceptions import Forbidden, NotFound

from .access import has, limited_to, opens, require
from .models import Membership, Project, Role, Scope, User


class Action(StrEnum):
    """What can be done in a project."""

    LABEL = "label"
    SEE_PROJECT = "see project"
    SEE_INSTANCES = "see instances"
    MANAGE_PROJECT = "manage project"
    IMPORT = "import"
    ROUTE = "route"
    SEE_ROUTING = "see routing"
    MANAGE_BUDGETS = "manage budgets"
    TRAIN = "train"
    SEE_TRAINING = "see training"
    EXPORT = "export"
    SEE_JOBS = "see jobs"
    CANCEL_JOBS = "cancel jobs"
    SEE_PEOPLE = "see people"
    MANAGE_PEOPLE = "manage people"
    PAY_PEOPLE = "pay people"
    SEE_QUALITY = "see quality"
    REVIEW = "review"


_LEAD = frozenset({Role.OWNER, Role.ADMIN})
_RESEARCH = _LEAD | {Role.RESEARCHER}
_STAFF = _RESEARCH | {Role.REVIEWER}
_ALL = frozenset(Role)

# An annotator sees neither other people's labels nor where an instance was routed.
ALLOWED: dict[Action, frozenset[Role]] = {
    Action.LABEL: _ALL,
    Action.SEE_PROJECT: _STAFF,
    Action.SEE_INSTANCES: _STAFF,
    Action.MANAGE_PROJECT: _LEAD,
    Action.IMPORT: _RESEARCH,
    Action.ROUTE: _LEAD,
    Action.SEE_ROUTING: _RESEARCH,
    Action.MANAGE_BUDGETS: _LEAD,
    Action.TRAIN: _RESEARCH,
    Action.SEE_TRAINING: _RESEARCH,
    Action.EXPORT: _RESEARCH,
    Action.SEE_JOBS: _RESEARCH,
    Action.CANCEL_JOBS: _RESEARCH,
    Action.SEE_PEOPLE: _STAFF,
    Action.MANAGE_PEOPLE: _LEAD,
    Action.PAY_PEOPLE: _LEAD,
    Action.SEE_QUALITY: _STAFF,
    Action.REVIEW: _STAFF,
}

# What a token needs for each: any one of the scopes. Jobs belong to whatever started them.
_OF_JOBS = frozenset({Scope.IMPORT, Scope.EXPORT, Scope.TRAIN, Scope.ROUTE, Scope.MANAGE})
SCOPES: dict[Action, frozenset[Scope]] = {
    Action.LABEL: frozenset({Scope.LABEL}),
    Action.SEE_PROJECT: frozenset({Scope.READ}),
    Action.SEE_INSTANCES: frozenset({Scope.READ}),
    Action.MANAGE_PROJECT: frozenset({Scope.MANAGE}),
    Action.IMPORT: frozenset({Scope.IMPORT}),
    Action.ROUTE: frozenset({Scope.ROUTE}),
    Action.SEE_ROUTING: frozenset({Scope.READ}),
    Action.MANAGE_BUDGETS: frozenset({Scope.MANAGE}),
    Action.TRAIN: frozenset({Scope.TRAIN}),
    Action.SEE_TRAINING: frozenset({Scope.READ}),
    Action.EXPORT: frozenset({Scope.EXPORT}),
    Action.SEE_JOBS: _OF_JOBS | {Scope.READ},
    Action.CANCEL_JOBS: _OF_JOBS,
    Action.SEE_PEOPLE: frozenset({Scope.READ}),
    Action.MANAGE_PEOPLE: frozenset({Scope.MANAGE}),
    Action.PAY_PEOPLE: frozenset({Scope.MANAGE}),
    Action.SEE_QUALITY: frozenset({Scope.READ}),
    Action.REVIEW: frozenset({Scope.LABEL}),
}

# Raw, because every request asks this.
ENTERED = """
SELECT project.*, membership.role FROM accounts_project AS project
JOIN accounts_membership AS membership ON membership.project_id = project.id
WHERE membership.user_id = %s AND project.slug = %s
"""


def role_of(user: User, project: Project) -> Role | None:
    """The user's role in the project; None for an outsider. One query."""
    membership = Membership.objects.filter(user=user, project=project).only("role").first()
    return Role(membership.role) if membership else None


def can(user: User, action: Action, project: Project) -> bool:
    role = role_of(user, project)
    if role is None or role not in ALLOWED[action]:
        return False
    return opens(user, project) and has(user, SCOPES[action])


def may_create_projects(user: User) -> bool:
    """Everybody with a login of their own; not who takes part in a study by a link.

    A token needs the scope to manage, and must not be for one project only.
    """
    return user.has_usable_password() and has(user, {Scope.MANAGE}) and limited_to(user) is None


def project_for(user: User | AnonymousUser, slug: str, action: Action) -> Project:
    """The project, if this user may do this in it.

    Raises:
        NotFound: there is no such project, or the user is no member (the two look alike).
        Forbidden: the user is a member whose role does not allow the action, or came with a token
            whose scopes do not.
    """
    project = next(iter(Project.objects.raw(ENTERED, [user.pk or 0, slug])), None)
    if project is None or not opens(user, project):
        raise NotFound(_("There is no such project, or you are not a member of it."))
    role = Role(vars(project)["role"])
    if role not in ALLOWED[action]:
        raise Forbidden(
            _("Your role here (%(role)s) may not %(action)s.") % {"role": role, "action": action}
        )
    require(user, *SCOPES[action])
    return project


def may_grant_any(user: User, project: Project) -> list[Role]:
    """The roles the user may give and take: an owner all, an admin those below, others none."""
    mine = role_of(user, project)
    if mine is None or mine not in ALLOWED[Action.MANAGE_PEOPLE]:
        return []
    return [role for role in Role if mine == Role.OWNER or role not in _LEAD]


def may_grant(user: User, project: Project, *roles: Role) -> None:
    """Pass if the user may give and take all of these roles: owners any, admins those below.

    Raises:
        Forbidden: one of the roles is out of their hands, or of their token's.
    """
    require(user, *SCOPES[Action.MANAGE_PEOPLE])
    mine = role_of(user, project)
    if mine is None or mine not in ALLOWED[Action.MANAGE_PEOPLE]:
        raise Forbidden(_("Your role here may not manage people."))
    if mine != Role.OWNER and set(roles) & _LEAD:
        raise Forbidden(_("Only an owner may give or take the roles owner and admin."))
