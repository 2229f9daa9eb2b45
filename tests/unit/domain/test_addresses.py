"""Paths are the same whether everybody shares a host or has one; only what stands before them differs."""

import pytest

from perijove.domain.addresses import HubAddresses

PATHS = HubAddresses(base_url="/base/", api_url="http://127.0.0.1:8081/base/hub/api")
PUBLIC = HubAddresses(base_url="/base/", api_url="http://127.0.0.1:8081/base/hub/api", public_url="https://hub.test")
HOSTS = HubAddresses(base_url="/base/", api_url="x", public_url="https://hub.test:8443", subdomain_host="https://hub.test:8443")
OLD = HubAddresses(base_url="/", api_url="x", public_url="http://hub.test", subdomain_host="http://hub.test", naming="legacy")


@pytest.mark.parametrize(
    ("addresses", "url", "full", "spec"),
    [
        (PATHS, "/base/user/ada@x/lab/", "", "/base/user/ada@x/lab/"),
        (PUBLIC, "/base/user/ada@x/lab/", "https://hub.test/base/user/ada@x/lab/", "/base/user/ada@x/lab/"),
        (
            HOSTS,
            "https://u-adax--4a9438b.hub.test:8443/base/user/ada@x/lab/",
            "https://u-adax--4a9438b.hub.test:8443/base/user/ada@x/lab/",
            "u-adax--4a9438b.hub.test/base/user/ada@x/lab/",
        ),
        (OLD, "http://ada_40x.hub.test/user/ada@x/lab/", "http://ada_40x.hub.test/user/ada@x/lab/", "ada_40x.hub.test/user/ada@x/lab/"),
    ],
)
def test_where_a_server_is(addresses: HubAddresses, url: str, full: str, spec: str) -> None:
    assert addresses.server_url("ada@x", "lab") == url
    assert addresses.full_server_url("ada@x", "lab") == full
    assert addresses.server_spec("ada@x", "lab") == spec
    assert spec.endswith(addresses.server_path("ada@x", "lab"))


def test_where_a_service_is() -> None:
    assert PATHS.service_url("grader") == PATHS.service_spec("grader") == "/base/services/grader/"
    assert HOSTS.service_url("grader") == HOSTS.full_service_url("grader") == "https://grader--service.hub.test:8443/base/services/grader/"
    assert HOSTS.service_spec("grader") == "grader--service.hub.test/base/services/grader/"
    assert OLD.service_url("grader") == "http://services.hub.test/services/grader/"


def test_forms_may_lead_to_the_hosts_below_ours_and_to_no_others() -> None:
    assert HOSTS.everyones_hosts == "https://*.hub.test:8443"
    assert PUBLIC.everyones_hosts == PATHS.everyones_hosts == ""


def test_cookies_are_bound_to_a_host_only_where_it_is_nobody_elses_and_comes_by_tls() -> None:
    assert HOSTS.host_cookies
    assert HOSTS.service_host_cookies
    assert not PATHS.host_cookies
    assert not PUBLIC.host_cookies
    assert not OLD.host_cookies
    together = HubAddresses(base_url="/", api_url="x", public_url="https://hub.test", subdomain_host="https://hub.test", naming="legacy")
    assert together.host_cookies
    assert not together.service_host_cookies
