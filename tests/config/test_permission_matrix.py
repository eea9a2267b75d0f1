"""Who may what, over every address of the admin (M-36, S-08, S-09, G-13).

What is expected is written down here, apart from the code: by model for the pages that every admin
has, by name for the others. A page whose name stands nowhere here fails the first test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from tests.config import admin_site
from tests.config.admin_site import Address, World
from workflows.models import Workflow

HR, AUDITOR, EDITOR, ADMIN = "HR viewer", "Auditor", "Workflow editor", "IT admin"
ANONYMOUS, NO_STAFF, NO_GROUP, ROOT = "anonymous", "not staff", "staff, no group", "superuser"
SIGNED_IN_STAFF = {NO_GROUP, HR, AUDITOR, EDITOR, ADMIN, ROOT}
READERS, ADMINS, NOBODY = {HR, AUDITOR, EDITOR, ADMIN, ROOT}, {ADMIN, ROOT}, set[str]()
AUDIT = {AUDITOR, ADMIN, ROOT}
EDITORS, WORKFLOW_READERS = {EDITOR, ADMIN, ROOT}, {AUDITOR, EDITOR, ADMIN, ROOT}

MAY_READ = {
    "people_person": READERS,
    "people_department": READERS,
    "people_personrole": READERS,
    "people_event": READERS,
    "people_customfield": ADMINS,
    "saas_application": READERS,
    "saas_saasuser": READERS,
    "integrations_integration": AUDIT,
    "integrations_syncrun": AUDIT,
    "integrations_recordissue": AUDIT,
    "integrations_notification": AUDIT,
    "integrations_operation": AUDIT,
    "integrations_installation": AUDIT,
    "integrations_credentials": ADMINS,
    "integrations_globalvariable": ADMINS,
    "workflows_workflow": WORKFLOW_READERS,
    "workflows_workflowrun": AUDIT,
    "workflows_runitem": AUDIT,
    "auth_user": ADMINS,
    "auth_group": ADMINS,
}
# Rows that no page changes by hand, for nobody: vendors and syncs write them (S-20).
READ_ONLY = {
    "people_event",
    "saas_application",
    "saas_saasuser",
    "integrations_syncrun",
    "integrations_recordissue",
    "integrations_notification",
    "integrations_operation",
    "workflows_workflowrun",
    "workflows_runitem",
}
READ_ACTIONS = {"changelist", "change", "history"}
WRITE_ACTIONS = {"add", "delete"}
# Pages of one model only.
OTHER_PAGES = {
    "people_person_accounts": READERS,
    "people_person_reports": READERS,
    "people_person_export": READERS,
    "people_person_operations": AUDIT,
    "people_person_workflows": AUDIT,
    "people_person_deactivate": ADMINS,
    "people_person_reactivate": ADMINS,
    "saas_saasuser_export": READERS,
    "auth_user_password_change": ADMINS,
    # Who hands out permissions could give themselves more than an IT admin has.
    "auth_user_delete": {ROOT},
    "auth_group_add": {ROOT},
    "auth_group_delete": {ROOT},
    "confirm_password": SIGNED_IN_STAFF,
    "integrations_credentials_test": ADMINS,
    "integrations_credentials_connect": ADMINS,
    "integrations_credentials_oauth_callback": ADMINS,
    "integrations_credentials_facts": ADMINS,
    "integrations_integration_launch": ADMINS,
    "integrations_integration_pause": ADMINS,
    "integrations_integration_preview": ADMINS,
    "integrations_integration_run": ADMINS,
    "integrations_integration_add_field": ADMINS,
    "integrations_integration_rename_account": ADMINS,
    "integrations_recordissue_settle": ADMINS,
    "integrations_installation_paused": ADMINS,
    "integrations_notification_send_again": ADMINS,
    "integrations_operation_settle": ADMINS,
    # There is one row, always.
    "integrations_installation_add": NOBODY,
    "integrations_installation_delete": NOBODY,
    "integrations_syncrun_plan": AUDIT,
    "integrations_syncrun_log": AUDIT,
    "integrations_syncrun_progress": AUDIT,
    "integrations_syncrun_undo": ADMINS,
    "integrations_syncrun_decide": ADMINS,
    "workflows_workflow_add": EDITORS,
    "workflows_workflow_copy": EDITORS,
    "workflows_workflow_block": WORKFLOW_READERS,
    "workflows_workflow_block_add": EDITORS,
    "workflows_workflow_remove_block": EDITORS,
    "workflows_workflow_validate": WORKFLOW_READERS,
    "workflows_workflow_preview": EDITORS,
    "workflows_workflow_versions": WORKFLOW_READERS,
    "workflows_workflow_restore": EDITORS,
    # Editing is not activating (S-19); what ran is archived, and kept.
    "workflows_workflow_activate": ADMINS,
    "workflows_workflow_pause": ADMINS,
    "workflows_workflow_resume": ADMINS,
    "workflows_workflow_archive": ADMINS,
    "workflows_workflow_run": ADMINS,
    "workflows_workflow_start": ADMINS,
    "workflows_workflow_passed_over": AUDIT,
    "workflows_workflowrun_progress": AUDIT,
    "workflows_workflowrun_held": AUDIT,
    "workflows_workflowrun_decide": ADMINS,
    "workflows_workflowrun_cancel": ADMINS,
    "workflows_workflowrun_retry": ADMINS,
    # It lists what waits for whoever opens it, and nothing else.
    "workflows_runitem_changelist": SIGNED_IN_STAFF,
    "workflows_runitem_say": SIGNED_IN_STAFF,
    "workflows_workflow_delete": NOBODY,
}
# Pages of the site itself.
SITE_PAGES = {
    "index": SIGNED_IN_STAFF,
    "search": SIGNED_IN_STAFF,
    "app_list": SIGNED_IN_STAFF,
    "password_change": SIGNED_IN_STAFF,
    "password_change_done": SIGNED_IN_STAFF,
    "autocomplete": NOBODY,  # without saying which field asks; the next test says it
    "view_on_site": SIGNED_IN_STAFF,
    "login": {ANONYMOUS, NO_STAFF, *SIGNED_IN_STAFF},
    "logout": {ANONYMOUS, NO_STAFF, *SIGNED_IN_STAFF},
    "jsi18n": SIGNED_IN_STAFF,
    None: SIGNED_IN_STAFF,  # the old form of a change page's address, and "no such page"
}
# They sign somebody out, or change whoever is signed in: not asked by POST here.
OWN_SESSION = {"logout", "login", "password_change", "confirm_password"}


def allowed(address: Address) -> set[str] | None:
    """Who may open the page; None when nobody has said so."""
    name = address.name
    if name in OTHER_PAGES:
        return OTHER_PAGES[name]
    if name in SITE_PAGES:
        return SITE_PAGES[name]
    model, _, action = (name or "").rpartition("_")
    if model in MAY_READ and action in READ_ACTIONS:
        return MAY_READ[model]
    if model in MAY_READ and action in WRITE_ACTIONS:
        unchanging = model in READ_ONLY or (model, action) == ("people_person", "delete")
        return NOBODY if unchanging else ADMINS
    return None


@dataclass
class Site:
    """The world, a browser per role, and every address."""

    world: World
    clients: dict[str, Client]
    addresses: list[Address]


@pytest.fixture
def site(hr_viewer: User, auditor: User, workflow_editor: User, it_admin: User) -> Site:
    users: dict[str, User | None] = {
        ANONYMOUS: None,
        NO_STAFF: User.objects.create_user("nobody"),
        NO_GROUP: User.objects.create_user("no-group", is_staff=True),
        HR: hr_viewer,
        AUDITOR: auditor,
        EDITOR: workflow_editor,
        ADMIN: it_admin,
        ROOT: User.objects.create_superuser("root"),
    }
    world = admin_site.make_world()
    clients = {role: admin_site.client_for(user) for role, user in users.items()}
    for client in clients.values():
        client.get("/admin/")  # what a first visit writes is no effect of the pages below
    return Site(world, clients, admin_site.addresses())


def test_every_address_is_one_that_somebody_decided_about():
    """G-13: add a new page to OTHER_PAGES, with who may open it."""
    unknown = [address.route for address in admin_site.addresses() if allowed(address) is None]

    assert unknown == []


def test_reading_is_open_to_exactly_those_who_may(site: Site):
    """S-08, G-13, C-08: every address, seven kinds of visitor, GET and HEAD."""
    wrong = []

    for address in site.addresses:
        path = address.path(site.world)
        decided = allowed(address)
        may = ADMINS if decided is None else decided
        for role, client in site.clients.items():
            # Who may read gets the same page by HEAD; who may not is refused by both.
            for ask in (client.get,) if role in may else (client.get, client.head):
                answer = ask(path)
                if wrong_answer(answer, may=role in may):
                    wrong.append(f"{ask.__name__} {path} by {role}: {answer.status_code}")

    assert "\n".join(wrong) == ""


def wrong_answer(answer: Any, *, may: bool) -> bool:
    """Say whether a page was given to whom it is not, kept from whom it is, or broke."""
    if answer.status_code >= 500:
        return True
    if may:
        # 404 and 405: nothing is there, or the page takes POST only; 302 leads on or back.
        refused = answer.status_code in {401, 403}
        return refused or answer.get("Location", "").startswith("/admin/login/?next")
    shown: bool = answer.status_code == 200
    return shown


def test_a_field_that_completes_names_asks_whether_they_may_be_read(site: Site):
    """S-08: the look-up behind the manager of a person."""
    asked = {"app_label": "people", "model_name": "person", "field_name": "manager", "term": "max"}

    found = {
        role: b"Max Boss" in client.get("/admin/autocomplete/", asked).content
        for role, client in site.clients.items()
    }

    assert {role for role, names in found.items() if names} == READERS


def test_an_it_admin_cannot_become_more_than_that(site: Site, it_admin: User):
    """S-08: neither by the form of their own user nor by that of another."""
    other = User.objects.create_user("other", is_staff=True)

    for user in (other, it_admin):
        path = f"/admin/auth/user/{user.pk}/change/"
        page = admin_site.read_page(admin_site.text_of(site.clients[ADMIN].get(path)))
        form = next(form for form in page.forms if "username" in form)
        site.clients[ADMIN].post(path, {**form, "is_superuser": "on", "is_active": "on"})

    assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == [
        "root",
        *(User.objects.filter(username__startswith="runner").values_list("username", flat=True)),
    ]


def test_nobody_reads_a_hidden_value_without_being_an_admin(site: Site):
    """M-36: on any page, for any role that does not see the field."""
    hidden = ("98765.43", "91234.56", "Salary")
    leaks = []

    for address in site.addresses:
        path = address.path(site.world)
        for role in (HR, AUDITOR, EDITOR):
            text = admin_site.text_of(site.clients[role].get(path))
            leaks += [(path, role, value) for value in hidden if value in text]
    seen_by_admin = admin_site.text_of(
        site.clients[ADMIN].get(f"/admin/people/person/{site.world.rows['people_person']}/change/")
    )

    assert leaks == []
    assert "98765.43" in seen_by_admin  # the value is there to be hidden


# What a workflow editor may change; what runs is none of it.
EDITED = {
    "workflows_workflow",
    "workflows_workflowversion",
    "workflows_block",
    "django_admin_log",
}
MAY_CHANGE_NOTHING = (ANONYMOUS, NO_STAFF, NO_GROUP, HR, AUDITOR, EDITOR)


def test_an_empty_post_of_a_reader_changes_nothing(site: Site):
    """S-08: judged by a fingerprint of the whole database."""
    before = admin_site.fingerprint()
    form = {"post": "yes", "reason": "test", "confirm": "1"}

    for role in MAY_CHANGE_NOTHING:
        for address in site.addresses:
            if address.name not in OWN_SESSION:
                path = address.path(site.world)
                assert site.clients[role].post(path, form).status_code < 500, (role, path)

        assert changed_tables(before, admin_site.fingerprint()) == [], role


def changed_tables(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Tables whose rows are not what they were."""
    return [table for table, value in before.items() if after[table] != value]


