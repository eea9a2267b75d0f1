"""monday.com's side of the sandbox: GraphQL against the vendor's own schemas, executed for real.

What is answered and where the fact was read is in the vendor folder's README.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson
from graphql import GraphQLError, OperationDefinitionNode, execute_sync

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.people import KEY_OWNER, Worker
from integrations.sandbox.vendor import RecordChange, RefusedError, Settings, VendorSide, route
from integrations.vendors.monday.sandbox_accounts import Accounts, stamp
from integrations.vendors.monday.sandbox_budget import REFUSED_COSTS, Day, Points, Replays
from integrations.vendors.monday.sandbox_calls import Calls
from integrations.vendors.monday.sandbox_records import (
    ACCOUNT_ID,
    GUEST,
    INACTIVE,
    VIEW_ONLY,
    User,
    set_values,
)
from integrations.vendors.monday.sandbox_schema import (
    VERSIONS,
    MalformedVersionError,
    Query,
    complexity,
    is_mutation,
    read_query,
    version_for,
)
from integrations.vendors.monday.sandbox_wire import body_of, invalid, outcome, sample, variables_of

LEGACY = {"COMPLEXITY_BUDGET_EXHAUSTED": "ComplexityException"}
STATUSES = ["ACTIVE", "PENDING", "INACTIVE"]
KINDS = ["ADMIN", "MEMBER", "GUEST", "VIEW_ONLY"]


class Vendor(VendorSide):
    """One enterprise account; the token belongs to the company's key owner, an admin."""

    base_path: ClassVar[str] = ""
    default_settings: ClassVar[Settings] = {
        "per_minute": 5_000,
        "per_day": 25_000,
        "complexity_per_minute": 10_000_000,
        "error_form": "current",  # or legacy: errors of limits with status 200, in the older shape
        "mutation_seconds": 0,  # how long a mutation with an Idempotency-Key counts as running
        "versions": VERSIONS,
    }
    samples: ClassVar[Mapping[str, Request]] = {
        "me": sample("me"),
        "users": sample("users", page=1, limit=500, statuses=STATUSES, kinds=KINDS),
    }

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.accounts = Accounts(self.world.company)
        self.token = self.secret("token")
        self.users: dict[str, User] = {}
        self.owner_id = ""
        self.points = Points()
        self.day = Day()
        self.replays = Replays()

    # The account.

    def inputs(self) -> dict[str, str]:
        return {}

    def credentials(self) -> dict[str, Any]:
        settings = {"token_name": "Authorization", "add_to": "header"}
        return {"type": "api_key", "settings": settings, "secrets": {"value": self.token}}

    def signed(self) -> dict[str, str]:
        return {"authorization": self.token}

    def refusal(self, request: Request) -> Answer | None:
        """401 unless the token comes as it is, or after `Bearer`; 403 for who may use none."""
        sent = request.header("authorization").removeprefix("Bearer ")
        owner = self.users.get(self.owner_id)
        if sent != self.token or owner is None or owner.status == INACTIVE:
            return Answer.of({"errors": ["Not Authenticated"]}, status=401)
        if owner.kind in {GUEST, VIEW_ONLY}:
            return self._failed(
                "User unauthorized to perform action", "UserUnauthorizedException", 403
            )
        return None

    def too_many(self, seconds: int) -> Answer:
        answer = self._limited("Minute limit rate exceeded", "Rate Limit Exceeded", seconds)
        return answer.with_headers(Retry_After=str(seconds))

    def not_found(self, request: Request) -> Answer:
        del request
        return Answer.page(404, "Not Found")

    def wrong_account(self, request: Request) -> Answer:
        return self.not_found(request)

    # Requests.

    def page_of(self, request: Request) -> int | None:
        page = variables_of(body_of(request)).get("page")
        return page if isinstance(page, int) else None

    def with_page(self, request: Request, page: int) -> Request:
        body = body_of(request)
        variables = {**variables_of(body), "page": page}
        return replace(request, body=orjson.dumps({**body, "variables": variables}))

    def called(self, request: Request) -> str:
        """The operation's name, such as `Users`."""
        head = str(body_of(request).get("query", "")).partition("{")[0].partition("(")[0]
        return head.partition(" ")[2].strip() or head.strip()

    @route("POST", "/v2")
    def post(self, request: Request) -> Answer:
        """Everything: read the query, check what it may cost, execute it."""
        if not self.day.left(self.world.now(), self.settings["per_day"]):
            self.day.count(REFUSED_COSTS)
            return self._limited("Daily limit exceeded", "DAILY_LIMIT_EXCEEDED")
        self.day.count(1)
        try:
            version = version_for(request.header("api-version"), self.settings["versions"])
        except MalformedVersionError:
            return self._failed("Invalid API version", "InvalidVersionException", 200)
        text, variables, name = self._read(request)
        query = read_query(text, version)
        operation = query.operation(name)
        if query.errors or operation is None:
            errors = query.errors or [GraphQLError("Which operation is meant is not clear.")]
            return invalid(errors)
        cost = complexity(operation, variables)
        self._spend(cost)
        calls = Calls(self, version, cost)
        if not is_mutation(operation):
            return self._execute(query, operation, variables, calls)
        return self._once(request, query, operation, variables, calls)

    def _read(self, request: Request) -> tuple[str, dict[str, Any], str | None]:
        """Query, variables and the operation's name; refused when the body is something else."""
        if request.header("content-type").split(";")[0].strip().lower() != JSON:
            raise RefusedError(self._failed("Bad request", "Bad request", 400))
        body = body_of(request)
        text, variables = body.get("query"), body.get("variables") or {}
        name = body.get("operationName")
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise RefusedError(self._failed("Invalid JSON body", "JsonParseException", 400))
        return text, variables, name if isinstance(name, str) and name else None

    def _spend(self, cost: int) -> None:
        now, budget = self.world.now().timestamp(), self.settings["complexity_per_minute"]
        left = self.points.left(now, budget)
        if cost <= left:
            self.points.spend(now, cost)
            return
        wait = self.points.seconds_to_wait(now)
        message = (
            f"Complexity budget exhausted, query cost {cost} budget remaining {left} out of "
            f"{budget} reset in {wait} seconds"
        )
        raise RefusedError(
            self._limited(
                message,
                "COMPLEXITY_BUDGET_EXHAUSTED",
                wait,
                complexity=cost,
                complexity_budget_left=left,
                complexity_budget_limit=budget,
            )
        )

    def _once(
        self,
        request: Request,
        query: Query,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        calls: Calls,
    ) -> Answer:
        """Execute a mutation, or give the answer that its key got within the last half hour."""
        key, now = request.header("idempotency-key"), self.world.now().timestamp()
        before = self.replays.find(key, now) if key else None
        if before is not None:
            return before
        answer = self._execute(query, operation, variables, calls)
        if key:
            self.replays.keep(key, answer, now, self.settings["mutation_seconds"])
        return answer

    def _execute(
        self,
        query: Query,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        calls: Calls,
    ) -> Answer:
        assert query.document is not None  # noqa: S101 - it has an operation
        result = execute_sync(
            calls.version.schema,
            query.document,
            root_value=calls.root(),
            variable_values=variables,
            operation_name=operation.name.value if operation.name else None,
        )
        if result.data is None and result.errors and all(not one.path for one in result.errors):
            return invalid(result.errors)  # variables of other types than the query says
        return Answer.of({**outcome(result), **self._around()})

    def _around(self) -> dict[str, Any]:
        return {"account_id": int(ACCOUNT_ID), "extensions": {"request_id": f"r-{self.day.calls}"}}

    def _failed(self, message: str, code: str, status: int, **more: Any) -> Answer:
        extensions = {"code": code, "status_code": status, **more}
        body = {"errors": [{"message": message, "extensions": extensions}], **self._around()}
        return Answer.of(body, status=status)

    def _limited(self, message: str, code: str, seconds: int | None = None, **more: Any) -> Answer:
        """Over a limit, in the current or the older shape."""
        if self.settings["error_form"] == "legacy":
            body = {
                "error_code": LEGACY.get(code, code),
                "status_code": 429,
                "error_message": message,
                "error_data": {},
                "errors": [message],
                "account_id": int(ACCOUNT_ID),
            }
            return Answer.of(body)
        if seconds is not None:
            more = {**more, "retry_in_seconds": seconds}
        return self._failed(message, code, 429, **more)

    # The world.

    def _now(self) -> str:
        return stamp(self.world.now())

    def hire(self, worker: Worker) -> None:
        user = self.accounts.account_of(worker)
        if user is not None:
            self.users[user.id] = user
            if worker.number == KEY_OWNER:
                self.owner_id = user.id

    def settle(self) -> None:
        for user in self.accounts.others() if self.users else ():
            self.users[user.id] = user

    def has_record(self, record_id: str) -> bool:
        return record_id in self.users

    def change_record(self, change: RecordChange) -> None:
        set_values(self.users[change.id], change.set)

    def add_record(self, values: dict[str, Any]) -> str:
        user_id = str(values.pop("id", "")) or self.accounts.next_id()
        now = self._now()
        user = User(user_id, "", None, now, became_active_at=now)
        set_values(user, values)
        self.users[user.id] = user
        return user.id

    def delete_record(self, record_id: str) -> None:
        del self.users[record_id]

    def kept(self) -> dict[str, Any]:
        return {
            "users": [user.kept() for user in self.users.values()],
            "next_id": str(self.accounts.free_id),
            "owner_id": self.owner_id,
            "day": [self.day.day, self.day.calls],
            "replays": self.replays.kept(),
        }

    def keep(self, kept: dict[str, Any]) -> None:
        users = [User.from_kept(one) for one in kept["users"]]
        self.users = {user.id: user for user in users}
        self.accounts.free_id = int(kept["next_id"])
        self.owner_id = kept["owner_id"]
        self.day = Day(*kept["day"])
        self.replays.restore(kept["replays"])
