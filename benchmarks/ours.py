"""Our own sync as a case: "setup" fills an empty database with a configuration, "sync" runs it.

The environment names the database, as for the product; SOURCE_URL is the vendor's base URL.
"sync" prints seconds, from the queued run to its end, and peak memory as JSON; starting Django is
left out.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django
import orjson
from process import peak_megabytes

NAME = "Aha! users"


def setup(source: str) -> None:
    """Migrate, make the user that runs are attributed to, apply the configuration."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from integrations.configuration import apply_text

    call_command("migrate", verbosity=0, interactive=False)
    User.objects.create_superuser("bench")
    os.environ["BENCH_KEY"] = "bench-key-0123456789"
    apply_text(orjson.dumps(configuration(source)).decode(), by="bench")  # JSON is YAML


def configuration(source: str) -> dict[str, object]:
    """One integration with the mappings that the floor does too; the vendor's limits lifted."""
    return {
        "people_fields": [{"label": "Aha User Id", "type": "text"}],
        "credentials": [
            {
                "name": "Source",
                "vendor": "aha",
                "type": "api_key",
                "settings": {"token_name": "Authorization", "add_to": "header"},
                "secrets": {"value": {"env": "BENCH_KEY"}},
                "base_url": source,
                "overrides": {"rate.per_second": 1_000_000, "rate.per_minute": 60_000_000},
            }
        ],
        "integrations": [
            {
                "name": NAME,
                "vendor": "aha",
                "load": "users",
                "user_selection": "user_plus_saas_user",
                "application": "Aha!",
                "credentials": "Source",
                "run_as": "bench",
                "inputs": {"subdomain": "bench"},
                "mappings": [
                    {"source": "email", "target": "email", "sync_key": 1},
                    {"source": "email", "target": "username"},
                    {"source": "id", "target": "aha_user_id"},
                    {"source": "name", "transform": "first_name", "target": "first_name"},
                    {"source": "name", "transform": "last_name", "target": "last_name"},
                    {"constant": "Employee", "target": "role", "policy": "on_create"},
                ],
                "state": "active",
            }
        ],
    }


def sync() -> None:
    """Queue one run and do it here; a run that did not end well fails the benchmark."""
    from integrations import services
    from integrations.models import Integration
    from integrations.sync.execute import execute

    began = time.perf_counter()
    run = execute(services.queue_run(Integration.objects.get(name=NAME), by="bench").pk)
    seconds = time.perf_counter() - began
    if run.state != "done":
        raise SystemExit(f"The run ended {run.state}: {run.error_message} {run.counts}")
    result = {"seconds": seconds, "megabytes": peak_megabytes(), "counts": run.counts}
    print(orjson.dumps(result).decode())


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    if sys.argv[1] == "setup":
        setup(os.environ["SOURCE_URL"])
    else:
        sync()
