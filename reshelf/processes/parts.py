"""The parts of a worker by name, and the consumer groups that they are members of."""

from __future__ import annotations

ROLES = ("learner", "attribution", "fitter", "layouts")


def groups_of(prefix: str, namespace: str) -> dict[str, str]:
    """The role of each consumer group of a namespace's workers; topics' names begin with `prefix`."""
    return {f"{prefix}{role}-{namespace}": role for role in ROLES}
