"""What the admin's discovery finds for `config`: users, groups, the first page, the palette."""

from __future__ import annotations

from django.contrib import admin

from config import navigation, users_admin

admin.site.index_title = "Dashboard"
# The theme's own search keeps what it found for five minutes, whoever lost the right to it since,
# and fails for a page that does not exist.
admin.site.search = navigation.search  # type: ignore[attr-defined]

__all__ = ["users_admin"]
