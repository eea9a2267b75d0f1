"""Indexes for searching and ordering issues, vendor calls and mails; PostgreSQL only.

They are not in the models: trigrams and orders of patterns mean nothing to SQLite, where such lists
stay small. Where the extension cannot be made, searching mails reads the whole table.
"""

from django.db import DatabaseError, migrations, transaction

# As integrations.operations.words.listed orders the list.
_RANK = "(CASE WHEN state = 'asks' THEN 0 WHEN state = 'unknown' THEN 1 ELSE 2 END)"
_PLAIN = {
    "operation_by_rank": f"ON integrations_operation ({_RANK}, id DESC)",
    "operation_by_record": "ON integrations_operation (UPPER(record::text) text_pattern_ops)",
    "issue_by_key": "ON integrations_recordissue (UPPER(key::text) text_pattern_ops)",
    "issue_by_external_id": "ON integrations_recordissue (external_id varchar_pattern_ops)",
}
_SEARCH = "ON integrations_notification USING gin (UPPER(subject::text) gin_trgm_ops)"


def make_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, rest in _PLAIN.items():
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} {rest}")
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(f"CREATE INDEX IF NOT EXISTS notification_search {_SEARCH}")
    except DatabaseError:
        pass  # The role may not make extensions: searching works, and is slower.


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for name in (*_PLAIN, "notification_search"):
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("integrations", "0007_page_indexes")]

    operations = [migrations.RunPython(make_indexes, drop_indexes)]
