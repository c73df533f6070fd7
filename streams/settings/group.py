"""A group of settings, and copies of one with changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import BadSettings

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Changeable(BaseModel):
    """Settings of which a changed copy can be made."""

    def changed(self, **values: Any) -> Self:
        """A copy with these fields set, and validated as all are.

        A mapping changes fields of the group that it names: `changed(kafka={"prefix": "a-"})`.
        Raises `TypeError` for a field that there is not, `BadSettings` for a value that is invalid.
        """
        fields = type(self).model_fields
        if unknown := sorted(values.keys() - fields.keys()):
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}: expected some of {', '.join(fields)}.")
        content = {name: getattr(self, name) for name in self.model_fields_set}
        for name, value in values.items():
            before = getattr(self, name)
            nested = isinstance(before, Changeable) and isinstance(value, Mapping)
            content[name] = before.changed(**value) if nested else value
        try:
            return type(self)(**content)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise BadSettings(f"{type(self).__name__}: {'; '.join(problems)}.") from None


class Group(Changeable):
    """A group of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
