"""Which hosts may be called (S-10, S-11): nothing but the vendor's, or what the operator listed."""

from typing import Any

import pytest
import requests

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.connections import EgressAdapter
from integrations.egress import check_url, is_public, listed_origin
from integrations.errors import AskPerson, VendorError
from integrations.registry import get_vendor
from tests.integrations.language.conftest import SECRET, CallVendor
from tests.integrations.language.server import json_reply, serving

HOSTS = ("acme.aha.io",)

# S-11: 60 forms and more. None of them may be called with these credentials.
REFUSED = [
    "http://acme.aha.io/",
    "https://evil.example/",
    "https://aha.io/",
    "https://other.aha.io/",
    "https://acme.aha.io.evil.example/",
    "https://evil.example/acme.aha.io",
    "https://evil.example?acme.aha.io",
    "https://evil.example#acme.aha.io",
    "https://evil.example\\.acme.aha.io/",
    "https://acme.aha.io\\@evil.example/",
    "https://acme.aha.io@evil.example/",
    "https://user:pass@acme.aha.io/",
    "https://@acme.aha.io/",
    "https://acme.aha.io:8443/",
    "https://acme.aha.io:22/",
    "https://acme.aha.io:80/",
    "https://acme.aha.io:0/",
    "https://acme.aha.io:/",
    "https://acme.aha.io:99999/",
    "https://acme.aha.io:443x/",
    "https://acme.aha.io./",
    "https://.acme.aha.io/",
    "https://acme..aha.io/",
    "https://acme.aha.io%2eevil.example/",
    "https://acme%2eaha.io/",
    "https://acme.aha.io%00.evil.example/",
    "https://acme.aha.io\r\nHost: evil.example/",
    "https://acme.aha.io/\r\nX: y",
    "https://acme.aha.io/\x00",
    "https://acme.aha.io/ x",
    "https://acme.aha.io/#x",
    "https://acme.aha.io/#",
    "https://аcme.aha.io/",
    "https://acme。aha。io/",
    "https://acme.aha.ⅰo/",
    "https://acme.aha.io/{{ credential.token }}",
    "//acme.aha.io/",
    "acme.aha.io/",
    "",
    "https://",
    "https:///acme.aha.io/",
    "https:acme.aha.io",
    "ftp://acme.aha.io/",
    "file:///etc/passwd",
    "gopher://acme.aha.io/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ldap://acme.aha.io/",
    "dict://127.0.0.1:11211/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://localhost/",
    "https://localhost.localdomain/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00::1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://127.0.0.1.nip.io/",
    "https://[::1",
    "https://acme.aha.io/" + "a" * 9000,
    "https://127.0.0.1:8100/",
    "http://127.0.0.1:8101/",
]


def test_the_list_of_forms_is_as_long_as_promised():
    assert len(set(REFUSED)) >= 60


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_elsewhere_is_refused(url: str):
    """S-11: also with another host listed for these credentials."""
    with pytest.raises(AskPerson) as caught:
        check_url(url, vendor_hosts=HOSTS, extra_hosts=["other.example:443"], allow_http=True)

    assert caught.value.code == "egress_refused"


@pytest.mark.parametrize(
    ("url", "hosts", "extra", "listed"),
    [
        ("https://acme.aha.io/api/v1/users?page=1", HOSTS, (), False),
        ("https://ACME.AHA.IO/api", HOSTS, (), False),
        ("https://acme.aha.io:443/api", HOSTS, (), False),
        ("https://x.vendor.example/", ("*.vendor.example",), (), False),
        ("http://127.0.0.1:8100/aha", HOSTS, ("127.0.0.1:8100",), True),
        ("https://mock.internal:8443/", HOSTS, ("mock.internal:8443",), True),
        ("http://[::1]:8100/", HOSTS, ("[::1]:8100",), True),
    ],
)
def test_the_vendors_hosts_and_listed_ones_may_be_called(
    url: str,
    hosts: tuple[str, ...],
    extra: tuple[str, ...],
    listed: bool,  # noqa: FBT001 - what is expected
):
    found = check_url(url, vendor_hosts=hosts, extra_hosts=extra, allow_http=True)

    assert found.listed is listed


def test_a_star_stands_for_one_label_only():
    with pytest.raises(AskPerson):
        check_url(
            "https://a.b.vendor.example/",
            vendor_hosts=["*.vendor.example"],
            extra_hosts=(),
            allow_http=False,
        )


