"""HTML becomes text; it is never rendered, and nothing it names is fetched."""

from __future__ import annotations

import re

import lxml.html
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml import etree

from intake.reading.data_links import without_long_links
from intake.reading.message import clean

HTML_LIMIT = 2_000_000
# A page may ask for margins of any width: text that is mostly made of them is no text that anybody wrote.
_LONGEST_TEXT, _MOST_TIMES = 200_000, 4
_SETTINGS = ParserConfig(css=CSS_PROFILES["strict"], display_links=True)

_MARKED = re.compile(r"<blockquote|signature|_rc_sig|bloop_sign|zm-_id_-sgn", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"(?:x_|ydp[0-9a-z]{4,12})*(?:moz-signature|gmail_signature(?:_prefix)?|protonmail_signature_block[\w-]*|fairemail_signature|"
    r"(?:k9mail|mail|email|e-mail|sh|tutanota|ms-outlook-mobile|user|zimbra)[-_]signature|(?:composer|ymail_android|ymail_ios)_signature|"
    r"applemailsignature|messagesignaturesection|signature|bloop_sign\w*|_rc_sig|zm-_id_-sgn\d*)",
    re.IGNORECASE,
)
_LONGEST_NAMES = 500


def html_to_text(html: str) -> str | None:
    """The text of an HTML page; None when it is too long, pictures in its tags not counted, or can't be read: it is better kept as a file."""
    html = without_long_links(html)
    if len(html) > HTML_LIMIT:
        return None
    # An encoding declaration in the page contradicts what was decoded already, and lxml refuses the two together.
    body = html.split("?>", 1)[-1] if html.lstrip().startswith("<?xml") else html
    try:
        text = get_text(_with_marks(body), _SETTINGS)
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


def _with_marks(html: str) -> str:
    """The page as plain mail has it: quotes as lines that begin with `>`, signatures below a line of two dashes.

    What is quoted must look quoted, and what a mail program adds below must not look like what somebody wrote.
    """
    if not _MARKED.search(html):
        return html
    tree = lxml.html.document_fromstring(html)
    signatures, quotes = _outermost(tree)
    for block in signatures:
        separator = lxml.html.Element("pre")
        separator.text = "-- "
        block.addprevious(separator)
    for quote in quotes:
        tail, quote.tail = quote.tail, None
        inside = get_text(lxml.html.tostring(quote, encoding="unicode"), _SETTINGS).strip("\n")
        marked = lxml.html.Element("pre")
        marked.text = "\n".join(f"> {line.strip()}" for line in inside.split("\n"))
        marked.tail = tail
        quote.getparent().replace(quote, marked)
    return str(lxml.html.tostring(tree, encoding="unicode"))


def _outermost(tree: lxml.html.HtmlElement) -> tuple[list[lxml.html.HtmlElement], list[lxml.html.HtmlElement]]:
    """The signatures and the quotes that stand in no other one, found in one walk."""
    found: dict[bool, list[lxml.html.HtmlElement]] = {True: [], False: []}
    within: dict[bool, lxml.html.HtmlElement | None] = {True: None, False: None}
    for event, block in etree.iterwalk(tree, events=("start", "end")):
        for signs, matches in ((True, _is_signature), (False, _is_quote)):
            if event == "end" and within[signs] is block:
                within[signs] = None
            elif event == "start" and within[signs] is None and block.getparent() is not None and matches(block):
                within[signs] = block
                found[signs].append(block)
    return found[True], found[False]


def _is_signature(block: lxml.html.HtmlElement) -> bool:
    """Whether a block is what a mail program adds below each mail, by the names that such programs give it."""
    names = " ".join(filter(None, (block.get(name) for name in ("class", "id", "name"))))
    return any(_SIGNATURE.fullmatch(name) for name in names[:_LONGEST_NAMES].split())


def _is_quote(block: lxml.html.HtmlElement) -> bool:
    """Whether a block quote quotes, and is not but an indented piece of one's own text (Gmail, Outlook on the web)."""
    if block.tag != "blockquote":
        return False
    style = re.sub(r"\s+", "", (block.get("style") or "").lower())
    cites = block.get("type") or block.get("cite") or block.get("class")
    return bool(cites) or "border:none" not in style or "border-left" in style
