"""Pages that say what went wrong are shown, whatever else goes wrong."""

from pathlib import Path

from starlette.responses import Response
from structlog.testing import capture_logs

from perijove.domain.errors import NotFoundError
from perijove.web.call import Call
from perijove.web.pages.render import page
from perijove.web.router import Access, Route

from .front import open_front


async def menu(call: Call) -> Response:
    return await page(call, "signed_out.html")


async def lost(_: Call) -> Response:
    raise NotFoundError("There is no such thing.")


ROUTES = tuple(Route(method="GET", path=f"/{handler.__name__}", handler=handler, access=Access.PAGE) for handler in (menu, lost))


async def test_what_is_missing_is_told_with_the_menu_or_without_it(tmp_path: Path) -> None:
    async with open_front(tmp_path, ROUTES) as front:
        assert (await front.client.get("/hub/menu")).status_code == 200  # who it is, is known from here on
        with_menu = await front.client.get("/hub/lost")
        assert with_menu.status_code == 404
        front.store.away = True
        with capture_logs() as lines:
            without_menu = await front.client.get("/hub/lost")
        assert without_menu.status_code == 404
        assert "There is no such thing." in without_menu.text
        assert without_menu.headers["content-security-policy"]
        away = await front.client.get("/hub/menu")
        assert away.status_code == 503
        assert (away.headers["retry-after"], away.headers["refresh"]) == ("5", "5")
        assert [line["event"] for line in lines] == ["a page for an error could not be made as usual"]
