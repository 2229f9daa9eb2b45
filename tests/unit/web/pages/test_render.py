"""Pages do not depend on files once the hub runs."""

from typing import NoReturn

import pytest

from perijove.web.pages.render import static_hash, templates


def test_pages_are_made_while_the_next_version_is_installed_over_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_args: object, **_options: object) -> NoReturn:
        raise FileNotFoundError

    for reading in ("builtins.open", "io.open", "os.stat", "os.scandir", "os.listdir"):
        monkeypatch.setattr(reading, gone)
    environment = templates.__wrapped__()
    names = environment.list_templates()
    assert "error.html" in names
    for name in names:
        assert environment.get_template(name).name == name
    assert len(static_hash.__wrapped__("style.css")) == 12
