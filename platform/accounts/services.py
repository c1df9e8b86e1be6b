"""Writes about people and projects."""

from django.db import transaction
from django.utils.text import slugify

from core.exceptions import InvalidInput

from .models import Membership, Project, Role, User


@transaction.atomic
def create_user(*, username: str, password: str, email: str = "") -> User:
    """A person with a login.

    Raises:
        InvalidInput: the name is taken (upper and lower case count as the same).
    """
    if User.objects.filter(username__iexact=username).exists():
        raise InvalidInput(f"The user name {username!r} is taken: choose another.")
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
