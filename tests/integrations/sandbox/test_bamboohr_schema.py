"""BambooHR's sandbox answers as BambooHR's own OpenAPI file says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from integrations.sandbox.server import Sandbox
from integrations.vendors.bamboohr.sandbox_records import FIELDS

from .conftest import Caller, oauth

SPECIFICATION = yaml.safe_load(
    (Path(__file__).parent / "bamboohr-openapi-extract.yaml").read_text(encoding="utf-8")
)
ALL_FIELDS = ",".join(alias for alias in FIELDS if alias != "id")


def schema_of(path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    response = SPECIFICATION["paths"][path][method]["responses"][status]
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return {**schema, "components": SPECIFICATION["components"]}


def assert_fits(document: Any, schema: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    mistakes = [
        f"{list(one.absolute_path)}: {one.message}" for one in validator.iter_errors(document)
    ]
    assert mistakes == []


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (f"/employees/45?fields={ALL_FIELDS}", "/api/v1/employees/{id}"),
        ("/employees/0", "/api/v1/employees/{id}"),
        ("/employees/23/tables/employmentStatus", "/api/v1/employees/{id}/tables/{table}"),
        ("/employees/all/tables/jobInfo", "/api/v1/employees/{id}/tables/{table}"),
        ("/employees/changed?since=2025-06-01T00:00:00Z", "/api/v1/employees/changed"),
        (
            "/employees/changed/tables/jobInfo?since=2025-06-01T00:00:00Z",
            "/api/v1/employees/changed/tables/{table}",
        ),
        ("/employees/directory", "/api/v1/employees/directory"),
        ("/meta/lists", "/api/v1/meta/lists"),
        ("/meta/tables", "/api/v1/meta/tables"),
        ("/meta/fields", "/api/v1/meta/fields"),
        ("/meta/users", "/api/v1/meta/users"),
        ("/meta/users?status=disabled", "/api/v1/meta/users"),
    ],
)
def test_an_answer_fits_bamboohrs_openapi_file(bamboohr: Caller, call: str, path: str) -> None:
    answer = bamboohr.get(call)

    assert answer.status_code == 200
    assert answer.json()
    assert_fits(answer.json(), schema_of(path))


def test_a_report_fits_bamboohrs_openapi_file_but_for_its_blanks(bamboohr: Caller) -> None:
    """The file says that every cell is text; public clients see null for blanks."""
    report = bamboohr.report(*FIELDS)

    schema = schema_of("/api/v1/reports/custom", "post")
    cells = schema["properties"]["employees"]["items"]
    assert cells["additionalProperties"] == {"type": "string"}
    filled = [
        {key: cell for key, cell in row.items() if cell is not None} for row in report["employees"]
    ]
    assert_fits({**report, "employees": filled}, schema)
    assert len(filled) == 50


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?page[limit]=7&sort=-lastName",
        "?filter[status]=inactive&fields=workEmail,hireDate,reportsToId,departmentName",
        "?filter[ids]=3,4",
    ],
)
def test_the_new_list_fits_bamboohrs_openapi_file(
    sandbox: Sandbox, bamboohr: Caller, query: str
) -> None:
    answer = bamboohr.get(f"/employees{query}", headers=oauth(sandbox))

    assert answer.json()["data"]
    assert_fits(answer.json(), schema_of("/api/v1/employees"))


def test_the_new_lists_refusal_fits_bamboohrs_openapi_file(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    answer = bamboohr.get("/employees?sort=shoeSize", headers=oauth(sandbox))

    assert answer.status_code == 400
    assert_fits(answer.json(), schema_of("/api/v1/employees", status="400"))


def test_the_check_itself_finds_a_wrong_answer(bamboohr: Caller) -> None:
    """A schema that everything fits would prove nothing."""
    document = bamboohr.get("/employees/45").json()

    with pytest.raises(AssertionError):
        assert_fits({**document, "id": 45}, schema_of("/api/v1/employees/{id}"))
