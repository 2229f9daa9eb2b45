"""Deleting a person: first their servers, then the account."""

from perijove.control.context import Hub
from perijove.control.people.users import delete_user_row, get_person
from perijove.control.servers.ask import ask_delete
from perijove.control.servers.progress import wait_until_settled
from perijove.domain.errors import BadInputError


async def delete_person(hub: Hub, name: str, *, actor: str) -> None:
    """Stop and delete a person's servers, then the account.

    Raises NotFoundError; BadInputError (JupyterHub's 400) if a server takes longer to stop than api_wait: nothing would delete the
    account afterwards, so whoever asked has to ask again.
    """
    person = await get_person(hub, name)
    leaving = [await ask_delete(hub, name, server.name, actor=actor) for server in person.servers]
    for server in leaving:
        await wait_until_settled(hub, server, hub.settings.limits.api_wait)
    if (await get_person(hub, name)).servers:
        raise BadInputError(f"{name}'s server is in the process of stopping.", "Delete the user again once it is gone.", retry_after_s=2)
    await delete_user_row(hub, name, actor=actor)
