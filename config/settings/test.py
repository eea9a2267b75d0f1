"""The suite: keys made for the run, quick password hashes, a test database of its own name."""

import os
import tempfile

os.environ.setdefault("ROLECALL_IGNORE_ENV_FILE", "1")
os.environ.setdefault("SECRET_KEY", "only-for-the-test-suite-0123456789-abcdefghijklmnopqrstuvwxyz")
os.environ.setdefault("FERNET_KEYS", "b25seS1mb3ItdGhlLXRlc3Qtc3VpdGUtMDEyMzQ1Njc=")
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="rolecall-test-"))

from .base import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Files are served from where they are, without collectstatic; a browser test sees the real ones.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
_suffix = env.str("TEST_DB_SUFFIX", default="")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and child processes of the tests must see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / f"test{_suffix}.sqlite3")}
else:
    DATABASES["default"]["TEST"] = {"NAME": f"test_rolecall{_suffix}"}
