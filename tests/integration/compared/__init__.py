"""The REST API beside JupyterHub's: the same requests of the same people in the same order, and every difference with its reason."""
