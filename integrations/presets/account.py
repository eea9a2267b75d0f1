"""The account at a vendor that credentials stand for, as presets see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.errors import InputInvalid, PresetRefused, Problem
from integrations.models import Credentials, Integration
from integrations.presets.call import PresetCall
from integrations.registry import Vendor, get_vendor
from integrations.services import access_for, effective_inputs
from integrations.sync.protect import Shield, shield_of
from saas.models import Application

ANY_CREDENTIALS = "integrations.change_credentials"


@dataclass(frozen=True)
class Account:
    """Credentials with their vendor's folder as corrected for them, its inputs, the tenant.

    `tenant` is empty where only the vendor says it and nothing was asked yet.
    """

    credentials: Credentials
    vendor: Vendor
    inputs: Mapping[str, str]
    tenant: str

    @property
    def base_url(self) -> str:
        """Where calls go, for people to read."""
        return self.credentials.base_url or self.vendor.base_url(self.inputs)

    def open(self, access: Access | None = None) -> VendorClient:
        """A client with these credentials. Raises VendorError, DefinitionInvalid. One query."""
        return VendorClient(self.vendor, access or access_for(self.credentials), inputs=self.inputs)

    def asked(self, client: VendorClient) -> Account:
        """Give this account with the tenant that the vendor says, where only it can (M-1).

        One call at most. Raises VendorError: `other_account` where another one answers.
        """
        tenant = client.check_tenant(self.tenant or None)
        return self if tenant is None else replace(self, tenant=tenant)

    def shield(self, *, owner: str | None) -> Shield:
        """Who is protected here, by any of its integrations (M-15). One query."""
        integrations = Integration.objects.filter(vendor=self.vendor.key, tenant=self.tenant)
        return shield_of(integrations.select_related("run_as"), owner=owner)

    def application(self) -> Application | None:
        """The application that is bound to this account, if one is. One query."""
        if not self.tenant:
            return None
        return Application.objects.filter(vendor=self.vendor.key, tenant=self.tenant).first()


def account_of(credentials: Credentials, given: Mapping[str, str]) -> Account:
    """The account of credentials: inputs as given, else those of their integration, else variables.

    Raises PresetRefused for an input that cannot be used, OverrideRefused. Three queries; nothing
    is sent.
    """
    vendor = get_vendor(credentials.vendor).corrected(credentials.overrides)
    launched = list(
        Integration.objects.filter(credentials=credentials, tenant__isnull=False).order_by("pk")
    )
    named = vendor.manifest.tenant.input
    tenants = sorted({str(one.tenant) for one in launched})
    if len(tenants) > 1 and not (named and given.get(named)):
        raise _refused(
            f"inputs.{named or 'tenant'}",
            f'The credentials "{credentials}" are used for several accounts: {", ".join(tenants)}. '
            f"Say which one{f' with --input {named}=...' if named else ''}.",
        )
    first = launched[0] if launched else credentials.integrations.order_by("pk").first()
    known = first.inputs if first is not None else {}
    filled = {name: value for name, value in given.items() if value}
    try:
        inputs = effective_inputs(credentials.vendor, {**known, **filled})
    except InputInvalid as problem:
        raise _refused(f"inputs.{problem.field}", problem.message) from None
    tenant = vendor.tenant_from(inputs)
    if tenant is None and vendor.manifest.tenant.word:
        tenant = credentials.tenant or vendor.manifest.tenant.word
    return Account(credentials, vendor, inputs, tenant or (tenants[0] if tenants else ""))


def account_for_call(credentials: Credentials, call: PresetCall) -> Account:
    """The account that a call was prepared for. No query."""
    vendor = get_vendor(credentials.vendor).corrected(credentials.overrides)
    return Account(credentials, vendor, call.vendor_inputs, call.tenant)


def check_may_use(credentials: Credentials, user: User | None) -> None:
    """Refuse users whose groups may not use the credentials (M-25). Raises PresetRefused.

    Nobody is the command line, which may do everything. Up to three queries.
    """
    if user is None or user.has_perm(ANY_CREDENTIALS):
        return
    if credentials.groups.filter(pk__in=user.groups.values("pk")).exists():
        return
    raise _refused(
        "credentials",
        f'"{user.get_username()}" may not use the credentials "{credentials}". Choose others, or '
        "have one of the user's groups added under Configuration > Security > Credentials > "
        f'"{credentials}" > Groups.',
    )


def _refused(field: str, message: str) -> PresetRefused:
    return PresetRefused([Problem(field, message)])
