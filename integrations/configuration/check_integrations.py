"""Is what the file wants of integrations possible, and may it be launched like this? Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations import templates
from integrations.configuration.check_mappings import check_mappings
from integrations.configuration.check_safety import check_removals, check_schedule
from integrations.configuration.problems import Path, Problems
from integrations.configuration.schema import CredentialsPart, IntegrationPart
from integrations.configuration.world import Wanted, Wishes, World
from integrations.errors import (
    InputInvalid,
    RuleInvalid,
    TemplateError,
    UnknownLoad,
    UnknownVendor,
    did_you_mean,
)
from integrations.holding import installation_mistake
from integrations.models import Credentials, Integration
from integrations.registry import Vendor, get_vendor
from integrations.rules import compile_rules
from people.queries import Target

Wish = Wanted[IntegrationPart, Integration]


@dataclass(frozen=True)
class Surroundings:
    """What is stored and what the file brings, together: what an integration can name.

    `with_secrets` are the names of credentials that hold, or are about to hold, their secrets;
    `status_owners` those of launched integrations that map people's status.
    """

    world: World
    variables: Mapping[str, str]
    targets: Mapping[str, Target]
    credentials: Mapping[str, Wanted[CredentialsPart, Credentials]]
    with_secrets: frozenset[str]
    status_owners: frozenset[str]

    def vendor_of(self, credentials: str) -> str | None:
        """The vendor of credentials, of the file or stored; None when there are none."""
        if credentials in self.credentials:
            return str(self.credentials[credentials].wanted["vendor"])
        row = self.world.credentials.get(credentials)
        return row.vendor if row else None

    def installation_mistake(self, installation: str, credentials: str) -> str:
        """Say why this installation type does not go with credentials (M-35), or nothing."""
        row = self.world.credentials.get(credentials)
        if credentials in self.credentials:
            wanted = self.credentials[credentials].wanted
            type_, stored = str(wanted["type"]), str(wanted["stored"])
        elif row is not None:
            type_, stored = row.type, row.stored
        else:
            return ""
        return installation_mistake(installation, type_=type_, stored=stored, name=credentials)


def check_users(wishes: Wishes, world: World, problems: Problems) -> None:
    """Integrations of which the file says nothing go on with the credentials as they become."""
    in_file = {one.key for one in wishes.integrations}
    wanted = {one.key: one for one in wishes.credentials}
    for row in world.integrations.values():
        wish = wanted.get(row.credentials.name) if row.credentials else None
        if wish is None or row.name in in_file:
            continue
        mistake = installation_mistake(
            row.installation,
            type_=wish.wanted["type"],
            stored=wish.wanted["stored"],
            name=wish.key,
        )
        if mistake:
            problems.add((*wish.path, "stored"), f'"{row.name}" uses these credentials. {mistake}')


def check_integration(wish: Wish, around: Surroundings, problems: Problems) -> list[str]:
    """Note every mistake of one integration; gives remarks that are no mistakes."""
    wanted, path = wish.wanted, wish.path
    try:
        vendor = get_vendor(wanted["vendor"])
    except UnknownVendor as problem:
        problems.add((*path, "vendor"), problem.message)
        return []
    try:
        load = vendor.load(wanted["load"])
    except UnknownLoad as problem:
        problems.add((*path, "load"), problem.message)
        return []
    _check_kept(wish, problems)
    _check_names(wish, around, vendor, problems)
    inputs = _check_inputs(wish, around, vendor, problems)
    check_schedule(wish, problems)
    check_removals(wish, around.world, problems)
    _check_filters(wish, {name: field.type for name, field in load.fields.items()}, problems)
    remarks = check_mappings(wish, load, around.targets, around.world.roles, problems)
    if wanted["state"] != Integration.State.DRAFT:
        _check_launch(wish, around, vendor, problems)
        _check_tenant(wish, vendor, inputs, problems)
        _check_status(wish, around, problems)
    return remarks


def _check_kept(wish: Wish, problems: Problems) -> None:
    """What an integration is for does not change; its links and fields hang on it."""
    row, wanted = wish.row, wish.wanted
    if row is None:
        return
    for key, stored in (("vendor", row.vendor), ("load", row.load)):
        if wanted[key] != stored:
            problems.add(
                (*wish.path, key),
                f'"{wish.key}" is made for {stored}; make another integration for {wanted[key]}',
            )
    bound = row.application.name if row.application and row.tenant else None
    if bound and wanted["application"] not in (None, bound):
        problems.add(
            (*wish.path, "application"),
            f'"{wish.key}" was launched for the application "{bound}", which holds its accounts; '
            "make another integration for another application",
        )
    if row.state != Integration.State.DRAFT and wanted["state"] == Integration.State.DRAFT:
        problems.add(
            (*wish.path, "state"), "was launched and is no draft any more; write paused to stop it"
        )


def _check_names(wish: Wish, around: Surroundings, vendor: Vendor, problems: Problems) -> None:
    wanted, path = wish.wanted, wish.path
    name = wanted["credentials"]
    if name is not None:
        owner = around.vendor_of(name)
        if owner is None:
            known = {*around.credentials, *around.world.credentials}
            hint = did_you_mean(name, known)
            problems.add((*path, "credentials"), f'there are no credentials "{name}".{hint}')
        elif owner != vendor.key:
            problems.add(
                (*path, "credentials"), f'"{name}" belong to another vendor, {owner}; choose others'
            )
        elif mistake := around.installation_mistake(wanted["installation"], name):
            problems.add((*path, "installation"), mistake)
    user = wanted["run_as"]
    if user is not None and user not in around.world.usernames:
        hint = did_you_mean(user, around.world.usernames)
        problems.add((*path, "run_as"), f'there is no active user "{user}".{hint}')
    application = around.world.applications.get(wanted["application"] or "")
    if application is not None and application.vendor not in ("", vendor.key):
        problems.add(
            (*path, "application"),
            f'"{application}" is an application of {application.vendor}; choose or make another',
        )


def _check_inputs(
    wish: Wish, around: Surroundings, vendor: Vendor, problems: Problems
) -> dict[str, str] | None:
    """The inputs as a run would use them; None when one of them cannot be used.

    A draft may lack them.
    """
    wanted, found, good = wish.wanted, {}, True
    path: Path = (*wish.path, "inputs")
    for name in wanted["inputs"]:
        if name not in vendor.inputs:
            hint = did_you_mean(name, vendor.inputs)
            problems.add((*path, name), f"{vendor.label} has no input of this name.{hint}")
    for name, one in vendor.inputs.items():
        typed = wanted["inputs"].get(name)
        template = typed or (f"{{{{ variables.{one.variable} }}}}" if one.variable else "")
        try:
            value = templates.render(template, {"variables": around.variables})
            found[name] = one.normalise(str(value if value is not None else ""))
        except (TemplateError, InputInvalid) as problem:
            good = False
            if typed or wanted["state"] != Integration.State.DRAFT:
                problems.add((*path, name), problem.message)
    return found if good else None


def _check_filters(wish: Wish, fields: Mapping[str, str], problems: Problems) -> None:
    try:
        compile_rules(wish.wanted["filters"], fields=fields)
    except RuleInvalid as mistakes:
        for one in mistakes.problems:
            problems.add((*wish.path, "filters", *_steps(one.where)), one.message)


def _steps(where: str) -> Path:
    """`all[1].operator` -> ("all", 1, "operator")."""
    steps: list[str | int] = []
    for piece in where.replace("[", ".[").split("."):
        if piece.startswith("["):
            steps.append(int(piece[1:-1]))
        elif piece and piece != "rules":
            steps.append(piece)
    return tuple(steps)


def _check_launch(wish: Wish, around: Surroundings, vendor: Vendor, problems: Problems) -> None:
    """What Launch would refuse (the mappings are looked at elsewhere)."""
    wanted, path, world = wish.wanted, wish.path, around.world
    if wanted["credentials"] is None:
        problems.add((*path, "credentials"), "choose the credentials to sign in with")
    elif wanted["credentials"] not in around.with_secrets and not problems.are_under(
        (*path, "credentials")
    ):
        problems.add((*path, "credentials"), f'"{wanted["credentials"]}" hold no secret yet')
    if wanted["run_as"] is None:
        problems.add((*path, "run_as"), "name the user to whom its changes are attributed")
    if wanted["user_selection"] == Integration.UserSelection.USER_PLUS_SAAS_USER:
        several = [one for one in world.applications.values() if one.vendor == vendor.key]
        if len(several) > 1 and wanted["application"] is None:
            names = ", ".join(one.name for one in several)
            problems.add((*path, "application"), f"choose one of {vendor.label}'s: {names}")


def _check_tenant(
    wish: Wish, vendor: Vendor, inputs: dict[str, str] | None, problems: Problems
) -> None:
    """An integration stays with the account for which it was launched (M-1)."""
    bound: Any = wish.row.tenant if wish.row else None
    tenant = vendor.tenant_from(inputs) if inputs is not None else None
    if bound and tenant and tenant != bound:
        problems.add(
            (*wish.path, "inputs"),
            f'lead to the account "{tenant}", but this integration was launched for "{bound}"; '
            "make another integration for another account",
        )


def _check_status(wish: Wish, around: Surroundings, problems: Problems) -> None:
    """Only the source of truth for employment maps the status of people (M-10)."""
    others = sorted(around.status_owners - {wish.key})
    for number, mapping in enumerate(wish.wanted["mappings"]):
        if mapping["target"] == "status" and others:
            problems.add(
                (*wish.path, "mappings", number, "target"),
                f'"{others[0]}" maps the status of people already; only the source of truth for '
                "employment may",
            )
