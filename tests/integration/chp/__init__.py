"""`perijove chp` beside configurable-http-proxy: the same questions to both, their answers compared.

Questions stand in tables (`rest_questions.py`, `traffic_questions.py`, …), each for one set of options (`option_sets.py`). Both
programs are started once for each set. Where an answer of ours differs on purpose, `differences.py` says so; a difference that
is not listed fails, and so does a listed one that is not seen any more. `PERIJOVE_CHP_ITSELF=1` runs configurable-http-proxy
on both sides: then nothing may differ, which shows that what differs otherwise is not the clock's or the ports' doing.
"""