def test_plain_http_is_refused_where_it_is_not_allowed_even_for_listed_hosts():
    """S-11: production settings refuse plain http."""
    with pytest.raises(AskPerson, match="plain http"):
        check_url(
            "http://127.0.0.1:8100/",
            vendor_hosts=HOSTS,
            extra_hosts=["127.0.0.1:8100"],
            allow_http=False,
        )


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "10.1.2.3",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_an_address_that_is_not_on_the_open_internet_is_refused(text: str):
    import ipaddress

    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_an_address_on_the_open_internet_is_taken(text: str):
    import ipaddress

    assert is_public(ipaddress.ip_address(text))


def _get(adapter: EgressAdapter, url: str, *, within: float = 1) -> requests.Response:
    return adapter.send(requests.Request("GET", url).prepare(), timeout=(within, within))


def test_a_name_that_leads_to_a_private_address_reaches_nobody():
    """S-11: 0 connections at the listener."""
    with serving(lambda _seen: json_reply({})) as server:
        adapter = EgressAdapter(
            listed=frozenset(), total_timeout=2, resolver=lambda _host, _port: ["127.0.0.1"]
        )

        with pytest.raises(AskPerson) as caught:
            _get(adapter, f"http://acme.aha.io:{server.port}/")

        assert caught.value.code == "egress_refused"
        assert server.connections == 0
        adapter.close()


def test_a_name_that_changes_its_mind_gains_nothing():
    """S-11, DNS that flips: one answer per connection, checked and then connected to."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked: list[str] = []

    def flipping(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    with serving(lambda _seen: json_reply({})) as server:
        adapter = EgressAdapter(listed=frozenset(), total_timeout=1, resolver=flipping)

        with pytest.raises((requests.ConnectionError, requests.Timeout)):
            _get(adapter, f"http://acme.aha.io:{server.port}/")
        first_tries = len(asked)
        with pytest.raises(AskPerson):
            _get(adapter, f"http://acme.aha.io:{server.port}/")

        assert (first_tries, len(asked)) == (1, 2)
        assert server.connections == 0
        adapter.close()


def test_one_private_address_among_public_ones_refuses_the_name():
    adapter = EgressAdapter(
        listed=frozenset(),
        total_timeout=1,
        resolver=lambda _host, _port: ["93.184.216.34", "10.0.0.1"],
    )

    with pytest.raises(AskPerson, match="private address"):
        _get(adapter, "https://acme.aha.io/")
    adapter.close()


def test_a_listed_host_is_reached_at_the_address_that_its_name_gave():
    with serving(lambda _seen: json_reply({"ok": True})) as server:
        adapter = EgressAdapter(
            listed=frozenset({("mock.internal", server.port)}),
            total_timeout=60,
            resolver=lambda _host, _port: ["127.0.0.1"],
        )

        response = _get(adapter, f"http://mock.internal:{server.port}/x", within=30)

        assert response.json() == {"ok": True}
        assert server.seen[0].headers["Host"] == f"mock.internal:{server.port}"
        adapter.close()


def test_a_base_url_that_the_operator_did_not_list_is_refused(settings: Any):
    settings.EGRESS_EXTRA_HOSTS = ["127.0.0.1:1"]

    with pytest.raises(AskPerson) as caught:
        _client("http://127.0.0.1:2/api")

    assert caught.value.code == "egress_refused"
    assert SECRET not in caught.value.message


def test_a_listed_host_counts_only_for_the_credentials_that_name_it(settings: Any):
    """The list is no pass for other credentials: they keep to the vendor's hosts."""
    assert listed_origin(None, ["127.0.0.1:1"]) == frozenset()
    assert listed_origin("https://acme.aha.io/api", ["127.0.0.1:1"]) == frozenset()
    with serving(lambda _seen: json_reply({})) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        client = _client(None)

        for path in (f"//{server.origin}/x", f"http://{server.origin}/x"):
            with pytest.raises(VendorError):
                client.call("GET", path)

        assert server.connections == 0
        client.close()


