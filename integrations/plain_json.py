"""What JSON that people write may hold, in bodies, values, rules and files: how deep, and what."""

import json
import re
from typing import Any

from integrations.answers import is_deeper_than

MOST_NESTED = 40
"""Forms, Validate and configuration files keep to it, so that what is saved can be exported."""
TOO_NESTED = f"This is nested more than {MOST_NESTED} deep: make it flatter."
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL in JSON; the same six characters typed as a text have a backslash more."""


def is_too_nested(value: Any) -> bool:
    """Say whether a value that somebody wrote is deeper than what is kept."""
    return is_deeper_than(value, MOST_NESTED)


def why_not_kept(value: Any) -> str:
    """Why no database, or no page, takes it as JSON; empty where both do. Not for deep values."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return "A text in it holds half of a character: write it anew."
    except (TypeError, ValueError):
        return "A number in it is not a number that can be kept."
    return "A text in it holds the character NUL: remove it." if _NUL.search(text) else ""
