"""Production: https only, and a refusal to start that names all that is missing."""

from django.core.exceptions import ImproperlyConfigured

from .base import *

_found = {
    "SECRET_KEY": SECRET_KEY,
    "FERNET_KEYS": FERNET_KEYS,
    **{name: env.str(name, default="") for name in ("DATABASE_URL", "ALLOWED_HOSTS", "PUBLIC_URL")},
}
_missing = [name for name, value in _found.items() if not value]
if _missing:
    raise ImproperlyConfigured(
        "Production settings do not start without these environment variables: "
        + ", ".join(_missing)
        + ". See .env.example for what each one means."
    )
if not PUBLIC_URL.startswith("https://"):
    raise ImproperlyConfigured("PUBLIC_URL must begin with https:// in production settings.")

EGRESS_ALLOW_HTTP = False

# https://docs.djangoproject.com/en/5.2/topics/security/
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
