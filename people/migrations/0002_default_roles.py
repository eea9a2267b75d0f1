"""The roles that people usually have, so that a first mapping has something to choose from."""

from django.db import migrations

ROLES = {
    "Employee": "Employed here.",
    "Contractor": "Works here without being employed.",
    "Intern": "Here for a while, to learn.",
}


def make_roles(apps, schema_editor):
    role = apps.get_model("people", "PersonRole")
    for name, description in ROLES.items():
        role.objects.get_or_create(name=name, defaults={"description": description})


def remove_unused_roles(apps, schema_editor):
    role = apps.get_model("people", "PersonRole")
    role.objects.filter(name__in=ROLES, people__isnull=True).delete()


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [migrations.RunPython(make_roles, remove_unused_roles)]
