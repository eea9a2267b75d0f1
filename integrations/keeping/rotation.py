"""Sealing every secret again with the first of FERNET_KEYS, while work goes on (S-23)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.db import connection
from django.db.models import BinaryField, ExpressionWrapper, F

from integrations.keeping.keycheck import rings
from integrations.models import Credentials

_BATCH = 100
_TRIES = 5
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rotation:
    """How it stands: of `total` secrets `sealed` open with the newest key alone.

    `unreadable` are names of credentials that no key opens; `changed` is what was sealed again now.
    """

    total: int
    sealed: int
    changed: int
    unreadable: Sequence[str]

    @property
    def is_complete(self) -> bool:
        """Whether every older key can be removed."""
        return self.sealed == self.total


@dataclass(frozen=True)
class _Sealed:
    pk: int
    name: str
    token: bytes


def rotate_keys(*, on_progress: Progress | None = None) -> Rotation:
    """Seal again what the newest key does not open alone, then read all of it once more.

    Each row is written only where it still holds what was read: who enters a secret meanwhile wins,
    and seals it with the newest key anyway. May be stopped and begun again at any point. A query
    per hundred rows, and one per row that is sealed again.
    """
    openers = rings()
    total = sum(1 for _row in every_sealed())
    changed = 0
    for number, row in enumerate(every_sealed(), start=1):
        changed += _seal_again(row, openers)
        if on_progress is not None:
            on_progress(number, max(number, total))
    return _verify(openers, changed)


def _seal_again(row: _Sealed | None, openers: Sequence[Fernet]) -> bool:
    """Whether the row was sealed again; False when it need not be, or cannot be opened."""
    for _try in range(_TRIES):
        if row is None or _opens(row.token, openers[0]):
            return False
        try:
            token = MultiFernet(openers).rotate(row.token)
        except InvalidToken:
            return False
        if _replace(row, token):
            return True
        row = _read_again(row.pk)
    return False


def _verify(openers: Sequence[Fernet], changed: int) -> Rotation:
    """Open everything with the newest key alone, as if the others were gone."""
    total = sealed = 0
    unreadable = []
    for row in every_sealed():
        total += 1
        if _opens(row.token, openers[0]):
            sealed += 1
        elif not any(_opens(row.token, opener) for opener in openers[1:]):
            unreadable.append(row.name)
    return Rotation(total, sealed, changed, unreadable)


def _opens(token: bytes, opener: Fernet) -> bool:
    try:
        opener.decrypt(token)
    except InvalidToken:
        return False
    return True


def every_sealed() -> Iterator[_Sealed]:
    """What is sealed, as it is, in the order of ids. A query per hundred rows."""
    last = 0
    while rows := _rows(last):
        last = rows[-1].pk
        yield from (row for row in rows if row.token)


def _rows(after: int) -> list[_Sealed]:
    rows = Credentials.objects.filter(pk__gt=after).order_by("pk")
    found = rows.values_list("pk", "name", _AS_SEALED)[:_BATCH]
    return [_Sealed(pk, name, bytes(token or b"")) for pk, name, token in found]


def _read_again(pk: int) -> _Sealed | None:
    row = Credentials.objects.filter(pk=pk).values_list("pk", "name", _AS_SEALED).first()
    return _Sealed(row[0], row[1], bytes(row[2])) if row and row[2] else None


# The column as the database holds it; read as the field that it is, Django would open it.
_AS_SEALED = ExpressionWrapper(F("sealed"), output_field=BinaryField())


def _replace(row: _Sealed, token: bytes) -> bool:
    """Compare and set: False when somebody wrote the row since. One query."""
    binary = connection.Database.Binary  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE "integrations_credentials" SET "sealed" = %s WHERE "id" = %s AND "sealed" = %s',
            [binary(token), row.pk, binary(row.token)],
        )
        return bool(cursor.rowcount == 1)