def forms_of_root(site: Site) -> list[tuple[str, dict[str, list[str]]]]:
    """Every form and every list action that a superuser is offered, ready to be sent again."""
    root = site.clients[ROOT]
    found = []
    for address in site.addresses:
        if address.name in OWN_SESSION:
            continue
        path = address.path(site.world)
        answer = root.get(path)
        if answer.status_code != 200 or "html" not in answer.get("Content-Type", ""):
            continue
        page = admin_site.read_page(admin_site.text_of(answer))
        found += [(path, altered(form)) for form in page.forms if form]
        chosen = {"_selected_action": [str(site.world.row_of(address))], "select_across": ["0"]}
        more = {"reason": ["test"], "post": ["yes"]}
        found += [(path, {**chosen, **more, "action": [action]}) for action in set(page.actions)]
    return found


def altered(form: dict[str, list[str]]) -> dict[str, list[str]]:
    """The form as somebody would send it after typing into each of its text inputs."""
    fixed = ("_", "csrf", "action", "post", "initial-", "TOTAL", "INITIAL", "MIN_", "MAX_")
    return {
        name: [f"{value} typed" if value and not value.isdecimal() else value for value in values]
        if not name.startswith(fixed) and "_FORMS" not in name
        else values
        for name, values in form.items()
    }


