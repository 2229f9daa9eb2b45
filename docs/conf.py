"""How Sphinx builds the documentation. It needs no network: no fonts, scripts or inventories from elsewhere."""

from perijove import __version__

project = "Perijove"
copyright = "the Perijove developers"  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = "Perijove"
html_copy_source = False
