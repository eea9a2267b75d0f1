"""Nothing that a handler writes shows a secret that this process has opened."""

from __future__ import annotations

import base64
import logging
import re
import subprocess
import sys
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from config.logging import SecretMasker
from people.masking import MASK, Registry, mask, register_secret

SECRET = 'kéy/with "quotes"+and spaces'


def written(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> str:
    """What our handler would write for the last record of `log`."""
    record = caplog.records[-1]
    SecretMasker().filter(record)
    return logging.Formatter("%(levelname)s %(message)s").format(record)


def test_each_of_a_thousand_secrets_is_masked():
    """S-05, S-23: an installation with a thousand credentials forgets none of them."""
    values = [f"kq{number:04}-{'zx' * 8}" for number in range(1_000)]
    for value in values:
        register_secret(value)

    masked = mask(" ".join(values))

    assert masked == " ".join([MASK] * len(values))


@given(
    values=st.sets(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=8),
    text=st.text("ab", max_size=80),
)
def test_the_first_and_longest_secret_is_masked_as_one_pattern_of_all_would(
    values: set[str], text: str
):
    registry = Registry()
    registry.add(values)
    pattern = "|".join(sorted(values, key=len, reverse=True))

    assert registry.mask(text) == re.sub(pattern, MASK, text)


def test_secrets_whose_beginnings_are_alike_hide_nothing_else():
    registry = Registry()
    registry.add({"kqzx-1", "kqzx-12"})

    masked = registry.mask("kqzx kqzx-1 kqzx-12 kqzx-3 kqz")

    assert masked == f"kqzx {MASK} {MASK} kqzx-3 kqz"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        SECRET.replace('"', '\\"'),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_spelling_of_a_secret_is_masked(spelling: str):
    """S-05"""
    register_secret(SECRET)

    assert mask(f"before {spelling} after") == f"before {MASK} after"


def test_a_value_that_is_too_short_to_protect_anything_is_left():
    register_secret("abc")

    assert mask("abc") == "abc"


def test_arguments_of_a_log_line_are_masked(caplog: pytest.LogCaptureFixture):
    """S-05"""
    register_secret(SECRET)
    log = logging.getLogger("tests")

    log.warning("the key is %s", SECRET)

    assert written(log, caplog) == f"WARNING the key is {MASK}"


def test_a_traceback_and_its_causes_are_masked(caplog: pytest.LogCaptureFixture):
    """S-05"""
    register_secret(SECRET)
    log = logging.getLogger("tests")

    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise RuntimeError(f"after {SECRET}") from error
    except RuntimeError:
        log.exception("failed")

    text = written(log, caplog)
    assert SECRET not in text
    assert text.count(MASK) == 2
    assert "Traceback" in text


def test_an_error_of_the_http_library_that_names_the_address_is_masked(
    caplog: pytest.LogCaptureFixture,
):
    """S-05"""
    register_secret(SECRET)
    log = logging.getLogger("tests")

    try:
        requests.get("http://127.0.0.1:9/", params={"key": SECRET}, timeout=2)
    except requests.ConnectionError:
        log.exception("failed")

    text = written(log, caplog)
    assert "127.0.0.1" in text
    assert quote(SECRET, safe="") not in text
    assert SECRET not in text


def test_a_line_break_in_a_value_does_not_forge_a_line(caplog: pytest.LogCaptureFixture):
    log = logging.getLogger("tests")

    log.warning("name %s", "Ann\n2026-01-01 ERROR forged")

    assert "\n" not in written(log, caplog)


def test_an_error_that_nothing_caught_is_masked_in_every_thread():
    """S-05: a real interpreter dies twice, once in a thread."""
    program = (
        "import threading\n"
        "from config.logging import mask_uncaught_errors\n"
        "from people.masking import register_secret\n"
        "mask_uncaught_errors()\n"
        "register_secret('canary-secret')\n"
        "def fail(): raise ValueError('canary-' + 'secret')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "fail()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.count(f"ValueError: {MASK}") == 2
    assert "canary-secret" not in ended.stderr.replace("'canary-secret'", "")
