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
_ONCE = "a code is tried once: whoever guesses at the rest of a request with a stolen code has no second guess"
_SENT_BACK = "RFC 6749 section 4.1.3: what the code was asked for with must come again"
_SHOWN = "nobody grants more than they were shown"
_BASIC = "RFC 6749 section 2.3.1: clients may send their secret in the Authorization header, and then nowhere else"
_NO_500 = "bad input is the client's mistake, never the hub's"
_INVALID = "302 to http://127.0.0.1:9/services/reader/oauth_callback with error=invalid_scope"

DIFFERENCES: dict[str, Difference] = {
    "test_a_request[redirect empty]": Difference("asks", _EMPTY),
    "test_a_request[scope empty]": Difference("asks", _EMPTY),
    "test_a_request[redirect with a fragment]": Difference("400 Mismatching redirect URI", _PLAIN),
    "test_a_request[redirect relative]": Difference("400 Mismatching redirect URI", _PLAIN),
    "test_a_request[type code token]": Difference(
        "302 to http://127.0.0.1:9/services/forum/oauth_callback with error=unsupported_response_type",
        "only codes are given, and a client that asks for a token as well would wait for it in vain",
    ),
    "test_an_answer[more than was asked]": Difference(_INVALID, _SHOWN),
    "test_an_address_changed_before_the_answer_is_judged_anew[scope]": Difference(_INVALID, _SHOWN),
    "test_an_address_changed_before_the_answer_is_judged_anew[redirect_uri]": Difference("400 Mismatching redirect URI", _PLAIN),
    "test_an_exchange[code empty]": Difference("400 error: invalid_request", _EMPTY),
    "test_an_exchange[redirect missing]": Difference("400 error: invalid_grant", _SENT_BACK),
    "test_an_exchange[redirect wrong]": Difference("400 error: invalid_grant no-store no-cache, and then 400", _ONCE),
    "test_an_exchange[another client]": Difference("400 error: invalid_grant no-store no-cache, and then 400", _ONCE),
    "test_an_exchange[another client, same redirect]": Difference("400 error: invalid_grant no-store no-cache, and then 400", _ONCE),
    "test_an_exchange[grant type refresh]": Difference("400 error: unsupported_grant_type", "there are no refresh tokens for anybody"),
    "test_a_code_that_was_asked_for_without_a_redirect_uri[another]": Difference("400 error: invalid_grant", "RFC 6749 section 5.2 names this error"),
    "test_a_verifier[S256 empty]": Difference("400 error: invalid_request", _EMPTY),
    "test_credentials_in_the_header[right]": Difference("200", _BASIC),
    "test_credentials_in_the_header[right, client in the body too]": Difference("200", _BASIC),
    "test_credentials_in_the_header[wrong, right in the body]": Difference("401 error: invalid_client", _BASIC),
    "test_credentials_in_the_header[of another client]": Difference("400 error: invalid_grant", _BASIC),
    "test_other_bodies[bytes]": Difference("400 error: unsupported_grant_type", _NO_500),
    "test_credentials_in_the_address_are_none": Difference("401 error: invalid_client", _NO_500),
    "test_a_code_does_not_outlive_its_session": Difference("400 error: invalid_grant", "whoever signs out is signed out everywhere"),
    "test_after_signing_in[own host, another scheme]": Difference(
        "/hub/token", "it is reduced to its path; a hub behind a proxy may not know by which scheme people come"
    ),
    "test_after_signing_in[accents]": Difference("/hub/t%C3%B6k/%C3%A9", "RFC 9110: an address in a header is ASCII"),
    "test_after_signing_in[line end]": Difference("/hub/home", _NO_500),
    "test_after_signing_in[brackets]": Difference("/hub/home", _NO_500),
    "test_a_parameter_twice[code_challenge]": Difference("400", "RFC 6749 section 3.1: no parameter comes twice"),
    "test_what_is_granted[spaces-ann]": Difference("200", _SPACES),
    "test_what_is_granted[spaces-tea]": Difference("200", _SPACES),
}
