"""What Schemathesis loads beside its configuration: after a request that took something away, the hub's people, groups and servers come back."""

import os
from typing import Any

import httpx2 as httpx
import schemathesis
from schemathesis.core.failures import Failure

from tests.integration.openapi.world import TOKEN, seed

_API = os.environ["PERIJOVE_TEST_API"]
_http = httpx.Client(base_url=_API, headers={"authorization": f"token {TOKEN}"}, timeout=30)


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response) -> None:
    """Deleting and renaming empty the world that later requests are about."""
    if case.method.upper() in {"DELETE", "PATCH"} and response.status_code < 300:
        seed(_http)


@schemathesis.hook
def filter_failure(context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Schemathesis hands the default server's empty name on as a user's, by its own guess, and so asks another path than the operation's."""
    return all(value != "" for value in (case.path_parameters or {}).values())
