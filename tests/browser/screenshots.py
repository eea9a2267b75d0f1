"""`make screenshots`: the pictures of the README, taken from the demo company in a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = os.environ.get("CHROMIUM_PATH", "/usr/bin/chromium")
READY_WITHIN_SECONDS = 90
SIGN_IN = re.compile(r"^\s+admin\s+(\S+)", re.MULTILINE)


def main() -> None:
    """Start the demo, look at three pages, stop it. Exits 1 when it does not become ready."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with demo() as (address, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        sign_in(page, address, password)
        take(page, f"{address}/admin/", "dashboard")
        preview(page, address)
        take(page, page.url, "preview")
        take(page, f"{address}/admin/saas/saasuser/", "saas-users")
        browser.close()


@contextmanager
def demo() -> Iterator[tuple[str, str]]:
    """The demo company on a free port, in a folder of its own: its address and password."""
    with tempfile.TemporaryDirectory(prefix="rolecall-pictures-") as folder:
        port = free_port()
        printed = Path(folder) / "printed.txt"
        environment = {
            **os.environ,
            "DATA_DIR": folder,
            "SECRETS_FILE": f"{folder}/secrets.env",
            "ROLECALL_IGNORE_ENV_FILE": "1",
        }
        command = [sys.executable, "manage.py", "start", "--demo", "--port", str(port)]
        with (
            printed.open("w") as output,
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output) as process,
        ):
            try:
                yield f"http://127.0.0.1:{port}", password_in(printed)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


def password_in(printed: Path) -> str:
    """Wait for the demo to say who may sign in."""
    for _ in range(READY_WITHIN_SECONDS):
        if found := SIGN_IN.search(printed.read_text()):
            return found[1]
        time.sleep(1)
    raise SystemExit(f"The demo was not ready within {READY_WITHIN_SECONDS} s.")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def sign_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/admin/login/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{address}/admin/")


def preview(page: Page, address: str) -> None:
    """Ask for a preview of the Aha! integration and open its plan."""
    page.goto(f"{address}/admin/integrations/syncrun/")
    page.locator("#result_list tbody a").first.click()
    page.get_by_role("link", name="Plan", exact=True).click()
    page.wait_for_load_state()


def take(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.wait_for_timeout(500)  # fonts and side bar settle
    page.screenshot(path=str(PICTURES / f"{name}.png"))
    print(f"docs/pictures/{name}.png")  # noqa: T201 - says what it made


if __name__ == "__main__":
    main()
