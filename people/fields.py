"""Custom fields: making, changing and deleting them, and what their values look like as JSON."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Cast

from people.errors import FieldInvalid
from people.models import CustomField, Person, UniqueValue
from people.queries import PERSON_FIELDS
from people.services import unique_key
from people.visibility import SAAS_USER_FIELDS

# Words that templates read as something else (M-25), or that are every record's own.
RESERVED_WORDS = frozenset(
    {
        "response",
        "response_headers",
        "variables",
        "failure",
        "person",
        "application",
        "id",
        "custom",
        "sources",
        "created_at",
        "updated_at",
    }
)
_LONGEST_KEY = 100
_NAMED_DUPLICATES = 3
_BATCH = 5_000

# Higher apps add what uses a field here: a callable gives sentences such as 'mapped by "Aha!"'.
used_by_providers: list[Callable[[CustomField], list[str]]] = []
# Which table holds the values of which object; the app above adds its own.
value_models: dict[str, type[models.Model]] = {CustomField.Object.PERSON.value: Person}


def field_key(label: str) -> str:
    """The key of a label in snake case: `Aha User Id` -> `aha_user_id`. Raises FieldInvalid."""
    text = unicodedata.normalize("NFKD", label.replace("ß", "ss"))
    ascii_text = text.encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", ascii_text.replace("'", "")).strip("_")[:_LONGEST_KEY]
    if not key or not key[0].isalpha():
        raise FieldInvalid(
            "Begin the label with a letter from A to Z: the key in {{ templates }} is made from it."
        )
    return key.rstrip("_")


def make_field(
    *,
    label: str,
    type: str,  # noqa: A002 - the word of the configuration file
    object: str = CustomField.Object.PERSON,  # noqa: A002
    unique: bool = False,
    visible_to_hr: bool | None = None,
) -> CustomField:
    """Make a custom field; long text starts hidden from HR (M-36). Two queries.

    Raises FieldInvalid. Not safe to repeat: a second field of the same label is refused.
    """
    field = CustomField(
        object=object,
        key=field_key(label),
        label=label.strip(),
        type=type,
        unique=unique,
        visible_to_hr=type != CustomField.Type.LONG_TEXT
        if visible_to_hr is None
        else visible_to_hr,
    )
    check_field(field)
    try:
        with transaction.atomic():
            field.save(force_insert=True)
    except IntegrityError:
        raise FieldInvalid(_taken(field.key)) from None
    return field


def check_field(field: CustomField) -> None:
    """Refuse what no custom field may be: a taken or reserved key, a unique long text.

    Raises FieldInvalid. One query.
    """
    built_in = PERSON_FIELDS if field.object == CustomField.Object.PERSON else SAAS_USER_FIELDS
    if field.key in built_in:
        raise FieldInvalid(f'"{field.key}" is a built-in field already; choose another label.')
    if field.key in RESERVED_WORDS:
        raise FieldInvalid(f'"{field.key}" has a meaning of its own in templates; choose another.')
    same_key = CustomField.objects.filter(object=field.object, key=field.key)
    if same_key.exclude(pk=field.pk).exists():
        raise FieldInvalid(_taken(field.key))
    if field.unique and not may_be_unique(field.object, field.type):
        raise FieldInvalid(
            "Only text and whole-number fields of people can be unique.", field="unique"
        )


def may_be_unique(object: str, type: str) -> bool:  # noqa: A002
    """Say whether a field of this object and type can be a sync key."""
    return object == CustomField.Object.PERSON and type in {
        CustomField.Type.TEXT,
        CustomField.Type.INTEGER,
    }


def change_field(
    field: CustomField,
    *,
    label: str,
    type: str,  # noqa: A002
    unique: bool,
    visible_to_hr: bool,
) -> CustomField:
    """Change a field; its key stays, so that mappings and templates keep their meaning.

    Raises FieldInvalid: when the type of a field with values is changed, or when values that are
    not unique forbid `unique`. A few queries, and one per 5,000 values that become unique.
    """
    with transaction.atomic():
        current = CustomField.objects.select_for_update().get(pk=field.pk)
        if type != current.type and has_values(current):
            raise FieldInvalid(
                f"{current.label} has values already, so its type stays "
                f"{current.get_type_display().lower()}. Add a new field for the other type.",
                field="type",
            )
        was_unique = current.unique
        current.label, current.type = label.strip(), type
        current.unique, current.visible_to_hr = unique, visible_to_hr
        check_field(current)
        current.save()
        if unique and not was_unique:
            _claim_values(current)
        elif was_unique and not unique:
            UniqueValue.objects.filter(field=current).delete()
    return current


def has_values(field: CustomField) -> bool:
    """Say whether any record has a value in this field. One query."""
    return _holders(field).exists()


def count_values(field: CustomField, *, most: int) -> int:
    """How many records have a value in this field, at most `most`. One query."""
    return _holders(field)[:most].count()


def used_by(field: CustomField) -> list[str]:
    """What would break without the field, as sentences; empty when nothing uses it."""
    return [sentence for provider in used_by_providers for sentence in provider(field)]


def delete_field(field: CustomField) -> int:
    """Delete a field and its values; the history keeps them, for admins only (M-36).

    Returns how many records had a value. Raises FieldInvalid when something uses the field.
    Four queries, whatever the number of values.
    """
    users = used_by(field)
    if users:
        raise FieldInvalid(f"{field.label} is {'; '.join(users)}. Remove it there first.")
    with transaction.atomic():
        changed = _holders(field).update(custom=_WithoutKey(field.key))
        field.delete()
    return changed


def to_json(value: Any) -> Any:
    """A value of a form as `custom` keeps it: dates and decimals as text, blank as None."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value


