"""Secrets and markup over every page: a crawl as each role, exports, histories, error pages.

G-12 and S-06 as far as answers to a browser go, S-07 for questions, S-14 for markup.
"""

from __future__ import annotations

import base64
import html
import io
import json
import secrets as random_secrets
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone

from integrations.models import Credentials
from integrations.secrets import open_sealed, seal
from people.models import CustomField, Person
from tests.config import admin_site
from tests.config.admin_site import World
from tests.makers import make_credentials

_PIECE = 10
PROBE = "\"'><xssprobe onclick=x>"


def spellings(secret: str) -> set[str]:
    """Every way in which a secret may be written on the way out, and its pieces of ten."""
    raw = secret.encode()
    return {
        secret,
        secret[::-1],
        html.escape(secret),
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        json.dumps(secret)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(f"{secret}:x".encode()).decode().rstrip("=")[:-4],
        raw.decode().encode("utf-16-le").hex(),
        *(secret[start : start + _PIECE] for start in range(len(secret) - _PIECE + 1)),
    }


@pytest.fixture
def canaries() -> list[str]:
    """Twelve secrets that exist nowhere else, made for this run."""
    return [random_secrets.token_urlsafe(24) for _ in range(12)]


@pytest.fixture
def world(canaries: list[str], it_admin: User) -> World:
    made = admin_site.make_world()
    credentials = Credentials.objects.get(pk=made.rows["integrations_credentials"])
    names = ["value", "password", *(f"other_{number}" for number in range(10))]
    seal(credentials, dict(zip(names, canaries, strict=True)), by=it_admin.username)
    credentials.save()
    oauth = make_credentials("Connected", secret="", vendor="goto", type="oauth2", settings={})
    tokens = ["client_id", "client_secret", "refresh_token", "access_token", "imported"]
    seal(oauth, dict(zip(tokens, canaries, strict=False)), by=it_admin.username)
    oauth.refreshed_at = timezone.now()
    oauth.save()
    return made


def crawl(client: Client, world: World) -> Iterator[tuple[str, Any, str]]:
    """Each page that links lead to from the dashboard, and each address there is, by GET."""
    waiting = ["/admin/", *(address.path(world) for address in admin_site.addresses())]
    seen = set()
    while waiting:
        at = waiting.pop(0)
        if (page := _kind_of(at)) in seen or at.startswith("/admin/logout"):
            continue
        seen.add(page)
        answer = client.get(at)
        text = admin_site.text_of(answer)
        yield at, answer, text
        if answer.status_code == 302:
            waiting.append(answer["Location"])
        if "html" in answer.get("Content-Type", ""):
            links = (urljoin(at, link) for link in admin_site.read_page(text).links)
            waiting += [
                link for link in links if link.startswith("/admin/") and not urlsplit(link).netloc
            ]


def _kind_of(at: str) -> tuple[str, tuple[str, ...]]:
    """Pages that differ only in the values of a query are one page, or a crawl never ends."""
    address = urlsplit(at)
    return address.path, tuple(sorted(parse_qs(address.query, keep_blank_values=True)))


def exports(client: Client) -> Iterator[str]:
    """The text of every export that there is, in both formats; of a workbook its parts."""
    for address in admin_site.addresses():
        if not (address.name or "").endswith("_export"):
            continue
        for number in ("0", "1"):
            answer = client.post(f"/{address.route}?status=all", {"format": number, "resource": 0})
            assert answer.status_code == 200, address.route
            if answer.content[:2] == b"PK":
                with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
                    for name in book.namelist():
                        yield book.read(name).decode("utf-8", "replace")
            else:
                yield answer.content.decode()


def test_the_secret_is_there_to_be_found(world: World, canaries: list[str]):
    """The positive control of G-12: what is sealed can be opened, and a plain copy is found."""
    credentials = Credentials.objects.get(pk=world.rows["integrations_credentials"])
    person = Person.objects.get(pk=world.rows["people_person"])
    person.title = f"Clerk {canaries[0]}"
    person.save()
    root = admin_site.client_for(User.objects.create_superuser("root"))

    page = admin_site.text_of(root.get(f"/admin/people/person/{person.pk}/change/"))
    exported = [text for text in exports(root) if canaries[0] in text]

    assert set(open_sealed(credentials).values()) == set(canaries)
    assert canaries[0] in page
    assert len(exported) == 2


