"""Where ours differs on purpose: test -> what ours does, and why. docs/reference/oauth-differences.md tells it to people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`ours` is how what a walk at our hub says begins."""

    ours: str
    why: str


_EMPTY = "RFC 6749 section 3.1: a parameter without a value counts as left out"
_PLAIN = "the same refusal; only the words on the page differ"
_SPACES = "RFC 6749 section 3.3 has scopes divided by spaces; one more or less does not matter"

DIFFERENCES: dict[str, Difference] = {
    "test_a_request[redirect empty]": Difference("asks", _EMPTY),
    "test_a_request[scope empty]": Difference("asks", _EMPTY),
    "test_a_request[redirect with a fragment]": Difference("400 Mismatching redirect URI", _PLAIN),
    "test_a_request[redirect relative]": Difference("400 Mismatching redirect URI", _PLAIN),
    "test_a_request[type code token]": Difference(
        "302 to http://127.0.0.1:9/services/forum/oauth_callback with error=unsupported_response_type",
        "only codes are given, and a client that asks for a token as well would wait for it in vain",
    ),
    "test_a_parameter_twice[code_challenge]": Difference("400", "RFC 6749 section 3.1: no parameter comes twice"),
    "test_what_is_granted[spaces-ann]": Difference("200", _SPACES),
    "test_what_is_granted[spaces-tea]": Difference("200", _SPACES),
}
