"""Writes a crowd into a JupyterHub database that does not exist yet, by JupyterHub's own tables: run by its own Python, before the hub starts.

Usage: crowd_jupyterhub.py DATABASE_URL LISTENER_URL PEOPLE SERVERS. Asking the hub for each of them would take it ten minutes.
"""

import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit

from crowd import Crowd
from jupyterhub import orm, roles
from sqlalchemy import insert


def _naive(moment: datetime | None) -> datetime | None:
    """As JupyterHub keeps moments."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def fill(url: str, listener: str, crowd: Crowd) -> None:
    database = orm.new_session_factory(url=url)()
    for role in roles.get_default_roles():
        roles.create_role(database, role)
    everybody = orm.Role.find(database, "user")
    numbers, address = range(crowd.people), urlsplit(listener)
    database.execute(
        insert(orm.User),
        [
            {"id": number + 1, "name": crowd.name(number), "cookie_id": str(number), "last_activity": _naive(crowd.active(number))}
            for number in numbers
        ],
    )
    database.execute(
        insert(orm.Base.metadata.tables["user_role_map"]),
        [{"user_id": number + 1, "role_id": everybody.id, "managed_by_auth": False} for number in numbers],
    )
    for group_id, (name, members) in enumerate(crowd.groups(), 1):
        database.execute(insert(orm.Group), [{"id": group_id, "name": name, "properties": {}}])
        if members:  # an INSERT of no rows would be one of an empty row
            database.execute(insert(orm.user_group_map), [{"user_id": number + 1, "group_id": group_id} for number in members])
    running = [number for number in numbers if crowd.runs(number)]
    database.execute(
        insert(orm.Server),
        [
            {"id": number + 1, "proto": "http", "ip": address.hostname, "port": address.port, "base_url": f"/user/{crowd.name(number)}/"}
            for number in running
        ],
    )
    moment = _naive(datetime.now(UTC))
    database.execute(
        insert(orm.Spawner),
        [
            {
                "user_id": number + 1,
                "server_id": number + 1,
                "name": "",
                "state": {"started": True},
                "started": moment,
                "last_activity": moment,
                "user_options": {},
            }
            for number in running
        ],
    )
    database.commit()


if __name__ == "__main__":
    fill(sys.argv[1], sys.argv[2], Crowd(int(sys.argv[3]), int(sys.argv[4])))
