"""The role rule of M-29, and what it says when the answer lacks the field (M-12)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.registry import get_vendor
from integrations.roles import RoleRow, compile_roles


def read(record: Any) -> list[RoleRow] | None:
    rule = get_vendor("aha").load("users").roles
    assert rule is not None
    return compile_roles(rule)(record)


def owner(product: str, name: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "role": 20,
        "role_description": "Owner",
        "product_id": product,
        "product_name": name,
        **changes,
    }


def user(**changes: Any) -> dict[str, Any]:
    return {"id": "1", "administrator": False, "product_roles": [], "user_roles": [], **changes}


def names(rows: list[RoleRow] | None) -> list[tuple[str, str, str]]:
    assert rows is not None
    return [(row.role, row.scope_id, row.scope) for row in rows]


def test_a_user_with_roles_in_three_projects_gets_three_rows():
    """AH-46, AH-47: the same role in two projects is two rows."""
    record = user(
        product_roles=[
            owner("1", "Mobile"),
            owner("2", None),
            owner("3", "Web", role=50, role_description="Viewer"),
        ]
    )

    assert names(read(record)) == [
        ("Owner", "2", ""),
        ("Owner", "1", "Mobile"),
        ("Viewer", "3", "Web"),
    ]


def test_the_same_role_in_the_same_project_is_one_row():
    """AH-48: rows are unique by role and scope."""
    record = user(
        product_roles=[
            owner("1", "Mobile"),
            owner("1", "Mobile"),
            {**owner("1", "Mobile"), "product_id": 1},
        ]
    )

    assert names(read(record)) == [("Owner", "1", "Mobile")]


def test_an_administrator_has_that_role_first():
    record = user(administrator=True, product_roles=[owner("1", "Mobile")])

    rows = read(record)

    assert names(rows) == [("Administrator", "", ""), ("Owner", "1", "Mobile")]
    assert [row.rank for row in rows or []] == [0, 1]


def test_custom_roles_are_rows_with_their_scope():
    record = user(
        user_roles=[
            {"role_id": 9, "name": "Reader", "scope": {"id": 303742481, "name": "Account 1"}}
        ]
    )

    assert names(read(record)) == [("Reader", "303742481", "Account 1")]


def test_a_user_without_any_role_is_a_member():
    assert names(read(user())) == [("Member", "", "")]
    assert names(read(user(product_roles=None, administrator=None))) == [("Member", "", "")]


def test_an_account_without_custom_roles_in_its_plan_is_read_all_the_same():
    record = user(administrator=True)
    del record["user_roles"]

    assert names(read(record)) == [("Administrator", "", "")]


@pytest.mark.parametrize("field", ["product_roles", "administrator"])
def test_an_answer_without_the_field_says_nothing_about_roles(field: str):
    """M-12: roles are then left as they are."""
    record = user(product_roles=[owner("1", "Mobile")])
    del record[field]

    assert read(record) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"product_roles": "Owner"},
        {"product_roles": {"role": 20}},
        {"product_roles": [None]},
        {"product_roles": ["Owner"]},
        {"product_roles": [{"product_id": "1"}]},
        {"administrator": "yes"},
        {"user_roles": 5},
    ],
)
def test_roles_that_cannot_be_read_say_nothing(changes: dict[str, Any]):
    assert read(user(**changes)) is None


def test_a_role_without_words_is_named_by_its_code():
    record = user(
        product_roles=[
            owner("1", "A", role=30, role_description=None),
            owner("2", "B", role=77, role_description=""),
        ]
    )

    assert names(read(record)) == [("Contributor", "1", "A"), ("Role 77", "2", "B")]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "role_description", "product_id", "name", "scope"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["product_roles", "user_roles", "administrator", "id"]), JSON_VALUES
    )
)
def test_any_record_gives_rows_or_nothing(record: dict[str, Any]):
    rows = read(record)

    if rows is not None:
        assert rows
        assert len({(row.role, row.scope_id) for row in rows}) == len(rows)
        assert all(row.role for row in rows)
        assert [row.rank for row in rows] == sorted(row.rank for row in rows)
