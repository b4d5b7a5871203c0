"""Octets of a mail become text. Pure, linear, and total: any octets under any label give some text.

A label is read as browsers and mail programs read it (WHATWG Encoding Standard, by webencodings): `iso-8859-1` is
windows-1252, `shift_jis` has the characters of Windows. Labels that the standard leaves out, and which mails bear all the
same, stand below. Nothing else is asked of Python's codecs: among them are some that are no charsets (`punycode` takes
time that grows with the square of the length).
"""

from __future__ import annotations

import webencodings

# Of what the standard leaves out, these are charsets that mails were and are written in, by Python's name.
_OTHERS = frozenset(
    """
    utf_7 utf_32 utf_32_be utf_32_le hz iso2022_kr iso2022_jp_1 iso2022_jp_2 iso2022_jp_3 iso2022_jp_ext euc_jis_2004
    shift_jis_2004 johab koi8_t kz1048 ptcp154 latin_1 iso8859_9 iso8859_11
    cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp1006 cp1125
    mac_roman mac_latin2 mac_greek mac_turkish mac_iceland mac_cyrillic
    """.split()
)
# Python has a larger one than the standard names.
_LARGER = {"gbk": "gb18030", "iso2022_jp": "iso2022_jp_ext", "iso-2022-jp": "iso2022_jp_ext"}
_NOT_TEXT = frozenset({"replacement", "x-user-defined"})
_WIDE = frozenset({"utf-16-le", "utf-16-be", "utf_32", "utf_32_be", "utf_32_le"})
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ESCAPES = (b"\x1b$", b"\x1b(J", b"\x1b(I")
_LONGEST_LABEL = 40


def codec_of(label: str) -> str | None:
    """The name of Python's codec for a charset's label; None for one that is no charset known here."""
    label = label[:_LONGEST_LABEL].strip().strip("\"'").lower()
    found = webencodings.lookup(label)
    if found is not None and found.name not in _NOT_TEXT:
        name = str(found.codec_info.name)
        return _LARGER.get(name, name)
    name = label.replace("-", "_").replace("iso_2022", "iso2022").removeprefix("x_")
    name = {"utf7": "utf_7", "unicode_1_1_utf_7": "utf_7", "hz_gb_2312": "hz"}.get(name, name)
    if name.startswith("ibm") and name[3:].isdigit():
        name = f"cp{name[3:]}"
    return name if name in _OTHERS else None


def decode(octets: bytes, label: str | None) -> str:
    """The text of octets under a label, or None for none.

    Octets that are UTF-8, but for a few, are read as that, whatever the label says: nothing else looks like it by chance.
    One octet that the charset does not have costs one character.
    """
    for mark, codec in _BOMS:
        if octets.startswith(mark):
            return octets.decode(codec, "replace").removeprefix("\ufeff")
    named = codec_of(label) if label else None
    if named in _WIDE:
        return octets.decode(named or "", "replace")
    if octets.isascii():
        escaped = named in (None, "utf-8", "cp1252") and any(mark in octets for mark in _ESCAPES)
        return octets.decode("iso2022_jp_ext" if escaped else named or "ascii", "replace")
    text = octets.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(char > "\x7f" for char in text) - bad
    unlabelled = named in (None, "utf-8")
    if good > (bad if unlabelled else 2 * bad):
        return text
    # Without a label it is what Western mail programs send without saying so.
    return octets.decode("cp1252" if unlabelled else named or "", "replace")