def test_no_page_and_no_export_shows_a_secret_to_a_superuser(world: World, canaries: list[str]):
    """S-06, G-12, C-07: 100 % of the pages, in eleven spellings and pieces of ten.

    No password input carries a value, and every page has its content policy (S-14).
    """
    root = admin_site.client_for(User.objects.create_superuser("root"))
    wanted = set().union(*map(spellings, canaries))
    leaks, filled, without_policy = [], [], []
    pages = 0

    for at, answer, text in crawl(root, world):
        pages += 1
        heads = "".join(f"{name}: {value}" for name, value in answer.items())
        leaks += [at for word in wanted if word in text or word in heads]
        filled += [at for tag in password_inputs(text) if ' value="' in tag]
        if "Content-Security-Policy" not in answer:
            without_policy.append(at)
    leaks += ["an export" for text in exports(root) for word in wanted if word in text]

    assert leaks == []
    assert filled == []
    assert without_policy == []
    assert pages > 60


def password_inputs(text: str) -> list[str]:
    """The attributes of each password input of a page."""
    tags = [tag.split(">")[0] for tag in text.split("<input")[1:]]
    return [tag for tag in tags if 'type="password"' in tag]


@pytest.mark.parametrize("role", ["hr_viewer", "auditor", "workflow_editor", "it_admin"])
def test_no_page_and_no_export_shows_a_role_what_is_not_for_it(
    world: World, canaries: list[str], role: str, request: pytest.FixtureRequest
):
    """S-06: a secret to nobody. M-36: a field that HR may not see to none but IT admins, by its
    value, label or key, in history and exports too.
    """
    client = admin_site.client_for(request.getfixturevalue(role))
    wanted = set().union(*map(spellings, canaries))
    if role != "it_admin":
        wanted |= {"98765.43", "91234.56", "Salary", "salary"}

    leaks = [
        (at, word) for at, _answer, text in crawl(client, world) for word in wanted if word in text
    ]
    leaks += [("export", word) for text in exports(client) for word in wanted if word in text]

    assert leaks == []


def show_an_error(request: HttpRequest, credentials_id: int) -> HttpResponse:
    """A view that fails with a secret in its hands."""
    row = Credentials.objects.get(pk=credentials_id)
    secret = open_sealed(row)["value"]
    raise RuntimeError(f"the vendor refused {secret} for {request.user}")


@pytest.fixture
def broken_page(world: World) -> Iterator[str]:
    """The address of a page that fails while it holds a secret."""
    from config.urls import urlpatterns

    address = f"broken/{world.rows['integrations_credentials']}"
    view: Callable[..., HttpResponse] = show_an_error
    made = type(
        "urls",
        (),
        {
            "urlpatterns": [path("broken/<int:credentials_id>", view), *urlpatterns],
            "handler500": "config.errors.server_error",
        },
    )
    with override_settings(ROOT_URLCONF=made):
        yield f"/{address}"


def test_error_pages_show_no_secret(broken_page: str, it_admin: User, canaries: list[str]):
    """S-05, G-12: 400, 403, 404 and a 500 whose error text is the secret itself."""
    client = admin_site.client_for(it_admin)
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    wanted = spellings(canaries[0])

    answers = {
        500: client.get(broken_page),
        404: client.get("/nothing-here"),
        403: strict.post("/admin/login/"),
        400: client.get("/admin/", headers={"host": "evil.example"}),
    }

    for status, answer in answers.items():
        text = admin_site.text_of(answer)
        assert answer.status_code == status
        assert not any(word in text for word in wanted)
        assert "Traceback" not in text


SECRET_LOOKUPS = [
    f"{prefix}{column}{lookup}"
    for prefix, columns in {
        "": ("sealed", "hints"),
        "credentials__": ("sealed", "hints__value__last4"),
    }.items()
    for column in columns
    for lookup in (
        "",
        "__exact",
        "__startswith",
        "__istartswith",
        "__contains",
        "__icontains",
        "__regex",
        "__gt",
        "__lte",
        "__in",
    )
]


def test_there_are_forty_questions():
    assert len(set(SECRET_LOOKUPS)) == 40