# S-10: what somebody may try who can write paths, parameters and headers, but not read the key.
ATTEMPTS: list[dict[str, Any]] = [
    {"path": "http://{evil}/steal"},
    {"path": "https://{evil}/steal"},
    {"path": "//{evil}/steal"},
    {"path": "///{evil}/steal"},
    {"path": "\\\\{evil}\\steal"},
    {"path": "/\\{evil}/steal"},
    {"path": "@{evil}/steal"},
    {"path": ":@{evil}/steal"},
    {"path": "users/../../../steal"},
    {"path": "users/..;/steal"},
    {"path": "../steal"},
    {"path": "./steal"},
    {"path": "users?next=http://{evil}"},
    {"path": "users#@{evil}"},
    {"path": "users\r\nHost: {evil}"},
    {"path": "users HTTP/1.1\r\nHost: {evil}\r\n\r\n"},
    {"path": "users/{{ credential.token }}"},
    {"path": "users/{{ secrets.value }}"},
    {"path": "usérs"},
    {"headers": {"Host": "{evil}"}},
    {"headers": {"Authorization": "Bearer mine"}},
    {"headers": {"X-Forwarded-Host": "{evil}"}},
    {"headers": {"Proxy-Authorization": "x"}},
    {"headers": {"Transfer-Encoding": "chunked"}},
    {"headers": {"Content-Length": "0"}},
    {"headers": {"Cookie": "a=b"}},
    {"headers": {"X-A": "b\r\nHost: {evil}"}},
    {"headers": {"X-A\r\nHost": "{evil}"}},
    {"headers": {"X-A": "é"}},
]


ODD_BUT_THE_VENDORS_OWN = ("users/..;/steal", "@{evil}/steal", ":@{evil}/steal")


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=[str(one) for one in ATTEMPTS])
def test_an_attempt_to_send_the_key_elsewhere_sends_nothing_there(
    call_vendor: CallVendor, attempt: dict[str, Any]
):
    """S-10: 0 canaries at the attacker's listener."""
    called = call_vendor(lambda _seen: json_reply({"user": {}}))
    with serving(lambda _seen: json_reply({})) as evil:

        def put(text: str) -> str:
            return text.replace("{evil}", evil.origin)

        headers = {put(name): put(value) for name, value in attempt.get("headers", {}).items()}
        if attempt.get("path") in ODD_BUT_THE_VENDORS_OWN:
            called.client.call("GET", put(attempt["path"]), headers=headers)
            assert called.server.targets[0].startswith("/api/v1/")
        else:
            with pytest.raises(VendorError) as caught:
                called.client.call("GET", put(attempt.get("path", "users")), headers=headers)
            assert SECRET not in caught.value.message
            assert not called.server.seen

        assert evil.connections == 0


def test_a_redirect_is_not_followed(call_vendor: CallVendor):
    """S-11: 302 to the metadata service, or to a listener of somebody else."""
    with serving(lambda _seen: json_reply({})) as evil:
        for location in (f"http://{evil.origin}/", "http://169.254.169.254/latest/", "/api/v1/x"):
            called = call_vendor(lambda _seen, to=location: json_reply({}, 302, Location=to))

            with pytest.raises(AskPerson) as caught:
                called.client.call("GET", "users")

            assert caught.value.code == "redirect"
            assert caught.value.status == 302
            assert len(called.server.seen) == 1
        assert evil.connections == 0


def test_proxies_of_the_environment_are_not_used(
    call_vendor: CallVendor, monkeypatch: pytest.MonkeyPatch
):
    with serving(lambda _seen: json_reply({})) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.origin}")
        monkeypatch.delenv("no_proxy", raising=False)
        called = call_vendor(lambda _seen: json_reply({"user": {"id": 1}}))

        called.client.test()

        assert proxy.connections == 0
        assert len(called.server.seen) == 1


def test_a_host_that_does_not_exist_is_told_as_such(settings: Any):
    settings.EGRESS_EXTRA_HOSTS = ["no-such-host.invalid:443"]
    waits: list[float] = []
    client = _client("https://no-such-host.invalid/api", sleep=waits.append)

    with pytest.raises(VendorError) as caught:
        client.call("GET", "me")

    assert caught.value.code == "dns"
    assert caught.value.is_connection_failure
    client.close()


def _client(base_url: str | None, **options: Any) -> VendorClient:
    access = Access(7, "Production", "api_key", {}, {"value": SECRET}, base_url)
    return VendorClient(get_vendor("aha"), access, inputs={"subdomain": "acme"}, **options)
