"""`check_vendors`: what it prints, and its harmless call."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.models import Credentials
from integrations.registry import preset_ids
from tests.integrations.language.conftest import SECRET
from tests.integrations.language.server import json_reply, serving
from tests.makers import make_credentials, make_variable


def test_every_vendor_is_printed_with_its_loads(capsys: pytest.CaptureFixture[str]):
    call_command("check_vendors")

    printed = capsys.readouterr().out
    assert "aha: Aha!. Loads: users (Aha! User Load). Presets: aha.deactivate_user, " in printed
    assert "bamboohr: BambooHR. Loads: employees (BambooHR Employee Load)." in printed
    assert all(preset_id in printed for preset_id in preset_ids())


def test_one_vendor_can_be_named(capsys: pytest.CaptureFixture[str]):
    call_command("check_vendors", "aha")

    assert "bamboohr" not in capsys.readouterr().out


def test_a_vendor_that_does_not_exist_is_wrong_usage():
    with pytest.raises(CommandError, match='Did you mean "aha"') as caught:
        call_command("check_vendors", "ahaa")

    assert caught.value.returncode == 2


@pytest.mark.django_db
def test_live_makes_the_harmless_call(settings: Any, capsys: pytest.CaptureFixture[str]):
    make_variable()
    with serving(lambda _seen: json_reply({"user": {"id": "77"}})) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        make_credentials("Aha", secret=SECRET, base_url=server.url)

        call_command("check_vendors", "aha", live="Aha")

    assert 'Connected to Aha!, account "mycompany".' in capsys.readouterr().out
    assert server.targets == ["/api/v1/me"]
    assert Credentials.objects.get().test_state == Credentials.Test.CONNECTED


@pytest.mark.django_db
def test_live_tells_why_it_failed_without_the_key(settings: Any):
    make_variable()
    with serving(lambda _seen: json_reply({}, 401)) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        make_credentials("Aha", secret=SECRET, base_url=server.url)

        with pytest.raises(CommandError, match="did not accept the credentials") as caught:
            call_command("check_vendors", live="Aha")

    assert caught.value.returncode == 3
    assert SECRET not in str(caught.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--live", "Nobody"], 'no credentials "Nobody"'),
        (["bamboohr", "--live", "Aha"], "are for aha"),
    ],
)
def test_live_with_other_credentials_is_wrong_usage(arguments: list[str], says: str):
    make_credentials("Aha", secret=SECRET)

    with pytest.raises(CommandError, match=says) as caught:
        call_command("check_vendors", *arguments)

    assert caught.value.returncode == 2