def test_a_superusers_forms_sent_by_a_reader_change_nothing(site: Site):
    """S-09: the whole form with its values, and each action of each list."""
    forms = forms_of_root(site)
    before = admin_site.fingerprint()
    assert len(forms) > 20

    running = what_runs()

    for role in MAY_CHANGE_NOTHING:
        for path, form in forms:
            assert site.clients[role].post(path, form).status_code < 500, (role, path)

        may = EDITED if role == EDITOR else set()
        assert set(changed_tables(before, admin_site.fingerprint())) <= may, role
    assert what_runs() == running


def what_runs() -> list[tuple[int, int | None]]:
    """The active workflows with the version that runs: nothing an editor decides (S-19)."""
    active = Workflow.objects.filter(state="active").order_by("pk")
    return list(active.values_list("pk", "active_version"))


@pytest.mark.parametrize("role", [ADMIN, ROOT])
def test_not_even_a_superuser_changes_what_happened(site: Site, role: str):
    """S-20: events, runs and what vendors own, by every page that there is for them."""
    client = site.clients[role]
    kept = {
        "people_event",
        "saas_application",
        "saas_saasuser",
        "saas_saasuserrole",
        "integrations_plannedchange",
    }
    before = admin_site.fingerprint()

    for address in site.addresses:
        model = "_".join((address.name or "").split("_")[:2])
        if model not in {"people_event", "saas_application", "saas_saasuser"}:
            continue
        path = address.path(site.world)
        for form in ({"post": "yes"}, {"note": "changed", "actor": "somebody", "changes": "{}"}):
            assert client.post(path, form).status_code < 500
        client.post(path, {"action": "delete_selected", "_selected_action": "1", "post": "yes"})
    after = admin_site.fingerprint()

    assert [table for table in changed_tables(before, after) if table in kept] == []


