"""Persons, departments, roles, custom fields, and the event log that every app writes to."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from people.jsontext import WholeJSONField


class Department(models.Model):
    """A department, by its exact name; `name_key` finds near-duplicates."""

    name = models.CharField(max_length=200, unique=True)
    name_key = models.CharField(max_length=200, db_index=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PersonRole(models.Model):
    """A role that people have in this company, such as Employee; mappings choose among them."""

    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "people role"

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """Somebody who is or was employed.

    `email_key` and `username_key` are what people are told apart by (M-2); null while the value is
    blank. `email_look_alike` is what an e-mail with letters of other scripts is drawn like.
    `custom` holds the values of `CustomField` rows as JSON types. `sources` names, per field,
    the integration that wrote it last (M-6); a field that is not in it was written by hand.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DEACTIVATED = "deactivated", "Deactivated"

    username = models.CharField(max_length=320, blank=True)
    username_key = models.CharField(max_length=320, null=True, editable=False)
    email = models.CharField("e-mail", max_length=320, blank=True)
    email_key = models.CharField(max_length=320, null=True, editable=False)
    email_look_alike = models.CharField(max_length=320, null=True, editable=False)
    first_name = models.CharField(max_length=200, blank=True)
    last_name = models.CharField(max_length=200, blank=True)
    preferred_name = models.CharField(max_length=200, blank=True)
    full_name = models.CharField(max_length=400, blank=True)
    employee_id = models.CharField(
        "employee ID", max_length=100, blank=True, help_text="Text: leading zeros count."
    )
    title = models.CharField("job title", max_length=300, blank=True)
    department = models.ForeignKey(
        Department, on_delete=models.PROTECT, null=True, blank=True, related_name="people"
    )
    manager = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reports"
    )
    phone = models.CharField(max_length=100, blank=True)
    mobile_phone = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=200, blank=True)
    country = models.CharField(max_length=100, blank=True)
    birthday = models.DateField(null=True, blank=True)
    hire_date = models.DateField(null=True, blank=True)
    deactivation_date = models.DateField(
        null=True, blank=True, help_text="The last active day; active until its end."
    )
    employment_status = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    role = models.ForeignKey(
        PersonRole, on_delete=models.PROTECT, null=True, blank=True, related_name="people"
    )
    custom = models.JSONField(default=dict, blank=True)
    sources = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "people"
        ordering = ["id"]
        permissions = [("export_person", "Can export people")]
        constraints = [
            models.UniqueConstraint(fields=["email_key"], name="person_email_is_unique"),
            models.UniqueConstraint(fields=["username_key"], name="person_username_is_unique"),
            models.CheckConstraint(
                condition=Q(status__in=["active", "deactivated"]), name="person_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(manager__isnull=True) | ~Q(manager=F("id")),
                name="person_is_not_their_own_manager",
            ),
        ]
        indexes = [
            models.Index(fields=["employee_id"], name="person_by_employee_id"),
            models.Index(fields=["status", "id"], name="person_by_status"),
            models.Index(
                fields=["email_look_alike"],
                condition=Q(email_look_alike__isnull=False),
                name="person_by_look_alike",
            ),
        ]

    def __str__(self) -> str:
        name = self.full_name or f"{self.first_name} {self.last_name}".strip()
        return name or self.email or self.username or f"Person {self.pk}"


