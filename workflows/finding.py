"""Which workflow and which records somebody means who types their names."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from integrations.errors import did_you_mean
from people.identity import email_key, username_key
from people.models import Person
from saas.models import SaaSUser
from workflows.errors import CannotStart
from workflows.models import Workflow

_NAMED = 5
_LONGEST_ID = 18  # digits of a number that is an id of ours


def find_workflow(name: str) -> Workflow:
    """The workflow of this name. Raises CannotStart. One query, two where there is none."""
    rows = Workflow.objects.select_related("application", "active_version")
    workflow = rows.filter(name=name).first()
    if workflow is None:
        hint = did_you_mean(name, Workflow.objects.values_list("name", flat=True))
        raise CannotStart(f'There is no workflow "{name}".{hint}')
    return workflow


def find_record_ids(workflow: Workflow, keys: Sequence[str]) -> list[int]:
    """The records that these keys mean, each once: e-mail, the id at the source, or an id of ours.

    An id of ours is tried last. Raises CannotStart where nobody, or more than one, is meant. One or
    two queries per key.
    """
    return list(dict.fromkeys(_find(workflow, key) for key in keys))


def _find(workflow: Workflow, key: str) -> int:
    wanted = key.strip().replace("\x00", "\ufffd")
    of_people = workflow.object == Workflow.Object.PERSON
    found = _people(wanted) if of_people else _users(workflow, wanted)
    if not found and wanted.isascii() and wanted.isdecimal() and len(wanted) <= _LONGEST_ID:
        found = _by_id(workflow, int(wanted))
    if len(found) == 1:
        return found[0][0]
    if not found:
        what = (
            "person with this e-mail, username, employee ID or ID"
            if of_people
            else f"SaaS user of {workflow.application} with this ID or e-mail"
        )
        raise CannotStart(f'There is no {what}: "{key}".')
    ids = ", ".join(name for _pk, name in found[:_NAMED])
    raise CannotStart(f'"{key}" means more than one record. Name one by its ID: {ids}.')


def _people(key: str) -> list[tuple[int, str]]:
    either = Q(employee_id=key) if key else Q(pk__in=[])
    if email := email_key(key):
        either |= Q(email_key=email)
    if username := username_key(key):
        either |= Q(username_key=username)
    rows = Person.objects.filter(either).order_by("pk").values_list("pk", flat=True)
    return [(pk, str(pk)) for pk in rows[: _NAMED + 1]]


def _users(workflow: Workflow, key: str) -> list[tuple[int, str]]:
    either = Q(external_id=key)
    if email := email_key(key):
        either |= Q(email_key=email)
    rows = SaaSUser.objects.filter(either, application=workflow.application_id).order_by("pk")
    return list(rows.values_list("pk", "external_id")[: _NAMED + 1])


def _by_id(workflow: Workflow, pk: int) -> list[tuple[int, str]]:
    known = (
        Person.objects.filter(pk=pk).exists()
        if workflow.object == Workflow.Object.PERSON
        else SaaSUser.objects.filter(pk=pk, application=workflow.application_id).exists()
    )
    return [(pk, str(pk))] if known else []
