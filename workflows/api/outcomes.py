"""What calls come to for items: fields and variables from the answer, failures, and waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from integrations import templates
from integrations.errors import BrokenAnswer, PresetRefused, TemplateError, TryLater, VendorError
from integrations.models import Operation
from integrations.operations.mapped import maps_of
from integrations.operations.unsent import TAKEN_BACK
from integrations.operations.words import standing
from integrations.presets.answers import kept, masked
from integrations.presets.call import PresetCall, Rendered
from integrations.presets.render import shown
from people.masking import mask
from workflows.api.opening import ONLY_A_PERSON, Ready
from workflows.fitting import Unfit, fit, fit_variable, variable_name
from workflows.kinds import Failure, Item, Outcome, Then, failed, stops

MOST_TRIES = 5
_BACKOFF = (30, 120, 600, 1800)  # seconds before the second try, the third, ...
State = Operation.State


def request_shown(ready: Ready, request: Rendered) -> Any:
    """A request for people to read: masked, trimmed, unsigned."""
    view = shown(request, base_url=ready.account.base_url)
    if "://" in request.path.partition("?")[0]:
        view["url"] = masked(request.path)
    return kept(view)


# Mappings.


def evaluate(pairs: Iterable[tuple[str, str]], values: Mapping[str, Any]) -> dict[str, Any]:
    """{target: value} of the Response tab, masked; what the answer lacks sets nothing."""
    found: dict[str, Any] = {}
    for template, target in pairs:
        try:
            found[target] = masked(templates.render(template, values))
        except TemplateError:
            continue
    return found


def missing(pairs: Iterable[tuple[str, str]], mapped: Mapping[str, Any]) -> str:
    """A sentence about mappings that found nothing; empty where there are none."""
    names = [template for template, target in pairs if target not in mapped]
    if not names:
        return ""
    return f"Not stored, because the answer has no such value: {', '.join(names)}."


def with_mapped(ready: Ready, outcome: Outcome, mapped: Mapping[str, Any]) -> Outcome:
    """With the values that fit; one that does not fit makes it a failure, the others are set."""
    sets: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    wrong: list[str] = []
    for target, value in mapped.items():
        try:
            _put(ready, target, masked(value), sets, variables)
        except Unfit as problem:
            wrong.append(str(problem))
    outcome = replace(outcome, sets=sets, variables=variables)
    if not wrong or outcome.exit != "success":
        return replace(outcome, note=_joined(outcome.note, *wrong))
    reason = _joined("The call went through, but not all of its answer could be stored.", *wrong)
    return replace(
        outcome,
        exit="failure",
        code="not_stored",
        note=_joined(reason, outcome.note),
        failure=Failure(reason, "not_stored", outcome.status),
    )


def _put(
    ready: Ready, target: str, value: Any, sets: dict[str, Any], variables: dict[str, Any]
) -> None:
    if name := variable_name(target):
        variables[name] = fit_variable(value, name)
    elif target in ready.targets:
        sets[target] = fit(value, ready.targets[target])
    else:
        raise Unfit(
            f'There is no field "{target}" any more to store the answer in. Choose another in the '
            "Response tab."
        )


def _joined(*sentences: str) -> str:
    return " ".join(one for one in sentences if one)


# Endings.


def as_failure(
    ready: Ready,
    reason: str,
    *,
    code: str,
    status: int | None = None,
    mapped: Mapping[str, Any] | None = None,
    **more: Any,
) -> Outcome:
    """A failure, with what the mappings for failure say of it (C-19)."""
    reason = mask(reason)
    if mapped is None:
        told = {"reason": reason, "code": code, "status": status}
        mapped = evaluate(ready.settings.negative, {"failure": told})
    return with_mapped(ready, failed(reason, code=code, status=status, **more), mapped)


def not_sent(ready: Ready, item: Item, problem: Exception) -> Outcome:
    """What becomes of an item whose call could not be made ready."""
    if isinstance(problem, VendorError):
        if problem.code in ONLY_A_PERSON:
            return stops(mask(problem.message), code=problem.code)
        return of_vendor_error(ready, item, problem)
    code = "not_sent"
    if isinstance(problem, PresetRefused) and any(
        one.field == "record" for one in problem.problems
    ):
        code = "protected"
    return as_failure(ready, getattr(problem, "message", str(problem)), code=code)


def of_vendor_error(ready: Ready, item: Item, problem: VendorError, request: Any = None) -> Outcome:
    """A read before the call that ended badly; only what may pass by itself is tried again."""
    if is_away(problem):
        return wait_for_vendor(
            ready,
            item,
            problem.message,
            code=problem.code,
            status=problem.status,
            retry_after=problem.retry_after,
            request=request,
        )
    return as_failure(
        ready, problem.message, code=problem.code, status=problem.status, request=request
    )


def is_away(problem: VendorError) -> bool:
    """Whether the vendor cannot be asked now, which is no answer (C-25)."""
    return isinstance(problem, TryLater | BrokenAnswer)


def wait_for_vendor(
    ready: Ready,
    item: Item,
    why: str,
    *,
    code: str,
    status: int | None = None,
    retry_after: float | None = None,
    request: Any = None,
) -> Outcome:
    """Try it again later; at the fifth try it is a failure, and never a "not found" (C-25)."""
    tries = max(item.tries, 1)
    if tries >= MOST_TRIES:
        reason = f"{ready.label} could not be asked, {tries} times. {why}"
        return as_failure(ready, reason, code=code or "no_answer", status=status, request=request)
    seconds = max(_BACKOFF[min(tries, len(_BACKOFF)) - 1], retry_after or 0)
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for="time",
        due_at=ready.step.clock() + timedelta(seconds=seconds),
        code=code or "no_answer",
        status=status,
        request=request,
        note=mask(f"Nothing was read yet; it is tried again. {why}"),
    )


def of_operation(ready: Ready, row: Operation) -> Outcome:
    """What the journal says of the call of an item."""
    request = request_shown(ready, Rendered.from_json(row.request))
    common: dict[str, Any] = {
        "request": request,
        "answer": row.answer,
        "operation_id": row.pk,
    }
    if row.state == State.DONE:
        outcome = Outcome(status=row.status, code=row.code, note=mask(row.note), **common)
        return with_mapped(ready, outcome, row.mapped)
    if row.code == TAKEN_BACK:
        return not_now(row.note, operation_id=row.pk)
    if row.state == State.REFUSED:
        reason = row.note or f"{ready.label} refused the call."
        # A refusal without a body has nothing to store, which is not the same as blank.
        mapped = {to: value for to, value in row.mapped.items() if value is not None}
        return as_failure(
            ready,
            reason,
            code=row.code or "refused",
            status=row.status,
            mapped=mapped or None,
            **common,
        )
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for="operation",
        note=mask(standing(row)),
        **{**common, "answer": None},
    )


def of_earlier(ready: Ready, row: Operation) -> Outcome:
    """What an earlier try of the same item came to, stored as the Response tab says now."""
    asked = dict(maps_of(row).positive)
    row.mapped = {
        to: row.mapped[asked[template]]
        for template, to in ready.settings.positive
        if asked.get(template) in row.mapped
    }
    once = "It went through in an earlier try, so it was not sent again; of its answer only what "
    outcome = of_operation(ready, row)
    return replace(outcome, note=_joined(outcome.note, f"{once}was kept then can be stored."))


def not_now(why: str, **more: Any) -> Outcome:
    """The workflow is paused, so nothing was sent; when it goes on, the block runs again."""
    return Outcome(then=Then.WAITS, exit="", waits_for="operation", note=why, **more)


def held(ready: Ready, call: PresetCall, why: str, held_hash: str) -> Outcome:
    """A call that a person has to approve by name before it is sent (M-15)."""
    request = request_shown(ready, call.request)
    what = f"{request.get('method', '')} {request.get('url', '')}".strip()
    return Outcome(
        then=Then.IS_HELD,
        exit="",
        code="held",
        held_hash=held_hash,
        request=request,
        note=mask(
            f"{ready.preset.label} would be called for {call.record.label} ({what}). {why} "
            "Nothing is sent until it is approved by name."
        ),
    )
