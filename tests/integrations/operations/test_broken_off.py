"""Calls of a process that is to end, and of credentials that are deleted meanwhile."""

from __future__ import annotations

import threading
import time

import pytest

from integrations.client import VendorClient
from integrations.errors import AskPerson
from integrations.models import Credentials
from integrations.registry import get_vendor
from integrations.services import access_for
from integrations.threads import at_desk, on_threads

from .calls import Desk


class Ending(BaseException):
    """As the alarm of a worker that is told to end."""


def test_a_process_that_is_to_end_waits_for_no_vendor() -> None:
    """(F-06)"""
    begun, answered, said = threading.Event(), threading.Event(), []

    def end() -> None:
        raise Ending

    def call(number: int) -> None:
        if number == 0:
            begun.wait(120)
            at_desk(end)
        begun.set()
        answered.wait(120)
        try:
            at_desk(lambda: said.append("written"))
        except RuntimeError as problem:
            said.append(str(problem))

    began = time.monotonic()
    with pytest.raises(Ending):
        list(on_threads(call, range(2)))
    took = time.monotonic() - began
    answered.set()
    while not said and time.monotonic() - began < 60:
        time.sleep(0.01)

    assert took < 60
    assert said == ["The batch was broken off."]


def test_nothing_is_sent_with_credentials_that_were_deleted(shared_desk: Desk) -> None:
    """(F-40)"""
    vendor = get_vendor("betterworks").corrected(shared_desk.credentials.overrides)
    client = VendorClient(vendor, access_for(shared_desk.credentials), inputs={})
    Credentials.objects.get(pk=shared_desk.credentials.pk).delete()
    before = len(shared_desk.sandbox.log)

    with client, pytest.raises(AskPerson) as refused:
        client.call("GET", "users/")

    assert (refused.value.code, refused.value.sent) == ("credentials_gone", False)
    assert len(shared_desk.sandbox.log) == before
