"""The account at the vendor whose roles a block reads: its preset, its credentials, its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.errors import IntegrationsError, PresetRefused
from integrations.manifest_load import Load
from integrations.manifest_presets import Preset
from integrations.presets.account import Account, account_of
from integrations.presets.render import fill_request, shown
from integrations.registry import get_preset
from saas.models import Application
from workflows.definition import BlockPart
from workflows.kinds import Step
from workflows.versions import block_rows


class NotReady(Exception):
    """Why nothing can be read until a person mends it; a sentence."""


@dataclass(frozen=True)
class Opened:
    """A block's preset with the account that it reads, and what it deactivates."""

    account: Account
    preset: Preset
    load: Load
    by_status: bool
    by_absence: bool

    @property
    def label(self) -> str:
        return self.account.vendor.label

    def listing_request(self, today: Any) -> dict[str, Any] | None:
        """The first call of the listing, for people to read; nothing secret is in it."""
        values = {"requested_fields": list(self.load.requested), "today": today}
        return self._shown(self.load.request, values)

    def look_up_request(self, external_id: str) -> dict[str, Any] | None:
        """The call that asks for one account."""
        if self.load.lookup is None:
            return None
        return self._shown(self.load.lookup.request, {"id": external_id, "ids": [external_id]})

    def _shown(self, request: Any, values: dict[str, Any]) -> dict[str, Any] | None:
        try:
            rendered = fill_request(request, {**self.account.inputs, **values})
        except PresetRefused:
            return None
        return shown(rendered, base_url=self.account.base_url)


def open_account(step: Step) -> Opened:
    """Everything but the connection. Raises NotReady. Five queries; nothing is sent."""
    block = step.block
    row = block_rows(step.version.pk).get(block.key)
    credentials = row.credentials if row is not None else None
    if credentials is None:
        raise NotReady(
            f'The credentials of the block "{block.label}" were deleted. Choose others, then '
            "activate the workflow again."
        )
    try:
        vendor, plain = get_preset(block.preset)
        if plain.roles is None or credentials.vendor != vendor.key:
            raise NotReady(f'The block "{block.label}" needs a preset that reads roles.')
        account = account_of(credentials, typed_inputs(block))
        preset = account.vendor.preset(plain.key)
    except IntegrationsError as problem:
        raise NotReady(problem.message) from None
    check_application(step.workflow.application, account)
    rule, settings = preset.deactivates, block.settings
    user, not_found = (bool(settings.get(f"deactivate_{one}")) for one in ("user", "not_found"))
    return Opened(
        account=account,
        preset=preset,
        load=account.vendor.load(preset.roles or ""),
        by_status=rule == "status" and user,
        by_absence=user if rule == "not_found" else not_found,
    )


def typed_inputs(block: BlockPart) -> dict[str, str]:
    """The vendor's inputs as the block has them."""
    inputs = block.settings.get("inputs")
    return {str(name): str(value) for name, value in (inputs or {}).items() if value is not None}


def check_application(application: Application | None, account: Account) -> None:
    """Roles of one account are never read from another (M-21). Raises NotReady."""
    if application is None:
        raise NotReady("This block reads roles of SaaS users, so the workflow needs to be on them.")
    same = application.tenant == account.tenant if account.tenant else True
    if account.vendor.key != application.vendor or not same:
        raise NotReady(
            f'The block reads the account "{account.tenant}" of {account.vendor.label}, but the '
            f'workflow is about {application}, which is the account "{application.tenant}". '
            "Choose credentials of that account."
        )
