"""Words between agents, gateways, proxies and hubs."""

import pytest

from perijove.wire.agents import agent_token, connect_head, connected, is_start_id


def test_a_token_is_one_starts_alone_and_tells_nothing_of_the_proxies_secret() -> None:
    tokens = {agent_token("secret", "a"), agent_token("secret", "b"), agent_token("other", "a")}
    assert len(tokens) == 3
    assert all(len(token) == 64 and "secret" not in token for token in tokens)
    assert agent_token("secret", "a") in tokens


@pytest.mark.parametrize(
    ("text", "good"), [("a-1.b_2", True), ("", False), ("a b", False), ("-a", False), ("a/b", False), ("a\r\n", False), ("a" * 129, False)]
)
def test_what_a_start_may_be_called(text: str, good: bool) -> None:
    assert is_start_id(text) is good


def test_a_gateways_answer_is_yes_no_or_trouble() -> None:
    assert connect_head("s1", "T").startswith(b"CONNECT s1 HTTP/1.1\r\n")
    assert connected(b"HTTP/1.1 200 Connected\r\n\r\n")
    assert not connected(b"HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nnothing")
    assert not connected(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    with pytest.raises(PermissionError, match=r"same \[proxy\] token"):
        connected(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
    for nonsense in (b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 302 Found\r\n\r\n", b"\r\n\r\n"):
        with pytest.raises(ConnectionAbortedError):
            connected(nonsense)