class CustomField(models.Model):
    """A field that an admin added to people or SaaS users; values live in their `custom` column."""

    class Object(models.TextChoices):
        PERSON = "person", "People"
        SAAS_USER = "saas_user", "SaaS users"

    class Type(models.TextChoices):
        TEXT = "text", "Text"
        LONG_TEXT = "long_text", "Long text"
        INTEGER = "integer", "Whole number"
        DECIMAL = "decimal", "Decimal number"
        BOOLEAN = "boolean", "Yes or no"
        DATE = "date", "Date"
        DATETIME = "datetime", "Date and time"

    object = models.CharField(max_length=10, choices=Object.choices, default=Object.PERSON)
    key = models.CharField(
        max_length=100, editable=False, help_text="Made from the label; used in {{ templates }}."
    )
    label = models.CharField(max_length=100)
    type = models.CharField(max_length=10, choices=Type.choices, default=Type.TEXT)
    unique = models.BooleanField(
        default=False, help_text="No two people may have the same value; may then be a sync key."
    )
    visible_to_hr = models.BooleanField(
        "visible to HR",
        default=True,
        help_text="HR viewers see the field. Long text starts hidden.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["object", "label"]
        constraints = [
            models.UniqueConstraint(fields=["object", "key"], name="custom_field_key_is_unique"),
            models.CheckConstraint(
                condition=Q(object__in=["person", "saas_user"]), name="custom_field_object_is_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    type__in=[
                        "text",
                        "long_text",
                        "integer",
                        "decimal",
                        "boolean",
                        "date",
                        "datetime",
                    ]
                ),
                name="custom_field_type_is_known",
            ),
            models.CheckConstraint(
                condition=Q(unique=False) | Q(object="person", type__in=["text", "integer"]),
                name="only_short_people_fields_are_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class UniqueValue(models.Model):
    """The key of a person's value in a unique custom field: here the database holds the rule."""

    field = models.ForeignKey(CustomField, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=320)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="unique_values")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["field", "key"], name="unique_field_value_is_unique"),
            models.UniqueConstraint(
                fields=["field", "person"], name="person_has_one_value_per_unique_field"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Event(models.Model):
    """Something that happened to one record, once per run (M-18): also the history people read.

    `changes` is {field: [old, new]}. `run_id` is the id of a sync run (a higher app, so no foreign
    key); the run says when its events are released to workflows. Without a run they are at once,
    and `dispatched` says whether workflows have looked at them.
    """

    class Kind(models.TextChoices):
        NEW = "new", "New"
        EDIT = "edit", "Edited"
        ARCHIVE = "archive", "Archived"

    class Source(models.TextChoices):
        SYNC = "sync", "Sync"
        ADMIN = "admin", "By hand"
        COMMAND = "command", "Command"
        UNDO = "undo", "Undo"
        WORKFLOW = "workflow", "Workflow"

    object = models.CharField(max_length=10, choices=CustomField.Object.choices)
    object_id = models.BigIntegerField()
    kind = models.CharField(max_length=7, choices=Kind.choices)
    source = models.CharField(max_length=10, choices=Source.choices)
    run_id = models.BigIntegerField(null=True)
    workflow_run_id = models.BigIntegerField(
        null=True, help_text="The run of a workflow that wrote it: one event per block (ADR 9)."
    )
    dispatched = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Workflows have looked at it. Of a sync's events, the run says so.",
    )
    actor = models.CharField(max_length=200, help_text="Who did it: a user, or an integration.")
    at = models.DateTimeField(default=timezone.now)
    changes = WholeJSONField(default=dict)
    note = models.CharField(max_length=300, blank=True)
    guarded = models.BooleanField(
        default=False, help_text="A removal that counts towards the limit of 24 hours (M-15)."
    )
    approved_by = models.CharField(
        max_length=200, blank=True, help_text="Who approved the removal by name."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["new", "edit", "archive"]), name="event_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(object__in=["person", "saas_user"]), name="event_object_is_known"
            ),
            models.UniqueConstraint(
                fields=["run_id", "object", "object_id"],
                condition=Q(run_id__isnull=False),
                name="one_event_per_record_per_run",
            ),
        ]
        indexes = [
            models.Index(fields=["object", "object_id", "-id"], name="event_by_record"),
            models.Index(
                fields=["object", "at"], condition=Q(guarded=True), name="event_guarded_by_time"
            ),
            models.Index(
                fields=["id"],
                condition=Q(dispatched=False, run_id__isnull=True),
                name="event_not_dispatched",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_object_display()} {self.object_id}: {self.get_kind_display()}"
