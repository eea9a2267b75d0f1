"""GoTo's sandbox answers as the reconstructed specification says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from integrations.vendors.goto.sandbox_account import ACCOUNT

from .goto_calls import GoTo, owner_of

SPECIFICATION = yaml.safe_load(
    (Path(__file__).parent / "goto-openapi-extract.yaml").read_text(encoding="utf-8")
)


def assert_fits(document: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": SPECIFICATION["components"]}
    mistakes = [
        f"{list(one.absolute_path)}: {one.message}"
        for one in Draft202012Validator(whole).iter_errors(document)
    ]
    assert mistakes == []


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ("/me", "/me"),
        ("/accounts/{a}/users?pageSize=1000", "/accounts/{accountKey}/users"),
        ("/accounts/{a}/users/{k}", "/accounts/{accountKey}/users/{userKey}"),
        ("/accounts/{a}/users/{k}/licenses", "/accounts/{accountKey}/users/{userKey}/licenses"),
        ("/accounts/{a}/licenses", "/accounts/{accountKey}/licenses"),
        ("/accounts/{a}/templates", "/accounts/{accountKey}/templates"),
        ("/accounts/{a}/groups", "/accounts/{accountKey}/groups"),
        ("/accounts/{a}/rolesets", "/accounts/{accountKey}/rolesets"),
    ],
)
def test_an_answer_fits_the_reconstructed_specification(goto: GoTo, call: str, path: str) -> None:
    answer = goto.get(call.format(a=ACCOUNT, k=owner_of(goto)))

    assert answer.status_code == 200
    assert_fits(answer.json(), SPECIFICATION["paths"][path]["get"]["responses"]["200"])


def test_the_answer_to_new_users_fits_the_reconstructed_specification(goto: GoTo) -> None:
    answer = goto.add()

    schema = SPECIFICATION["paths"]["/accounts/{accountKey}/users"]["post"]
    assert_fits(answer.json(), schema["responses"]["200"])


def test_the_check_itself_finds_a_wrong_answer(goto: GoTo) -> None:
    """A schema that everything fits would prove nothing."""
    document = goto.get("/me").json()

    with pytest.raises(AssertionError):
        assert_fits({**document, "key": 45}, {"$ref": "#/components/schemas/Me"})


def test_every_path_of_the_specification_is_answered(goto: GoTo) -> None:
    side = goto.sandbox.state["goto"]

    for path, methods in SPECIFICATION["paths"].items():
        concrete = path
        for name in ("accountKey", "userKey", "licenseKey"):
            concrete = concrete.replace(f"{{{name}}}", "1")
        known = {one.method for one in side.routes if one.pattern.fullmatch(concrete)}
        assert {method.upper() for method in methods} <= known, path
