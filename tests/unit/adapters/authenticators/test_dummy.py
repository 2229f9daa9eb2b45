"""The authenticator for trying things out: open to all, and never by accident to the world."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from perijove.adapters.authenticators.dummy import Dummy, DummyConfig
from perijove.adapters.keys import Keys
from perijove.adapters.system_clock import SystemClock
from perijove.config.section import Secret
from perijove.domain.errors import SettingsError
from perijove.ports.authenticator import Credentials, Form, SignInRequest
from perijove.ports.plugin import PluginContext
from perijove.ports.store.store import Store

REQUEST = SignInRequest(callback_url="http://127.0.0.1:8000/hub/callback", address="127.0.0.1")


@pytest.fixture
def context(tmp_path: Path) -> PluginContext:
    return PluginContext(
        state_dir=tmp_path,
        runtime_dir=tmp_path,
        base_url="/",
        exposed=False,
        store=cast("Store", None),  # it has no use for one
        clock=SystemClock(),
        secrets=Keys("m" * 40),
        environ={"SHARED": "open sesame"},
    )


def typed(**fields: str) -> Credentials:
    return Credentials(fields=fields, request=REQUEST)


async def test_it_refuses_to_start_where_other_machines_reach_the_hub(context: PluginContext) -> None:
    exposed = replace(context, exposed=True)
    with pytest.raises(SettingsError, match="allow_exposed"):
        async with Dummy.open(DummyConfig(), exposed):
            pass
    async with Dummy.open(DummyConfig(allow_exposed=True), exposed) as dummy:
        assert dummy.issuer == "dummy"


async def test_any_name_is_accepted_in_its_normal_form_but_not_vouched_for(context: PluginContext) -> None:
    async with Dummy.open(DummyConfig(), context) as dummy:
        claims = await dummy.finish(typed(username=" Zoë "))
        assert claims is not None
        assert (claims.subject, claims.username, claims.allowed, claims.admin) == ("zoë", "zoë", False, None)
        assert await dummy.finish(typed(username="../x")) is None
        form = await dummy.begin(REQUEST)
        assert isinstance(form, Form)
        assert [field.name for field in form.fields] == ["username"]


async def test_a_shared_password_is_asked_for_and_checked(context: PluginContext) -> None:
    async with Dummy.open(DummyConfig(password=Secret(env="SHARED")), context) as dummy:
        form = await dummy.begin(REQUEST)
        assert isinstance(form, Form)
        assert [field.name for field in form.fields] == ["username", "password"]
        assert await dummy.finish(typed(username="zoe", password="open sesame")) is not None
        assert await dummy.finish(typed(username="zoe", password="open")) is None
        assert await dummy.finish(typed(username="zoe")) is None


async def test_a_password_that_is_not_there_is_a_mistake_in_the_settings(context: PluginContext) -> None:
    with pytest.raises(SettingsError, match="NOWHERE"):
        async with Dummy.open(DummyConfig(password=Secret(env="NOWHERE")), context):
            pass
