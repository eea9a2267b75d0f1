"""What can go wrong with people.

PeopleError
└── FieldInvalid     ask a person: the custom field cannot be made or changed like this
"""


class PeopleError(Exception):
    """Root of the app's errors; the message tells the admin what to do."""


class FieldInvalid(PeopleError):
    """A custom field cannot be made or changed like this."""
