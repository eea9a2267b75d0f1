"""The grammar of templates: a look-up that keeps types, and nothing else."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import templates
from integrations.errors import MissingValue, TemplateError

VALUES = {
    "email": "Ann@Example.com",
    "id": "6776757454431877834",
    "number": 12,
    "yes": True,
    "nothing": None,
    "blank": "",
    "day": date(2026, 12, 1),
    "moment": datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    "list": ["b", "a"],
    "tree": {"a-b": {"c": 1}, 'q"uote': "x", "rows": [{"id": 1}, {"id": 2}]},
    "variables": {"Aha.Subdomain": "mycompany", "Aha": {"Other": 1}},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ email }}", "Ann@Example.com"),
        ("{{email}}", "Ann@Example.com"),
        ("{{ id }}", "6776757454431877834"),
        ("{{ number }}", 12),
        ("{{ yes }}", True),
        ("{{ list }}", ["b", "a"]),
        ("{{ nothing }}", None),
        ("n = {{ number }}, y = {{ yes }}, none = {{ nothing }}", "n = 12, y = true, none = "),
        ("{{ tree.rows[1].id }}", 2),
        ('{{ tree["a-b"].c }}', 1),
        ("{{ tree['a-b'].c }}", 1),
        ('{{ tree["q\\"uote"] }}', "x"),
        ("{{ variables.Aha.Subdomain }}", "mycompany"),
        ("{{ variables.Aha.Other }}", 1),
        ("{{ email | lower }}", "ann@example.com"),
        ("{{ email | lower | upper }}", "ANN@EXAMPLE.COM"),
        ('{{ missing | default("x") }}', "x"),
        ('{{ blank | default("a | b }} c") }}', "a | b }} c"),
        ('{{ day | date("%d.%m.%Y") }}', "01.12.2026"),
        ('{{ moment | date("%H:%M") }}', "09:30"),
        ("{{ list | first }}", "b"),
        ('{{ list | join(", ") }}', "b, a"),
        ("{{ list | json }}", '["b","a"]'),
        ("list: {{ list }}", 'list: ["b","a"]'),
        ("a lone }} is text", "a lone }} is text"),
        ("{ single } braces", "{ single } braces"),
        ("{}", "{}"),
        ("", ""),
        ("{{ number }}{{ number }}", "1212"),
    ],
)
def test_a_template_gives_what_its_paths_hold(template: str, expected: object):
    """One placeholder alone keeps its type; in text everything becomes text."""
    result = templates.render(template, VALUES)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("template", "position", "reason"),
    [
        ("{{ email", 1, "not closed"),
        ("{{ aha_user_id}", 15, "single }"),
        ("users/{{aha_user_id}/x", 20, "single }"),
        ("{{ email } }", 10, "single }"),
        ("{{ }}", 1, "name of a field"),
        ("{{}}", 1, "name of a field"),
        ("ab{{ 1 }}", 6, "begins with a name"),
        ("{{ a. }}", 6, "after a dot"),
        ("{{ a[x] }}", 5, "in brackets"),
        ("{{ a[-1] }}", 5, "in brackets"),
        ("{{ a b }}", 6, "does not belong"),
        ("{{ a | }}", 6, "name of a filter"),
        ("{{ a | lowr }}", 6, 'Did you mean "lower"?'),
        ("{{ a | lower(1) }}", 13, "does not belong"),
        ('{{ a | lower("x") }}', 6, "takes nothing"),
        ("{{ a | default }}", 6, "needs a text"),
        ("{{ {{ a }} }}", 4, "begins with a name"),
        ("{{ a() }}", 5, "does not belong"),
        ("{{ a + b }}", 6, "does not belong"),
    ],
)
def test_a_mistake_is_told_with_its_position(template: str, position: int, reason: str):
    """AH-50: one brace missing is refused, with the place."""
    with pytest.raises(TemplateError) as caught:
        templates.parse(template)

    assert caught.value.position == position
    assert reason in caught.value.message
    assert f"at character {position}" in caught.value.message


def test_a_value_that_is_not_there_is_refused_or_blank_as_the_caller_wants():
    with pytest.raises(MissingValue) as caught:
        templates.render("id {{ tree.nowhere }}", VALUES)

    assert caught.value.path == "tree.nowhere"
    assert caught.value.position == 4
    assert templates.render("id {{ tree.nowhere }}", VALUES, absent="blank") == "id "
    assert templates.render("{{ tree.nowhere }}", VALUES, absent="blank") is None


def test_a_tree_keeps_its_shape_and_the_types_of_its_values():
    tree = {"fields": "{{ list }}", "n": 1, "deep": [{"id": "{{ number }}"}, None, True]}

    assert templates.render_tree(tree, VALUES) == {
        "fields": ["b", "a"],
        "n": 1,
        "deep": [{"id": 12}, None, True],
    }


def test_what_a_value_holds_is_never_read_as_a_template():
    values = {"name": "{{ secret }}", "secret": "s3cret"}

    assert templates.render("Hello {{ name }}", values) == "Hello {{ secret }}"
    assert templates.render_tree(["{{ name }}"], values) == ["{{ secret }}"]
    assert templates.render_url("users/{{ name }}", values) == "users/%7B%7B%20secret%20%7D%7D"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b", "a%20b"),
        ("../../x", "..%2F..%2Fx"),
        ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f"),
        ("ann+x@example.com", "ann%2Bx%40example.com"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        (42, "42"),
    ],
)
def test_a_value_in_a_url_is_one_encoded_piece(value: object, expected: str):
    assert templates.url_part(value) == expected


@pytest.mark.parametrize("value", ["", " ", ".", "..", None, [], {}, ["a"], "\ud800"])
def test_a_value_that_cannot_be_a_piece_of_a_url_is_refused(value: object):
    with pytest.raises(TemplateError):
        templates.render_url("users/{{ id }}", {"id": value})


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "\x1b[0m"])
def test_a_header_takes_no_line_break(value: str):
    """S-12: headers without CR and LF."""
    with pytest.raises(TemplateError):
        templates.render_header("x {{ value }}", {"value": value})


# S-12: what template languages elsewhere execute. Each is text, refused, or without a value here.
_EXPRESSIONS = [
    "7*7",
    "7 * 7",
    "'7'*7",
    '"a"+"b"',
    "1+1",
    "self",
    "self.__class__",
    "__class__",
    "''.__class__.__mro__",
    '"".__class__.__bases__[0].__subclasses__()',
    "().__class__",
    "[].__class__",
    "{}.__class__",
    "config",
    "config.items()",
    "config.SECRET_KEY",
    "settings.SECRET_KEY",
    "request",
    "request.application.__globals__",
    "request.environ",
    "request['application']",
    "lipsum.__globals__",
    "lipsum.__globals__['os'].popen('id').read()",
    "cycler.__init__.__globals__.os.popen('id')",
    "joiner.__init__.__globals__",
    "namespace.__init__",
    "get_flashed_messages.__globals__",
    "url_for.__globals__",
    "g.pop.__globals__",
    "email.__class__",
    "email.__len__",
    "email.upper",
    "email.upper()",
    "email.format(a)",
    'email["__class__"]',
    "email[0]",
    "email['format']",
    "thing.secret",
    "thing.__dict__",
    'thing["secret"]',
    "thing.__init__.__globals__",
    "thing.method",
    "thing.method()",
    "tree.__class__",
    "tree.items",
    "tree.items()",
    "tree.get('a')",
    "tree.__getitem__",
    "tree.keys",
    "list.append",
    "list.__len__",
    "list[99]",
    "list[-1]",
    "list[0:1]",
    "list['0']",
    "list.0",
    "credential",
    "credential.token",
    "credentials.value",
    "secrets.value",
    "auth.password",
    "access.secrets.value",
    "env.HOME",
    "os.environ",
    "import os",
    "__import__('os').system('id')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd').read()",
    "lambda: 1",
    "x for x in [1]",
    "[x for x in (1,)]",
    "1 if true else 2",
    "email if email else 1",
    "email or 1",
    "email and 1",
    "not email",
    "email == 1",
    "email ~ email",
    "email | attr('__class__')",
    "email | format",
    "email | safe",
    "email | eval",
    "email | map('upper')",
    "email | lower | attr('x')",
    "email | default(secret)",
    "email | default('x'",
    "email || 1",
    "%7B",
    "constructor.constructor('return 1')()",
    "this.constructor",
    "$root",
    "$on.constructor",
    "_self.env",
    "_self",
    "app.request",
    "T(java.lang.Runtime).getRuntime()",
    "#{7*7}",
    "${7*7}",
    "@(7*7)",
    "= 7*7",
    "- 1",
    "range(9)",
    "dict()",
    "email; email",
    "email\nemail",
    "\x00email",
    "email\x00",
    "ｅmail",
    "{email}",
    "{{email}}",
    "email }} {{ credential.token",
]
_OUTSIDE = [
    "${email}",
    "#{email}",
    "<%= email %>",
    "{% if email %}x{% endif %}",
    "{% import os %}",
    "{# comment #}",
    "%(email)s",
    "{email}",
    "{0.__class__}",
    "{email.__class__}",
    "$email",
    "`id`",
    "$(id)",
    "@{email}",
    "*{7*7}",
    "[[email]]",
    "\\{\\{email\\}\\}",
]


class Thing(SimpleNamespace):
    def method(self) -> str:
        return "called"


def test_the_list_of_attacks_is_as_long_as_promised():
    assert len({*_EXPRESSIONS, *_OUTSIDE}) >= 120


@pytest.mark.parametrize("expression", _EXPRESSIONS)
def test_no_expression_is_evaluated(expression: str):
    """S-12: 0 of 120 evaluated."""
    values = {**VALUES, "thing": Thing(secret="s3cret")}

    for template in (f"{{{{ {expression} }}}}", f"a{{{{{expression}}}}}b"):
        with pytest.raises(TemplateError):
            templates.render_url(template, values)
        with pytest.raises(TemplateError):
            templates.render_text(template, {**values, "list": []})


@pytest.mark.parametrize("text", _OUTSIDE)
def test_the_words_of_other_template_languages_are_text(text: str):
    assert templates.render(text, VALUES) == text


@given(st.text(max_size=80))
def test_any_text_is_either_refused_or_rendered(text: str):
    position = 1
    try:
        rendered = templates.render(text, VALUES, absent="blank")
    except TemplateError as problem:
        position, rendered = problem.position, None

    assert 1 <= position <= len(text) + 1
    assert "{{" in text or rendered == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_placeholder_alone_gives_the_very_value(value: object):
    assert templates.render("{{ value }}", {"value": value}) == value
    assert templates.render('{{ value["x"].y[0] }}', {"value": {"x": {"y": [value]}}}) == value


@given(st.text(max_size=60))
def test_text_around_values_is_left_as_it_is(text: str):
    around = text.replace("{", "")

    assert templates.render_text(around + "{{ v }}" + "!", {"v": text}).endswith(text + "!")
