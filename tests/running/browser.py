"""A browser without a screen: keeps cookies, follows redirects, posts forms as our pages have them."""

import re
from urllib.parse import urljoin

import httpx2 as httpx

_TOKEN = re.compile(r'name="_xsrf" value="([^"]+)"')


class Person:
    """Somebody at a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60, headers={"accept": "text/html"})

    def close(self) -> None:
        self.http.close()

    def get(self, path: str) -> httpx.Response:
        return self.http.get(urljoin(self.url + "/", path))

    def submit(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Open `page` and post a form on it to `action`."""
        found = _TOKEN.search(self.get(page).text)
        assert found, f"no form on {page}"
        return self.http.post(urljoin(self.url + "/", action), data={"_xsrf": found[1], **fields})

    def accept(self, link: str, name: str, password: str) -> httpx.Response:
        """Make an account with an invitation's link."""
        return self.submit(link, link, username=name, password=password, again=password)

    def sign_in(self, name: str, password: str = "any") -> httpx.Response:
        return self.submit("/hub/login", "/hub/login", username=name, password=password)
