from typing import Any

import pytest

from perijove.adapters.spawners.local import Config
from perijove.config.decode import decode_section
from perijove.config.problems import Problems


def decoded(**settings: Any) -> Config:
    problems = Problems()
    config = decode_section(settings, Config, ("spawner",), problems)
    assert config is not None, problems.found
    return config


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"account": "jupyter-{user}"}, "account does not know {user}"),
        ({"account": "people-of-the-faculty-{username}", "create_accounts": True}, "account leaves no room"),
        ({"account": ""}, "account must not be empty"),
        ({"directory": "/srv/all"}, "directory must contain {username}"),
        ({"directory": "people/{username}"}, "directory must be an absolute path"),
        ({"umask": "99"}, "umask is '99'"),
        ({"memory_limit": 2}, "did you forget the unit"),
        ({"log_size": "1K"}, "log_size must be at least"),
        ({"command": "jupyter 'lab"}, "command cannot be split"),
        ({"cgroup": "perijove"}, "cgroup must be an absolute path"),
        ({"environment": {"A=B": "c"}}, "'A=B' cannot name a variable"),
    ],
)
def test_a_mistake_is_named(settings: dict[str, Any], said: str) -> None:
    problems = Problems()
    assert decode_section(settings, Config, ("spawner",), problems) is None
    assert said in problems.found[0].message


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"umask.*socket_dir"):
        Config(umask="x", socket_dir="here")


def test_a_command_is_text_or_a_list() -> None:
    assert decoded(command="/opt/py/bin/python -m 'my server'").command_words == ("/opt/py/bin/python", "-m", "my server")
    assert decoded(command=["a b", "c"]).command_words == ("a b", "c")


def test_sizes_are_read_with_their_units() -> None:
    config = decoded(memory_limit="2G", memory_choices=["1G", "512M"], log_size="1M")
    assert (config.memory_limit, config.memory_choices, config.log_size) == (2 * 1024**3, (1024**3, 512 * 1024**2), 1024**2)
    assert config.limited
