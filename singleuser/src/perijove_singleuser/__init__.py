"""Make a Jupyter server one person's server of a hub that speaks JupyterHub's protocol."""

__version__ = "0.1.0"
