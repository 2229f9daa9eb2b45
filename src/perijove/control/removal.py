"""Deleting a person: first their servers, then the account."""

from perijove.control.ask import ask_delete
from perijove.control.context import Hub
from perijove.control.progress import wait_until_settled
from perijove.control.users import delete_user_row, get_person


async def delete_person(hub: Hub, name: str, *, actor: str) -> bool:
    """Stop and delete a person's servers, then the account. False if a server takes longer to stop than api_wait: asking again
    goes on where this left off. Raises NotFoundError."""
    person = await get_person(hub, name)
    leaving = [await ask_delete(hub, name, server.name, actor=actor) for server in person.servers]
    for server in leaving:
        await wait_until_settled(hub, server, hub.settings.limits.api_wait)
    if (await get_person(hub, name)).servers:
        return False
    await delete_user_row(hub, name, actor=actor)
    return True
