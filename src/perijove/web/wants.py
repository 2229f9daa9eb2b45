"""What the asker reads."""

from enum import Enum

from starlette.requests import Request


class Wants(Enum):
    """What the asker reads."""

    JSON = "json"
    PAGE = "page"

    @classmethod
    def of(cls, request: Request) -> "Wants":
        """A browser that opens a page says text/html; everything else gets JSON."""
        return cls.PAGE if "text/html" in request.headers.get("accept", "") else cls.JSON
