"""What each preset sends for a sample record: `recorded.yaml` of the vendor folders.

The files are written by hand from the vendors' documentation. Each preset has a list of samples:

    record: {goto_user_key: "5300"}     # what its templates may name
    inputs: {locale: de_DE}             # as they are typed
    account: {account_key: "35"}        # inputs of the vendor
    looked_up: {user: {key: "5300"}}    # what the reads before the call gave
    request: {method: PUT, path: users/5300, params: {}, headers: {}, body: {...}}

A GraphQL request says `query` (the file's name) and `variables` instead of `body`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integrations.manifest_parts import Request
from integrations.manifest_presets import Preset
from integrations.presets.call import Rendered
from integrations.presets.inputs import check_inputs
from integrations.presets.render import fill_request, fill_text
from integrations.registry import VENDORS_FOLDER, Vendor
from integrations.yamlfile import read_yaml


@dataclass(frozen=True)
class Sample:
    """One record with what was typed, and the request that it has to come to."""

    record: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    account: dict[str, str] = field(default_factory=dict)
    looked_up: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)


def read_samples(vendor: str) -> dict[str, list[Sample]]:
    """The samples of a vendor folder by preset; nothing when it has no recorded.yaml."""
    file = VENDORS_FOLDER / vendor / "recorded.yaml"
    if not file.is_file():
        return {}
    given = read_yaml(file.read_text(encoding="utf-8")).data or {}
    return {key: [Sample(**one) for one in samples] for key, samples in given.items()}


def sent(vendor: Vendor, preset: Preset, sample: Sample) -> dict[str, Any]:
    """What the preset comes to for the sample, in the form of `request`. Sends nothing."""
    values: dict[str, Any] = {
        **sample.record,
        "account": sample.account,
        "looked_up": sample.looked_up,
        "variables": sample.variables,
    }
    values["inputs"] = check_inputs(preset, sample.inputs, values)
    if preset.batch:
        values["items"] = [fill_text(preset.batch.item, values, preset=preset)]
    if preset.request is not None:
        return as_recorded(preset.request, fill_request(preset.request, values, preset=preset))
    load = vendor.load(preset.roles or "")
    assert load.lookup is not None, f"{preset.roles} has no lookup"
    record_id = str(sample.record[load.record_key or "id"])
    asked = {"id": record_id, "ids": [record_id], **sample.account}
    return as_recorded(load.lookup.request, fill_request(load.lookup.request, asked))


def as_recorded(request: Request, rendered: Rendered) -> dict[str, Any]:
    """A rendered request with what is empty left out, as recorded.yaml has it."""
    given: dict[str, Any] = {"method": rendered.method, "path": rendered.path}
    given |= {
        name: dict(part)
        for name, part in (("params", rendered.params), ("headers", rendered.headers))
        if part
    }
    if request.query:
        assert rendered.body["query"] == request.query_text
        return {**given, "query": request.query, "variables": rendered.body["variables"]}
    return given if rendered.body is None else {**given, "body": rendered.body}


def first_sample(vendor: Vendor, preset: Preset) -> Sample:
    """A sample of which every value says what it stands for, to begin with."""
    inputs = {
        name: f"<{name}>"[: one.max_length]
        for name, one in preset.inputs.items()
        if one.type.endswith("text")
    }
    named = set(preset.named)
    if preset.roles:
        named.add(vendor.load(preset.roles).record_key or "id")
    return Sample(
        record={name: f"<{name}>" for name in sorted(named)},
        inputs=inputs,
        account={name: f"<{name}>" for name in vendor.inputs},
        looked_up={
            name: {key: f"<{key}>" for key in one.values} for name, one in preset.looked_up.items()
        },
    )
