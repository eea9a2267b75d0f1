"""What the documents say about variables and commands is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/operator-guide.md").read_text()
# Read by the settings of the suite, or by a test, only.
NOT_FOR_OPERATORS = {"TEST_DB_SUFFIX", "ROLECALL_IGNORE_ENV_FILE"}


def variables_read() -> set[str]:
    """Names that settings and keys read from the environment."""
    files = [*(ROOT / "config/settings").glob("*.py"), ROOT / "config/keys.py"]
    text = "\n".join(file.read_text() for file in files)
    found = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", text))
    return (found | {"DJANGO_SETTINGS_MODULE"}) - NOT_FOR_OPERATORS


def test_every_variable_stands_in_the_guide_and_in_the_example():
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    missing = {name for name in variables_read() if name not in example or f"`{name}`" not in GUIDE}

    assert len(variables_read()) > 10
    assert missing == set()
    assert example - variables_read() == {"POSTGRES_PASSWORD"}


def test_every_command_of_the_guide_exists_and_every_one_of_ours_is_in_it():
    table = GUIDE.split("## Commands")[1].split("**Exit codes**")[0]
    named = {
        text.split()[0]
        for row in re.findall(r"^\| (.+?) \| ", table, re.MULTILINE)
        for text in re.findall(r"`([a-z_]+[^`]*)`", row)
    }
    ours = {
        name
        for name, app in get_commands().items()
        if app in {"config", "people", "saas", "integrations", "workflows"}
    }

    assert named <= get_commands().keys()
    assert ours <= named


def test_links_between_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

    broken = {
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if "pictures/" not in target and not (document.parent / target).exists()
    }

    assert len(documents) > 5
    assert broken == set()


def test_compose_starts_commands_that_exist():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    commands = [service["command"] for service in services.values() if "command" in service]
    started = {one.split()[2] for one in commands if one.startswith("python manage.py")}

    assert {"db", "redis", "web", "worker", "tick"} <= services.keys()
    assert started == {"migrate", "run_due"}
    assert started <= get_commands().keys()
    assert [one.split()[:4] for one in commands if not one.startswith("python")] == [
        ["celery", "--app", "config", "worker"]
    ]
