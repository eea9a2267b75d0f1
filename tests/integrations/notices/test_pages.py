"""What pages say of error state, mails and who is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.forms.lists import EmailListField, TextListField
from integrations.models import Installation, Integration, Notification
from tests.integrations.admin.pages import messages_of, save, text_of
from tests.makers import make_integration, make_notification, make_run

LIST = "/admin/integrations/notification/"
LIMITS = "/admin/integrations/installation/"


def page_of(integration: Integration) -> str:
    return f"/admin/integrations/integration/{integration.pk}/change/"


def test_an_integration_in_error_says_since_when_and_what_to_do(admin_page: Client) -> None:
    """BB-28: on its page, in the list and on the first page."""
    integration = make_integration(
        state="active", failed_connections=3, error_since=timezone.now(), tenant="t"
    )
    make_run(integration, state="failed", error_code="timeout", error_message="It took too long.")

    page, listed, first = (
        text_of(admin_page.get(url))
        for url in (page_of(integration), "/admin/integrations/integration/", "/admin/")
    )

    assert "three runs in a row could not connect." in page
    assert "The last one said: It took too long. Mend the credentials, or wait" in page
    assert "In error" in listed
    assert "in error since" in first


@pytest.mark.parametrize(
    ("number", "words"), [(1, "The last run could not connect."), (2, "Two runs could not")]
)
def test_the_first_two_failures_are_a_warning(admin_page: Client, number: int, words: str) -> None:
    """BB-28."""
    integration = make_integration(failed_connections=number)

    page = text_of(admin_page.get(page_of(integration)))

    assert words in page
    assert "Three in a row put it into error state." in page


@pytest.mark.parametrize(("notify", "warned"), [([], True), (["it@example.com"], False)])
def test_run_now_warns_when_nobody_would_be_told(
    admin_page: Client,
    notify: list[str],
    warned: bool,  # noqa: FBT001 - what is expected
) -> None:
    """BB-31."""
    integration = make_integration(state="active", notify=notify)

    answer = admin_page.post(f"/admin/integrations/integration/{integration.pk}/run/")

    told = " ".join(messages_of(admin_page, answer))
    assert ("failures may be missed" in told) is warned


def test_the_list_of_mails_says_what_keeps_each(admin_page: Client) -> None:
    """F-22."""
    make_notification(attempts=2, error="There is no connection to the mail server.")
    make_notification(state="nobody", recipients=[])

    page = text_of(admin_page.get(LIST))

    assert "Waits since" in page
    assert "There is no connection to the mail server." in page
    assert "Name who is told" in page
    assert "Mail" in text_of(admin_page.get(f"{LIST}?state__exact=nobody"))


def test_an_empty_list_says_what_will_be_told(admin_page: Client) -> None:
    assert "No mail was needed yet." in text_of(admin_page.get(LIST))


def test_a_mail_that_perhaps_was_sent_is_sent_again_on_its_page_and_in_the_list(
    admin_page: Client,
) -> None:
    one, other = make_notification(state="unknown"), make_notification(state="unknown")

    page = text_of(admin_page.get(f"{LIST}{one.pk}/change/"))
    admin_page.post(f"{LIST}{one.pk}/send-again/")
    admin_page.post(LIST, {"action": "send_again_action", "_selected_action": [other.pk]})

    assert "Send again" in page
    assert set(Notification.objects.values_list("state", flat=True)) == {"queued"}


def test_an_auditor_reads_which_mails_there_are_without_their_text(
    auditor: User, open_as: Callable[[User], Client]
) -> None:
    """M-36."""
    mail = make_notification(state="unknown", body="- ann@example.com (Person): Gone")
    client = open_as(auditor)

    page = text_of(client.get(f"{LIST}{mail.pk}/change/"))
    refused = client.post(f"{LIST}{mail.pk}/send-again/")
    listed = text_of(client.get(LIST))

    assert "ann@example.com" not in page
    assert refused.status_code == 403
    assert "Send again" not in page + listed


def test_limits_and_notices_are_one_page_with_an_address_per_line(admin_page: Client) -> None:
    answer = save(
        admin_page, LIMITS, "installation_form", notify="a@example.com\n\n b@example.com \n",
        removals_count="7", _continue="1",
    )  # fmt: skip

    the = Installation.the()
    assert answer.status_code == 302
    assert (the.notify, the.removals_count) == (["a@example.com", "b@example.com"], 7)


def test_m_24_how_long_answers_are_kept_is_set_there(admin_page: Client) -> None:
    save(admin_page, LIMITS, "installation_form", keep_answers_days="5", _continue="1")

    assert Installation.the().keep_answers_days == 5


def test_what_is_no_address_is_refused_on_its_field(admin_page: Client) -> None:
    answer = save(admin_page, LIMITS, "installation_form", notify="a@example.com\nBcc: me")

    assert answer.status_code == 200
    assert '"Bcc: me" is not an e-mail address.' in answer.content.decode().replace("&quot;", '"')
    assert Installation.the().notify == []


def test_an_auditor_reads_limits_and_cannot_change_them(
    auditor: User, open_as: Callable[[User], Client]
) -> None:
    """M-36."""
    Installation.objects.update_or_create(pk=1, defaults={"notify": ["it@example.com"]})
    client = open_as(auditor)

    page = text_of(client.get(LIMITS))
    answer = client.post(LIMITS, {"removals_count": "99"})

    assert "it@example.com" in page
    assert answer.status_code == 403
    assert Installation.the().removals_count == 5


def test_a_list_field_keeps_the_order_and_drops_repetitions() -> None:
    field = TextListField()

    assert field.clean("b\r\na\n\n b \n") == ["b", "a"]
    assert field.prepare_value(["b", "a"]) == "b\na"
    assert not field.has_changed(["b", "a"], "b\na\n")
    assert EmailListField().has_changed(["a@example.com"], "b@example.com")
