"""Transforms: pure, named, and clear about what they cannot read."""

import unicodedata
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import TransformFailed, UnknownTransform
from integrations.person_names import split_name
from integrations.transforms import TRANSFORMS, get_transform

ANY_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.dates()
    | st.lists(st.text(max_size=5), max_size=3)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)
)


def test_an_unknown_transform_is_refused_with_a_suggestion():
    with pytest.raises(UnknownTransform) as caught:
        get_transform("firstname")

    assert 'Did you mean "first_name"?' in caught.value.message


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_every_transform_says_what_it_does_and_leaves_blanks_blank(name: str):
    transform = get_transform(name)

    assert transform.label
    assert transform.help.endswith(".")
    assert transform(None) is None
    assert transform("") is None


@given(value=ANY_PLAIN, name=st.sampled_from(list(TRANSFORMS)))
def test_any_value_is_transformed_or_refused_with_a_sentence(value: object, name: str):
    said = "nothing was wrong"
    try:
        get_transform(name)(value)
    except TransformFailed as problem:
        said = problem.message

    assert said


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lower", "ANN@Example.COM", "ann@example.com"),
        ("upper", "de", "DE"),
        ("trim", "  x ", "x"),
        ("trim", "   ", None),
        ("title", "ANN mcdonald McDonald", "Ann Mcdonald McDonald"),
        ("before_at", "ann.smith@example.com", "ann.smith"),
        ("after_at", "Ann@Example.com", "example.com"),
        ("split", "a, b,,c ", ["a", "b", "c"]),
        ("text", 12, "12"),
        ("text", True, "true"),
        ("integer", "00123", 123),
        ("integer", 12, 12),
        ("boolean", "Yes", True),
        ("boolean", "off", False),
        ("boolean", 0, False),
        ("date", "2026-12-31", date(2026, 12, 31)),
        ("date", "2026-12-31T23:59:59-08:00", date(2026, 12, 31)),
        ("date", "0000-00-00", None),
        ("datetime", "2026-12-31T09:00:00.000Z", datetime(2026, 12, 31, 9, tzinfo=UTC)),
        ("datetime", "2026-12-31T09:00:00+02:00", datetime(2026, 12, 31, 7, tzinfo=UTC)),
        ("datetime", "2026-12-31 09:00:00", datetime(2026, 12, 31, 9, tzinfo=UTC)),
        ("datetime", 1_767_225_600_000, datetime(2026, 1, 1, tzinfo=UTC)),
        ("datetime", 1_767_225_600, datetime(2026, 1, 1, tzinfo=UTC)),
        ("datetime", "0000-00-00", None),
    ],
)
def test_a_value_becomes_what_the_transform_says(name: str, value: object, expected: object):
    assert get_transform(name)(value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "31/12/2026"),
        ("date", "2026-13-01"),
        ("date", "2026-12-31garbage"),
        ("date", "soon"),
        ("date", 5),
        ("datetime", "tomorrow"),
        ("datetime", True),
        ("datetime", 10**30),
        ("integer", "12a"),
        ("integer", "1.5"),
        ("integer", 1.5),
        ("integer", True),
        ("integer", "9" * 5000),
        ("integer", "１２"),
        ("boolean", "maybe"),
        ("boolean", [1]),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_a_sentence(name: str, value: object):
    if value == "１２":  # full-width digits are digits
        assert get_transform(name)(value) == 12
        return

    with pytest.raises(TransformFailed) as caught:
        get_transform(name)(value)

    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("Ann Smith", "Ann", "Smith"),
        ("  Ann   Smith ", "Ann", "Smith"),
        ("Mary Ann Smith", "Mary Ann", "Smith"),
        ("Smith, Ann", "Ann", "Smith"),
        ("John Smith, Jr.", "John", "Smith, Jr."),
        ("John Smith Jr.", "John", "Smith Jr."),
        ("Henry Ford III", "Henry", "Ford III"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Dick Van Dyke", "Dick", "Van Dyke"),
        ("Oscar de la Renta", "Oscar", "de la Renta"),
        ("Osama bin Zaid", "Osama", "bin Zaid"),
        ("Ben Smith", "Ben", "Smith"),
        ("Van Morrison", "Van", "Morrison"),
        ("Zoë Ångström", "Zoë", "Ångström"),
        ("Мария Иванова", "Мария", "Иванова"),
        ("محمد علي", "محمد", "علي"),
        ("शाहरुख़ ख़ान", "शाहरुख़", "ख़ान"),
        ("Ελένη Παπαδοπούλου", "Ελένη", "Παπαδοπούλου"),
        ("王小明", "小明", "王"),
        ("王明", "明", "王"),
        ("欧阳娜娜", "娜娜", "欧阳"),
        ("諸葛亮", "亮", "諸葛"),
        ("山田 太郎", "太郎", "山田"),
        ("김민수", "민수", "김"),
        ("남궁민수", "민수", "남궁"),
        ("김 민수", "민수", "김"),
        ("Madonna", "Madonna", None),
        ("さくら", "さくら", None),
        ("O'Neil", "O'Neil", None),
        (",", None, None),
        ("", None, None),
    ],
)
def test_a_full_name_is_split_in_any_script(full: str, first: str | None, last: str | None):
    """AH-28 and the 12 fields of AH-29 hold a full name only."""
    assert split_name(full) == (first, last)


@given(st.text(max_size=60))
def test_splitting_a_name_never_fails_and_loses_no_word(full: str):
    first, last = split_name(full)

    joined = "".join(f"{first or ''}{last or ''}".split())
    kept = "".join(unicodedata.normalize("NFC", full).split())
    assert sorted(joined.replace(",", "")) == sorted(kept.replace(",", ""))
