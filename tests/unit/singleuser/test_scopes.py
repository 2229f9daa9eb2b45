from __future__ import annotations

import pytest
from perijove_singleuser.scopes import grants_access

REQUIRED = {"access:servers!server=alice/gpu", "access:servers!user=alice"}


@pytest.mark.parametrize(
    "held",
    ["access:servers", "access:servers!user=alice", "access:servers!server=alice/gpu"],
)
def test_these_open_the_server(held: str) -> None:
    assert grants_access(REQUIRED, ["read:users:name!user=bob", held])


@pytest.mark.parametrize(
    "held",
    [
        "",
        "access:servers!server=alice/",
        "access:servers!server=alice/gpu2",
        "access:servers!server=bob/gpu",
        "access:servers!user=alic",
        "access:servers!group=staff",
        "access:services",
        "admin:servers",
        "servers!user=alice",
        "read:servers",
    ],
)
def test_these_do_not(held: str) -> None:
    assert not grants_access(REQUIRED, [held])


def test_a_user_filter_covers_that_persons_servers() -> None:
    assert grants_access({"access:servers!server=alice/gpu"}, ["access:servers!user=alice"])
    assert not grants_access({"access:servers!user=alice"}, ["access:servers!server=alice/gpu"])


def test_no_required_scope_means_nobody() -> None:
    assert not grants_access(set(), ["access:servers"])
