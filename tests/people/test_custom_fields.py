"""Custom fields: keys, refusals, types, unique values, deleting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from people import fields
from people.errors import FieldInvalid
from people.models import CustomField, Person, UniqueValue
from people.queries import PERSON_FIELDS
from saas.models import SaaSUser
from tests import makers

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("Aha User Id", "aha_user_id"),
        ("T-Shirt size (EU)", "t_shirt_size_eu"),
        ("  Größe  ", "grosse"),
        ("Employee's car", "employees_car"),
        ("naïve Straße", "naive_strasse"),
        ("a" * 150, "a" * 100),
    ],
)
def test_the_key_is_the_label_in_snake_case(label: str, key: str):
    """AH-24"""
    assert fields.field_key(label) == key


@pytest.mark.parametrize("label", ["", "   ", "2nd name", "名前", "!!!", "_"])
def test_a_label_without_a_usable_key_is_refused(label: str):
    with pytest.raises(FieldInvalid, match="letter from A to Z"):
        fields.field_key(label)


@pytest.mark.parametrize("key", [*PERSON_FIELDS, *sorted(fields.RESERVED_WORDS)])
def test_a_label_that_would_hide_another_meaning_is_refused(key: str):
    """M-25: reserved words, and every field that people have already."""
    with pytest.raises(FieldInvalid) as refused:
        fields.make_field(label=key.replace("_", " ").title(), type="text")

    assert refused.value.field == "label"


def test_a_second_field_with_the_same_key_is_refused_for_the_same_object_only():
    fields.make_field(label="Seat type", type="text")

    with pytest.raises(FieldInvalid, match="seat_type"):
        fields.make_field(label="Seat-Type", type="text")
    other = fields.make_field(label="Seat type", type="text", object="saas_user")

    assert other.key == "seat_type"


def test_long_text_starts_hidden_from_hr_and_the_others_do_not():
    """M-36"""
    made = {kind: fields.make_field(label=f"A {kind}", type=kind) for kind in CustomField.Type}

    hidden = {kind for kind, field in made.items() if not field.visible_to_hr}

    assert hidden == {CustomField.Type.LONG_TEXT}


def test_the_type_changes_until_somebody_has_a_value():
    field = fields.make_field(label="Badge", type="text")
    changed = change(field, type="integer")
    makers.make_person(custom={"badge": 7})

    with pytest.raises(FieldInvalid) as refused:
        change(field, type="date")

    assert changed.type == "integer"
    assert refused.value.field == "type"


def change(field: CustomField, **changes: object) -> CustomField:
    wanted = {
        "label": field.label,
        "type": field.type,
        "unique": field.unique,
        "visible_to_hr": field.visible_to_hr,
        **changes,
    }
    return fields.change_field(field, **wanted)  # type: ignore[arg-type]


def test_a_new_label_leaves_the_key_alone():
    field = fields.make_field(label="Badge", type="text")

    changed = change(field, label="Badge number")

    assert (changed.label, changed.key) == ("Badge number", "badge")


def test_a_field_becomes_unique_when_its_values_are():
    field = fields.make_field(label="Badge", type="text")
    for badge in ("A-1", "A-2"):
        makers.make_person(custom={"badge": badge})
    makers.make_person()

    change(field, unique=True)

    assert sorted(UniqueValue.objects.values_list("key", flat=True)) == ["a-1", "a-2"]


def test_values_that_occur_twice_are_named():
    field = fields.make_field(label="Badge", type="text")
    for badge in ("A-1", "a-1 "):
        makers.make_person(custom={"badge": badge})

    with pytest.raises(FieldInvalid, match="a-1") as refused:
        change(field, unique=True)

    field.refresh_from_db()
    assert refused.value.field == "unique"
    assert not field.unique
    assert not UniqueValue.objects.exists()


def test_a_field_that_is_no_longer_unique_forgets_the_claims():
    field = fields.make_field(label="Badge", type="text", unique=True)
    UniqueValue.objects.create(field=field, key="a-1", person=makers.make_person())

    change(field, unique=False)

    assert not UniqueValue.objects.exists()


@pytest.mark.parametrize("kind", ["long_text", "date", "boolean", "decimal", "datetime"])
def test_only_short_values_can_be_unique(kind: str):
    with pytest.raises(FieldInvalid) as refused:
        fields.make_field(label="Badge", type=kind, unique=True)

    assert refused.value.field == "unique"


def test_deleting_a_field_deletes_its_values_and_no_others():
    field = fields.make_field(label="Badge", type="text")
    with_both = makers.make_person(custom={"badge": "A-1", "other": {"deep": [1, None]}})
    without = makers.make_person(custom={"other": 2})

    changed = fields.delete_field(field)

    assert changed == 1
    assert Person.objects.get(pk=with_both.pk).custom == {"other": {"deep": [1, None]}}
    assert Person.objects.get(pk=without.pk).custom == {"other": 2}


def test_deleting_a_field_of_saas_users_deletes_their_values():
    field = fields.make_field(label="Seat", type="text", object="saas_user")
    account = makers.make_saas_user(makers.make_application(), custom={"seat": "paid"})

    fields.delete_field(field)

    assert SaaSUser.objects.get(pk=account.pk).custom == {}


def test_a_field_that_a_mapping_uses_stays():
    field = fields.make_field(label="Aha User Id", type="text")
    makers.make_mapping(makers.make_integration(), source="id", target="aha_user_id")

    with pytest.raises(FieldInvalid, match="Aha! User Load"):
        fields.delete_field(field)

    assert CustomField.objects.filter(pk=field.pk).exists()


@pytest.fixture
def used_by_a_workflow() -> Iterator[None]:
    """Another app says that it uses every field."""

    def sentences(field: CustomField) -> list[str]:
        return [f"named by workflow {field.key}"]

    fields.used_by_providers.append(sentences)
    yield
    fields.used_by_providers.remove(sentences)


@pytest.mark.usefixtures("used_by_a_workflow")
def test_every_app_above_can_say_that_it_uses_a_field():
    field = fields.make_field(label="Badge", type="text")

    with pytest.raises(FieldInvalid, match="named by workflow badge"):
        fields.delete_field(field)
