"""Writes about people and projects."""

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from core.exceptions import Conflict, InvalidInput

from .models import Membership, Project, Role, User
from .policies import may_grant


@transaction.atomic
def create_user(*, username: str, password: str | None, email: str = "") -> User:
    """A person with a login; without a password nobody can log in by name.

    Raises:
        InvalidInput: the name is taken (upper and lower case count as the same).
    """
    if User.objects.filter(username__iexact=username).exists():
        raise InvalidInput(
            _("The user name %(username)r is taken: choose another.") % {"username": username}
        )
    return User.objects.create_user(username=username, password=password, email=email)


@transaction.atomic
def create_project(*, name: str, owner: User, slug: str = "", description: str = "") -> Project:
    """A project whose owner is `owner`; the slug is made from the name unless given."""
    wanted = slugify(slug or name)[:70] or "project"
    taken = set(Project.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    free = next(
        s for n in range(len(taken) + 1) if (s := f"{wanted}-{n + 1}" if n else wanted) not in taken
    )
    project = Project.objects.create(name=name, slug=free, description=description)
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    return project


@transaction.atomic
def add_member(*, project: Project, user: User, role: Role) -> Membership:
    """Give a person a role in the project, or change the one they have."""
    membership, _ = Membership.objects.update_or_create(
        project=project, user=user, defaults={"role": role}
    )
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: Role, actor: User) -> Membership:
    """Give a member another role.

    Raises:
        Forbidden: the old or the new role is above what the actor may give.
        Conflict: it would leave the project without an owner.
    """
    may_grant(actor, membership.project, Role(membership.role), role)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership, actor: User) -> None:
    """Take somebody out of the project; their labels stay.

    Raises:
        Forbidden: their role is above what the actor may take.
        Conflict: it would leave the project without an owner.
    """
    may_grant(actor, membership.project, Role(membership.role))
    _keep_an_owner(membership)
    membership.delete()


def _keep_an_owner(membership: Membership) -> None:
    """Two owners who remove each other at once wait here for one another."""
    owners = Membership.objects.filter(project=membership.project_id, role=Role.OWNER)
    keys = set(owners.order_by("pk").select_for_update().values_list("pk", flat=True))
    if keys == {membership.pk}:
        raise Conflict(_("This is the last owner: make somebody else an owner first."))
