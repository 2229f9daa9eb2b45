from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest
from perijove_singleuser.hub import HubUnavailableError
from perijove_singleuser.startup import find_hub
from perijove_singleuser.user_config import outside_home

from .test_oauth import CONTRACT


async def test_a_hub_that_never_answers_is_asked_with_growing_pauses_and_then_given_up() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/hub/api"
        contract = dataclasses.replace(CONTRACT, api_url=url, start_timeout_s=45)
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        said: list[str] = []
        with pytest.raises(HubUnavailableError):
            await find_hub(contract, sleep=sleep, say=said.append)
    assert slept == [1, 2, 4, 8, 16, 14]
    assert len(said) == 6


def test_paths_in_the_home_are_left_out_also_through_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "disk" / "alice"
    (home / ".jupyter").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    monkeypatch.setattr("sys.prefix", str(home / "env"))
    linked = tmp_path / "home" / "alice"
    kept = outside_home([str(linked / ".jupyter"), "/etc/jupyter", str(home / "env" / "etc" / "jupyter")], linked)
    assert kept == ["/etc/jupyter", str(home / "env" / "etc" / "jupyter")]
