"""Two programs' answers, without what always differs (see `differences.py`)."""

import re
from typing import Any

from .differences import ADDED_TO_ANSWERS, ADDED_TO_REQUESTS, ADDED_TO_UPGRADES, PROTOCOLS
from .running import ITSELF

Answer = dict[str, Any]


def comparable(theirs: list[Answer], ours: list[Answer]) -> tuple[list[Answer], list[Answer]]:
    """Both, ready to be compared by ==. As they are, if both programs are configurable-http-proxy."""
    if ITSELF:
        return theirs, ours
    pairs = [_answer(*pair) for pair in zip(theirs, ours, strict=False)]
    return [their for their, _ in pairs] + theirs[len(pairs) :], [our for _, our in pairs] + ours[len(pairs) :]


def _answer(theirs: Answer, ours: Answer) -> tuple[Answer, Answer]:
    their_headers, our_headers = theirs.get("headers"), ours.get("headers")
    if not (isinstance(their_headers, dict) and isinstance(our_headers, dict)):
        return theirs, ours
    our_headers = _without(our_headers, ADDED_TO_ANSWERS, their_headers)
    if "x-asked" in their_headers and "x-asked" in our_headers:
        asked = _request(their_headers["x-asked"], our_headers["x-asked"])
        their_headers, our_headers = {**their_headers, "x-asked": asked[0]}, {**our_headers, "x-asked": asked[1]}
    theirs, ours = {**theirs, "headers": their_headers}, {**ours, "headers": our_headers}
    if all(isinstance(one.get("body"), dict) and "target" in one["body"] and "headers" in one["body"] for one in (theirs, ours)):
        theirs["body"], ours["body"] = _request(theirs["body"], ours["body"])
    return theirs, ours


def _request(theirs: Answer, ours: Answer) -> tuple[Answer, Answer]:
    """What a server behind saw."""
    their_headers, our_headers = theirs["headers"], _without(ours["headers"], ADDED_TO_REQUESTS, theirs["headers"])
    if "upgrade" in their_headers:
        our_headers = _without(our_headers, ADDED_TO_UPGRADES, their_headers)
        their_headers = {name: PROTOCOLS.get(text, text) if name == "x-forwarded-proto" else text for name, text in their_headers.items()}
    return {**theirs, "headers": _spaced(their_headers)}, {**ours, "headers": _spaced(our_headers)}


def _spaced(headers: dict[str, str]) -> dict[str, str]:
    """Lists of X-Forwarded-... with one blank after each comma: it says nothing (RFC 9110 section 5.6.1)."""
    return {name: re.sub(r"\s*,\s*", ", ", text) if name.startswith("x-forwarded-") else text for name, text in headers.items()}


def _without(headers: dict[str, Any], added: dict[str, str], theirs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in added or name in theirs}
