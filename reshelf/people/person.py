"""A person and their roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What somebody may do: look at everything, edit drafts, publish rules, approve what others want to publish."""

    LOOK = "look"
    EDIT = "edit"
    PUBLISH = "publish"
    APPROVE = "approve"


INCLUDED: Mapping[Role, frozenset[Role]] = {
    Role.LOOK: frozenset({Role.LOOK}),
    Role.EDIT: frozenset({Role.LOOK, Role.EDIT}),
    Role.PUBLISH: frozenset({Role.LOOK, Role.EDIT, Role.PUBLISH}),
    Role.APPROVE: frozenset({Role.LOOK, Role.APPROVE}),
}
"""The roles that come with a role."""


class Person(NamedTuple):
    """Whose name stands in the history, and what they may do; the name is empty where no token says it."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether they have a role."""
        return role in self.roles


ANYBODY = Person("", frozenset(Role))
"""Who comes without a token that names them: they say their names themselves."""


def person_with(name: str, roles: Iterable[Role]) -> Person:
    """Somebody with these roles and those that come with them."""
    return Person(name, frozenset().union(*(INCLUDED[role] for role in roles)))


LOOKER = person_with("", [Role.LOOK])
"""Who comes without a token where others have one: they may look."""