def from_json(type: str, value: Any) -> Any:  # noqa: A002
    """A value of `custom` as forms take it; what cannot be read stays as it is."""
    try:
        if value is not None and type == CustomField.Type.DATE:
            return date.fromisoformat(value)
        if value is not None and type == CustomField.Type.DATETIME:
            return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return value


def records_of(object: str) -> models.QuerySet[Any]:  # noqa: A002
    """Every record of this kind: people, or what an app above keeps."""
    manager: Any = value_models[str(object)]._meta.default_manager
    records: models.QuerySet[Any] = manager.all()
    return records


def _holders(field: CustomField) -> models.QuerySet[Any]:
    return records_of(field.object).filter(custom__has_key=field.key)


def _claim_values(field: CustomField) -> None:
    """Put every value under the unique rule, or refuse naming the first that occur twice."""
    rows = _holders(field).order_by("pk").values_list("pk", f"custom__{field.key}")
    owners: dict[str, int] = {}
    twice: list[str] = []
    for pk, value in rows.iterator(chunk_size=_BATCH):
        if value is None:
            continue
        if owners.setdefault(unique_key(value), pk) != pk and len(twice) < _NAMED_DUPLICATES:
            twice.append(str(value)[:50])
    if twice:
        raise FieldInvalid(
            f"Two people have the same {field.label}, such as {', '.join(twice)}. "
            "Make the values differ before you make the field unique.",
            field="unique",
        )
    UniqueValue.objects.bulk_create(
        (UniqueValue(field=field, person_id=pk, key=key) for key, pk in owners.items()),
        batch_size=_BATCH,
    )


def _taken(key: str) -> str:
    return f'There is a field with the key "{key}" already; choose another label.'


class _WithoutKey(Func):
    """The `custom` column without one key, for every database that we run on."""

    output_field = models.JSONField()

    def __init__(self, key: str) -> None:
        super().__init__(F("custom"), Value(key))
        self._key = key

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        copy = self.copy()
        copy.set_source_expressions([self.source_expressions[0], Value(f'$."{self._key}"')])
        return copy.as_sql(compiler, connection, template="JSON_REMOVE(%(expressions)s)", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        copy = self.copy()
        copy.set_source_expressions(
            [self.source_expressions[0], Cast(Value(self._key), TextField())]
        )
        return copy.as_sql(
            compiler, connection, template="(%(expressions)s)", arg_joiner=" - ", **extra
        )
