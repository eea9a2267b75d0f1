"""Indexes for searching and sorting the lists of people and events; PostgreSQL only.

They are not in the models: an expression over six columns and trigrams mean nothing to SQLite,
where such lists stay small. Where the extension cannot be made, searches read the whole table.
"""

from django.db import DatabaseError, migrations, transaction

# The same text, letter for letter, as people.search.SearchText makes for PERSON_SEARCH.
_TEXT = (
    "(\"full_name\" || ' ' || \"first_name\" || ' ' || \"last_name\" || ' ' || \"preferred_name\""
    " || ' ' || \"email\" || ' ' || \"username\")"
)
_PLAIN = {
    "person_by_name": "ON people_person (full_name, id)",
    "person_active_in_department": "ON people_person (department_id, id) WHERE status = 'active'",
    "event_archived": "ON people_event (id) WHERE kind = 'archive'",
    "event_by_hand": "ON people_event (id) WHERE source <> 'sync'",
    "event_of_saas_user": "ON people_event (id) WHERE object = 'saas_user'",
}
_SEARCH = f"ON people_person USING gin (UPPER({_TEXT}::text) gin_trgm_ops)"


def make_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, rest in _PLAIN.items():
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} {rest}")
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(f"CREATE INDEX IF NOT EXISTS person_search {_SEARCH}")
    except DatabaseError:
        pass  # The role may not make extensions: searching works, and is slower.


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for name in (*_PLAIN, "person_search"):
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("people", "0002_default_roles")]

    operations = [migrations.RunPython(make_indexes, drop_indexes)]
