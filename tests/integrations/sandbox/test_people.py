"""The company of the sandbox: seeded, many scripts, every kind of employment."""

import unicodedata
from collections import Counter
from datetime import date

import pytest

from integrations.sandbox.people import (
    CONTRACTOR,
    FUTURE_HIRE,
    LEAVING_LATER,
    LEFT,
    OTHER_SCRIPT,
    PROMOTED_LATER,
    WITHOUT_EMAIL,
    Company,
    Worker,
)

TODAY = date(2026, 3, 2)


def company(people: int, seed: int = 1) -> list[Worker]:
    return list(Company(people=people, seed=seed, today=TODAY).workers())


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert company(300, seed=3) == company(300, seed=3)
    assert company(300, seed=3) != company(300, seed=4)


def test_a_larger_company_begins_with_the_same_people() -> None:
    assert company(400)[:300] == company(300)


def test_e_mails_are_ascii_and_unique_and_few_are_missing() -> None:
    emails = [worker.email for worker in company(5_000)]

    given = [email for email in emails if email]
    assert len(set(given)) == len(given)
    assert all(email.isascii() and email == email.lower() for email in given)
    assert 1 <= emails.count(None) < 100


def test_names_are_written_in_many_scripts() -> None:
    letters = Counter(unicodedata.name(worker.last_name[0]).split()[0] for worker in company(2_000))

    wanted = {
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "ARABIC",
        "HEBREW",
        "DEVANAGARI",
        "THAI",
        "CJK",
        "HANGUL",
    }
    assert wanted <= set(letters)
    assert letters["LATIN"] > 1_000


def test_dates_say_who_is_here_who_left_and_who_is_to_come() -> None:
    today = TODAY.isoformat()

    workers = company(3_000)

    to_come = [worker for worker in workers if worker.hired > today]
    left = [worker for worker in workers if worker.left and worker.left < today]
    leaving = [worker for worker in workers if worker.left and worker.left > today]
    assert 20 < len(to_come) < 80
    assert 140 < len(left) < 290
    assert 15 < len(leaving) < 70
    assert all(worker.left >= worker.hired for worker in [*left, *leaving] if worker.left)


def test_every_contract_occurs_and_most_are_full_time() -> None:
    contracts = Counter(worker.contract for worker in company(3_000))

    assert set(contracts) == {"Full-Time", "Part-Time", "Contractor", "Intern", "Leave of Absence"}
    assert contracts["Full-Time"] > 2_200


def test_managers_came_earlier_and_lead_at_most_eight_but_for_the_chief() -> None:
    workers = company(2_000)

    led = Counter(worker.manager for worker in workers)
    assert led.pop(None) == 1
    assert led.pop(1) < 30
    assert max(led.values()) <= 9
    assert all(worker.manager < worker.number for worker in workers if worker.manager)


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_the_named_cases_are_in_every_company(seed: int) -> None:
    today = TODAY.isoformat()

    workers = {worker.number: worker for worker in company(27, seed)}

    assert workers[CONTRACTOR].contract == "Contractor"
    assert workers[CONTRACTOR].employee_number is None
    assert workers[FUTURE_HIRE].hired > today
    assert (workers[LEFT].left or today) < today
    assert (workers[LEAVING_LATER].left or today) > today
    assert workers[WITHOUT_EMAIL].email is None
    assert workers[PROMOTED_LATER].move is not None
    assert not workers[OTHER_SCRIPT].first_name.isascii()
