"""Fields that are mapped to Connector Sync Time show when the record was last seen (M-1, AH-30)."""

from __future__ import annotations

from django.db import connection

from integrations.sync.work import Work
from people.queries import Target


def write_sync_times(work: Work, target: Target) -> None:
    """Set the custom field of every record that this run saw; no event, no plan row.

    One statement.
    """
    field = target.key
    table, column = (
        ("saas_saasuser", "saas_user_id") if target.of_saas_user else ("people_person", "person_id")
    )
    value = work.now.isoformat()
    if connection.vendor == "postgresql":
        new = "jsonb_set(custom, ARRAY[%s], to_jsonb(%s::text))"
        parameters = [field, value]
    else:
        new = "json_set(custom, %s, %s)"
        parameters = [f'$."{field}"', value]
    sql = f"""
        UPDATE {table} SET custom = {new}
        WHERE id IN (
            SELECT l.{column} FROM integrations_recordlink l
            JOIN integrations_stagedrecord s ON s.external_id = l.external_id
            WHERE s.run_id = %s AND l.vendor = %s AND l.tenant = %s AND l.{column} IS NOT NULL)
    """  # noqa: S608 - only our own words are put in
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, work.run.pk, work.vendor.key, work.tenant])
