"""BambooHR's side of the sandbox: refuses what BambooHR's documentation says it refuses."""

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.people import Worker, iso_moment
from integrations.sandbox.vendor import (
    RecordChange,
    Settings,
    VendorSide,
    route,
)
from integrations.vendors.bamboohr import sandbox_meta as meta
from integrations.vendors.bamboohr.sandbox_book import (
    Book,
    Sight,
    checked_fields,
    json_object,
)
from integrations.vendors.bamboohr.sandbox_formats import XML, as_xml
from integrations.vendors.bamboohr.sandbox_listing import list_employees
from integrations.vendors.bamboohr.sandbox_records import FIELDS, Employee, View, employee_of
from integrations.vendors.bamboohr.sandbox_reports import (
    changed_rows,
    changes,
    directory,
    json_rows,
    read_report,
)
from integrations.vendors.bamboohr.sandbox_tables import all_rows, put_row, rows_of
from integrations.vendors.bamboohr.sandbox_writes import (
    check_values,
    create,
    set_tables,
    set_values,
)

SUBDOMAIN = "acme"
ROWS_PER_WORKER = 5
REPORT_SAMPLE = tuple(alias for alias in FIELDS if alias not in {"ssn", "payRate"})


class Vendor(VendorSide):
    """One BambooHR company. Ids are dense: worker 45 of the company is employee "45"."""

    base_path: ClassVar[str] = f"/{SUBDOMAIN}/api/v1"
    gateway_path: ClassVar[str] = f"/api/gateway.php/{SUBDOMAIN}/v1"
    default_settings: ClassVar[Settings] = {
        "own_status": "blank",  # of the key's owner: visible, blank, omitted
        "forbidden_fields": ["ssn", "payRate"],
        "custom_fields": [],  # aliases of text fields that this company made
        "denied": [],  # regular expressions of paths that answer 403
        "visible": "all",  # self: the key's owner only
        "hidden_ids": [],
        "directory_shared": True,
        "employee_limit": None,
    }
    samples: ClassVar[dict[str, Request]] = {
        "reports/custom": Request(
            method="POST",
            path=f"{base_path}/reports/custom",
            query={"format": ["json"]},
            headers={"content-type": JSON, "accept": JSON},
            body=orjson.dumps({"title": "sync", "fields": REPORT_SAMPLE}),
        )
    }

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.book = Book()
        self.key = self.secret("key")
        self.oauth_token = self.secret("oauth")
        self.rendered: dict[tuple[Any, ...], bytes] = {}

    # The account.

    def inputs(self) -> dict[str, str]:
        return {"subdomain": SUBDOMAIN}

    def credentials(self) -> dict[str, Any]:
        return {"type": "api_key", "settings": {}, "secrets": {"value": self.key}}

    def signed(self) -> dict[str, str]:
        return {"authorization": f"Basic {base64.b64encode(f'{self.key}:x'.encode()).decode()}"}

    def inside(self, path: str) -> str | None:
        """Both forms of the base URL: the current one and the older gateway."""
        if path.startswith(self.gateway_path + "/"):
            return path[len(self.gateway_path) :]
        return super().inside(path)

    def refusal(self, request: Request) -> Answer | None:
        """401 with an empty body for a wrong key, 403 for what this key may not call."""
        if not self._is_key(request) and not self._is_oauth(request):
            return Answer.nothing(401)
        path = self.inside(request.path) or ""
        if any(re.search(pattern, path) for pattern in self.settings["denied"]):
            return Answer.nothing(403, X_BambooHR_Error_Message="Insufficient permissions")
        return None

    def _is_key(self, request: Request) -> bool:
        """Basic authentication: the user name is the key, any password will do."""
        scheme, _, encoded = request.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, _ = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return user == self.key

    def _is_oauth(self, request: Request) -> bool:
        return request.header("authorization") == f"Bearer {self.oauth_token}"

    def too_many(self, seconds: int) -> Answer:
        return Answer.nothing(
            429, Retry_After=str(seconds), X_BambooHR_Error_Message="Rate limit exceeded"
        )

    def not_found(self, request: Request) -> Answer:
        del request
        return Answer.nothing(404, X_BambooHR_Error_Message="Not found")

    def wrong_account(self, request: Request) -> Answer:
        del request
        return Answer.page(404, "BambooHR: this account does not exist")

    def finished(self, request: Request, answer: Answer) -> Answer:
        """Turn JSON into XML for who did not ask for JSON, and number the request."""
        answer = answer.with_headers(x_request_id=str(uuid.uuid4()))
        if answer.content_type != JSON or _wants_json(request):
            return answer
        document = as_xml("result", orjson.loads(answer.body))
        return Answer(answer.status, document, XML, answer.headers)

    # Reading.

    def sight(self, request: Request) -> Sight:
        """What this request may see: the key's rights, today, and `onlyCurrent`."""
        only_current = (request.parameter("onlyCurrent") or "true").lower() not in {"false", "0"}
        view = View(self.book.employees, self.today(), only_current=only_current)
        return Sight(book=self.book, view=view, settings=self.settings)

    @route("POST", "/reports/custom")
    def report(self, request: Request) -> Answer:
        """All employees, active or not, in one answer."""
        report = read_report(request, self.sight(request))
        if report.kind != "json":
            return report.in_another_format()
        key = (report.sight.view.only_current, request.body)
        return Answer(body=self._rendered(key, report.json))

    def _rendered(self, key: tuple[Any, ...], render: Callable[[], bytes]) -> bytes:
        """The body, kept while nothing changes: rendering 100,000 rows takes a second."""
        full_key = (self.version, self.today(), orjson.dumps(self.settings), *key)
        if full_key not in self.rendered:
            self.rendered.clear()
            self.rendered[full_key] = render()
        return self.rendered[full_key]

    @route("GET", "/employees")
    def employees(self, request: Request) -> Answer:
        """The new list: OAuth only, so an API key is refused like a wrong one."""
        if not self._is_oauth(request):
            return Answer.nothing(401)
        url = f"https://{SUBDOMAIN}.bamboohr.com/api/v1/employees"
        return list_employees(self.sight(request), request, base_url=url)

    @route("GET", "/employees/directory")
    def shared_directory(self, request: Request) -> Answer:
        """Active employees with the few fields that the company shares."""
        if not self.settings["directory_shared"]:
            return Answer.nothing(403, X_BambooHR_Error_Message="The directory is not shared")
        shared = directory(self.sight(request))
        return Answer.of(shared) if shared["employees"] else self.not_found(request)

    @route("GET", "/employees/changed")
    def changed(self, request: Request) -> Answer:
        """Who changed since; an empty map is written `[]`, as PHP does."""
        return Answer.of(changes(self.sight(request), request))

    @route("GET", "/employees/changed/tables/{table}")
    def changed_table(self, request: Request, table: str) -> Answer:
        """All rows of every employee who changed since."""
        return Answer.of(changed_rows(self.sight(request), request, table=table))

    @route("GET", "/employees/{employee_id}")
    def employee(self, request: Request, employee_id: str) -> Answer:
        """One employee; fields that are unknown or forbidden are left out."""
        sight = self.sight(request)
        asked = (request.parameter("fields") or "firstName,lastName").split(",")
        columns = sight.allowed(checked_fields(asked))
        return Answer.of(sight.values(sight.find(employee_id), columns))

    @route("GET", "/employees/all/tables/{table}")
    def table_of_all(self, request: Request, table: str) -> Answer:
        """Every row of every employee, in no order."""
        sight = self.sight(request)
        body = self._rendered((table,), lambda: b"[" + json_rows(all_rows(sight, table)) + b"]")
        return Answer(body=body)

    @route("GET", "/employees/{employee_id}/tables/{table}")
    def table(self, request: Request, employee_id: str, table: str) -> Answer:
        """Every row of one employee, in no order."""
        sight = self.sight(request)
        return Answer.of(rows_of(sight, sight.find(employee_id), table))

    @route("GET", "/meta/lists")
    def meta_lists(self, request: Request) -> Answer:
        """Options of list fields, archived ones among them."""
        del request
        return Answer.of(meta.lists())

    @route("GET", "/meta/fields")
    def meta_fields(self, request: Request) -> Answer:
        """Every field of the account."""
        del request
        return Answer.of(meta.fields(self.settings["custom_fields"]))

    @route("GET", "/meta/tables")
    def meta_tables(self, request: Request) -> Answer:
        """Every table of the account."""
        del request
        return Answer.of(meta.tables())

    @route("GET", "/meta/users")
    def meta_users(self, request: Request) -> Answer:
        """Users by user id: an object, not a list."""
        return Answer.of(meta.users(self.sight(request), request.parameter("status")))

    # Writing.

    @route("POST", "/employees")
    def create_employee(self, request: Request) -> Answer:
        """201 with the id in `Location` and no body; 429 without `Retry-After` when full."""
        values = check_values(self.book, json_object(request), employee_id=None)
        if not values.get("firstName") or not values.get("lastName"):
            return Answer.nothing(400, X_BambooHR_Error_Message="firstName and lastName needed")
        limit = self.settings["employee_limit"]
        if limit is not None and len(self.book.employees) >= limit:
            return Answer.nothing(429, X_BambooHR_Error_Message="Limit Exceeded")
        made = create(self.book, values, day=self.today(), now=iso_moment(self.world.now()))
        self._commit("employee.create", made, names=sorted(values))
        url = f"https://{SUBDOMAIN}.bamboohr.com/employees/employee.php?id={made.id}"
        return Answer.nothing(201, Location=url)

    @route("POST", "/employees/{employee_id}")
    def update_employee(self, request: Request, employee_id: str) -> Answer:
        """A partial update, with POST; the answer has no body."""
        employee = self.sight(request).find(employee_id)
        values = check_values(self.book, json_object(request), employee_id=employee.id)
        set_values(self.book, employee, values, day=self.today())
        self._commit("employee.update", employee, names=sorted(values))
        return Answer.nothing(200)

    @route("POST", "/employees/{employee_id}/tables/{table}")
    def add_row(self, request: Request, employee_id: str, table: str) -> Answer:
        """Add a row to a history; this is how somebody is terminated."""
        return self._put_row(request, employee_id, table, row_id=None)

    @route("POST", "/employees/{employee_id}/tables/{table}/{row_id}")
    def change_row(self, request: Request, employee_id: str, table: str, row_id: str) -> Answer:
        """Change a row of a history."""
        return self._put_row(request, employee_id, table, row_id=_number(row_id))

    def _put_row(
        self, request: Request, employee_id: str, table: str, *, row_id: int | None
    ) -> Answer:
        employee = self.sight(request).find(employee_id)
        values = json_object(request)
        put_row(self.book, employee, table, values=values, row_id=row_id)
        op = "row.create" if row_id is None else "row.update"
        self._commit(f"{table}.{op}", employee, names=sorted(values))
        return Answer.nothing(200)

    def _commit(self, op: str, employee: Employee, *, names: list[str]) -> None:
        employee.changed = iso_moment(self.world.now())
        key = employee.work_email or employee.display_name()
        self.commit(op, key=key, target=employee.id, names=names)

    # The world behind the API.

    def hire(self, worker: Worker) -> None:
        book = self.book
        made = employee_of(worker, status_ids=book.next_row, job_ids=book.next_row + 3)
        book.next_row += ROWS_PER_WORKER
        book.employees[made.id] = made
        book.next_id = worker.number + 1

    def has_record(self, record_id: str) -> bool:
        return record_id in self.book.employees

    def change_record(self, change: RecordChange) -> None:
        employee = self.book.employees[change.id]
        set_values(self.book, employee, change.set, day=self.today())
        set_tables(self.book, employee, change)
        employee.changed = iso_moment(self.world.now())

    def add_record(self, values: dict[str, Any]) -> str:
        now = iso_moment(self.world.now())
        wanted = str(values.pop("id", self.book.next_id))
        self.book.next_id = int(wanted) if wanted.isdecimal() else self.book.next_id
        made = create(self.book, values, day=self.today(), now=now)
        self.book.next_id = max(self.book.next_id, 1 + max(map(_number, self.book.employees)))
        return made.id

    def delete_record(self, record_id: str) -> None:
        del self.book.employees[record_id]
        for employee in self.book.employees.values():
            employee.jobs = [row.without_boss(record_id) for row in employee.jobs]
        self.book.deleted[record_id] = iso_moment(self.world.now())

    def kept(self) -> dict[str, Any]:
        return {
            "employees": [one.kept() for one in self.book.employees.values()],
            "deleted": dict(self.book.deleted),
            "next_id": self.book.next_id,
            "next_row": self.book.next_row,
        }

    def keep(self, kept: dict[str, Any]) -> None:
        employees = [Employee.from_kept(one) for one in kept["employees"]]
        self.book = Book(
            employees={one.id: one for one in employees},
            deleted=dict(kept["deleted"]),
            next_id=kept["next_id"],
            next_row=kept["next_row"],
        )


def _wants_json(request: Request) -> bool:
    """By Accept; the address decides only where BambooHR's documentation says that it does."""
    if request.path.endswith(("/meta/lists", "/reports/custom")):
        named = request.parameter("format") or ""
        if named.lower() == "json":
            return True
    accepted = request.header("accept").split(",")
    return any(part.split(";")[0].strip().lower() == JSON for part in accepted)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
