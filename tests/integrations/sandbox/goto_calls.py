"""Calls of the GoTo sandbox's account."""

import json
from typing import Any
from urllib.parse import quote

import requests

from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.vendors.goto.sandbox import Vendor
from integrations.vendors.goto.sandbox_account import ACCOUNT

from .conftest import Caller

CONNECT, MEETING, WEBINAR, WITHOUT_SEATS = (f"790214210547320212{number}" for number in range(4))
NEW = {"email": "ada@acme.example", "firstName": "Ada", "lastName": "Núñez"}


def filtered(attribute: str, value: str) -> str:
    """The parameter that asks for one value, encoded as GoTo wants it."""
    return "filter=" + quote(f"{attribute} eq {json.dumps(value)}", safe="")


class GoTo(Caller):
    """Calls the account that the sandbox has."""

    def in_account(self, method: str, path: str, **options: Any) -> requests.Response:
        return self(method, f"/accounts/{ACCOUNT}{path}", **options)

    def users(self, query: str = "?pageSize=1000") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.in_account("GET", f"/users{query}").json()["results"]
        return listed

    def find(self, email: str) -> requests.Response:
        return self.in_account("GET", f"/users?{filtered('email', email)}")

    def licences(self) -> dict[str, dict[str, Any]]:
        listed = self.in_account("GET", "/licenses?pageSize=1000").json()["results"]
        return {str(one["key"]): one for one in listed}

    def licensed(self, key: str) -> set[str]:
        """Keys of the licences of a user."""
        return set(self.in_account("GET", f"/users/{key}").json().get("licenseKeys", []))

    def member(self) -> dict[str, Any]:
        """A user without roles, with one licence, whose identity may be written."""
        return next(
            user
            for user in self.users()
            if not user["admin"]
            and not user["identityReadOnly"]
            and user["status"] == "ACTIVE"
            and len(user.get("licenseKeys", [])) == 1
        )

    def add(self, query: str = "", **changes: Any) -> requests.Response:
        return self.in_account("POST", f"/users{query}", json={"users": [NEW], **changes})

    def ops(self) -> list[tuple[str, str]]:
        return [(effect.op, effect.key) for effect in self.sandbox.ledger]

    def change(self, **settings: Any) -> None:
        self.sandbox.change(StateChange(vendor="goto", settings=settings))

    def set(self, key: str, **values: Any) -> None:
        change = [RecordChange(id=key, set=values)]
        self.sandbox.change(StateChange(vendor="goto", change=change))


def owner_of(goto: GoTo) -> str:
    side = goto.sandbox.state["goto"]
    assert isinstance(side, Vendor)
    return side.owner_key


def code_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")
