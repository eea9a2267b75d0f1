"""Every vendor folder is whole: valid, documented for newcomers and admins, its guesses told."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from integrations.facts import facts_of
from integrations.registry import VENDORS_FOLDER, get_vendor, preset_ids, read_vendor, vendors
from integrations.sandbox.vendor import find_vendor_names

from .world import VENDORS

DOCS = Path(__file__).resolve().parents[4] / "docs"
EVERY_LOAD = {"connect_credentials", "connector_sync_time", "connect_source"}
# Loads, their fields and presets that operators and scripts rely on.
FIELDS = {
    ("aha", "users"): "accessed_at created_at email id is_administrator is_enabled is_paid_seat "
    "name updated_at connect_subdomain",
    ("monday", "users"): "account_id account_name birthday country_code created_at "
    "current_language email enabled id is_admin is_guest is_pending is_view_only join_date "
    "last_activity location mobile_phone name phone",
    ("bamboohr", "employees"): "id employee_number work_email first_name last_name preferred_name "
    "job_title department supervisor_id supervisor_eid supervisor work_phone mobile_phone city "
    "location country hire_date termination_date status employment_status next_employment_status "
    "next_employment_status_date last_changed",
    ("goto", "users"): "user_key email first_name last_name status admin_roles locale time_zone "
    "license_keys created_at",
    ("betterworks", "users"): "id uuid email first_name last_name preferred_name title "
    "employee_id department manager_id phone_number location status deactivation_date hire_date",
}
PRESET_IDS = [
    "betterworks.create_user",
    "betterworks.list_users_with_admin_role",
    "betterworks.update_user",
    "betterworks.get_user_by_id",
    "betterworks.user_role",
    "betterworks.deactivate_user",
    "betterworks.reactivate_user",
    "betterworks.list_departments",
    "betterworks.create_department",
    "goto.get_licenses_by_user_id",
    "goto.unassign_license_by_email",
    "goto.assign_license_to_user_by_email",
    "goto.resend_welcome_email",
    "goto.add_users",
    "goto.update_user",
    "goto.delete_users",
    "goto.get_user_by_email",
    "goto.user_role",
    "aha.deactivate_user",
    "aha.get_user_details",
    "aha.update_user_details",
    "aha.user_role",
    "aha.activate_user",
    "monday.get_user_details",
    "monday.get_last_activity",
    "monday.user_role",
    "monday.deactivate_users",
    "monday.activate_users",
]


def test_there_are_the_five_vendors_and_every_preset_that_scripts_rely_on():
    """The interface's preset ids, letter by letter."""
    assert {"aha", "bamboohr", "betterworks", "goto", "monday"} <= set(VENDORS)
    assert len(PRESET_IDS) == 28
    assert set(PRESET_IDS) - set(preset_ids()) == set()


@pytest.mark.parametrize(("vendor", "load"), FIELDS)
def test_a_load_offers_exactly_the_fields_that_scripts_rely_on(vendor: str, load: str):
    fields = set(get_vendor(vendor).load(load).fields)

    assert fields - EVERY_LOAD - {"connect_subdomain"} == set(FIELDS[vendor, load].split()) - {
        "connect_subdomain"
    }
    assert fields >= EVERY_LOAD


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_folder_is_valid_and_has_a_sandbox(vendor: str):
    read = read_vendor(VENDORS_FOLDER / vendor)

    assert read.key == vendor
    assert vendor in set(find_vendor_names())


def test_every_folder_of_the_vendors_is_a_vendor():
    folders = {
        folder.name
        for folder in VENDORS_FOLDER.iterdir()
        if folder.is_dir() and not folder.name.startswith(("_", "."))
    }

    assert folders == set(VENDORS) == set(find_vendor_names())


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_folder_has_a_readme_for_newcomers(vendor: str):
    readme = get_vendor(vendor).readme

    assert readme.startswith(f"# {get_vendor(vendor).label}")
    assert len(readme) > 500


@pytest.mark.parametrize("vendor", VENDORS)
def test_whatever_an_admin_types_comes_with_help(vendor: str):
    manifest = get_vendor(vendor).manifest

    unhelped = [f"inputs.{name}" for name, one in manifest.inputs.items() if not one.help]
    unhelped += [f"loads.{name}" for name, one in manifest.loads.items() if not one.help]
    unhelped += [
        f"auth.{kind}" for kind in manifest.auth.types if not getattr(manifest.auth, kind).help
    ]

    assert unhelped == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_where_each_fact_was_read_can_be_looked_up(vendor: str):
    manifest = get_vendor(vendor).manifest
    named = {manifest.rate.source}
    for load in manifest.loads.values():
        named |= {one.source for one in load.fields.values()}

    used = {key for text in named for key in text.split()}

    assert used - {"ours"} <= set(manifest.sources)
    assert manifest.docs.startswith("https://")
    assert all(len(text) > 20 for text in manifest.sources.values())


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_guess_is_told_with_evidence_and_can_be_corrected(vendor: str):
    """What is inferred is data: the folder's own value, written back, changes nothing."""
    read = get_vendor(vendor)
    facts = facts_of(read, {})

    corrected = read.corrected({fact.path: fact.folder for fact in facts})

    assert [fact.path for fact in facts if len(fact.evidence) < 20] == []
    assert len({fact.path for fact in facts}) == len(facts)
    assert corrected.manifest == read.manifest
    assert corrected.presets == read.presets


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_admin_finds_a_page_about_the_vendor_that_names_every_guess(vendor: str):
    """docs/vendors/<key>.md: where to make the key, rights, limits, and each inferred fact."""
    page = DOCS / "vendors" / f"{vendor}.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""

    assert text.startswith(f"# {get_vendor(vendor).label}"), f"docs/vendors/{vendor}.md is missing"
    missing = [fact.path for fact in get_vendor(vendor).inferred if f"`{fact.path}`" not in text]
    assert missing == []
    for word in ("right", "limit", "inferred"):
        assert re.search(word, text, re.IGNORECASE), word


def test_the_vendors_pages_are_about_vendors_that_there_are():
    assert {page.stem for page in (DOCS / "vendors").glob("*.md")} <= set(VENDORS)


def test_check_vendors_names_every_load_and_preset():
    printed = StringIO()

    call_command("check_vendors", stdout=printed)

    text = printed.getvalue()
    for vendor in vendors().values():
        assert vendor.label in text
        assert [key for key in vendor.loads if key not in text] == []
    assert [one for one in preset_ids() if one not in text] == []