def test_the_same_form_sent_by_an_admin_does_change_the_row(site: Site):
    """The forms above would change something if the roles let them: the control of S-09."""
    path = f"/admin/people/person/{site.world.rows['people_person']}/change/"
    page = admin_site.read_page(admin_site.text_of(site.clients[ADMIN].get(path)))
    form = next(form for form in page.forms if "title" in form)
    form["title"] = ["Head of Tests"]
    before = admin_site.fingerprint()

    answer = site.clients[ADMIN].post(path, form)
    after = admin_site.fingerprint()

    assert answer.status_code == 302
    assert {"people_person", "people_event"} <= set(changed_tables(before, after))


def test_what_changes_state_refuses_a_post_without_its_token(site: Site, it_admin: User):
    """S-16: every address that takes POST, with a session but without the form's token."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(it_admin)
    client.get("/admin/")
    before = admin_site.fingerprint()

    taken = [
        (path, status)
        for address in site.addresses
        if (status := client.post(path := address.path(site.world), {"post": "yes"}).status_code)
        not in {403, 404, 405}
    ]
    after = admin_site.fingerprint()

    assert taken == []
    assert changed_tables(before, after) == []


def test_looking_changes_nothing_for_whoever_may_everything(site: Site):
    """S-16: no GET and no HEAD of any address has an effect, for a superuser either."""
    client = site.clients[ROOT]
    before = admin_site.fingerprint()

    for address in site.addresses:
        path = address.path(site.world)
        client.get(path)
        client.head(path)
    after = admin_site.fingerprint()

    assert changed_tables(before, after) == []


NEXT_FORMS = [
    "https://evil.example/",
    "http://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "\\/evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example/",
    "\thttps://evil.example/",
    " https://evil.example/",
    "\x00https://evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://evil.example/",
    "//testserver@evil.example/",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    "https://evil.example#testserver",
    "https://evil.example?testserver",
    "//evil.example\\@testserver/",
    "https://[::1]/",
    "https://2130706433/",
    "//①②⑦.⓪.⓪.①/",
    "//evil。example/",
    "https://evil.example/%2f..",
    "/%5cevil.example",
    "//%65vil.example/",
    "http://testserver:80@evil.example/",
    "///\\;@evil.example",
    "https://evil.example/.testserver",
]


@pytest.mark.django_db
@pytest.mark.parametrize("form", NEXT_FORMS)
def test_signing_in_never_leads_off_the_site(form: str):
    """S-16: forty forms of `next`, by the address and by the form."""
    User.objects.create_superuser("root", password="correct-horse-battery")
    client = Client(raise_request_exception=False)

    answer = client.post(
        "/admin/login/",
        {"username": "root", "password": "correct-horse-battery", "next": form},
        query_params={"next": form},
    )

    assert answer.status_code in {302, 400}
    if answer.status_code == 302:
        leads_to = answer["Location"]
        assert leads_to.startswith("/")
        assert not leads_to.startswith(("//", "/\\"))


def test_there_are_forty_forms_of_next():
    assert len(set(NEXT_FORMS)) == 40


@pytest.mark.django_db
def test_the_groups_may_what_the_model_says_after_another_migrate(hr_viewer: User):
    """M-36: made on migrate, and mended by the next one."""
    hr_viewer.groups.get().permissions.clear()

    call_command("migrate", verbosity=0)

    assert User.objects.get(pk=hr_viewer.pk).has_perm("people.view_person")
    assert not User.objects.get(pk=hr_viewer.pk).has_perm("integrations.view_credentials")
