"""Who may sign in: deny rules always win, and nobody is allowed by default."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.claims import AccessRules, Claims, admittance, denied
from perijove.wire.names import UserName

ALICE = UserName("alice")
CLAIMS = Claims(issuer="door", subject="1", username="alice")
STAFF = frozenset({"staff"})


def test_nobody_is_allowed_by_default() -> None:
    verdict = admittance(CLAIMS, ALICE, AccessRules(), exists=True, blocked=False)
    assert (verdict.allowed, verdict.reason) == (False, "no rule allows alice")


@pytest.mark.parametrize(
    ("rules", "claims", "exists"),
    [
        (AccessRules(allow_all=True), CLAIMS, False),
        (AccessRules(allowed_users=frozenset({"alice"})), CLAIMS, False),
        (AccessRules(allowed_groups=STAFF), replace(CLAIMS, groups=STAFF), False),
        (AccessRules(allow_existing_users=True), CLAIMS, True),
        (AccessRules(admin_users=frozenset({"alice"})), CLAIMS, False),
        (AccessRules(admin_groups=STAFF), replace(CLAIMS, groups=STAFF), False),
        (AccessRules(), replace(CLAIMS, allowed=True), False),
        (AccessRules(), replace(CLAIMS, admin=True), False),
    ],
)
def test_each_rule_allows_by_itself_and_no_deny_rule_is_outvoted(rules: AccessRules, claims: Claims, *, exists: bool) -> None:
    assert admittance(claims, ALICE, rules, exists=exists, blocked=False).allowed
    assert not admittance(claims, ALICE, rules, exists=exists, blocked=True).allowed
    by_name = replace(rules, blocked_users=frozenset({"alice"}))
    assert not admittance(claims, ALICE, by_name, exists=exists, blocked=False).allowed
    by_group = replace(rules, blocked_groups=frozenset({"out"}))
    out = replace(claims, groups=(claims.groups or frozenset()) | {"out"})
    assert not admittance(out, ALICE, by_group, exists=exists, blocked=False).allowed


def test_groups_recorded_on_the_hub_count_only_where_the_authenticator_is_silent() -> None:
    rules = AccessRules(allowed_groups=STAFF)
    assert admittance(CLAIMS, ALICE, rules, exists=True, blocked=False, recorded_groups=STAFF).allowed
    told = replace(CLAIMS, groups=frozenset[str]())
    assert not admittance(told, ALICE, rules, exists=True, blocked=False, recorded_groups=STAFF).allowed


def test_an_email_or_display_name_authorises_nobody() -> None:
    rules = AccessRules(allowed_users=frozenset({"boss", "boss@example.org"}), admin_users=frozenset({"boss"}))
    mallory = Claims(issuer="door", subject="2", username="mallory", display_name="boss", email="boss@example.org")
    assert not admittance(mallory, UserName("mallory"), rules, exists=True, blocked=False).allowed


NAMES = st.sampled_from(["alice", "bob"])
GROUPS = st.frozensets(st.sampled_from(["staff", "out"]))


@given(name=NAMES, groups=GROUPS, users=st.frozensets(NAMES), blocked_groups=GROUPS, blocked=st.booleans())
def test_whoever_a_deny_rule_stops_at_a_request_is_stopped_at_sign_in_too(
    name: str, groups: frozenset[str], users: frozenset[str], blocked_groups: frozenset[str], *, blocked: bool
) -> None:
    rules = AccessRules(allow_all=True, blocked_users=users, blocked_groups=blocked_groups)
    claims = replace(CLAIMS, username=name, groups=groups, admin=True)
    verdict = admittance(claims, UserName(name), rules, exists=True, blocked=blocked)
    assert verdict.allowed is not denied(name, groups, rules, blocked=blocked)
