"""One machine, embedded SQLite or what DATABASE_URL says, plain http on loopback."""

from .base import *
