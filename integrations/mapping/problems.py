"""A value of a record that cannot be used: the record is staged with an issue in its place."""


class FieldProblem(Exception):
    """A value that cannot be used; the record gets an issue."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.field, self.reason = code, field, reason
