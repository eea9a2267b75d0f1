"""The Celery application: it carries messages, rows hold the work.

`celery -A config worker -P threads -c 8 --without-gossip --without-mingle --without-heartbeat`
"""

import os
import tempfile
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("rolecall")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _take_messages_on_one_disk(**_signal: Any) -> None:
    """Kombu moves a message through the temporary folder; between two disks that is no move."""
    if settings.CELERY_BROKER_URL.startswith("filesystem://"):
        tempfile.tempdir = str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["processed_folder"])
