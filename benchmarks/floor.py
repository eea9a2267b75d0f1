"""What both floors share: reading the listing page by page, and saying what it took.

Usage of a floor: DATABASE URL "setup" | "sync".
"""

import sys
import time
from hashlib import md5

import orjson
import requests
from process import peak_megabytes

BATCH = 2_000
STAGE = (
    "CREATE TEMP TABLE stage (external_id text, hash text, email text, first_name text, "
    "last_name text, name text, active bool, last_activity {moment}, roles {json})"
)


def row(user):
    """A user as a row of the stage, with the hash of its values."""
    roles = [
        {
            "role": role["role_description"],
            "scope_id": role["product_id"],
            "scope": role["product_name"],
        }
        for role in user["product_roles"]
    ]
    first, _, last = user["name"].partition(" ")
    values = (
        user["email"], first, last, user["name"], user["enabled"], user["accessed_at"],
        orjson.dumps(roles).decode(),
    )  # fmt: skip
    return (user["id"], md5(orjson.dumps(values), usedforsecurity=False).hexdigest(), *values)


def batches(url):
    """The whole listing in lists of rows, over one connection."""
    session, page, pages, rows = requests.Session(), 1, 1, []
    while page <= pages:
        content = session.get(url, params={"page": page, "per_page": 200}, timeout=60).content
        listing = orjson.loads(content)
        pages = listing["pagination"]["total_pages"]
        rows += map(row, listing["users"])
        if len(rows) >= BATCH or page == pages:
            yield rows
            rows = []
        page += 1


def main(setup, sync):
    """Do what the command line says; a sync prints seconds and peak memory as JSON."""
    database, url, what = sys.argv[1:]
    if what == "setup":
        setup(database)
        return
    began = time.perf_counter()
    sync(database, batches(url))
    seconds = time.perf_counter() - began
    print(orjson.dumps({"seconds": seconds, "megabytes": peak_megabytes()}).decode())
