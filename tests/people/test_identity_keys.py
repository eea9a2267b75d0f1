"""E-mails and usernames by key: 60 pairs that are the same, different, or a conflict (M-2, F-32)."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from people.bulk import reserve_ids
from people.identity import email_key, look_alike, username_key
from people.models import Event, Person
from people.services import PersonChange, Writing, apply_people
from tests.makers import make_person

SAME = [
    ("ann@acme.example", "ann@acme.example"),
    ("ann@acme.example", "ANN@acme.example"),
    ("ann@acme.example", "Ann@Acme.Example"),
    ("ann@acme.example", " ann@acme.example"),
    ("ann@acme.example", "ann@acme.example \t"),
    ("ann@acme.example", "\u00a0ann@acme.example\u00a0"),
    ("ann@acme.example", "\u3000ann@acme.example"),
    ("ann@acme.example", "ann@acme.example\n"),
    ("ann@acme.example", "ann@acme.example\u200b"),
    ("ann@acme.example", "\ufeffann@acme.example"),
    ("ann@acme.example", "an\u200dn@acme.example"),
    ("ann@acme.example", "ann\u00ad@acme.example"),
    ("ann@acme.example", "\u202aann@acme.example\u202c"),
    ("ann@acme.example", "\u2060ann@acme.example"),
    ("ann@acme.example", "ａｎｎ@acme.example"),
    ("ann@acme.example", "ann＠acme.example"),
    ("ann@acme.example", "ann@ａｃｍｅ.example"),
    ("ann@acme.example", "ＡＮＮ＠ＡＣＭＥ．ＥＸＡＭＰＬＥ"),
    ("ann@acme.example", "𝐚𝐧𝐧@acme.example"),
    ("file@acme.example", "ﬁle@acme.example"),
    ("jose\u0301@acme.example", "josé@acme.example"),
    ("JOSE\u0301@acme.example", "josé@acme.example"),
    ("strasse@acme.example", "STRASSE@acme.example"),
    ("straße@acme.example", "STRASSE@acme.example"),
    ("ὀδυσσεύς@acme.example", "ὈΔΥΣΣΕΎΣ@acme.example"),
    ("анна@acme.example", "АННА@acme.example"),
    ("ann@bücher.example", "ann@xn--bcher-kva.example"),
    ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
    ("ann@bu\u0308cher.example", "ann@bücher.example"),
    ("ann@例え.example", "ann@xn--r8jz45g.example"),
]
DIFFERENT = [
    ("ann@acme.example", "anne@acme.example"),
    ("ann@acme.example", "ann@acme.test"),
    ("ann@acme.example", "ann@mail.acme.example"),
    ("ann@acme.example", "ann+crm@acme.example"),
    ("a.nn@acme.example", "ann@acme.example"),
    ("ann-b@acme.example", "annb@acme.example"),
    ("ann_b@acme.example", "ann-b@acme.example"),
    ("josé@acme.example", "jose@acme.example"),
    ("müller@acme.example", "mueller@acme.example"),
    ("ann@bücher.example", "ann@bucher.example"),
    ("øre@acme.example", "ore@acme.example"),
    ("łukasz@acme.example", "lukasz@acme.example"),
    ("ann", "ann@acme.example"),
    ("ann@acme.example", "@acme.example"),
    ("анна@acme.example", "anna@acme.example"),
    ("日本@acme.example", "中国@acme.example"),
    ("ann1@acme.example", "ann2@acme.example"),
    ("ann@acme.example", "ann@acme,example"),
]
CONFLICT = [
    ("ann@acme.example", "аnn@acme.example"),  # Cyrillic а
    ("ann@acme.example", "ann@аcme.example"),
    ("ANN@acme.example", "Аnn@acme.example"),
    ("ann@acme.example", "ann@acmе.example"),  # Cyrillic е
    ("olga@acme.example", "оlga@acme.example"),  # Cyrillic о
    ("olga@acme.example", "οlga@acme.example"),  # Greek ο
    ("paul@acme.example", "рaul@acme.example"),  # Cyrillic р
    ("claus@acme.example", "сlaus@acme.example"),  # Cyrillic с
    ("max@acme.example", "maх@acme.example"),  # Cyrillic х
    ("emily@acme.example", "emılу@acme.example"),  # dotless ı, Cyrillic у
    ("ismail@acme.example", "ısmail@acme.example"),
    ("ida@acme.example", "іda@acme.example"),  # Ukrainian і
]


def drawn(key: str | None) -> str | None:
    return look_alike(key) or key


def verdict(one: str, other: str) -> str:
    """What the keys say: of two that differ, one may be drawn like the other."""
    first, second = email_key(one), email_key(other)
    if first == second:
        return "same"
    return "conflict" if drawn(first) == drawn(second) else "different"


PAIRS = [
    *((one, other, "same") for one, other in SAME),
    *((one, other, "different") for one, other in DIFFERENT),
    *((one, other, "conflict") for one, other in CONFLICT),
]


def test_there_are_sixty_pairs() -> None:
    assert len(set(PAIRS)) == 60


@pytest.mark.parametrize(("one", "other", "expected"), PAIRS)
def test_a_pair_of_spellings_is_judged_as_expected(one: str, other: str, expected: str) -> None:
    """F-32: in both directions."""
    judged = (verdict(one, other), verdict(other, one))

    assert judged == (expected, expected)


@pytest.mark.parametrize(("one", "other", "_expected"), PAIRS)
def test_a_key_is_its_own_key_however_it_was_composed(one: str, other: str, _expected: str) -> None:
    for spelling in (one, other):
        key = email_key(spelling)

        assert email_key(key) == key
        assert email_key(unicodedata.normalize("NFD", spelling)) == key
        assert username_key(spelling) == key


@given(st.text(max_size=80) | st.from_regex(r"[^@]{0,9}@(xn--)?[a-z\u00e0-\u0450.-]{0,70}"))
def test_any_text_has_a_key_or_is_blank(text: str) -> None:
    key = email_key(text)

    assert key is None or (key and email_key(key) == key)
    assert look_alike(key) != key or key is None


@pytest.mark.parametrize("blank", [None, "", "   ", "\u200b", "\ufeff \u00a0"])
def test_blank_has_no_key(blank: str | None) -> None:
    assert email_key(blank) is None
    assert username_key(blank) is None


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_database_holds_one_person_for_all_spellings(db: None, one: str, other: str) -> None:
    """M-2: by e-mail key and by username key."""
    make_person(email=one, username="first")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_person(email=other, username="second")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_person(email="other@acme.example", username="FIRST ")


@pytest.mark.postgresql
def test_two_workers_that_insert_two_spellings_make_one_person(transactional_db: None) -> None:
    """F-32: a hundred times."""
    for number in range(100):
        spellings = [f"ann{number}@acme.example", f"ＡＮＮ{number}@ACME.example "]
        _at_once(*[lambda spelling=spelling: _create(spelling) for spelling in spellings])

    assert Person.objects.count() == 100
    assert Event.objects.count() == 100


def _create(email: str) -> None:
    """As a batch of a sync does; the loser's batch is refused as a whole."""
    (new,) = reserve_ids(Person, 1)
    changes = {"email": [None, email.strip()], "username": [None, email.strip()]}
    change = PersonChange(new, True, changes, orjson.dumps(changes).decode())
    writing = Writing(source=Event.Source.SYNC, actor="test", now=timezone.now(), run_id=None)
    try:
        with transaction.atomic():
            apply_people([change], writing)
    except IntegrityError:
        pass


def _at_once(*works: Callable[[], Any]) -> None:
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        try:
            barrier.wait(60)
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
