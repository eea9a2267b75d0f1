"""An index for the list of what is new, among a million edits; PostgreSQL only, as its like."""

from django.db import migrations


def make_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX IF NOT EXISTS event_new ON people_event (id) WHERE kind = 'new'"
        )


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS event_new")


class Migration(migrations.Migration):
    dependencies = [("people", "0005_workflow_events")]

    operations = [migrations.RunPython(make_index, drop_index)]
