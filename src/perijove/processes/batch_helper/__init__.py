"""The program that speaks to Slurm, or to PBS, as a person: submits, tries out and cancels, and nothing else.

It is run by sudo as that person (or by a hub that is that person), reads one question in JSON from its standard input and answers in JSON. It is
small and uses the standard library only, so that an administrator can read it before allowing it.
"""
