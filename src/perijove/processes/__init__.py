"""Processes of this machine that we start and answer for: people's servers (the local spawner) and managed services.

A `launcher` claims an attempt and turns into a `supervisor`, which stays beside the process as its parent (why there are three:
perijove.adapters.spawners.local). `claims` tells who has an attempt, `process` names a process so that no other is ever taken for it.
"""
