"""Looking something up at a vendor: a value before a call (M-28), an effect after one (M-27)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.answers import Answer
from integrations.client import VendorClient
from integrations.errors import AskPerson, BrokenAnswer, PresetRefused, VendorError
from integrations.filters import as_text
from integrations.manifest_load import Load
from integrations.manifest_parts import tree_placeholders
from integrations.manifest_presets import LookedUp, LookUp
from integrations.models import LinkState
from integrations.paths import MISSING, compile_path, first_of
from integrations.presets.answers import at, named_values
from integrations.presets.call import Rendered
from integrations.presets.render import fill_request, fill_text

Spec = LookedUp | LookUp


def find(client: VendorClient, spec: Spec, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `values` of each record that matches. One call, or one per page.

    Raises VendorError for every bad ending that is not the vendor's word that there is none:
    401, 403, 429, 5xx, HTML, time-outs and empty answers never mean "not there" (M-11).
    """
    return [
        named_values(spec.values, answer, record=record)
        for answer, record in _matches(client, spec, values)
    ]


def is_surely_gone(
    client: VendorClient, spec: LookUp, values: Mapping[str, Any], *, tenant: str
) -> bool:
    """Whether nothing is found while the same call finds a record that is listed (M-11).

    Two calls, one query. Raises VendorError when the vendor cannot be asked, and when the control
    record is not found either: then nothing is proven.
    """
    if find(client, spec, values):
        return False
    check_control(client, spec, values, tenant=tenant)
    return True


def check_control(
    client: VendorClient, spec: LookUp, values: Mapping[str, Any], *, tenant: str
) -> None:
    """Find a listed record by the form of this look-up, or by the load's own. One query, one call.

    Raises VendorError: `no_control` where nobody is listed, `control_not_found`.
    """
    label = client.vendor.label
    own = {str(values[key]) for key in _record_keys(client) if values.get(key) is not None}
    control = _control(client, tenant, without=own)
    if control is None:
        raise AskPerson(
            "no_control",
            f"{label} lists nobody else by whom the look-up could be checked, so nothing is taken "
            "as gone. Run the load, then call it again.",
        )
    external_id, email = control
    named = _names(spec)
    if named and named <= {*_record_keys(client), "email"} and spec.match is None:
        instead = dict.fromkeys(_record_keys(client), external_id) | {"email": email}
        found = bool(find(client, spec, {**values, **instead}))
    else:
        found = _is_found_by_load(client, external_id)
    if not found:
        raise AskPerson(
            "control_not_found",
            f"{label} does not find the record {external_id} either, which it lists. So nothing is "
            "taken as gone; check what the key may see.",
        )


def _matches(
    client: VendorClient, spec: Spec, values: Mapping[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """(answer, record) of each record that matches."""
    try:
        request = fill_request(spec.request, values)
        wanted = fill_text(spec.equals, values).strip().casefold() if spec.equals else None
    except PresetRefused as problem:
        error = AskPerson("refused", problem.message)
        error.sent = False
        raise error from None
    for answer, record in _records(client, spec, request):
        if wanted is None or _word(at(answer, spec.match or "", record=record)) == wanted:
            yield answer, record


def _word(value: Any) -> str | None:
    if value is MISSING or value is None or isinstance(value, dict | list):
        return None
    return as_text(value).strip().casefold()


def _records(client: VendorClient, spec: Spec, request: Rendered) -> Iterator[tuple[Any, Any]]:
    try:
        if spec.paged_as is not None:
            load = client.vendor.load(spec.paged_as)
            yield from ((None, record) for record in read_all(client, load, request, spec.records))
            return
        answer = client.call(
            request.method,
            request.path,
            params=request.params,
            headers=request.headers,
            json=request.body,
            safe_to_repeat=spec.request.may_repeat,
        )
    except VendorError as problem:
        if problem.status in spec.gone and problem.code == "not_found":
            return
        raise
    yield from ((answer.json, record) for record in _in_answer(client, spec, answer))


def read_all(
    client: VendorClient, load: Load, request: Rendered, records: str | None
) -> Sequence[Any]:
    """Every record of a listing that is paged as this load. Raises VendorError.

    A listing that is not complete says of nobody that they are not there: `contradiction`.
    """
    path = records.removeprefix("response.") if records else load.records
    found = [
        record for page in client.pages_like(load, request, records=path) for record in page.records
    ]
    listing = client.listing
    if not listing.complete:
        raise BrokenAnswer(
            "contradiction",
            f"The listing of {client.vendor.label} did not end as it should: "
            f"{' '.join(listing.problems)}",
        )
    return found


def _in_answer(client: VendorClient, spec: Spec, answer: Answer) -> list[Any]:
    """The records in one answer. Raises BrokenAnswer where there is no sense in it."""
    found = at(answer.json, spec.records) if spec.records else answer.json
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        return [found]
    inside = isinstance(answer.json, dict) and spec.records is not None
    if inside and (found is MISSING or found is None):
        return []
    raise BrokenAnswer(
        "empty" if answer.json is None else "contradiction",
        f"{client.vendor.label} answered a look-up with nothing that could be read (status "
        f"{answer.status}, {answer.size} bytes).",
        status=answer.status,
    )


def _names(spec: LookUp) -> set[str]:
    """The first names in its templates that are no inputs of the vendor."""
    request = spec.request
    trees = [request.path, request.params, request.headers, request.body, request.variables]
    names = {str(one.steps[0]) for tree in [*trees, spec.equals] for one in tree_placeholders(tree)}
    return names - {"account", "variables"}


def _record_keys(client: VendorClient) -> tuple[str, ...]:
    loads = client.vendor.loads.values()
    return tuple(load.record_key for load in loads if load.record_key)


def _control(client: VendorClient, tenant: str, *, without: set[str]) -> tuple[str, str] | None:
    """Id and e-mail of the account that was seen last and is not one of these. One query."""
    seen = LinkState.objects.filter(
        link__vendor=client.vendor.key,
        link__tenant=tenant,
        link__saas_user__isnull=False,
        missing_on=None,
    ).exclude(link__external_id__in=without)
    columns = ("link__external_id", "link__saas_user__email")
    return seen.order_by("-seen_at", "-pk").values_list(*columns).first()


def _is_found_by_load(client: VendorClient, external_id: str) -> bool:
    """Ask for the control record as the load's look-up does. One call. Raises VendorError."""
    lookup = next((one.lookup for one in client.vendor.loads.values() if one.lookup), None)
    if lookup is None:
        return False
    values = {"ids": [external_id]} if lookup.batch else {"id": external_id}
    try:
        answer = client.perform(lookup.request, values)
    except VendorError as problem:
        if problem.status in lookup.gone and problem.code == "not_found":
            return False
        raise
    if lookup.records:
        listed = at(answer.json, lookup.records)
        records = listed if isinstance(listed, list) else []
    else:
        records = [first_of(answer.json, lookup.record) if lookup.record else answer.json]
    return any(as_text(compile_path(lookup.id)(record)) == external_id for record in records)
