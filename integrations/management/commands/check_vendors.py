"""`check_vendors`: every vendor folder is valid; with --live, its harmless test call."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import references, services
from integrations.errors import DefinitionInvalid, IntegrationsError
from integrations.models import Credentials
from integrations.registry import VENDORS_FOLDER, Vendor, get_vendor, read_vendor, vendors

WRONG_USAGE, FAILED = 2, 3


class Command(BaseCommand):
    """Exit codes: 0 all valid, 2 a folder has mistakes or there is no such name, 3 call failed."""

    help = "Checks every vendor folder and prints each vendor with its loads and preset ids."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="only this vendor, by the name of its folder")
        parser.add_argument(
            "--live",
            metavar="CREDENTIALS",
            help="also make the vendor's harmless test call with the credentials of this name",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        chosen = [get_one(options["name"])] if options["name"] else check_all()
        for vendor in chosen:
            self.stdout.write(_describe(vendor))
        if options["live"]:
            self.stdout.write(test_live(options["live"], only=options["name"]))


def get_one(name: str) -> Vendor:
    """Give one vendor. Raises CommandError."""
    folder = VENDORS_FOLDER / name
    try:
        return read_vendor(folder) if (folder / "vendor.yaml").is_file() else get_vendor(name)
    except DefinitionInvalid as problem:
        raise CommandError(problem.message, returncode=WRONG_USAGE) from None


def check_all() -> list[Vendor]:
    """Give every vendor. Raises CommandError."""
    try:
        return list(vendors().values())
    except DefinitionInvalid as problem:
        raise CommandError(problem.message, returncode=WRONG_USAGE) from None


def _describe(vendor: Vendor) -> str:
    loads = ", ".join(f"{key} ({load.label})" for key, load in vendor.loads.items())
    presets = ", ".join(f"{vendor.key}.{key}" for key in vendor.presets) or "none"
    return f"{vendor.key}: {vendor.label}. Loads: {loads}. Presets: {presets}."


def test_live(name: str, *, only: str | None) -> str:
    """Make the test call and give its sentence. Raises CommandError."""
    credentials = Credentials.objects.filter(name=name).first()
    if credentials is None:
        raise CommandError(f'There are no credentials "{name}".', returncode=WRONG_USAGE)
    if only and credentials.vendor != only:
        raise CommandError(
            f'The credentials "{name}" are for {credentials.vendor}, not for {only}.',
            returncode=WRONG_USAGE,
        )
    used_by = credentials.integrations.order_by("pk").first()
    inputs = used_by.inputs if used_by is not None else {}
    try:
        with references.readable():
            return services.test_credentials(credentials, inputs, now=timezone.now()).text
    except IntegrationsError as problem:
        raise CommandError(problem.message, returncode=FAILED) from None
