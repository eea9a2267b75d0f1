"""Production: https only, and a refusal to start that names all that is missing."""

import os

from django.core.exceptions import ImproperlyConfigured

_missing = [
    name
    for name in ("SECRET_KEY", "FERNET_KEYS", "DATABASE_URL", "ALLOWED_HOSTS", "PUBLIC_URL")
    if not os.environ.get(name)
]
if _missing and not os.environ.get("SECRETS_FILE"):
    raise ImproperlyConfigured(
        "Production settings do not start without these environment variables: "
        + ", ".join(_missing)
        + ". See .env.example for what each one means."
    )

from .base import *

EGRESS_ALLOW_HTTP = False

# https://docs.djangoproject.com/en/5.2/topics/security/
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
