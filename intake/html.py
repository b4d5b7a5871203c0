"""HTML becomes text; it is never rendered, and nothing it names is fetched."""

from __future__ import annotations

import lxml.html
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml import etree

from intake.message import clean

HTML_LIMIT = 2_000_000
# A page may ask for margins of any width: text that is mostly made of them is no text that anybody wrote.
_LONGEST_TEXT, _MOST_TIMES = 200_000, 4
_SETTINGS = ParserConfig(css=CSS_PROFILES["strict"], display_links=True)


def html_to_text(html: str) -> str | None:
    """The text of an HTML page; None when it is too long or can't be read, and is better kept as a file."""
    if len(html) > HTML_LIMIT:
        return None
    # An encoding declaration in the page contradicts what was decoded already, and lxml refuses the two together.
    body = html.split("?>", 1)[-1] if html.lstrip().startswith("<?xml") else html
    try:
        text = get_text(_with_marked_quotes(body), _SETTINGS)
        return clean(text).strip() + "\n" if len(text) <= max(_LONGEST_TEXT, _MOST_TIMES * len(html)) else None
    except (
        etree.LxmlError,
        ValueError,
        RecursionError,
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
    ):
        return None


def _with_marked_quotes(html: str) -> str:
    """The page with each block quote as lines that begin with `>`, as in plain mail: what is quoted must look quoted."""
    if "<blockquote" not in html.lower():
        return html
    tree = lxml.html.document_fromstring(html)
    for quote in list(tree.iter("blockquote")):
        if any(True for _ in quote.iterancestors("blockquote")) or quote.getparent() is None:
            continue
        tail, quote.tail = quote.tail, None
        inside = get_text(lxml.html.tostring(quote, encoding="unicode"), _SETTINGS).strip("\n")
        marked = lxml.html.Element("pre")
        marked.text = "\n".join(f"> {line.strip()}" for line in inside.split("\n"))
        marked.tail = tail
        quote.getparent().replace(quote, marked)
    return str(lxml.html.tostring(tree, encoding="unicode"))
