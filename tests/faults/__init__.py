"""A whole site, hundreds of people, and somebody who breaks one thing after another.

`place` is where servers run: it outlives every hub, and keeps count of what was done to it. `spawner` is the hub's way to it.
`site` starts PostgreSQL, hubs and proxies, with a relay on each way between them that can be cut. `people` work on the site as
people do, and complain of what they should not have noticed. `breaker` kills, pauses and cuts by a schedule that a seed decides.
`truth` looks at everything from the outside in the end.

`bench/faults.py` plays longer than the test does.
"""
