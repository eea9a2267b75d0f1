"""What every environment shares; each group stands under its documentation's address."""

import os
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.urls import reverse_lazy

from config.keys import load_keys
from config.logging import logging_settings
from config.settings.admin import UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
if not os.environ.get("ROLECALL_IGNORE_ENV_FILE") and (BASE_DIR / ".env").exists():
    environ.Env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
SECRETS_FILE = Path(env.str("SECRETS_FILE", default=str(BASE_DIR / "secrets.env"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)  # people are in it

# Keys (model.md M-34): the environment first, else SECRETS_FILE, which a local start makes.
_keys = load_keys(env, SECRETS_FILE)
SECRET_KEY = _keys.secret_key
FERNET_KEYS = _keys.fernet_keys
FERNET_USE_HKDF = True

PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
EGRESS_EXTRA_HOSTS: list[str] = env.list("EGRESS_EXTRA_HOSTS", default=[])
# Whether held removals need the approval of two people (model.md M-17).
SECOND_PERSON: bool = env.bool("SECOND_PERSON", default=False)
EGRESS_ALLOW_HTTP = True
# How many calls to vendors one process has under way at most.
SENDING_THREADS: int = env.int("SENDING_THREADS", default=32)

# https://docs.djangoproject.com/en/5.2/ref/settings/#core-settings
DEBUG = False
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "import_export",
    "simple_history",
    "axes",
    "csp",
    "crispy_forms",
    "config.apps.RolecallConfig",
    "people",
    "saas",
    "integrations",
    "workflows",
]
MIDDLEWARE = [
    "config.health.Health",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.sessions.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A draft of 500 blocks, the most that is kept, has a field for each exit: some 1,500 on its page.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# https://docs.djangoproject.com/en/5.2/ref/settings/#databases
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'rolecall.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # One writer waits for the other instead of failing: write-ahead log and IMMEDIATE transactions.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; "
            "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364; "
            "PRAGMA cache_size=-16000;"
        ),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

    # A process that was frozen inside a transaction does not hold its rows for ever.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", "-c idle_in_transaction_session_timeout=60s"
    )

# https://docs.celeryq.dev/en/stable/userguide/configuration.html (M-31: it carries, rows hold)
QUEUE_DIR = DATA_DIR / "queue"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or "filesystem://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 5.0,
    "socket_keepalive": True,
}
if CELERY_BROKER_URL.startswith("filesystem://"):
    _folders = {name: QUEUE_DIR / name for name in ("messages", "taken", "control")}
    for _folder in (QUEUE_DIR, *_folders.values()):
        _folder.mkdir(mode=0o700, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_folders["messages"]),
        "data_folder_out": str(_folders["messages"]),
        "processed_folder": str(_folders["taken"]),
        "control_folder": str(_folders["control"]),
    }
CELERY_TASK_DEFAULT_QUEUE = "rolecall"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_TIMEOUT = 2.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: the database goes on meanwhile

# How long a worker that is told to end goes on with what it does, before it gives it back (F-06).
STOP_WITHIN_SECONDS = env.float("STOP_WITHIN_SECONDS", default=25.0)

# https://docs.djangoproject.com/en/5.2/ref/settings/#auth
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# https://docs.djangoproject.com/en/5.2/topics/http/sessions/ (S-17: idle, and in all)
SESSION_COOKIE_AGE = 30 * 60
SESSION_ABSOLUTE_AGE = 8 * 60 * 60
SESSION_COOKIE_NAME = "rolecall_session"
CSRF_COOKIE_NAME = "rolecall_csrf"

# https://django-axes.readthedocs.io/en/latest/4_configuration.html (S-17)
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # nobody can lock out somebody else
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "locked.html"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# https://django-csp.readthedocs.io/en/latest/configuration.html (S-14)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],  # the admin theme's Alpine evaluates its attributes
        "style-src": [SELF, UNSAFE_INLINE],  # and the theme sets style attributes
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# https://docs.djangoproject.com/en/5.2/ref/middleware/#security-middleware
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# https://docs.djangoproject.com/en/5.2/topics/logging/
LOGGING = logging_settings(env.str("LOG_LEVEL", default="INFO"))

# https://docs.djangoproject.com/en/5.2/topics/i18n/
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True

# https://docs.djangoproject.com/en/5.2/ref/settings/#email
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Rolecall <rolecall@localhost>")

# https://django-crispy-forms.readthedocs.io/en/latest/ (the pack ships inside the admin theme)
CRISPY_TEMPLATE_PACK = "unfold_crispy"
CRISPY_ALLOWED_TEMPLATE_PACKS = ("unfold_crispy",)
CRISPY_FAIL_SILENTLY = False

# https://docs.djangoproject.com/en/5.2/ref/contrib/staticfiles/
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MANIFEST_STRICT = False  # an error page must not fail for want of a collected file
