"""Named pure functions that a mapping can put between a source value and its target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.errors import UnknownTransform
from integrations.person_names import split_name
from integrations.values import (
    read_boolean,
    read_date,
    read_datetime,
    read_integer,
    read_text,
)


@dataclass(frozen=True)
class Transform:
    """A named function; call it with a value. Blank values (None, "") give None.

    Raises TransformFailed, with a sentence, for a value that it cannot read.
    """

    name: str
    label: str
    help: str
    apply: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """Apply it."""
        return None if value is None or value == "" else self.apply(value)


def _on_text(change: Callable[[str], str | None]) -> Callable[[Any], Any]:
    def apply(value: Any) -> str | None:
        text = read_text(value)
        return None if text is None else (change(text) or None)

    return apply


def _title(text: str) -> str:
    """Capitalise words that are all lower or all upper case; `McDonald` and `d'Arc` stay."""
    return " ".join(
        word[:1].upper() + word[1:].lower() if word.islower() or word.isupper() else word
        for word in text.split()
    )


def _before_at(text: str) -> str | None:
    return text.partition("@")[0].strip()


def _after_at(text: str) -> str | None:
    return text.partition("@")[2].strip().casefold()


def _commas(value: Any) -> list[str]:
    pieces = (read_text(value) or "").split(",")
    return [piece.strip() for piece in pieces if piece.strip()]


_ALL = (
    Transform(
        "lower", "Lower case", "ANN@EXAMPLE.COM becomes ann@example.com.", _on_text(str.lower)
    ),
    Transform("upper", "Upper case", "de becomes DE.", _on_text(str.upper)),
    Transform("trim", "Trim", "Takes spaces off both ends.", _on_text(str.strip)),
    Transform(
        "title", "Capitalise", "ANN SMITH becomes Ann Smith; McDonald stays.", _on_text(_title)
    ),
    Transform(
        "first_name",
        "First name",
        "The first name out of a full name: Ludwig van Beethoven gives Ludwig, 王小明 gives 小明.",
        _on_text(lambda text: split_name(text)[0]),
    ),
    Transform(
        "last_name",
        "Last name",
        "The last name out of a full name: Ludwig van Beethoven gives van Beethoven, 王小明 王.",
        _on_text(lambda text: split_name(text)[1]),
    ),
    Transform("before_at", "Before the @", "ann@example.com becomes ann.", _on_text(_before_at)),
    Transform(
        "after_at", "After the @", "ann@example.com becomes example.com.", _on_text(_after_at)
    ),
    Transform("split", "Split at commas", '"a, b" becomes a list of a and b.', _commas),
    Transform("text", "As text", "Numbers, switches and dates are written as text.", read_text),
    Transform("integer", "As whole number", "00123 becomes 123; text is refused.", read_integer),
    Transform(
        "boolean",
        "As yes or no",
        "true, yes, 1 and on are yes; false, no, 0 and off are no; blank stays blank.",
        read_boolean,
    ),
    Transform(
        "date",
        "As date",
        "2026-12-31, or the day of a time stamp as it is written; 0000-00-00 is blank.",
        read_date,
    ),
    Transform(
        "datetime",
        "As time",
        "2026-12-31T09:00:00Z, or seconds or milliseconds since 1970; without a zone it is UTC.",
        read_datetime,
    ),
)

TRANSFORMS: Mapping[str, Transform] = {transform.name: transform for transform in _ALL}
"""Every transform by name, in the order in which the admin shows them."""


def get_transform(name: str) -> Transform:
    """Give the transform of that name. Raises UnknownTransform with a suggestion."""
    try:
        return TRANSFORMS[name]
    except KeyError:
        raise UnknownTransform(name, TRANSFORMS) from None
