"""The protocol by which replicas share out servers, small enough to be looked at whole: every state, every interleaving.

`protocol` says what replicas, the database, the place where servers run and bad luck can do, one atomic step at a time, with
the hub's own table of phases and rules of wishes. `explore` visits every state there is. docs/explanation/replicas.md says
what was found.
"""
