"""Vendor folders: what a manifest may say, and how a mistake in one is told."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations.errors import (
    InputInvalid,
    ManifestInvalid,
    OverrideRefused,
    UnknownLoad,
    UnknownVendor,
)
from integrations.manifest import Manifest
from integrations.manifest_presets import Presets
from integrations.registry import VENDORS_FOLDER, Vendor, get_vendor, read_vendor, vendors
from integrations.yamlfile import YamlInvalid, read_yaml
from tests.integrations.language.conftest import MANIFEST, merge

MakeVendor = Callable[..., Vendor]

AHA_FIELDS = {
    "accessed_at": "Accessed At",
    "connect_credentials": "Connect: Credentials",
    "connect_subdomain": "Connect: Subdomain",
    "connector_sync_time": "Connector Sync Time",
    "created_at": "Created At",
    "email": "Email",
    "id": "Id",
    "is_administrator": "Is Administrator",
    "is_enabled": "Is Enabled",
    "is_paid_seat": "Is Paid Seat",
    "name": "Name",
    "updated_at": "Updated At",
}
BAMBOOHR_FIELDS = (
    "id employee_number work_email first_name last_name preferred_name job_title department "
    "supervisor_id supervisor_eid supervisor work_phone mobile_phone city location country "
    "hire_date termination_date status employment_status next_employment_status "
    "next_employment_status_date last_changed"
)
SYNTHETIC = {"connect_credentials", "connect_subdomain", "connector_sync_time", "connect_source"}


def test_aha_offers_exactly_the_fields_of_its_source_document():
    """AH-29: these 12; `Connect: Source` is offered in every load as well (MO-25)."""
    fields = get_vendor("aha").load("users").fields

    labels = {key: field.label for key, field in fields.items()}
    assert labels == {**AHA_FIELDS, "connect_source": "Connect: Source"}


def test_bamboohr_offers_exactly_the_fields_of_the_interface():
    fields = get_vendor("bamboohr").load("employees").fields

    assert set(fields) == {*BAMBOOHR_FIELDS.split(), *SYNTHETIC}
    assert fields["supervisor_eid"].reference == "external_id"
    assert fields["supervisor_id"].reference == "employee_id"
    assert fields["supervisor"].reference is None


def test_the_bamboohr_report_asks_for_every_field_that_is_not_joined():
    requested = get_vendor("bamboohr").load("employees").requested

    assert "employmentHistoryStatus" in requested
    assert "supervisorEId" in requested
    assert len(requested) == len(set(requested)) == len(BAMBOOHR_FIELDS.split()) - 2


@pytest.mark.parametrize("key", sorted(vendors()))
def test_every_vendor_folder_tells_a_newcomer_where_its_facts_are_from(key: str):
    vendor = get_vendor(key)

    assert vendor.key == key
    assert vendor.readme.startswith(f"# {vendor.label}")
    for load in vendor.loads.values():
        assert set(load.required_targets) == {"username", "email"}
        for field in load.fields.values():
            assert field.source
    for fact in vendor.manifest.inferred:
        assert fact.evidence


def test_every_suggested_mapping_fills_the_mandatory_targets_and_has_a_sync_key():
    for vendor in vendors().values():
        for load in vendor.loads.values():
            targets = {one.target for one in load.suggested}
            assert {*load.required_targets, *load.recommended_targets} <= targets
            assert any(one.sync_key for one in load.suggested)


def test_an_unknown_vendor_is_refused_with_a_suggestion():
    with pytest.raises(UnknownVendor) as caught:
        get_vendor("bambohr")

    assert 'Did you mean "bamboohr"?' in caught.value.message


def test_an_unknown_load_is_refused_with_a_suggestion():
    with pytest.raises(UnknownLoad, match='Did you mean "users"'):
        get_vendor("aha").load("user")


@pytest.mark.parametrize(
    "typed",
    [
        "mycompany",
        " MyCompany ",
        "https://mycompany.aha.io",
        "https://mycompany.aha.com/",
        "HTTPS://MYCOMPANY.AHA.IO/products?x=1#y",
        "mycompany.aha.io",
        "http://mycompany.aha.io/api/v1",
    ],
)
def test_a_pasted_address_becomes_the_subdomain(typed: str):
    """AH-09, AH-10, BB-03."""
    assert get_vendor("aha").read_inputs({"subdomain": typed}) == {"subdomain": "mycompany"}


def test_a_pasted_bamboohr_address_becomes_the_subdomain():
    """BB-03."""
    inputs = get_vendor("bamboohr").read_inputs(
        {"subdomain": "https://companyname.bamboohr.com/home"}
    )

    assert inputs == {"subdomain": "companyname"}


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "my company",
        "my_company",
        "https://evil.example",
        "https://mycompany.example.com/",
        "mycompany.aha.io.evil.example",
        "a.b.aha.io",
        "admin@mycompany.aha.io",
        "mycompany:8080",
        "mycompany.aha.io:8080",
        "myсompany",  # a Cyrillic es
        "ｍycompany",
        "{{ variables.x }}",
        "a" * 64,
        "secure",
        "www.aha.io",
        "127.0.0.1",
        "my\ncompany",
        "%6dycompany",
        "..",
        "-\u200b",
    ],
)
def test_what_is_no_subdomain_is_refused_on_its_field(typed: str):
    """S-11: `^[a-z0-9-]{1,63}$`."""
    with pytest.raises(InputInvalid) as caught:
        get_vendor("aha").read_inputs({"subdomain": typed})

    assert caught.value.field == "subdomain"
    assert caught.value.code == "input_invalid"
    assert caught.value.message.startswith("Subdomain: ")


def test_an_input_that_the_vendor_does_not_have_is_refused():
    with pytest.raises(InputInvalid, match='Did you mean "subdomain"'):
        get_vendor("aha").read_inputs({"subdomian": "x"})


# Each change breaks the small manifest in one way; the message names the key and helps.
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"lable": "x"}, 'lable: unknown key. Did you mean "label"?'),
    ({"loads": {"users": {"pageing": {}}}}, 'Did you mean "paging"?'),
    ({"loads": {"users": {"paging": {"pagesize": 3}}}}, 'Did you mean "page_size"?'),
    ({"loads": {"users": {"paging": {"kind": "cursor"}}}}, "loads.users.paging"),
    ({"loads": {"users": {"fields": {"id": {"type": "string"}}}}}, "loads.users.fields.id.type"),
    ({"loads": {"users": {"fields": {"id": {"source": None}}}}}, "loads.users.fields.id.source"),
    ({"loads": {"users": {"fields": {"id": {"source": "T2"}}}}}, 'there is no source "T2"'),
    ({"loads": {"users": {"fields": {"id": {"path": "a..b"}}}}}, "after a dot comes a name"),
    ({"loads": {"users": {"fields": {"id": {"path": None}}}}}, "needs a `path`"),
    (
        {"loads": {"users": {"fields": {"Bad Key": {"label": "x", "path": "y", "source": "T1"}}}}},
        "Bad Key",
    ),
    ({"loads": {"users": {"account": {"external_id": "ids"}}}}, 'Did you mean "id"?'),
    (
        {"loads": {"users": {"status": {"field": "x", "active": [], "deactivated": []}}}},
        'there is no field "x"',
    ),
    (
        {"loads": {"users": {"suggested": [{"source": "emial", "target": "email"}]}}},
        'Did you mean "email"?',
    ),
    (
        {
            "loads": {
                "users": {
                    "suggested": [{"source": "email", "target": "email", "transform": "lowr"}]
                }
            }
        },
        'Did you mean "lower"?',
    ),
    ({"loads": {"users": {"request": {"path": "users/{{ id }"}}}}, "single }"),
    ({"loads": {"users": {"request": {"method": "DELETE"}}}}, "loads.users.request.method"),
    ({"loads": {"users": {"hook": "nowhere"}}}, 'hooks.py has no function "nowhere"'),
    (
        {
            "loads": {
                "users": {
                    "roles": {"rows": [{"role": "name"}], "otherwise": "Member", "source": "T1"}
                }
            }
        },
        "give either `each` or `flag`",
    ),
    ({"loads": None}, "loads: Field required"),
    ({"loads": {"users": None}}, "loads"),
    ({"base_url": "http://{{ subdomain }}.tiny.example"}, "begins with https://"),
    ({"base_url": "https://{{ subdomian }}.tiny.example"}, 'Did you mean "subdomain"?'),
    ({"hosts": ["https://tiny.example"]}, "is no host name"),
    ({"hosts": []}, "hosts"),
    ({"tenant": {"input": "account"}}, 'there is no input "account"'),
    ({"tenant": {"input": None}}, "give one of `input`, `answer` and `word`"),
    ({"auth": {"api_key": None, "basic": None}}, "names at least one type"),
    ({"auth": {"oauth3": {}}}, "oauth3: unknown key"),
    ({"rate": {"per_second": 0}}, "rate.per_second"),
    ({"errors": [{"status": 404, "then": "ignore"}]}, "errors.0.then"),
    ({"inferred": [{"path": "rate.per_hour", "evidence": "x"}]}, "no rate.per_hour"),
    ({"key": "other"}, 'is "other", but the folder is "tiny"'),
    ({"max_bytes": "many"}, "max_bytes"),
]


@pytest.mark.parametrize(("changes", "says"), BROKEN, ids=[says for _, says in BROKEN])
def test_a_mistake_in_a_manifest_names_file_key_and_help(
    make_vendor: MakeVendor, changes: dict[str, Any], says: str
):
    with pytest.raises(ManifestInvalid) as caught:
        make_vendor(changes)

    assert says in caught.value.message
    assert caught.value.message.startswith("tiny/vendor.yaml: ")


def test_a_mistake_is_told_with_its_line(make_vendor: MakeVendor):
    text = yaml.safe_dump(MANIFEST, sort_keys=False).replace("page_size: 3", "pag_size: 3")

    with pytest.raises(ManifestInvalid) as caught:
        make_vendor(text=text)

    line = next(n for n, one in enumerate(text.splitlines(), 1) if "pag_size" in one)
    assert f"line {line}: " in caught.value.message
    assert "pag_size: unknown key" in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("key: tiny\nkey: other\n", "line 2: the key key stands in line 1 too"),
        ("key: [", "line 1"),
        ("a: &x {b: 1}\nc: *x\n", "aliases"),
        ("? [a]\n: b\n", "plain word"),
        ("a: !!python/object/apply:os.system ['id']\n", "line 1"),
        ("just text", "Input should be"),
        ("", "Input should be"),
        ("\tkey: x", "line 1"),
    ],
)
def test_a_file_that_is_no_manifest_at_all_is_refused(
    make_vendor: MakeVendor, text: str, says: str
):
    with pytest.raises(ManifestInvalid) as caught:
        make_vendor(text=text)

    assert says in caught.value.message


def test_the_small_manifest_of_these_tests_is_valid(make_vendor: MakeVendor):
    vendor = make_vendor()

    assert vendor.tenant_from({"subdomain": "acme"}) == "acme"
    assert vendor.base_url({"subdomain": "acme"}) == "https://acme.tiny.example/api"
    assert vendor.hosts({"subdomain": "acme"}) == ("acme.tiny.example",)
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


def test_the_examples_of_the_manual_are_a_valid_manifest():
    """docs/vendor-manifest.md"""
    manual = (VENDORS_FOLDER.parent.parent / "docs" / "vendor-manifest.md").read_text()
    whole, errors, load, roles, presets = (
        yaml.safe_load(part.partition("```")[0]) for part in manual.split("```yaml\n")[1:]
    )

    load["users"].update(roles)
    whole |= {"auth": {"api_key": {}}, "loads": load, **errors}

    manifest = Manifest.model_validate(whole)
    assert manifest.loads["users"].roles is not None
    assert len(manifest.errors) == 3
    presets["presets"]["resume_user"] = presets["presets"]["suspend_user"]
    suspend = Presets.model_validate(presets).presets["suspend_user"]
    assert suspend.change is not None
    assert suspend.named == {"title", "email"}


def test_a_preset_that_follows_pages_as_no_load_does_is_refused(tmp_path: Path):
    folder = tmp_path / "aha"
    shutil.copytree(VENDORS_FOLDER / "aha", folder)
    file = folder / "presets.yaml"
    text = file.read_text()
    wrong = text.replace(
        "        match: enabled", "        paged_as: usres\n        match: enabled", 1
    )
    assert wrong != text
    file.write_text(wrong)

    with pytest.raises(ManifestInvalid, match=r'there is no load "usres"\. Did you mean "users"'):
        read_vendor(folder)


def test_an_inferred_fact_is_corrected_for_these_credentials_only():
    """A fact that is not certain is data: an admin corrects it without a release."""
    vendor = get_vendor("aha")

    corrected = vendor.corrected({"loads.users.paging.page_size": 100})

    assert getattr(corrected.load("users").paging, "page_size", None) == 100
    assert getattr(vendor.load("users").paging, "page_size", None) == 200
    assert vendor.corrected({}) is vendor


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"rate.per_minut": 5}, 'Did you mean "rate.per_minute"?'),
        ({"base_url": "https://evil.example"}, "cannot be overridden"),
        ({"hosts": ["evil.example"]}, "cannot be overridden"),
        ({"rate.per_minute": -1}, "greater than 0"),
        ({"loads.users.paging.page_size": "many"}, "valid integer"),
        ({"rate.per_minute": object()}, "plain values"),
    ],
)
def test_an_override_of_anything_else_is_refused(overrides: dict[str, Any], says: str):
    with pytest.raises(OverrideRefused) as caught:
        get_vendor("aha").corrected(overrides)

    assert says in caught.value.message


def test_no_python_outside_of_a_vendor_folder_names_that_vendor():
    """House rule: Python that names a vendor outside its folder is a defect."""
    root = VENDORS_FOLDER.parent
    words = [word for vendor in vendors().values() for word in (vendor.key, vendor.label)]

    names = (
        "auth answers client connections egress errors filters limits listing manifest "
        "manifest_load manifest_parts pagination paths registry roles rules templates "
        "transforms transport values verdicts"
    )
    for name in names.split():
        code = "\n".join(
            line.partition("#")[0] for line in Path(root / f"{name}.py").read_text().splitlines()
        )
        code = "".join(part for n, part in enumerate(code.split('"""')) if n % 2 == 0)
        assert not [word for word in words if word in code], name


def test_yaml_that_is_nested_without_end_is_refused():
    with pytest.raises(YamlInvalid):
        read_yaml("[" * 5000)
