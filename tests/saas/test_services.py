"""Writing accounts: what a batch does with a row that is no longer as it was planned."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from people.bulk import reserve_ids
from people.models import Event
from people.services import Writing
from saas.models import Application, SaaSUser
from saas.services import AppliedUsers, SaaSUserChange, apply_saas_users

pytestmark = pytest.mark.django_db


def make_account(application: Application, external_id: str) -> AppliedUsers:
    change = SaaSUserChange(
        saas_user_id=reserve_ids(SaaSUser, 1)[0],
        is_new=True,
        application_id=application.pk,
        external_id=external_id,
        changes={"name": [None, "Ann"]},
        changes_json='{"name": [null, "Ann"]}',
    )
    writing = Writing(source=Event.Source.SYNC, actor="a run", now=timezone.now())
    with transaction.atomic():
        return apply_saas_users([change], writing)


def test_an_account_that_another_run_made_meanwhile_is_left_out_with_the_reason() -> None:
    """M-1, M-5: two runs of one tenant planned to make it; one row stays, the batch goes on."""
    application = Application.objects.create(name="Aha!", vendor="aha", tenant="acme")
    make_account(application, "1")

    again = make_account(application, "1")

    assert again.done == set()
    assert list(again.moved.values()) == ["Another run has made the account meanwhile."]
    assert SaaSUser.objects.count() == Event.objects.count() == 1
    assert make_account(application, "2").moved == {}
