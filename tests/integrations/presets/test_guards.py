"""What is refused before anything is sent: holes, protected people, other groups, the limit."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from integrations.errors import PresetRefused
from integrations.models import Integration, Operation
from integrations.presets.calling import call_now
from saas.models import SaaSUser
from tests.makers import make_person, make_role

from .desk import Desk


def refusal(desk: Desk, preset: str, record: str, **given: Any) -> str:
    """Why a call is not made; nothing may have reached a vendor that changes something."""
    with pytest.raises(PresetRefused) as refused:
        desk.prepare(preset, record, given)
    assert desk.sent("PUT", "POST", "DELETE", "PATCH") == []
    return refused.value.message


def test_an_empty_id_at_the_vendor_is_never_sent(aha: Desk):
    """AH-39: also where the person has an account that the field does not name."""
    person = make_person()
    aha.account(person)

    message = refusal(aha, "deactivate_user", person.email)

    assert '"aha_user_id" of the record is empty' in message
    assert "Run Aha! User Load" in message
    assert aha.effects() == []


@pytest.mark.parametrize("blank", ["", "   ", None, []])
def test_no_form_of_nothing_is_sent(aha: Desk, blank: Any):
    """AH-39, S-12: a custom field may hold any of these."""
    person = make_person(custom={"aha_user_id": blank})

    assert "is empty" in refusal(aha, "get_user_details", person.email)
    assert aha.sent() == []


def test_a_read_without_its_field_is_not_sent_either(betterworks: Desk):
    """BW-36: and the message says what fills the field."""
    message = refusal(betterworks, "get_user_by_id", make_person().email)

    assert "betterworks_user_id" in message
    assert "Run the Betterworks user integration" in message
    assert betterworks.sent() == []


def test_a_create_without_an_e_mail_is_not_sent(betterworks: Desk):
    """BW-26."""
    person = make_person(email="", username="ann")

    message = refusal(betterworks, "create_user", "ann")

    assert "makes no account without an e-mail" in message
    assert person.email == ""


def test_a_licence_is_never_taken_from_nobody_in_particular(goto: Desk):
    """GT-19: the vendor would take it from every user."""
    make_person(email="", username="ann")

    message = refusal(goto, "unassign_license_by_email", "ann", license_key="7902142105473202120")

    assert "could mean every user" in message
    assert goto.sent() == []


def test_a_delete_without_a_key_is_not_sent(goto: Desk):
    """GT-29."""
    person = make_person()

    assert "goto_user_key" in refusal(goto, "delete_users", person.email)
    assert goto.effects() == []


def test_protected_people_are_spared(aha: Desk):
    """M-15, F-27: by e-mail or by id at the vendor, whichever the list names."""
    by_email, by_id = aha.account(make_person()), aha.account(make_person())
    Integration.objects.filter(pk=aha.integration.pk).update(
        protected=[by_email.email.upper(), by_id.external_id]
    )

    for one in (by_email, by_id):
        assert "named in the integration's list" in refusal(aha, "deactivate_user", one.external_id)


def test_a_person_who_is_meant_by_a_field_is_spared_like_the_account(aha: Desk):
    """F-27: the id stands in the custom field of somebody who is not linked to the account."""
    protected = aha.account(make_person())
    other = aha.person(vendor_id=protected.external_id)
    Integration.objects.filter(pk=aha.integration.pk).update(protected=[protected.email])

    assert "Protected" in refusal(aha, "deactivate_user", other.email)


def test_the_owner_of_the_credentials_is_spared(aha: Desk):
    """F-27: disabling that account would end the key."""
    owner_id = aha.sandbox.state["aha"].kept()["owner_id"]
    person = aha.person(vendor_id=owner_id)

    message = refusal(aha, "deactivate_user", person.email)

    assert "the credentials belong to this record" in message


def test_the_user_of_the_integration_is_spared(aha: Desk):
    """F-27."""
    run_as = aha.integration.run_as
    assert run_as is not None
    user = aha.account(email=run_as.email)

    assert "runs as this user" in refusal(aha, "deactivate_user", user.external_id)


def test_the_last_administrator_is_spared_and_the_last_but_one_is_not(aha: Desk):
    """F-27."""
    one, two = aha.account(make_person()), aha.account(make_person())
    make_role(one, "Administrator")

    assert "no other administrator" in refusal(aha, "deactivate_user", one.external_id)

    make_role(two, "Administrator")
    assert aha.prepare("deactivate_user", one.external_id).target == one.external_id


def test_a_switch_that_takes_access_away_is_guarded_like_a_deactivation(aha: Desk):
    """M-15: Update with Enabled set to false disables the user as well."""
    user = aha.account(make_person())
    Integration.objects.filter(pk=aha.integration.pk).update(protected=[user.email])

    assert "Protected" in refusal(aha, "update_user_details", user.external_id, enabled="false")
    call = aha.prepare("update_user_details", user.external_id, {"first_name": "Bea"})
    assert call.request.body == {"user": {"first_name": "Bea"}}


def test_credentials_are_for_their_groups_and_for_it_admins(
    aha: Desk, workflow_editor: User, it_admin: User
):
    """M-25."""
    user = aha.account(make_person())

    with pytest.raises(PresetRefused, match="may not use the credentials"):
        aha.prepare("get_user_details", user.external_id, user=workflow_editor, plan=True)
    aha.credentials.groups.add(Group.objects.get(name="Workflow editor"))

    for allowed in (workflow_editor, it_admin):
        aha.prepare("get_user_details", user.external_id, user=allowed, plan=True)


def test_credentials_of_another_vendor_are_refused(aha: Desk, betterworks: Desk):
    aha.vendor = "betterworks"

    with pytest.raises(PresetRefused, match="are not for Betterworks"):
        aha.prepare("list_departments", "ann@example.com")


def test_what_takes_access_counts_as_a_selection_by_hand(aha: Desk):
    """M-15: of nine accounts three may go in a day; the fourth is held and nothing is sent."""
    users = [aha.account(make_person()) for _ in range(9)]

    called = [deactivate(aha, user) for user in users[:4]]

    assert [one.held == "" for one in called] == [True, True, True, False]
    assert "more than the limit of 3" in called[3].held
    assert aha.effects() == ["user.update"] * 3
    assert Operation.objects.filter(guarded=True, state="done").count() == 3


def test_a_switch_that_takes_access_away_counts_too(aha: Desk):
    """M-15: whichever preset disables the user."""
    users = [aha.account(make_person()) for _ in range(3)]

    called = [
        call_now(
            "aha.update_user_details",
            aha.credentials,
            user.external_id,
            {"enabled": "false"},
            key=f"off:{user.pk}",
            started_by="test",
        )
        for user in users[:2]
    ]

    assert [one.held == "" for one in called] == [True, False]
    assert aha.effects() == ["user.update"]


def test_a_corrected_fact_reaches_the_look_up_of_an_effect(betterworks: Desk):
    """Issue: what is inferred about a vendor can be corrected per credentials."""
    betterworks.credentials.overrides |= {"presets.create_user.request.path": "users/nowhere/"}
    betterworks.credentials.save()
    person = make_person(email="new@acme.example")

    called = call_now(
        "betterworks.create_user",
        betterworks.credentials,
        person.email,
        {},
        key="new",
        started_by="test",
    )

    assert called.operation is not None
    assert betterworks.sent("POST")[0].endswith("users/nowhere/")
    assert called.operation.state == "refused"


def test_reads_and_activations_do_not_count(aha: Desk):
    """M-15."""
    users = [aha.account(make_person()) for _ in range(3)]
    deactivate(aha, users[0])

    assert deactivate(aha, users[1]).held
    activated = call_now(
        "aha.activate_user",
        aha.credentials,
        users[0].external_id,
        {},
        key="back",
        started_by="test",
    )
    assert activated.operation is not None
    assert (activated.operation.state, activated.operation.guarded) == ("done", False)


def deactivate(desk: Desk, user: SaaSUser) -> Any:
    key = f"off:{user.pk}"
    return call_now(
        "aha.deactivate_user", desk.credentials, user.external_id, {}, key=key, started_by="test"
    )
