"""Spoiling what a run left, to show that the oracle sees it."""

from __future__ import annotations

from integrations.models import LinkState, PlannedChange
from people.models import Event, Person
from saas.models import SaaSUser, SaaSUserRole

KINDS = ("lost", "twice", "forbidden")


def spoil(alias: str, kind: str, run_id: int) -> None:
    """Do to the tables what a bad resumption would: a batch dropped, a batch twice, a removal."""
    {"lost": _drop_a_batch, "twice": _apply_twice, "forbidden": _remove_somebody}[kind](
        alias, run_id
    )


def _drop_a_batch(alias: str, run_id: int) -> None:
    newest = list(Person.objects.using(alias).order_by("-pk").values_list("pk", flat=True)[:5])
    users = SaaSUser.objects.using(alias).filter(person__in=newest)
    LinkState.objects.using(alias).filter(link__saas_user__in=users).delete()
    users.delete()
    Event.objects.using(alias).filter(run_id=run_id, object_id__in=newest).delete()


def _apply_twice(alias: str, run_id: int) -> None:
    roles = SaaSUserRole.objects.using(alias).filter(valid_to__isnull=False)
    rows = PlannedChange.objects.using(alias).filter(run=run_id)
    for row in [*roles.order_by("-pk")[:5], *rows.order_by("-pk")[:5]]:
        row.pk = None
        row._state.adding = True
        row.save(using=alias)


def _remove_somebody(alias: str, run_id: int) -> None:
    told = Event.objects.using(alias).filter(run_id=run_id).values("object_id")
    one = SaaSUser.objects.using(alias).filter(status="active").exclude(pk__in=told)[10]
    SaaSUser.objects.using(alias).filter(pk=one.pk).update(status="deactivated")
    Event.objects.using(alias).create(
        object="saas_user", object_id=one.pk, kind="archive", source="sync", run_id=run_id
    )
