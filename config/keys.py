"""Where SECRET_KEY and FERNET_KEYS come from: the environment, else a private file."""

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import environ


@dataclass(frozen=True, repr=False)
class Keys:
    """`fernet_keys` is newest first: the first seals, all of them open."""

    secret_key: str
    fernet_keys: list[str]


def load_keys(env: environ.Env, secrets_file: Path) -> Keys:
    """Read the keys; a file with mode 0600 is made on the first local start when there are none.

    Production settings refuse to start without them in the environment (see `production.py`).
    """
    if not (env.str("SECRET_KEY", default="") and env.str("FERNET_KEYS", default="")):
        if not secrets_file.exists() and _may_make_keys():
            _make_secrets_file(secrets_file)
        if secrets_file.exists():
            environ.Env.read_env(secrets_file)
    return Keys(
        secret_key=env.str("SECRET_KEY", default=""),
        fernet_keys=[key for key in env.list("FERNET_KEYS", default=[]) if key],
    )


def _may_make_keys() -> bool:
    return os.environ.get("DJANGO_SETTINGS_MODULE", "") != "config.settings.production"


def _make_secrets_file(secrets_file: Path) -> None:
    text = (
        "# Made on the first start. Whoever has this file and the database can read every secret:\n"
        "# keep a copy in a safe place, never beside a backup of the database.\n"
        f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
        f"FERNET_KEYS={base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}\n"
    )
    try:
        descriptor = os.open(secrets_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
