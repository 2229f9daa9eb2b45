"""A host for every name: always one that DNS and browsers take, and never two people's."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.hosts import MAX_LABEL, below, dns_safe, host_name, plain_host
from perijove.wire.names import BadNameError, parse_user_name
from perijove.wire.routespec import parse_routespec

DOMAIN = "hub.example.org"
NAMINGS = ("idna", "legacy")


def names(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Names as the hub keeps them."""

    def kept(text: str) -> str:
        try:
            return parse_user_name(text)
        except BadNameError:
            return "nobody"

    return st.text(alphabet, min_size=1, max_size=80).map(kept)


ANY = names(st.characters(exclude_categories=["Cs"]))
NEARLY_HOSTS = names(st.sampled_from(string.ascii_lowercase + string.digits + "-._@éß用"))


@given(st.one_of(ANY, NEARLY_HOSTS))
def test_every_name_makes_a_host_one_label_below_the_hubs(name: str) -> None:
    for kind in ("user", "service"):
        host = host_name("idna", kind, name, DOMAIN)
        label = host.removesuffix(f".{DOMAIN}")
        assert below(host, DOMAIN)
        assert dns_safe(label)
        assert len(label) <= MAX_LABEL
        if kind == "user":  # a service named with two letters has such a label at JupyterHub, too; browsers do not mind
            assert label[2:4] != "--" or label.startswith("xn--"), "reserved for IDNA"


@given(st.one_of(ANY, NEARLY_HOSTS), st.sampled_from(NAMINGS))
def test_a_proxy_takes_every_host_as_a_routes_and_knows_it_in_a_request(name: str, naming: str) -> None:
    host = host_name("legacy" if naming == "legacy" else "idna", "user", name, DOMAIN)
    assert parse_routespec(f"{host}/user/x/").host.decode() == plain_host(f"{host.upper()}:8000") == host


@given(st.lists(st.one_of(ANY, NEARLY_HOSTS), min_size=2, max_size=30, unique=True))
def test_no_two_names_share_a_host(several: list[str]) -> None:
    for naming in NAMINGS:
        hosts = [host_name("legacy" if naming == "legacy" else "idna", "user", name, DOMAIN) for name in several]
        assert len(set(hosts)) == len(several)
    people = {host_name("idna", "user", name, DOMAIN) for name in several}
    assert people.isdisjoint(host_name("idna", "service", name, DOMAIN) for name in several)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ada", "ada"),
        ("ada-2", "ada-2"),
        ("1234", "u-1234--03ac674"),  # digits alone are taken for an address
        ("ünï", "xn--n-nga1b"),
        ("ada@example.org", "u-adaexamp--cfe00dd"),
        ("u-ada--bd0d29f", "u-uadabd0d--d6b37d5"),  # what looks like a made label is none
        ("xn--n-nga1b", "u-xnnnga1b--6915cbf"),
        ("用户", "xn--zouo53b"),
    ],
)
def test_hosts_stay_what_they_are(name: str, label: str) -> None:
    """Cookies and bookmarks hang on them: a change here is a change for every site."""
    assert host_name("idna", "user", name, DOMAIN) == f"{label}.{DOMAIN}"


def test_a_service_with_a_long_name_has_a_host_too() -> None:
    label = host_name("idna", "service", "g" * 63, DOMAIN).partition(".")[0]
    assert len(label) <= MAX_LABEL
    assert label.endswith("--service")


def test_all_services_share_a_host_by_the_legacy_rule() -> None:
    assert host_name("legacy", "service", "grader", DOMAIN) == f"services.{DOMAIN}"
    assert host_name("legacy", "user", "ada@example.org", DOMAIN) == f"ada_40example.org.{DOMAIN}"


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        ("Ada.Hub.Example.org:8000", "ada.hub.example.org"),
        ("ada.hub.example.org.", "ada.hub.example.org"),
        ("[::1]:80", "[::1]"),
        ("", ""),
    ],
)
def test_a_host_field_is_read_without_port_case_and_dot(sent: str, host: str) -> None:
    assert plain_host(sent) == host


def test_a_name_that_only_ends_like_ours_is_not_below_it() -> None:
    assert below("ada.hub.example.org", DOMAIN)
    assert not below("evilhub.example.org", DOMAIN)
    assert not below(DOMAIN, DOMAIN)
