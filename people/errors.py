"""What can go wrong with people.

PeopleError
├── PersonInvalid    ask a person: each field that cannot be saved, with the reason
├── PersonGone       ask again: somebody else removed the person meanwhile
├── TooMany          ask a person: more than the limit of 24 hours lets go
└── FieldInvalid     ask a person: the custom field cannot be made or changed like this
"""

from __future__ import annotations

from collections.abc import Mapping


class PeopleError(Exception):
    """Root of the app's errors; the message tells the admin what to do."""


class PersonInvalid(PeopleError):
    """A person cannot be saved like this; `problems` is {field: message}."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class PersonGone(PeopleError):
    """The person is no longer there."""


class TooMany(PeopleError):
    """So many people are not deactivated at once unless somebody types the number."""


class FieldInvalid(PeopleError):
    """A custom field cannot be made or changed like this; `field` says where the mistake is."""

    def __init__(self, message: str, *, field: str = "label") -> None:
        super().__init__(message)
        self.field = field
