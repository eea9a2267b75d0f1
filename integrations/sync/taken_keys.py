"""E-mails and usernames that belong to somebody else: given up in this listing, or an issue."""

from __future__ import annotations

from integrations.sync.plan_batch import BatchPlan
from integrations.sync.records import Records, Staged
from integrations.sync.work import Issue, Relying


def is_taken(one: Staged, person_id: int | None, plan: BatchPlan) -> bool:
    """Whether a key that would be written belongs to somebody else who keeps it: then an issue.

    `person_id` is None for a person to be created. A record whose key is given up is noted: it
    relies on that.
    """
    for name in ("email", "username"):
        holder = _other_holder(name, one, person_id, plan)
        if holder is None:
            continue
        relying = Relying(one.external_id, one.key, name, holder)
        if _is_given_up(name, one, holder, plan.records):
            plan.relying.append(relying)
            continue
        owner = plan.records.people[holder]
        who = owner["full_name"] or owner["email"] or f"person {holder}"
        plan.work.leave_out([one.external_id])
        plan.issues.append(key_taken(relying, who))
        return True
    return False


def _other_holder(name: str, one: Staged, person_id: int | None, plan: BatchPlan) -> int | None:
    """Who else holds the record's e-mail (username), where the record would write it."""
    mapped = plan.work.fields.get(name)
    if mapped is None or (person_id is not None and not mapped.owned):
        return None
    if name == "email":
        holder = plan.records.by_email.get(one.email_key or "")
    else:
        holder = plan.records.by_username.get(one.username_key or "")
    return None if holder == person_id else holder


def _is_given_up(name: str, one: Staged, holder: int, records: Records) -> bool:
    """Whether the holder's own listed record has another key now, as when two swap (F-37)."""
    key = getattr(one, f"{name}_key")
    return any(
        (listed := records.listed.get(link.external_id)) is not None and listed.has_other(name, key)
        for link in records.links_of.get(holder, [])
    )


def key_taken(one: Relying, who: str) -> Issue:
    """The issue of a record that would take somebody else's e-mail or username."""
    return Issue(
        one.external_id,
        one.key,
        "key_taken",
        f"The {'e-mail' if one.field == 'email' else one.field} belongs to {who}. "
        "Change it at the vendor or there.",
        field=one.field,
        candidates=(one.holder,),
    )
