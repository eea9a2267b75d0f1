"""What the people and software pages share: who sees what, badges, moments, panels, columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from people.admin_tools import per_request_cache
from people.visibility import Sight, field_owners, sight_of

STATUS_COLOURS = {
    "Active": "success",
    "Suspended": "warning",
    "Deactivated": "danger",
}
KIND_COLOURS = {"New": "success", "Edited": "info", "Archived": "warning"}
DASH = "–"

Column = TypeVar("Column", bound=Callable[..., Any])


def badge(heading: str, colours: Mapping[str, str]) -> Callable[[Column], Column]:
    """Mark a column whose text the theme shows as a badge in the colour that belongs to it."""

    def mark(column: Column) -> Column:
        cast("Any", column).short_description = heading
        cast("Any", column).label = colours
        return column

    return mark


def sight_for(request: HttpRequest, object: str) -> Sight:  # noqa: A002 - the word of the model
    """What the signed-in user may see of people or SaaS users. One query per request."""
    kept = per_request_cache(
        request, f"sight of {object}", lambda: {"it": sight_of(request.user, object)}
    )
    return cast("Sight", kept["it"])


def owners_for(request: HttpRequest) -> Mapping[str, str]:
    """The owning integration's name by people field. At most one query per request."""
    return per_request_cache(request, "field owners", field_owners)


def moment(at: datetime | None) -> str:
    """A moment in TIME_ZONE with the zone's name, so that nobody has to guess it."""
    if at is None:
        return DASH
    local = timezone.localtime(at)
    return f"{formats.date_format(local, 'j M Y, H:i')} {local.tzname() or settings.TIME_ZONE}"


def moment_column(at: datetime | None) -> SafeString | str:
    """A moment as a `time` element: machines read it in UTC."""
    if at is None:
        return DASH
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), moment(at))


def page_url(name: str, *args: Any) -> str | None:
    """The address of an admin page by its name, or None where the app above has no such page."""
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return None


def run_url(request: HttpRequest, run_id: int | None) -> str | None:
    """Where the run of an event is shown, for whoever may read runs."""
    allowed = run_id is not None and request.user.has_perm("integrations.view_syncrun")
    return page_url("integrations_syncrun_change", run_id) if allowed else None


@dataclass(frozen=True)
class Panel:
    """A tab of a record's page. `content` gives the template's context; it may query.

    `permission` is asked of the user before the tab is shown or answered.
    """

    slug: str
    label: str
    permission: str
    template: str
    content: Callable[[HttpRequest, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class PageColumn:
    """A column whose values are asked for once per page: `fetch` gives {id: value}. One query."""

    name: str
    heading: str
    fetch: Callable[[Sequence[int]], Mapping[int, Any]]

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def short_description(self) -> str:
        return self.heading

    def put(self, rows: Sequence[Model]) -> None:
        """Fetch the values of a page and keep each on its row."""
        values = self.fetch([row.pk for row in rows])
        for row in rows:
            row.__dict__[f"_column_{self.name}"] = values.get(row.pk)

    def __call__(self, row: Model) -> Any:
        value = row.__dict__.get(f"_column_{self.name}")
        return DASH if value is None else value
