"""The floor on PostgreSQL: what a sync costs at least, with no product around it.

Pages -> COPY to a stage per batch -> compare by row hash in the database -> upsert of people,
accounts and roles -> history rows; one commit per batch.
"""

import psycopg
from floor import STAGE, main

SCHEMA = """
CREATE TABLE person (id bigserial PRIMARY KEY, email text UNIQUE, first_name text, last_name text);
CREATE TABLE account (id bigserial PRIMARY KEY, external_id text UNIQUE, hash text,
  person_id bigint REFERENCES person, name text, active bool, last_activity timestamptz);
CREATE TABLE role (id bigserial PRIMARY KEY, account_id bigint REFERENCES account, role text,
  scope_id text, scope text, valid_from timestamptz DEFAULT now(), valid_to timestamptz);
CREATE UNIQUE INDEX ON role (account_id, role, scope_id) WHERE valid_to IS NULL;
CREATE TABLE history (id bigserial PRIMARY KEY, object text, object_id bigint, kind text,
  at timestamptz DEFAULT now(), changes jsonb);
CREATE INDEX ON history (object, object_id);
"""
CHANGED = """CREATE TEMP TABLE changed ON COMMIT DROP AS
  SELECT s.*, a.id AS account_id, a.name AS old_name, a.last_activity AS old_activity
  FROM stage s LEFT JOIN account a USING (external_id) WHERE a.hash IS DISTINCT FROM s.hash"""
APPLY = [
    """INSERT INTO person (email, first_name, last_name)
      SELECT email, first_name, last_name FROM changed
      ON CONFLICT (email) DO UPDATE SET first_name = excluded.first_name,
        last_name = excluded.last_name""",
    """INSERT INTO history (object, object_id, kind, changes)
      SELECT 'person', p.id, CASE WHEN c.account_id IS NULL THEN 'new' ELSE 'edit' END,
        jsonb_build_object('name', jsonb_build_array(c.old_name, c.name))
      FROM changed c JOIN person p USING (email)""",
    """INSERT INTO account (external_id, hash, person_id, name, active, last_activity)
      SELECT c.external_id, c.hash, p.id, c.name, c.active, c.last_activity
      FROM changed c JOIN person p USING (email)
      ON CONFLICT (external_id) DO UPDATE SET hash = excluded.hash, name = excluded.name,
        active = excluded.active, last_activity = excluded.last_activity""",
    """INSERT INTO history (object, object_id, kind, changes)
      SELECT 'account', a.id, CASE WHEN c.account_id IS NULL THEN 'new' ELSE 'edit' END,
        jsonb_build_object('last_activity', jsonb_build_array(c.old_activity, c.last_activity))
      FROM changed c JOIN account a USING (external_id)""",
    """UPDATE role SET valid_to = now() FROM changed c WHERE role.account_id = c.account_id
      AND valid_to IS NULL AND NOT EXISTS (SELECT 1
        FROM jsonb_to_recordset(c.roles) AS r(role text, scope_id text)
        WHERE r.role = role.role AND r.scope_id = role.scope_id)""",
    """INSERT INTO role (account_id, role, scope_id, scope)
      SELECT a.id, r.role, r.scope_id, r.scope FROM changed c JOIN account a USING (external_id),
        jsonb_to_recordset(c.roles) AS r(role text, scope_id text, scope text)
      ON CONFLICT DO NOTHING""",
]


def setup(dsn):
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)


def sync(dsn, batches):
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(STAGE.format(moment="timestamptz", json="jsonb"))
        for rows in batches:
            cursor.execute("TRUNCATE stage")
            with cursor.copy("COPY stage FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(CHANGED)
            if cursor.rowcount:
                for statement in APPLY:
                    cursor.execute(statement)
            connection.commit()


if __name__ == "__main__":
    main(setup, sync)
