"""Every preset is documented, comes to its recorded request, and ends as the error table says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from integrations import templates
from integrations.errors import PresetRefused, VendorError
from integrations.manifest_parts import tree_placeholders
from integrations.manifest_presets import Preset
from integrations.presets.outcome import Kind, judge_call
from integrations.registry import Vendor, get_preset, get_vendor
from integrations.sandbox.server import Sandbox
from tests.integrations.vendors.recorded import Sample, read_samples, sent

from .endings import ENDINGS, Ending, meaning_of
from .world import PRESETS, VENDORS, OpenClient, patient_for

SAMPLES = [
    (f"{vendor}.{key}", number)
    for vendor in VENDORS
    for key, samples in read_samples(vendor).items()
    for number in range(len(samples))
]
CALLS = [one for one in PRESETS if get_preset(one)[1].request is not None]
# What its name says takes something away; such presets are marked, so that the guard counts them.
TAKES_AWAY = re.compile(r"deactivate|delete|unassign|suspend|remove|disable")

every_preset = pytest.mark.parametrize("preset_id", PRESETS)


def parts(preset_id: str) -> tuple[Vendor, Preset]:
    return get_preset(preset_id)


def sample_of(preset_id: str, number: int = 0) -> Sample:
    vendor, _, key = preset_id.partition(".")
    return read_samples(vendor)[key][number]


@every_preset
def test_a_preset_is_documented(preset_id: str):
    vendor, preset = parts(preset_id)

    assert preset.label.startswith(vendor.label.rstrip("!")) or preset.label.startswith(
        vendor.label
    )
    assert len(preset.help) > 30
    assert preset.docs.startswith("https://")
    assert preset.needs or preset.change is None, "who may change this at the vendor?"
    assert [name for name, one in preset.inputs.items() if not one.label] == []


@every_preset
def test_a_preset_says_what_to_do_when_a_value_that_it_needs_is_empty(preset_id: str):
    """BW-36, AH-39."""
    vendor, preset = parts(preset_id)
    keys = {load.record_key for load in vendor.loads.values() if load.record_key}

    needed = keys & (preset.named | ({*keys} if preset.roles else set()))

    assert needed <= set(preset.if_empty)


@every_preset
def test_what_takes_access_away_is_marked(preset_id: str):
    """M-15: by name, so that a new one cannot be forgotten."""
    _vendor, preset = parts(preset_id)
    named_so = bool(TAKES_AWAY.search(preset_id))

    assert named_so == bool(preset.change and preset.change.takes_access)


@every_preset
def test_what_must_not_be_repeated_says_how_to_see_whether_it_happened(preset_id: str):
    """M-27: a create can be looked up; only a mail leaves no trace."""
    _vendor, preset = parts(preset_id)
    if preset.change is None or preset.change.repeat == "safe":
        return

    assert preset.change.look_up is not None or "mail" in preset_id


@every_preset
def test_an_inverse_leads_back(preset_id: str):
    vendor, preset = parts(preset_id)
    inverse = preset.change.inverse if preset.change else None
    if inverse is None:
        return

    other = vendor.preset(inverse)

    assert other.change is not None
    assert other.change.takes_access != (preset.change and preset.change.takes_access)


# What is sent -----------------------------------------------------------------------------------


def test_every_preset_is_recorded_and_nothing_else_is():
    recorded = {f"{vendor}.{key}" for vendor in VENDORS for key in read_samples(vendor)}

    assert recorded == set(PRESETS)


@pytest.mark.parametrize(("preset_id", "number"), SAMPLES)
def test_a_preset_comes_to_its_recorded_request(preset_id: str, number: int):
    """`python -m tests.integrations.vendors.record` prints what differs."""
    vendor, preset = parts(preset_id)
    sample = sample_of(preset_id, number)

    assert sent(vendor, preset, sample) == sample.request


@every_preset
def test_every_input_is_filled_in_some_sample_and_left_out_in_another(preset_id: str):
    """Only what is filled is sent (F-36)."""
    vendor, preset = parts(preset_id)
    samples = read_samples(vendor.key).get(preset.key, [])
    filled = {name for one in samples for name in one.inputs}
    left_out = {name for one in samples for name in preset.inputs if name not in one.inputs}
    optional = {name for name, one in preset.inputs.items() if not one.required}

    assert set(preset.inputs) - filled == set()
    assert optional - left_out == set()


@pytest.mark.parametrize("preset_id", CALLS)
def test_an_empty_value_in_an_address_is_never_sent(preset_id: str):
    """GT-19, AH-39, BW-36: no request comes of it, and the reason names what to do."""
    vendor, preset = parts(preset_id)
    sample = sample_of(preset_id)
    assert preset.request is not None
    in_path = {str(one.steps[0]) for one in templates.parse(preset.request.path).placeholders}

    for name in sorted(in_path & set(sample.record)):
        for empty in ("", "  ", None):
            broken = Sample(**{**vars(sample), "record": {**sample.record, name: empty}})

            with pytest.raises(PresetRefused) as caught:
                sent(vendor, preset, broken)

            assert caught.value.problems
            assert preset.if_empty.get(name, "") in caught.value.message


@pytest.mark.parametrize("preset_id", CALLS)
def test_no_value_becomes_part_of_the_address(preset_id: str):
    """S-12: slashes, dots, marks and braces of a record are encoded in a path."""
    vendor, preset = parts(preset_id)
    sample = sample_of(preset_id)
    assert preset.request is not None
    named = {str(one.steps[0]) for one in templates.parse(preset.request.path).placeholders}
    hostile = "../../x?y=1&z#{{ email }}"
    record = {name: hostile if name in named else v for name, v in sample.record.items()}
    looked_up = {name: dict.fromkeys(values, hostile) for name, values in sample.looked_up.items()}

    try:
        request = sent(
            vendor, preset, Sample(**{**vars(sample), "record": record, "looked_up": looked_up})
        )
    except PresetRefused:
        return

    assert request["path"].count("/") == preset.request.path.count("/")
    assert not set("?#{}") & set(request["path"])
    assert ".." not in request["path"].split("/")


@pytest.mark.parametrize("vendor", VENDORS)
def test_templates_name_no_credentials(vendor: str):
    """S-10, M-25."""
    for preset in get_vendor(vendor).presets.values():
        trees: list[Any] = [preset.request and preset.request.model_dump()]
        names = {str(one.steps[0]) for tree in trees for one in tree_placeholders(tree)}
        assert not names & {"credentials", "secret", "secrets", "access", "token"}


# How calls end ----------------------------------------------------------------------------------

KINDS: dict[str, set[Kind]] = {
    "401": {Kind.REFUSED},
    "403": {Kind.REFUSED},
    "404": {Kind.REFUSED},
    "409": {Kind.REFUSED, Kind.EXISTS},
    "422": {Kind.REFUSED},
    "429 with seconds": {Kind.LATER},
    "429 with a date": {Kind.LATER},
    "429 without a word": {Kind.LATER},
    "500": {Kind.UNKNOWN},
    "a sign-in page": {Kind.UNKNOWN},
    "nothing": {Kind.UNKNOWN},
    "null": {Kind.UNKNOWN},
    "204": {Kind.DONE, Kind.UNKNOWN},
    "a time-out": {Kind.UNKNOWN},
    "a reset": {Kind.UNKNOWN},
}


@pytest.mark.parametrize("preset_id", CALLS)
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_a_bad_ending_of_a_call_is_what_the_table_says(
    sandbox: Sandbox, call: OpenClient, preset_id: str, ending: Ending
):
    """F-18, F-19, M-26: refused is certainly not done; unknown is never told as done."""
    vendor, preset = parts(preset_id)
    assert preset.request is not None
    called = call(patient_for(ending, vendor))
    request = sent(vendor, preset, sample_of(preset_id))
    body = request.get("body")
    if "query" in request:
        body = {"query": preset.request.query_text, "variables": request["variables"]}
    sandbox.faults.add(ending.kind, vendor=vendor.key, **ending.values)

    result: Any
    try:
        result = called.client.call(
            request["method"], request["path"], params=request.get("params"), json=body
        )
    except VendorError as problem:
        result = problem
    outcome = judge_call(vendor, preset, result)

    kinds = KINDS[ending.name]
    if ending.status and meaning_of(ending, vendor).tries > 1 and ending.status < 500:
        kinds = {Kind.LATER}
    if ending.name in {"nothing", "null"} and preset.answer.may_be_empty:
        kinds = {Kind.DONE, Kind.UNKNOWN}
    assert outcome.kind in kinds, outcome
    assert outcome.kind == Kind.DONE or outcome.note
    assert not outcome.values
    if ending.status == 403:
        assert preset.needs in outcome.note
    if preset.request.method != "GET" and not preset.request.safe_to_repeat:
        seen = [one for one in sandbox.log if one.vendor == vendor.key]
        assert len(seen) <= (2 if ending.status in {401, 403} else 1)  # a token may be renewed
