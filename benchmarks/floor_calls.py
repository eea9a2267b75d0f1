"""The floor of calls: requests with one session, one after another or on 32 threads.

Usage: URL N THREADS; prints seconds and CPU seconds as JSON.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import requests
from process import cpu_seconds
from requests.adapters import HTTPAdapter


def main():
    url, number, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=threads))

    def call(pk):
        return session.get(f"{url}/users/{pk}", timeout=60).json()["user"]["id"]

    began, cpu = time.perf_counter(), cpu_seconds()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(call, range(1, number + 1)))
    told = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu}
    assert found == [str(pk) for pk in range(1, number + 1)]
    print(orjson.dumps(told).decode())


if __name__ == "__main__":
    main()
