"""The floor on SQLite: as floor_postgresql.py, with executemany in place of COPY."""

import sqlite3

from floor import STAGE, main

SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE, first_name TEXT, last_name TEXT);
CREATE TABLE account (id INTEGER PRIMARY KEY, external_id TEXT UNIQUE, hash TEXT,
  person_id INTEGER REFERENCES person, name TEXT, active INTEGER, last_activity TEXT);
CREATE TABLE role (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES account, role TEXT,
  scope_id TEXT, scope TEXT, valid_from TEXT DEFAULT CURRENT_TIMESTAMP, valid_to TEXT);
CREATE UNIQUE INDEX role_once ON role (account_id, role, scope_id) WHERE valid_to IS NULL;
CREATE TABLE history (id INTEGER PRIMARY KEY, object TEXT, object_id INTEGER, kind TEXT,
  at TEXT DEFAULT CURRENT_TIMESTAMP, changes TEXT);
CREATE INDEX history_by_record ON history (object, object_id);
"""
CHANGED = """INSERT INTO changed
  SELECT s.*, a.id, a.name, a.last_activity FROM stage s LEFT JOIN account a USING (external_id)
  WHERE a.hash IS NOT s.hash"""
APPLY = [
    """INSERT INTO person (email, first_name, last_name)
      SELECT email, first_name, last_name FROM changed WHERE true
      ON CONFLICT (email) DO UPDATE SET first_name = excluded.first_name,
        last_name = excluded.last_name""",
    """INSERT INTO history (object, object_id, kind, changes)
      SELECT 'person', p.id, CASE WHEN c.account_id IS NULL THEN 'new' ELSE 'edit' END,
        json_object('name', json_array(c.old_name, c.name))
      FROM changed c JOIN person p USING (email)""",
    """INSERT INTO account (external_id, hash, person_id, name, active, last_activity)
      SELECT c.external_id, c.hash, p.id, c.name, c.active, c.last_activity
      FROM changed c JOIN person p USING (email) WHERE true
      ON CONFLICT (external_id) DO UPDATE SET hash = excluded.hash, name = excluded.name,
        active = excluded.active, last_activity = excluded.last_activity""",
    """INSERT INTO history (object, object_id, kind, changes)
      SELECT 'account', a.id, CASE WHEN c.account_id IS NULL THEN 'new' ELSE 'edit' END,
        json_object('last_activity', json_array(c.old_activity, c.last_activity))
      FROM changed c JOIN account a USING (external_id)""",
    """UPDATE role SET valid_to = CURRENT_TIMESTAMP FROM changed c
      WHERE role.account_id = c.account_id AND valid_to IS NULL AND NOT EXISTS (
        SELECT 1 FROM json_each(c.roles) r WHERE r.value ->> 'role' = role.role
        AND r.value ->> 'scope_id' = role.scope_id)""",
    """INSERT OR IGNORE INTO role (account_id, role, scope_id, scope)
      SELECT a.id, r.value ->> 'role', r.value ->> 'scope_id', r.value ->> 'scope'
      FROM changed c JOIN account a USING (external_id), json_each(c.roles) r""",
]


def setup(path):
    sqlite3.connect(path).executescript(SCHEMA)


def sync(path, batches):
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;")
    connection.execute(STAGE.format(moment="text", json="text"))
    connection.execute(
        "CREATE TEMP TABLE changed AS "
        "SELECT *, 1 AS account_id, '' AS old_name, '' AS old_activity FROM stage"
    )
    for rows in batches:
        with connection:
            connection.execute("DELETE FROM stage")
            connection.execute("DELETE FROM changed")
            connection.executemany("INSERT INTO stage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if connection.execute(CHANGED).rowcount:
                for statement in APPLY:
                    connection.execute(statement)
    connection.close()


if __name__ == "__main__":
    main(setup, sync)
