"""`perijove connect`: a Jupyter server in a job of a cluster, from a person's own machine over SSH. No hub, no administrator.

On the cluster nothing is needed but a shell, a Python and the scheduler's commands; what is sent there is the agent's one file.
"""
