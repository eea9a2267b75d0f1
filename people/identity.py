"""Keys that people are told apart by: one for every way to write the same name (M-2)."""

from __future__ import annotations

import unicodedata

# Characters that are seen by nobody and so must not tell two e-mails apart.
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)


def email_key(value: str | None) -> str | None:
    """The comparison key of an e-mail, or None when blank: NFKC, strip, casefold, IDNA domain.

    `Ann@Bücher.example` and `ann@xn--bcher-kva.example` have one key. Look-alike letters of other
    scripts keep different keys; `look_alike` finds those.
    """
    text = _fold(value)
    if not text:
        return None
    if text.isascii():
        return text
    local, at, domain = text.rpartition("@")
    if at and not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return text
    return f"{local}{at}{domain}"


def username_key(value: str | None) -> str | None:
    """The comparison key of a username; an e-mail used as one has the e-mail's key."""
    return email_key(value)


def name_key(value: str | None) -> str:
    """The key of a department's name: names that differ only in case or spaces share it."""
    return " ".join(_fold(value).split())


def _fold(value: str | None) -> str:
    if not value:
        return ""
    if value.isascii():
        return value.strip().lower()
    text = unicodedata.normalize("NFKC", value).translate(_INVISIBLE).strip().casefold()
    return unicodedata.normalize("NFKC", text)


# Letters of other scripts, and rare Latin ones, drawn like the Latin letter they map to.
_LOOK_ALIKE = str.maketrans(
    {
        **dict(zip("авеёкмнорстухіїјѕԁһӏԛԝѵ", "abeekmhopctyxiijsdhlqwv", strict=True)),
        **dict(zip("αβεικνορτυχγω", "abeikvoptuxyw", strict=True)),
        **dict(zip("ıɩɑɡոսցօհ", "iiagnugoh", strict=True)),
    }
)


def look_alike(key: str | None) -> str | None:
    """What a key with look-alike letters is drawn like, or None when it has no such letters.

    Two keys that differ while one is drawn like the other are a conflict, never a match (M-2).
    """
    if key is None or (key.isascii() and "xn--" not in key):
        return None
    shown = _with_letters(key)
    drawn = shown.replace("i\u0307", "i").translate(_LOOK_ALIKE)
    return email_key(drawn) if drawn != shown else None


def _with_letters(key: str) -> str:
    """The key as people see it: `ann@xn--bcher-kva.example` with its ü."""
    local, at, domain = key.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('ascii').decode('idna')}"
    except UnicodeError:
        return key
