"""The reader of a source document: who does what it says, page by page, as an IT admin."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from integrations.worker import Worker
from people.models import Person
from saas.models import Application, SaaSUser
from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from workflows.models import Workflow, WorkflowRun

LIST = "/admin/workflows/workflow/"
ENDS = {"exit_success": "end", "exit_failure": "end"}


class Reader:
    """A browser without scripts, signed in; each method is a step of the documents."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def opens(self, url: str, **query: Any) -> str:
        """The text of a page."""
        answer = self.client.get(url, query)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return words_of(answer)

    # Configuration > Workflows > Add.

    def adds(self, name: str, application: Application | None = None, about: str = "") -> Workflow:
        """Add (+), People or Software SaaS Users, name and description."""
        chosen = self.opens(f"{LIST}add/")
        assert "People" in chosen
        query = "object=person"
        if application is not None:
            assert str(application) in chosen
            query = f"object=saas_user&application={application.pk}"
        answer = self.client.post(f"{LIST}add/?{query}", {"name": name, "description": about})
        assert answer.status_code == 302, words_of(answer)
        made = Workflow.objects.get(name=name)
        assert answer["Location"] == page_of(made)
        return made

    def begins(self, workflow: Workflow, *rules: tuple[str, str, Any], **fields: Any) -> None:
        """Edit Begin: actions, schedule, rules."""
        for number, (field, operator, value) in enumerate(rules):
            fields[f"rules-{number}-field"] = field
            fields[f"rules-{number}-operator"] = operator
            fields[f"rules-{number}-value"] = value
        answer = save(self.client, page_of(workflow), "workflow_form", **fields)
        assert answer.status_code == 302, words_of(answer)

    # Blocks.

    def is_by_hand(self, workflow: Workflow) -> None:
        """Begin with the action Manual, and no rules."""
        self.begins(workflow, actions=["manual"])

    def finds(self, workflow: Workflow, typed: str, kind: str = "api") -> list[str]:
        """The labels that the search of presets gives."""
        answer = self.client.get(f"{LIST}{workflow.pk}/blocks/add/{kind}/", {"q": typed})
        return [offer.preset.label for offer, _needs in answer.context["offers"]]

    def places(
        self, workflow: Workflow, typed: str, label: str, kind: str = "api", **fields: Any
    ) -> str:
        """Search, take the arrow of the preset with this label, fill its form, Save; the key."""
        url = f"{LIST}{workflow.pk}/blocks/add/{kind}/"
        answer = self.client.get(url, {"q": typed})
        offers = {offer.preset.label: offer for offer, _needs in answer.context["offers"]}
        assert label in offers, sorted(offers)
        assert offers[label].docs.startswith("https://")
        links = re.findall(r'href="([^"]*\?preset=[^"]+)"', answer.content.decode())
        (link,) = [one for one in links if one.endswith(f"={offers[label].id}")]
        form = read_form(self.client.get(link), "block_form")
        answer = save(self.client, link, "block_form", **{**ENDS, **fields})
        assert answer.status_code == 302, words_of(answer)
        return str(fields.get("key") or form["key"])

    def puts(self, workflow: Workflow, kind: str, **fields: Any) -> str:
        """A block without a preset; the key."""
        url = f"{LIST}{workflow.pk}/blocks/add/{kind}/"
        form = read_form(self.client.get(url), "block_form")
        answer = save(self.client, url, "block_form", **fields)
        assert answer.status_code == 302, words_of(answer)
        return str(fields.get("key") or form["key"])

    def edits(self, workflow: Workflow, key: str, **fields: Any) -> None:
        """Edit of a block, Advanced Mode included."""
        url = f"{LIST}{workflow.pk}/blocks/{key}/"
        answer = save(self.client, url, "block_form", **fields)
        assert answer.status_code == 302, words_of(answer)

    def block_page(self, workflow: Workflow, key: str) -> dict[str, Any]:
        """What stands in the form of a block."""
        return read_form(self.client.get(f"{LIST}{workflow.pk}/blocks/{key}/"), "block_form")

    def connects(self, workflow: Workflow, **leads: str) -> None:
        """Say where exits lead: `make__success="read"`."""
        fields = {f"exit__{name}": to for name, to in leads.items()}
        answer = save(self.client, page_of(workflow), "workflow_form", **fields)
        assert answer.status_code == 302, words_of(answer)

    # Validate, preview, activate, start.

    def validates(self, workflow: Workflow) -> str:
        """What Validate says."""
        return self.opens(f"{LIST}{workflow.pk}/validate/")

    def previews(self, workflow: Workflow, record: str = "") -> str:
        """What Preview says of one record, or of all."""
        query = {"record": record} if record else {}
        return self.opens(f"{LIST}{workflow.pk}/preview/", **query)

    def activates(self, workflow: Workflow) -> str:
        """Read the page, type its number where it asks for one, Activate; what the page said."""
        url = f"{LIST}{workflow.pk}/activate/"
        said = self.opens(url)
        asked = re.search(r"Type (\d+) to say", said)
        answer = self.client.post(url, {"typed": asked.group(1)} if asked else {})
        workflow.refresh_from_db()
        assert workflow.state == Workflow.State.ACTIVE, words_of(answer)
        return said

    def starts(self, workflow: Workflow, record: Person | SaaSUser | None = None) -> WorkflowRun:
        """Run now, or for one record from its page; let the worker do it, give the run back."""
        url = f"{LIST}{workflow.pk}/run/"
        fields: dict[str, Any] = {}
        if record is not None:
            kind = "person" if isinstance(record, Person) else "account"
            url = f"{LIST}start/?{kind}={record.pk}"
            fields = {"workflow": workflow.pk, "confirmed": "yes", "count": 1}
        shown = self.client.get(url)
        asked = re.search(r"Type (\d+)", words_of(shown))
        fields["typed"] = asked.group(1) if asked else ""
        version = workflow.active_version
        assert version is not None
        answer = self.client.post(url, {**fields, "version": version.number})
        assert answer.status_code == 302, words_of(answer)
        work()
        return WorkflowRun.objects.filter(workflow=workflow).latest("pk")

    def reads(self, run: WorkflowRun) -> str:
        """The page of a run."""
        return self.opens(f"/admin/workflows/workflowrun/{run.pk}/change/")

    def approves(self, run: WorkflowRun) -> str:
        """Held: select all, Approve, type the number where it is asked, Approve; what was asked."""
        held = f"/admin/workflows/workflowrun/{run.pk}/held/"
        decide = f"/admin/workflows/workflowrun/{run.pk}/decide/"
        assert "held" in self.opens(held)
        asked = self.client.post(decide, {"every": "1", "verdict": "approve"})
        form = read_form(asked, "decide-form")
        number = re.search(r"Type (\d+) to confirm", words_of(asked))
        typed = {"typed": number.group(1)} if number else {}
        answer = self.client.post(decide, {**form, **typed})
        assert answer.status_code == 302, words_of(answer)
        work()
        return words_of(asked)

    def messages(self, answer: Any) -> list[str]:
        """What the page after this answer tells."""
        return messages_of(self.client, answer)


def words_of(answer: Any) -> str:
    """The text of a page without its colours."""
    return re.sub(r":root \{[^}]*\}", "", text_of(answer))


def work() -> None:
    """Let a worker do all that is due."""
    Worker().do_due()


def page_of(workflow: Workflow) -> str:
    """The workflow's own page."""
    return f"{LIST}{workflow.pk}/change/"
