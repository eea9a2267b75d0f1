"""What pages, commands and higher apps ask about people, without writing."""

from __future__ import annotations

from dataclasses import dataclass

from people.models import CustomField, Person

# Every people target of a mapping that is a column of its own, with the type that it takes.
PERSON_FIELDS: dict[str, str] = {
    "username": "text",
    "email": "text",
    "first_name": "text",
    "last_name": "text",
    "preferred_name": "text",
    "full_name": "text",
    "employee_id": "text",
    "title": "text",
    "department": "department",
    "manager": "manager",
    "phone": "text",
    "mobile_phone": "text",
    "location": "text",
    "country": "text",
    "birthday": "date",
    "hire_date": "date",
    "deactivation_date": "date",
    "employment_status": "text",
    "status": "status",
    "role": "role",
}
# Fields on which a sync key may stand: no two people share a value, or the value is an employee id.
SYNC_KEY_FIELDS = ("username", "email", "employee_id")


@dataclass(frozen=True)
class Target:
    """A field that a mapping can write: `type` as in PERSON_FIELDS or a custom field's."""

    key: str
    label: str
    type: str
    max_length: int | None
    may_be_sync_key: bool
    custom: bool
    of_saas_user: bool = False


def person_targets() -> dict[str, Target]:
    """Every people target by key, custom fields included. One query."""
    targets = built_in_targets()
    for field in CustomField.objects.filter(object=CustomField.Object.PERSON):
        targets[field.key] = custom_target(field)
    return targets


def built_in_targets() -> dict[str, Target]:
    """The people targets that are columns, by key. No query."""
    return {
        key: Target(
            key=key,
            label=_label(key),
            type=kind,
            max_length=getattr(Person._meta.get_field(key), "max_length", None),
            may_be_sync_key=key in SYNC_KEY_FIELDS,
            custom=False,
        )
        for key, kind in PERSON_FIELDS.items()
    }


def mapping_targets() -> dict[str, Target]:
    """What a mapping can write: people fields, then fields of SaaS users. Two queries.

    Of two fields with one key, the people field is meant.
    """
    of_users = CustomField.objects.filter(object=CustomField.Object.SAAS_USER)
    return {field.key: custom_target(field) for field in of_users} | person_targets()


def custom_target(field: CustomField) -> Target:
    """A custom field as a target. No query."""
    of_saas_user = field.object == CustomField.Object.SAAS_USER
    return Target(
        key=field.key,
        label=f"{field.label} (SaaS user)" if of_saas_user else field.label,
        type=field.type,
        max_length=320 if field.unique else None,
        may_be_sync_key=field.unique,
        custom=True,
        of_saas_user=of_saas_user,
    )


def _label(key: str) -> str:
    name = str(getattr(Person._meta.get_field(key), "verbose_name", key))
    return name[:1].upper() + name[1:]
