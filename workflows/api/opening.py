"""Opening a block for a batch: its credentials, their account, and the preset as it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.client import VendorClient
from integrations.errors import DefinitionInvalid, IntegrationsError, TryLater, VendorError
from integrations.manifest_presets import Preset
from integrations.models import Credentials
from integrations.presets.account import Account, account_of
from integrations.registry import get_vendor
from people.models import CustomField
from people.queries import Target
from workflows.api.settings import ApiSettings, full_preset, preset_id_of, read_settings
from workflows.facts import writable_of
from workflows.fitting import VARIABLE
from workflows.kinds import Step
from workflows.versions import block_rows

ONLY_A_PERSON = frozenset(
    {"other_account", "credentials_invalid", "credentials_gone", "refresh_refused"}
)
"""Codes of what ends every call of the credentials until somebody mends them."""


class CannotWork(Exception):
    """No item of this batch can be called for until a person mends something; a sentence."""


@dataclass(frozen=True)
class Ready:
    """What every call of a batch shares. `targets` are those that the Response tab names."""

    step: Step
    settings: ApiSettings
    credentials: Credentials
    account: Account
    preset_id: str
    preset: Preset
    targets: Mapping[str, Target]

    @property
    def label(self) -> str:
        """What the vendor calls itself."""
        return self.account.vendor.label


def make_ready(step: Step) -> Ready:
    """Find the credentials, the account and the preset. Up to six queries; nothing is sent.

    Raises CannotWork.
    """
    block = step.block
    row = block_rows(step.version.pk).get(block.key)
    credentials = row.credentials if row is not None else None
    if credentials is None:
        raise CannotWork(
            f'The credentials "{block.credentials}" of the block "{block.label}" do not exist any '
            "more. Choose others in the block, activate the workflow, then retry."
        )
    settings = read_settings(block)
    try:
        vendor = get_vendor(credentials.vendor)
        account = account_of(credentials, vendor_inputs(settings, vendor.inputs))
        preset = full_preset(block, account.vendor)
    except IntegrationsError as problem:
        raise CannotWork(f'The block "{block.label}" cannot be called. {problem.message}') from None
    if preset.roles is not None:
        raise CannotWork(
            f"{preset.label} reads roles. Use the block SaaS User Role for it, then retry."
        )
    ready = Ready(
        step=step,
        settings=settings,
        credentials=credentials,
        account=account,
        preset_id=preset_id_of(account.vendor, preset),
        preset=preset,
        targets=_targets(step, settings),
    )
    check_account(ready, account.tenant)
    return ready


def vendor_inputs(settings: ApiSettings, names: Mapping[str, Any]) -> dict[str, str]:
    """The vendor's inputs that were typed in the block, as templates over global variables."""
    given = settings.inputs
    return {name: str(given[name]) for name in names if given.get(name) not in (None, "")}


def _targets(step: Step, settings: ApiSettings) -> Mapping[str, Target]:
    """At most one query; none where no field of the record is set."""
    if all(target.startswith(VARIABLE) for target in settings.targets):
        return {}
    kind = step.workflow.object
    return writable_of(kind, list(CustomField.objects.filter(object=kind)))


def check_account(ready: Ready, tenant: str) -> None:
    """A workflow on SaaS users calls the account of its application only (M-21).

    Raises CannotWork.
    """
    application, account = ready.step.workflow.application, ready.account
    if application is None:
        return
    other = account.vendor.key != application.vendor
    if other or (tenant and tenant != application.tenant):
        raise CannotWork(
            f'The credentials "{account.credentials}" are for the account "{tenant}" of '
            f"{account.vendor.label}, and this workflow is about {application}, which is the "
            f'account "{application.tenant}". Choose credentials of that account in the block.'
        )


def open_client(ready: Ready) -> VendorClient:
    """A client for the whole batch. Raises CannotWork, TryLater, VendorError. One query."""
    try:
        return ready.account.open()
    except TryLater:
        raise
    except (VendorError, DefinitionInvalid) as problem:
        raise CannotWork(problem.message) from None
