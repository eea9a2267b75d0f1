"""What the pages of vendor calls say, and that they say it once."""

from __future__ import annotations

from django.test import Client

from tests.integrations.admin.pages import text_of
from tests.makers import make_operation

LIST = "/admin/integrations/operation/"


def test_a_call_that_is_done_says_so_once(admin_page: Client) -> None:
    row = make_operation(state="done")

    page = admin_page.get(f"{LIST}{row.pk}/change/")

    assert 'class="rc-note' not in page.content.decode()
    assert page.context["standing"] == ""


def test_a_call_with_more_to_tell_tells_it(admin_page: Client) -> None:
    row = make_operation(state="done", note="It was gone already, so nothing was to be done.")

    page = admin_page.get(f"{LIST}{row.pk}/change/")

    assert 'class="rc-note rc-note-good"' in page.content.decode()
    assert "It was gone already" in text_of(page)


def test_a_query_is_shown_line_by_line(admin_page: Client) -> None:
    """And beside it what it is filled with."""
    query = "mutation deactivate($ids: [ID!]!) {\n  deactivate(ids: $ids) { id }\n}"
    body = {"query": query, "variables": {"ids": ["7"]}}
    row = make_operation(request={"method": "POST", "path": "v2", "body": body})

    page = admin_page.get(f"{LIST}{row.pk}/change/")

    shown = dict(page.context["payload"])
    assert shown["Query"] == query
    assert '"ids"' in shown["Request"]
    assert "mutation" not in shown["Request"]


def test_the_list_has_a_name(admin_page: Client) -> None:
    assert admin_page.get(LIST).context["title"] == "Operations"
