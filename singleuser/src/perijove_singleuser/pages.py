"""The few pages this server shows by itself: why you cannot come in, and what to do."""

from __future__ import annotations

import html
from string import Template

# These pages need nothing but their own style.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 12vh auto; }
main { padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.3; }
a:focus-visible { outline: 3px solid; outline-offset: 2px; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$paragraphs
<p>$links</p>
</main>
</body>
</html>
"""
)


def page(title: str, paragraphs: list[str], links: list[tuple[str, str]]) -> str:
    """A page with plain-text paragraphs and (address, text) links; everything is escaped."""
    return _PAGE.substitute(
        title=html.escape(title),
        paragraphs="\n".join(f"<p>{html.escape(text)}</p>" for text in paragraphs),
        links=" · ".join(f'<a href="{html.escape(address)}">{html.escape(text)}</a>' for address, text in links),
    )
