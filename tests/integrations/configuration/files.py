"""Configuration files for the tests, whole and in parts."""

from __future__ import annotations

from pathlib import Path

from integrations.configuration import Receipt, apply_text

AHA = """\
variables: {Aha.Subdomain: mycompany}
people_fields:
  - {label: Aha User Id, type: text, unique: false, visible_to_hr: true}
saas_user_fields: []
credentials:
  - name: Aha production
    vendor: aha
    type: api_key
    settings: {token_name: Authorization, add_to: header}
    secrets: {value: {env: AHA_KEY}}
    stored: sealed
    tenant: null
    base_url: null
    expires_on: null
    groups: [IT admin]
    overrides: {}
integrations:
  - name: Aha! User Load
    vendor: aha
    load: users
    user_selection: user_plus_saas_user
    application: Aha!
    installation: cloud
    preference: create_and_update
    priority: 50
    credentials: Aha production
    run_as: it-admin
    inputs: {subdomain: "{{ variables.Aha.Subdomain }}"}
    filters: {all: [{field: is_enabled, operator: equals, value: true}]}
    mappings:
      - {source: email, target: email, sync_key: 1}
      - {source: email, target: username}
      - {source: id, target: aha_user_id, policy: always}
      - {constant: Employee, target: role}
      - {source: name, transform: first_name, target: first_name}
    missing_users: deactivate
    missing_people: leave
    state: active
"""
SECRET = "Bearer canary-0123456789abcdef"


def apply(text: str, *, plan: bool = False, folder: Path | None = None) -> Receipt:
    """Apply a text as the file `test.yaml`."""
    return apply_text(text, by="it-admin", plan=plan, file="test.yaml", folder=folder)
