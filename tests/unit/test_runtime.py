"""What can be checked of a configuration before anything starts: plugins' sections and scopes, too."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from perijove.config.load import Loaded
from perijove.config.rights import doubts
from perijove.domain.errors import SettingsError
from perijove.runtime import explain, load_settings, standing


def test_mistakes_in_plugins_and_roles_are_listed_with_the_others(tmp_path: Path) -> None:
    config = tmp_path / "perijove.toml"
    config.write_text(
        '[[roles]]\nname = "r-1"\nscopes = ["read:usres"]\n[spawner]\nuse = "locl"\n[authenticator]\nuse = "dummy"\npasword = "x"\n[hub]\nbase_url = "x"\n'
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == ["3", "5", "8", "10"]
    assert "Did you mean 'read:users'?" in lines[0]
    assert "Did you mean 'local'?" in lines[1]
    assert "Did you mean 'password'?" in lines[2]


def test_scopes_that_a_service_may_ask_for_must_exist(tmp_path: Path) -> None:
    config = tmp_path / "perijove.toml"
    config.write_text(
        '[[services]]\nname = "a"\n[[services]]\nname = "b"\noauth_client_allowed_scopes = ["read:users!user", "read:usres", "servers!"]\n'
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["services[1].oauth_client_allowed_scopes"] * 2
    assert "Did you mean 'read:users'?" in lines[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[roles]]\nname = "empty"\n', "no scopes"),
        ('[[roles]]\nname = "user"\nscopes = ["read:users!user"]\n', "without 'self'"),
        ('[access]\nextra_user_scopes = ["shares!user"]\n[[roles]]\nname = "user"\nscopes = ["self"]\n', "extra_user_scopes has no effect"),
        ('[access]\nextra_user_scopes = ["shares!user"]\n[[roles]]\nname = "reader"\nscopes = ["read:users"]\n', ""),
    ],
)
def test_what_is_allowed_but_surely_not_meant_is_told(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "perijove.toml"
    config.write_text(text)
    found = doubts(load_settings(config).settings)
    assert len(found) == bool(words)
    assert words in "".join(found)


def test_a_plugin_may_be_named_by_module_and_must_be_one(tmp_path: Path) -> None:
    config = tmp_path / "perijove.toml"
    config.write_text('[spawner]\nuse = "perijove.testing.null_spawner:NullSpawner"\nstart_delay = "2s"\n')
    assert load_settings(config).settings.spawner["start_delay"] == "2s"
    for wrong in ("perijove.testing.null_spawner:Nothing", "no.such.module:Thing", "perijove.domain.page:Page"):
        config.write_text(f'[spawner]\nuse = "{wrong}"\n')
        with pytest.raises(SettingsError, match=r"spawner\.use"):
            load_settings(config)


@pytest.mark.parametrize("look", [standing, partial(explain, who="ada", action="list:users")])
def test_who_only_looks_makes_nothing(tmp_path: Path, look: Callable[[Loaded], object]) -> None:
    """Root, say, before the first start: the hub's account could not use what would be there then."""
    config = tmp_path / "perijove.toml"
    config.write_text(f'[hub]\nstate_dir = "{tmp_path}/state"\nruntime_dir = "{tmp_path}/run"\n')
    with pytest.raises(SettingsError, match="no hub has been started with this configuration"):
        look(load_settings(config))
    assert [path.name for path in tmp_path.iterdir()] == ["perijove.toml"]
    (tmp_path / "state").mkdir(0o700)
    with pytest.raises(SettingsError, match=r"There is no database .*perijove\.sqlite"):
        look(load_settings(config))
    assert list((tmp_path / "state").iterdir()) == []
