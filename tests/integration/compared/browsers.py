"""The API asked with the login cookie: what a page of ours may, and what a page from elsewhere may not."""

from collections.abc import Iterator, Mapping

from tests.integration.compared.talk import Ask, Step

HEADERS: tuple[Mapping[str, str], ...] = (
    {}, {"x-xsrftoken": "{xsrf}"}, {"x-xsrftoken": "wrong"}, {"x-xsrftoken": ""}, {"sec-fetch-mode": "cors"}, {"sec-fetch-mode": "navigate"},
    {"sec-fetch-mode": "no-cors"}, {"sec-fetch-mode": "same-origin"}, {"sec-fetch-mode": "cors", "x-xsrftoken": "{xsrf}"},
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "cross-site", "x-xsrftoken": "{xsrf}"},
    {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, {"origin": "https://elsewhere.example.org"}, {"origin": "{url}"},
    {"origin": "https://elsewhere.example.org", "x-xsrftoken": "{xsrf}"}, {"referer": "https://elsewhere.example.org/"},
    {"origin": "null", "x-xsrftoken": "{xsrf}"}, {"x-requested-with": "XMLHttpRequest"},
)  # fmt: skip


def reading() -> Iterator[Step]:
    for headers in HEADERS:
        for path in ("/user", "/users/ann", "/users/bob", "/nothing"):
            yield Ask(who="cookie of ann", path=path, headers=headers)
        yield Ask(who="cookie of ada", path="/users", headers=headers)
        yield Ask(who="cookie of ann", method="HEAD", path="/user", headers=headers)
        yield Ask(who="cookie of ann", method="OPTIONS", path="/user", headers=headers)
    yield Ask(who="cookie of ann", path="/user?_xsrf={xsrf}")
    yield Ask(who="cookie of ann", path="/user?_xsrf=wrong", headers={"sec-fetch-mode": "cors"})


def writing() -> Iterator[Step]:
    for headers in HEADERS:
        yield Ask(who="cookie of ann", method="POST", path="/users/ann/tokens", json={"note": "by browser"}, headers=headers)
        yield Ask(who="cookie of ann", method="PUT", path="/users/ann/servers/browsed", json={}, headers=headers)
        yield Ask(who="cookie of ann", method="DELETE", path="/users/ann/servers/browsed", json={"remove": True}, headers=headers, settle=True)
        yield Ask(who="cookie of ann", method="POST", path="/users/ann/activity", json={"last_activity": "2020-01-01T00:00:00Z"}, headers=headers)
        yield Ask(who="cookie of ada", method="POST", path="/groups/team/users", json={"users": ["bob"]}, headers=headers)
        yield Ask(who="cookie of ann", method="POST", path="/groups/team/users", json={"users": ["bob"]}, headers=headers)
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        for headers in ({"x-xsrftoken": "{xsrf}"}, {}):
            body = b'{"users": ["bob"]}'
            yield Ask(who="cookie of ada", method="POST", path="/groups/team/users", raw=body, headers={"content-type": kind, **headers})


AREAS = (reading, writing)
