"""What the admin's discovery finds for `config`: users and groups."""

from config import users_admin

__all__ = ["users_admin"]
