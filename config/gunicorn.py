"""How `start` runs gunicorn: one process with threads, its log lines masked as all others are."""

import os
from pathlib import Path

from config.logging import logging_settings

worker_class = "gthread"
workers = 1
graceful_timeout = 20
timeout = 120
keepalive = 5
control_socket_disable = True
if Path("/dev/shm").is_dir():  # noqa: S108 - the heartbeat must not wait for a disk
    worker_tmp_dir = "/dev/shm"  # noqa: S108

_settings = logging_settings(os.environ.get("LOG_LEVEL", "INFO"))
logconfig_dict = {
    **_settings,
    "loggers": {
        **_settings["loggers"],
        "gunicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
        "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