@pytest.mark.parametrize("lookup", SECRET_LOOKUPS)
def test_no_question_to_a_list_tells_anything_about_a_secret(
    world: World, canaries: list[str], it_admin: User, lookup: str
):
    """S-07: a right and a wrong guess get the same answer, and none of them is an error."""
    client = admin_site.client_for(it_admin)
    model = "integration" if lookup.startswith("credentials__") else "credentials"
    page = f"/admin/integrations/{model}/"

    right = client.get(page, {lookup: canaries[0][:3]})
    wrong = client.get(page, {lookup: "~~~"})

    assert right.status_code == wrong.status_code
    assert right.status_code in {200, 302, 400}
    assert count_rows(right) == count_rows(wrong)


def count_rows(answer: Any) -> int:
    """How many rows a list shows; -1 when it shows no list."""
    return admin_site.text_of(answer).count("data-row") if answer.status_code == 200 else -1


HIDDEN_LOOKUPS = [
    ("people/person", {"custom__salary": "98765.43"}, {"custom__salary": "1"}),
    ("people/person", {"custom__salary__startswith": "9"}, {"custom__salary__startswith": "1"}),
    ("people/person", {"custom__contains": "98765"}, {"custom__contains": "11111"}),
    ("people/person", {"custom__icontains": "98765"}, {"custom__icontains": "11111"}),
    ("people/person", {"custom__has_key": "salary"}, {"custom__has_key": "nothing"}),
    ("people/person", {"custom__salary__gt": "1"}, {"custom__salary__gt": "99999999"}),
    ("people/person", {"q": "98765.43"}, {"q": "11111.11"}),
    ("people/person", {"sources__icontains": "1"}, {"sources__icontains": "9999"}),
    ("people/person", {"reports__custom__salary": "98765.43"}, {"reports__custom__salary": "1"}),
    ("people/person", {"unique_values__key": "98765.43"}, {"unique_values__key": "1"}),
    ("people/person", {"manager__custom__salary": "1"}, {"manager__custom__salary": "2"}),
    ("people/event", {"changes__salary__0": "91234.56"}, {"changes__salary__0": "1"}),
    ("people/event", {"changes__icontains": "91234"}, {"changes__icontains": "11111"}),
    ("people/event", {"changes__has_key": "salary"}, {"changes__has_key": "nothing"}),
    ("people/event", {"note__icontains": "98765"}, {"note__icontains": "11111"}),
    ("people/event", {"q": "98765.43"}, {"q": "11111.11"}),
    ("saas/saasuser", {"person__custom__salary": "98765.43"}, {"person__custom__salary": "1"}),
    ("saas/saasuser", {"custom__icontains": "98765"}, {"custom__icontains": "11111"}),
    ("saas/saasuser", {"q": "98765.43"}, {"q": "11111.11"}),
    ("saas/application", {"users__person__custom__salary": "9"}, {"users__person__custom__a": "1"}),
    ("people/person", {"department__people__custom__salary": "9"}, {"department__people__id": "0"}),
    ("people/person", {"role__people__custom__salary": "98765.43"}, {"role__people__id": "0"}),
    ("saas/saasuser", {"application__users__person__custom__salary": "9"}, {"role__x": "0"}),
    ("people/department", {"people__custom__salary": "98765.43"}, {"people__custom__salary": "1"}),
    ("people/personrole", {"people__custom__salary": "98765.43"}, {"people__custom__salary": "1"}),
]


@pytest.mark.parametrize(("page", "right", "wrong"), HIDDEN_LOOKUPS)
@pytest.mark.parametrize("view", ["", "export/"])
def test_no_question_to_a_list_tells_anything_about_a_hidden_field(
    world: World,
    hr_viewer: User,
    page: str,
    right: dict[str, str],
    wrong: dict[str, str],
    view: str,
):
    """M-36, S-07: filters, searches and paths through other tables, in lists and exports."""
    client = admin_site.client_for(hr_viewer)
    address = f"/admin/{page}/{view}"

    answers = [client.get(address, question) for question in (right, wrong)]

    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code < 500
    assert count_rows(answers[0]) == count_rows(answers[1])


