"""The broker that carries wake-up calls to workers: is it there, and one message on a new line."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from celery import current_app
from django.conf import settings
from kombu.connection import Connection
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)
TASK = "integrations.do_work"
_PATIENCE = 0.5  # seconds for a connection, and for an answer
_LEFT_ALONE = 5.0  # seconds after which a broker that was away is tried again
_away_until: dict[str, float] = {}
_lock = threading.Lock()


def find_broker_problem() -> str:
    """Say why the broker cannot be used, as a sentence; nothing when it can.

    Takes a second at most. The address is not told: it may hold a password.
    """
    url = settings.CELERY_BROKER_URL
    if url.startswith(("redis://", "rediss://")):
        return _ask_redis(url)
    if url.startswith("filesystem://"):
        folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"]))
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return "The queue's folder in DATA_DIR cannot be written."
    return ""


def _ask_redis(url: str) -> str:
    # Without repeats: the library would try again for several seconds.
    client = Redis.from_url(
        url,
        socket_connect_timeout=_PATIENCE,
        socket_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except (RedisError, OSError, ValueError) as problem:
        return f"The broker is unreachable ({type(problem).__name__})."
    finally:
        client.close()
    return ""


def wake(messages: int = 1) -> bool:
    """Send workers so many calls to look at the database; say whether they went out.

    Never raises, and takes about a second at most: what waits are rows, and the tick finds them. A
    broker that was away is left alone for five seconds.
    """
    url = settings.CELERY_BROKER_URL
    with _lock:
        if time.monotonic() < _away_until.get(url, 0.0):
            return False
    problem = find_broker_problem() or _send(messages)
    if problem:
        logger.warning("No worker was woken: %s Work goes on by the tick.", problem)
        with _lock:
            _away_until[url] = time.monotonic() + _LEFT_ALONE
    return not problem


def _send(messages: int) -> str:
    """Publish on a connection of its own; say what went wrong.

    Kombu declares the queue once per connection. After the broker forgot everything, one that was
    kept would drop each message without a word.
    """
    try:
        with Connection(
            settings.CELERY_BROKER_URL,
            connect_timeout=_PATIENCE,
            transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        ) as connection:
            for _message in range(messages):
                current_app.send_task(TASK, connection=connection, retry=False)
    except Exception as problem:  # noqa: BLE001 - whatever a broker's library raises
        return f"The broker took no message ({type(problem).__name__})."
    return ""
