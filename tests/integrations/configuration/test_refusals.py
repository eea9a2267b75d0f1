"""Mistakes in a configuration file: each with its line and key, all at once, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.configuration import apply_file
from integrations.errors import ConfigurationRefused
from integrations.models import Credentials, GlobalVariable, Integration
from people.fields import make_field
from people.models import CustomField, Person
from saas.models import Application
from tests.integrations.configuration.files import AHA, SECRET, apply

pytestmark = pytest.mark.django_db


def refusal(text: str) -> list[str]:
    """The message of each problem, line by line, after checking that nothing was written."""
    with pytest.raises(ConfigurationRefused) as refused:
        apply(text)
    assert not GlobalVariable.objects.exists()
    assert not Integration.objects.exists()
    return str(refused.value).splitlines()


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_every_mistake_is_told_at_once_with_its_line():
    text = (
        AHA.replace("target: email, sync_key: 1", "target: emial, sync_key: 1")
        .replace("    priority: 50", "    priority: 0")
        .replace("    vendor: aha\n    load", "    vendr: aha\n    vendor: aha\n    load")
        .replace("run_as: it-admin", "run_as: 12")
    )

    assert refusal(text) == [
        (
            f"test.yaml:{line_of(text, 'vendr')}: integrations[0].vendr: unknown key. "
            'Did you mean "vendor"?'
        ),
        f"test.yaml:{line_of(text, 'priority: 0')}: integrations[0].priority: must be at least 1",
        (
            f"test.yaml:{line_of(text, 'run_as')}: integrations[0].run_as: must be text; "
            "write it in quotes: '12'"
        ),
    ]


def test_an_unknown_target_is_named_with_a_suggestion():
    text = AHA.replace("target: email, sync_key: 1", "target: emial, sync_key: 1")

    assert refusal(text)[0] == (
        f"test.yaml:{line_of(text, 'emial')}: integrations[0].mappings[0].target: "
        'there is no people field "emial". Did you mean "email"?'
    )


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        (
            "vendor: aha\n    type",
            "vendor: ahaa\n    type",
            "credentials[0].vendor",
            'Did you mean "aha"?',
        ),
        ("type: api_key", "type: api_kei", "credentials[0].type", 'Did you mean "api_key"?'),
        ("type: api_key", "type: basic", "credentials[0].type", "Aha! takes api_key"),
        ("token_name: Auth", "tokn_name: Auth", "credentials[0].settings.tokn_name", "unknown key"),
        ("add_to: header", "add_to: body", "credentials[0].settings", "header or url"),
        (
            "{env: AHA_KEY}",
            "{env: NOBODY_SET_IT}",
            "credentials[0].secrets.value",
            "NOBODY_SET_IT is not set",
        ),
        ("{value: {env", "{valeu: {env", "credentials[0].secrets.valeu", 'Did you mean "value"?'),
        (
            "base_url: null",
            "base_url: http://127.0.0.1:9/",
            "credentials[0].base_url",
            "plain http is not allowed",
        ),
        (
            "base_url: null",
            "base_url: https://evil.example/",
            "credentials[0].base_url",
            "does not belong to the vendor",
        ),
        ("expires_on: null", "expires_on: soon", "credentials[0].expires_on", "2026-12-31"),
        (
            "groups: [IT admin]",
            "groups: [IT admins]",
            "credentials[0].groups[0]",
            'Did you mean "IT admin"?',
        ),
        (
            "overrides: {}",
            "overrides: {rate.per_minutes: 9}",
            "credentials[0].overrides",
            "cannot be overridden",
        ),
        ("load: users", "load: user", "integrations[0].load", 'Did you mean "users"?'),
        (
            "credentials: Aha production",
            "credentials: Aha prod",
            "integrations[0].credentials",
            'Did you mean "Aha production"?',
        ),
        (
            "credentials: Aha production",
            "credentials: null",
            "integrations[0].credentials",
            "choose the credentials",
        ),
        (
            "run_as: it-admin",
            "run_as: it-admim",
            "integrations[0].run_as",
            'Did you mean "it-admin"?',
        ),
        ("run_as: it-admin", "run_as: null", "integrations[0].run_as", "name the user"),
        (
            'subdomain: "{{ variables.Aha.Subdomain }}"',
            'subdomain: "{{ variables.Aha.Sub"',
            "integrations[0].inputs.subdomain",
            "is not closed",
        ),
        (
            "inputs: {subdomain",
            "inputs: {subdomian",
            "integrations[0].inputs.subdomian",
            'Did you mean "subdomain"?',
        ),
        (
            "Subdomain: mycompany",
            "Subdomain: 'http://x y'",
            "variables.Aha.Subdomain",
            "cannot be used",
        ),
        (
            "operator: equals",
            "operator: equal",
            "integrations[0].filters.all[0].operator",
            'Did you mean "equals"?',
        ),
        (
            "field: is_enabled",
            "field: enabled",
            "integrations[0].filters.all[0].field",
            'Did you mean "is_enabled"?',
        ),
        (
            "field: is_enabled, operator: equals, value: true",
            "field: email, operator: contains, value: ' '",
            "integrations[0].filters.all[0].value",
            "is blank",
        ),
        (
            "transform: first_name",
            "transform: frist_name",
            "integrations[0].mappings[4].transform",
            'Did you mean "first_name"?',
        ),
        (
            "constant: Employee",
            "constant: Employe",
            "integrations[0].mappings[3].constant",
            'Did you mean "Employee"?',
        ),
        (
            "target: username}",
            "target: email}",
            "integrations[0].mappings[1].target",
            "mappings[0] already",
        ),
        (
            "policy: always",
            "policy: allways",
            "integrations[0].mappings[2].policy",
            'Did you mean "always"?',
        ),
        (
            "policy: always",
            "sync_key: 2",
            "integrations[0].mappings[2].sync_key",
            "cannot be a sync key",
        ),
        (
            "{constant: Employee, target",
            "{constant: Employee, source: id, target",
            "integrations[0].mappings[3]",
            "either `source` or `constant`",
        ),
        ("source: id", "source: 'id['", "integrations[0].mappings[2].source", "in brackets"),
        (", sync_key: 1", "", "integrations[0].mappings", "sync_key: 1"),
        ("      - {source: email, target: username}\n", "", "integrations[0].mappings", "Username"),
        ("label: Aha User Id", "label: Email", "people_fields[0].label", "built-in"),
        ("label: Aha User Id", "label: ''", "people_fields[0].label", "must not be blank"),
        (
            "type: text, unique",
            "type: test, unique",
            "people_fields[0].type",
            'Did you mean "text"?',
        ),
        ("unique: false", "unique: no", "people_fields[0].unique", "must be true or false"),
        (
            "type: text, unique: false",
            "type: date, unique: true",
            "people_fields[0].unique",
            "Only text",
        ),
        (
            "variables: {Aha.Subdomain: mycompany}",
            "variables: {Aha Subdomain: mycompany}",
            "variables.Aha Subdomain",
            "Use letters",
        ),
        (
            "    mappings:\n",
            "    mappings: nothing\n    inputs_:\n",
            "integrations[0].mappings",
            "must be a list",
        ),
        ("filters: {all", "filters: 3 #{all", "integrations[0].filters", "must be rules"),
        (
            "saas_user_fields: []",
            "saas_user_field: [1]",
            "saas_user_field",
            'Did you mean "saas_user_fields"?',
        ),
        ("  - name: Aha production\n    vendor", "  - vendor", "credentials[0].name", "is missing"),
    ],
)
def test_a_mistake_is_refused_naming_line_and_key(old: str, new: str, at: str, says: str):
    assert old in AHA
    found = [line for line in refusal(AHA.replace(old, new, 1)) if f": {at}: " in line]

    assert found, f"nothing about {at}"
    assert says in found[0]
    assert found[0].startswith("test.yaml:")
    assert SECRET not in found[0]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (AHA.replace("load: users", "load: provisioning"), "integrations[0].load"),
        (AHA + "    source: BambooHR employees\n", "integrations[0].source"),
        (AHA + "    blocklist: [Contractor]\n", "integrations[0].blocklist"),
    ],
)
def test_what_a_later_version_brings_is_refused_and_never_ignored(text: str, at: str):
    (line,) = [one for one in refusal(text) if f": {at}: " in one]

    assert "not yet supported" in line


def test_keys_of_later_versions_that_hold_nothing_ask_for_nothing():
    apply(AHA + "    source: null\n    blocklist: []\n    blank_status:\n")

    assert Integration.objects.get().state == "active"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("variables: {a: b}\nvariables: {c: d}\n", 2, "stands in line 1 already"),
        ("variables:\n  a: [", 2, "no YAML"),
        ("variables: &x {a: *x}", 1, "is nested too deep"),
        ("variables: {a: !!python/object/apply:os.system [x]}", 1, "not used here"),
        ("- 1\n", None, "must be keys with values"),
        ('variables: {a: "\\0"}', 1, "cannot be stored"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
    ],
)
def test_what_is_no_usable_yaml_is_refused_with_its_line(text: str, line: int | None, says: str):
    (message,) = refusal(text)

    assert message.startswith(f"test.yaml:{line}: " if line else "test.yaml: ")
    assert says in message


def test_the_same_name_twice_is_refused():
    text = "credentials:\n- {name: One, vendor: aha}\n- {name: One, vendor: aha}\n"

    assert refusal(text) == [
        "test.yaml:3: credentials[1].name: stands in line 2 already (credentials[0])"
    ]


def test_a_secret_in_the_file_is_refused_and_never_repeated():
    """S-06."""
    text = AHA.replace("{env: AHA_KEY}", "canary-in-the-file")

    (line,) = refusal(text)

    assert "never stands in this file" in line
    assert "canary" not in line


def test_a_file_of_alias_bombs_is_refused_quickly():
    layers = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))

    (line,) = refusal("variables:\n  a0: &a0 [x, x]\n" + layers)

    assert "too many values" in line


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationRefused, match="cannot be read: No such file"):
        apply_file(tmp_path / "none.yaml", by="command line")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigurationRefused, match="is no UTF-8 text"):
        apply_file(file, by="command line")


def test_a_launched_integration_cannot_become_a_draft_or_another_load():
    apply(AHA)

    with pytest.raises(ConfigurationRefused) as refused:
        apply(AHA.replace("state: active", "state: draft"))

    assert "write paused" in str(refused.value)


def test_a_launched_integration_cannot_move_to_another_account():
    """M-1."""
    apply(AHA)

    with pytest.raises(ConfigurationRefused, match="launched for"):
        apply(AHA.replace("Subdomain: mycompany", "Subdomain: other"))

    assert GlobalVariable.objects.get().value == "mycompany"


def test_an_account_has_one_application():
    """M-1: what only Launch can see refuses the whole file, too."""
    Application.objects.create(name="Older", vendor="aha", tenant="mycompany")

    (line,) = refusal(AHA)

    assert 'integrations[0].application: The account "mycompany" already belongs' in line
    assert not Credentials.objects.exists()


def test_only_one_integration_maps_the_status_of_people():
    """M-10."""
    second = AHA[AHA.index("  - name: Aha! User Load") :].replace("Aha! User Load", "Second")
    first_with_status = AHA.replace(
        "      - {constant: Employee",
        "      - {source: is_enabled, target: status}\n      - {constant: Employee",
    )
    text = first_with_status + second.replace(
        "      - {constant: Employee",
        "      - {source: is_enabled, target: status}\n      - {constant: Employee",
    )

    assert any('"Second" maps the status of people already' in line for line in refusal(text))


def test_the_type_of_a_field_with_values_stays():
    make_field(label="Aha User Id", type=CustomField.Type.TEXT)
    Person.objects.create(email="a@example.com", custom={"aha_user_id": "1"})

    with pytest.raises(ConfigurationRefused, match="its type stays text"):
        apply(AHA.replace("Id, type: text", "Id, type: integer"))


def test_values_that_are_not_unique_refuse_the_whole_file():
    field = make_field(label="Aha User Id", type=CustomField.Type.TEXT)
    for email in ("a@example.com", "b@example.com"):
        Person.objects.create(email=email, custom={field.key: "1"})

    with pytest.raises(ConfigurationRefused) as refused:
        apply(AHA.replace("unique: false", "unique: true"))

    assert "people_fields[0].unique: Two people have the same" in str(refused.value)
    assert not GlobalVariable.objects.exists()


def test_a_source_that_looks_mistyped_is_remarked_on_and_not_refused():
    text = AHA.replace("source: name, transform", "source: nmae, transform")

    receipt = apply(text)

    assert receipt.notes == (
        (
            f'line {line_of(text, "nmae")}: "nmae" is no field of Aha! User Load; it is read as a path into the vendor\'s '
            'record. Did you mean "name"?'
        ),
    )


def test_a_launched_integration_keeps_its_application():
    """M-1: its accounts hang on it."""
    apply(AHA)

    with pytest.raises(ConfigurationRefused, match='launched for the application "Aha!"'):
        apply(AHA.replace("application: Aha!", "application: Another"))

    assert not Application.objects.filter(name="Another").exists()


def test_a_file_that_is_too_large_is_refused_as_a_whole(tmp_path: Path):
    """Counted in bytes, as it is read: no beginning of it is taken for all of it."""
    file = tmp_path / "large.yaml"
    file.write_text("variables: {a: b}\n" + f"# {'ä' * 998}\n" * 5_100 + "c: d\n", encoding="utf-8")

    with pytest.raises(ConfigurationRefused) as refused:
        apply_file(file, by="command line")

    assert "The file is too large: at most 10 MB are read." in str(refused.value)
    assert not GlobalVariable.objects.exists()
