"""How Sphinx builds the documentation. It needs no network: no fonts, scripts or inventories from elsewhere."""

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

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

lexers["mermaid"] = TextLexer()  # code hosts draw diagrams; here their text is shown, as drawing needs a script from elsewhere
