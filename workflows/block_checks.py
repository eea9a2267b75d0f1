"""What the checks of several block kinds share; each mistake names block and field."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from integrations.errors import TemplateError, did_you_mean
from integrations.templates import parse
from workflows.definition import BlockPart
from workflows.errors import Mistake

_NO_SUCH = "This block has no setting "


def is_unknown_setting(mistake: Mistake) -> bool:
    """Whether it is one of `unknown_settings`: in a file, an unknown key."""
    return mistake.message.startswith(_NO_SUCH)


def unknown_settings(block: BlockPart, known: Collection[str]) -> Iterator[Mistake]:
    """A mistake for each setting that this kind of block does not have."""
    for name in block.settings:
        if name not in known:
            others = f", or use one of: {', '.join(known)}" if known else ""
            yield Mistake(
                block.key,
                f"settings.{name}",
                f'{_NO_SUCH}"{name}".{did_you_mean(str(name), known)} Take it out{others}.',
            )


def is_blank(value: Any) -> bool:
    """Whether somebody left it out."""
    return value is None or value == "" or value in ([], {}) or _is_space(value)


def _is_space(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def is_constant(value: Any) -> bool:
    """Whether a setting says the same for every record; what cannot be read is reported apart."""
    if not isinstance(value, str):
        return True
    try:
        return not parse(value).placeholders
    except TemplateError:
        return False


def whole_number(value: Any) -> int | None:
    """A setting that counts, such as days; None where it is no whole number."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:  # noqa: PLR2004
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
