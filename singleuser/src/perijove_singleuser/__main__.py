"""`python -m perijove_singleuser`: check the contract, find the hub, serve."""

from __future__ import annotations

import asyncio
import os
import platform
import sys

from .app import PROTOCOL_VERSION, SingleUserServer
from .contract import ContractError, read_contract
from .hub import HubUnavailableError
from .startup import find_hub


def main() -> None:
    """Run until stopped; exits 1 with one sentence if this cannot be a hub's server."""
    asking_only = any(arg in {"--help", "-h", "--help-all", "--version"} for arg in sys.argv[1:])
    if asking_only:
        SingleUserServer.launch_instance()
        return
    try:
        contract = read_contract(os.environ)
        version = asyncio.run(find_hub(contract))
    except ContractError as error:
        sys.exit(f"perijove-singleuser: {error}")
    except HubUnavailableError as error:
        sys.exit(
            f"perijove-singleuser: no hub answers at {contract.api_url} ({error}). The hub's "
            "administrator must make that address reachable from this machine "
            f"({platform.node()}), or set the address hubs give to servers."
        )
    SingleUserServer.launch_instance(contract=contract, hub_version=version or PROTOCOL_VERSION)


if __name__ == "__main__":
    main()
