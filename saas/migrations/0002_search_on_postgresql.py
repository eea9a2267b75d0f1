"""Indexes for searching and filtering an application's users; PostgreSQL only.

As those of people: where the extension cannot be made, searches read the whole table.
"""

from django.db import DatabaseError, migrations, transaction

# The same text, letter for letter, as people.search.SearchText makes for the columns of the list.
_TEXT = "(\"name\" || ' ' || \"email\" || ' ' || \"external_id\")"
_PLAIN = {
    "saas_user_by_activity": "ON saas_saasuser (application_id, last_activity)",
    "saas_user_of_nobody": "ON saas_saasuser (application_id, id) WHERE person_id IS NULL",
    "role_held_now": "ON saas_saasuserrole (role, saas_user_id) WHERE valid_to IS NULL",
}
_SEARCH = f"ON saas_saasuser USING gin (UPPER({_TEXT}::text) gin_trgm_ops)"


def make_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, rest in _PLAIN.items():
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} {rest}")
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(f"CREATE INDEX IF NOT EXISTS saas_user_search {_SEARCH}")
    except DatabaseError:
        pass  # The role may not make extensions: searching works, and is slower.


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for name in (*_PLAIN, "saas_user_search"):
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("saas", "0001_initial"), ("people", "0003_search_on_postgresql")]

    operations = [migrations.RunPython(make_indexes, drop_indexes)]
