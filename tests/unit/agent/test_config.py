"""What an agent is told."""

import json

import pytest

from perijove.agent.config import ConfigError, taken


def told(**more: object) -> dict[str, str]:
    return {"PERIJOVE_AGENT": json.dumps({"start_id": "s1", "dial": ["wss://x/"], **more}), "PERIJOVE_AGENT_TOKEN": "t0ken", "HOME": "/h"}


def test_it_is_taken_out_of_the_environment_with_its_secret() -> None:
    environ = told(folder="/work", grace_s=3, invented_later=1, environment={"name": "x"})
    config = taken(environ)
    assert (config.start_id, config.folder, config.grace_s, config.environment) == ("s1", "/work", 3.0, {"name": "x"})
    assert config.command == ["python", "-m", "perijove_singleuser"]
    assert environ == {"HOME": "/h"}
    assert "t0ken" not in repr(config)


@pytest.mark.parametrize(
    "wrong",
    [{"start_id": 1}, {"dial": "wss://x/"}, {"dial": [], "listen": None}, {"listen": {"state_file": ""}}, {"grace_s": True}, {"grace_s": -1},
     {"command": [1]}, {"environment": "x"}, {"folder": "a\0b"}],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        taken(told(**wrong))
