"""Each bad ending of a listing is what the error table says, at every vendor."""

from __future__ import annotations

import pytest

from integrations.errors import VendorError
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox

from .endings import ENDINGS, Ending, meaning_of
from .world import LOADS, OpenClient, listing_path, listing_requests, patient_for, read

NOTHING_LISTED = ("list", "object", "text")


@pytest.mark.parametrize(("vendor", "load"), LOADS)
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_a_bad_ending_of_a_listing_is_what_the_table_says(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str, ending: Ending
):
    """F-18, F-19, F-25: the error, how often it was tried, how long was waited."""
    known = get_vendor(vendor)
    meant = meaning_of(ending, known)
    called = call(patient_for(ending, known))
    path = listing_path(sandbox, known, load)
    sandbox.faults.add(ending.kind, vendor=vendor, path=path, **ending.values)

    with pytest.raises(VendorError) as caught:
        read(called.client, load)

    problem = caught.value
    assert isinstance(problem, meant.error), problem
    assert problem.code in meant.codes, problem
    assert problem.status in {None, ending.status, 200, 204}
    assert meant.hint in problem.message
    assert '"Contract"' in problem.message  # where the admin finds these credentials
    asked = len(listing_requests(sandbox, known, load))
    renewed = 1 if problem.code in {"unauthorized", "token_invalid"} else 0
    assert meant.tries <= asked <= meant.tries + renewed
    if ending.asked and meant.tries > 1:
        long = [one for one in called.waits if one > 1]  # shorter ones keep the vendor's pace
        assert long[:2] == [pytest.approx(ending.asked, abs=1.5)] * 2
    assert not called.client.listing.complete


@pytest.mark.parametrize(("vendor", "load"), LOADS)
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_a_bad_ending_that_passes_is_gone_with_the_next_listing(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str, ending: Ending
):
    known = get_vendor(vendor)
    path = listing_path(sandbox, known, load)
    called = call(patient_for(ending, known))
    sandbox.faults.add(ending.kind, vendor=vendor, path=path, count=1, **ending.values)

    try:
        rows = read(called.client, load)
    except VendorError:
        assert meaning_of(ending, known).tries == 1
        rows = read(call(known).client, load)

    assert len(rows) > 20


@pytest.mark.parametrize(("vendor", "load"), LOADS)
@pytest.mark.parametrize("form", NOTHING_LISTED)
def test_an_answer_without_its_envelope_is_never_a_listing(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str, form: str
):
    """F-24: an error; a vendor that may answer with a bare list then lists nobody."""
    known = get_vendor(vendor)
    client = call(known).client
    path = listing_path(sandbox, known, load)
    sandbox.faults.add("empty", vendor=vendor, path=path, form=form)

    rows, code = [], ""
    try:
        rows = read(client, load)
    except VendorError as problem:
        code = problem.code

    assert rows == []
    assert code in {"contradiction", "empty"} or (form == "list" and code == "")