@pytest.mark.parametrize("order", ["1", "-1", "9", "12", "1.2.-3", "custom__salary", "-99", ""])
def test_no_order_of_a_list_follows_a_hidden_field(world: World, hr_viewer: User, order: str):
    """M-36: `?o=` sorts by what the page shows."""
    client = admin_site.client_for(hr_viewer)
    for salary in ("3", "1", "2"):
        person = Person.objects.get(pk=world.rows["people_person"])
        person.pk, person.email_key, person.username_key = None, None, None
        person.full_name, person.custom = f"Same {salary}", {"salary": salary}
        person.save()

    answer = client.get("/admin/people/person/", {"o": order, "status": "all"})
    shown = admin_site.text_of(answer)

    assert answer.status_code == 200
    by_salary = [shown.index(f"Same {salary}") for salary in ("1", "2", "3")]
    assert "Salary" not in shown
    if "1" not in order.replace("-", "").split("."):  # the name was asked for, and it may
        assert by_salary != sorted(by_salary)


def probe(model: type[models.Model]) -> bool:
    """Put the probe into each free text of one row; say whether there was any."""
    rows: Any = model._meta.default_manager
    row = rows.first()
    if row is None:
        return False
    put = False
    for column in model._meta.concrete_fields:
        plain = isinstance(column, models.CharField | models.TextField) and not column.choices
        if not plain or column.name in _MEANT:
            continue
        longest = column.max_length or 1_000
        if longest < len(PROBE):
            continue
        try:
            with transaction.atomic():
                rows.filter(pk=row.pk).update(**{column.name: PROBE})
                put = True
        except IntegrityError:
            continue
    return put


# Columns that name something in the code, or that the installation signs in with.
_MEANT = {"vendor", "load", "type", "key", "target", "transform", "session_key", "password"} | {
    "codename",
    "app_label",
    "model",
    "sealed",
    "data",
    "session_data",
    "email_key",
    "username_key",
    "code",
    "step",
    "state",
    "object",
    "kind",
}


def test_markup_in_any_text_is_shown_as_text(world: World, hr_viewer: User):
    """S-14: the probe in every text of every model, then every page as superuser and as HR."""
    root = User.objects.create_superuser("root")
    probed = [model for model in apps.get_models() if model is not User and probe(model)]
    CustomField.objects.update(label=PROBE)
    Person.objects.update(custom={"salary": PROBE, "shoe_size": PROBE, PROBE: PROBE})
    probed_event = apps.get_model("people", "Event").objects
    probed_event.update(changes={"title": [PROBE, PROBE], PROBE: [PROBE, PROBE]})
    unescaped, escaped = [], 0

    for user in (root, hr_viewer):
        for at, answer, text in crawl(admin_site.client_for(user), world):
            if "<xssprobe" in text.lower() and "html" in answer.get("Content-Type", "html"):
                unescaped.append(at)
            escaped += "&lt;xssprobe" in text

    assert unescaped == []
    assert len(probed) > 10
    assert escaped > 30


def test_exports_of_markup_are_not_pages(world: World):
    """S-14: a browser saves an export, it never shows one."""
    Person.objects.update(title=PROBE)
    root = admin_site.client_for(User.objects.create_superuser("root"))

    answer = root.post("/admin/people/person/export/?status=all", {"format": "0", "resource": 0})

    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"<xssprobe" in answer.content


@pytest.mark.parametrize(
    ("page", "right", "wrong"),
    [
        (
            "integrations/syncrun",
            {"integration__credentials__hints__value__set_by": "it-admin"},
            {"integration__credentials__hints__value__set_by": "nobody"},
        ),
        (
            "auth/user",
            {"groups__user__username__startswith": "it"},
            {"groups__user__username__startswith": "~"},
        ),
        (
            "auth/user",
            {"groups__user__password__startswith": "!"},
            {"groups__user__password__startswith": "~"},
        ),
    ],
)
def test_a_filter_of_a_list_leads_to_no_other_table(
    world: World, it_admin: User, page: str, right: dict[str, str], wrong: dict[str, str]
):
    """S-07: what a list is filtered by must not become a path to what it does not show."""
    client = admin_site.client_for(it_admin)

    answers = [client.get(f"/admin/{page}/", question) for question in (right, wrong)]

    assert [answer.status_code for answer in answers] == [302, 302]
