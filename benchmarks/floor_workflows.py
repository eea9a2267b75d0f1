"""The floor of a workflow: what Begin -> API call -> Update -> End costs at least, durably.

Claims 100 runs with SKIP LOCKED, calls on 32 threads, one journal statement per step per 100; each
step is committed before the next. Usage: DATABASE URL "setup" N | "read" | "change".
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import psycopg
import requests
from process import cpu_seconds, peak_megabytes
from requests.adapters import HTTPAdapter

BATCH, THREADS = 100, 32
SCHEMA = """
CREATE TABLE person (id bigserial PRIMARY KEY, email text UNIQUE, name text);
CREATE TABLE run (id bigserial PRIMARY KEY, person_id bigint REFERENCES person, state text,
  step text, leased_until timestamptz);
CREATE INDEX ON run (state, id) WHERE state = 'ready';
CREATE TABLE journal (id bigserial PRIMARY KEY, run_id bigint REFERENCES run, step text,
  at timestamptz DEFAULT now(), status int, answer jsonb);
CREATE INDEX ON journal (run_id);
"""
CLAIM = """UPDATE run SET state = 'working', leased_until = now() + interval '1 minute'
  WHERE id IN (SELECT id FROM run WHERE state = 'ready' ORDER BY id LIMIT %s
    FOR UPDATE SKIP LOCKED) RETURNING id, person_id"""
CALLED = """WITH new AS (INSERT INTO journal (run_id, step, status, answer)
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::jsonb[]) RETURNING run_id)
  UPDATE run SET step = 'update' FROM new WHERE run.id = new.run_id"""
UPDATED = """WITH new AS (INSERT INTO journal (run_id, step)
    SELECT run_id, 'update' FROM unnest(%s::bigint[]) AS run_id RETURNING run_id),
  moved AS (UPDATE run SET step = 'end' FROM new WHERE run.id = new.run_id)
  UPDATE person SET name = given.name
  FROM unnest(%s::bigint[], %s::text[]) AS given(id, name) WHERE person.id = given.id"""
ENDED = """WITH new AS (INSERT INTO journal (run_id, step)
    SELECT run_id, 'end' FROM unnest(%s::bigint[]) AS run_id RETURNING run_id)
  UPDATE run SET state = 'done' FROM new WHERE run.id = new.run_id"""


def setup(dsn, number):
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
        connection.execute(
            "INSERT INTO person (email, name) SELECT 'user' || n || '@example.com', '' "
            "FROM generate_series(1, %s) n", [number]
        )  # fmt: skip
        connection.execute("INSERT INTO run (person_id, state) SELECT id, 'ready' FROM person")


def work(dsn, call):
    with psycopg.connect(dsn) as connection, ThreadPoolExecutor(THREADS) as pool:
        while runs := connection.execute(CLAIM, [BATCH]).fetchall():
            connection.commit()
            ids, people = ([row[place] for row in runs] for place in (0, 1))
            answers = list(pool.map(call, people))
            steps, statuses = ["api"] * len(ids), [one.status_code for one in answers]
            texts = [one.text for one in answers]
            connection.execute(CALLED, [ids, steps, statuses, texts])
            connection.commit()
            names = [one.json()["user"]["name"] for one in answers]
            connection.execute(UPDATED, [ids, people, names])
            connection.commit()
            connection.execute(ENDED, [ids])
            connection.commit()


def main():
    dsn, url, what = sys.argv[1:4]
    if what == "setup":
        setup(dsn, int(sys.argv[4]))
        return
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
    body = {"user": {"last_name": "New"}}
    calls = {
        "read": lambda pk: session.get(f"{url}/users/{pk}", timeout=60),
        "change": lambda pk: session.put(f"{url}/users/{pk}", json=body, timeout=60),
    }
    began, cpu = time.perf_counter(), cpu_seconds()
    work(dsn, calls[what])
    told = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu}
    print(orjson.dumps({**told, "megabytes": peak_megabytes()}).decode())


if __name__ == "__main__":
    main()
