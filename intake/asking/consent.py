"""Whether a reporter may be answered. Anything but a clear yes is silence: a wrong answer can be read by the wrong person. Pure."""

from __future__ import annotations

import re
import unicodedata

from intake.asking.directive_lines import REPLY
from intake.reading.authorship import without_marked

_YES = frozenset("yes yeah yep ja jawohl oui sí si sim true نعم أجل".split())
# What may stand beside a yes and leaves it one, in the six languages. A word that is not here makes it unclear.
_HARMLESS = frozenset(
    """
    please pls thanks thank you very much of course sure ok okay may can could do write reply answer contact email mail
    me to us again now it's it is that's fine i would like want a an after all gladly
    bitte gerne gern danke vielen dank natürlich klar sie du ihr dürfen dürft darfst können könnt kannst mir mich schreiben
    antworten antwortet wieder
    por favor gracias muchas claro pueden puede podéis puedes escribirme escribir responderme responder contestarme contestar
    s'il s’il vous te plaît plait svp stp merci bien sûr pouvez peux m'écrire m’écrire me répondre écrire volontiers
    obrigado obrigada podem pode escrever-me escrever
    من فضلك فضلكم رجاء رجاءً شكرا شكراً يمكنكم يمكنك الكتابة الرد لي
    """.split()
)
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")
_LONGEST = 200
_REPLY_SUBJECT = re.compile(rf"\W{{0,10}}(?:{REPLY})\s{{0,5}}[:\uff1a](.*)", re.IGNORECASE)
_SUBJECT_NO = re.compile(
    r"\W{0,10}(?:no|not|non|nein|n[aã]o|don['\u2019]?t|never|none|nope|kein\w*|nicht|bitte (?:nicht|kein\w*)|please (?:no|don['\u2019]?t)|لا)\b",
    re.IGNORECASE,
)
# In a sentence: an imperative at its beginning, or behind "please", "but", "and". What somebody else did not answer is no wish.
_BEGINS = r"(?:^|[.!?;:,(\n\u060c]|\b(?:please|pls|but|and|so|bitte|aber|und|por\sfavor|pero|y|mas|e|s['\u2019]il\svous\spla[iî]t|svp|mais|et))\s{0,5}"
_SILENCE = re.compile(
    _BEGINS
    + r"""(?:
      (?:do\ not|don['\u2019]?t|never|please\ no|no)\s+(?:please\s+)?(?:ever\s+)?(?:repl(?:y|ies)|respon(?:d|se)|answers?|contact|write\ (?:to\ me|back|me)|e-?mail|mail|call|acknowledge|confirm|get\ in\ touch)\b(?!ed\b)
      | (?:antwort\w*|schreib\w*|kontaktier\w*|meld\w*|ruf\w*)\s+(?:sie\s+|ihr\s+)?(?:mir\s+|mich\s+|euch\s+|sich\s+|hierauf\s+|darauf\s+|bei\s+mir\s+){0,3}(?:bitte\s+)?nicht\b
      | (?:mir\s+|mich\s+)?(?:bitte\s+)?(?:nicht|keine?)\s+(?:antworten|antwort|zur[uü]ckschreiben|kontaktieren|anrufen|schreiben)\b
      | no\s+(?:me\s+)?(?:respond\w*|contest\w*|contact\w*|escrib\w*|llam\w*)\b
      | ne\s+(?:me\s+|m['\u2019])?(?:r[eé]pond\w*|contact\w*|[eé]criv\w*|rappel\w*|appel\w*)\s+(?:\w+\s+)?pas\b | pas\s+de\s+r[eé]ponse\b
      | n[aã]o\s+(?:me\s+)?(?:respond\w*|contat\w*|contact\w*|escrev\w*|lig\w*)\b
      | لا\s+(?:ترد\w*|تجيب\w*|تراسل\w*|تتصل\w*|تكتب\w*)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_READ = 200_000


def is_clear_yes(said: str) -> bool:
    """Whether a reporter says yes, and nothing that takes any of it back."""
    if len(said) > _LONGEST:
        return False
    words = _TOKEN.findall(unicodedata.normalize("NFC", said).casefold())
    return any(word in _YES for word in words) and all(word in _YES or word in _HARMLESS for word in words)


def refuses_in_subject(subject: str) -> bool:
    """Whether a subject such as "Reply: no please" asks for silence. "Antwort: your question" is how some programs answer."""
    found = _REPLY_SUBJECT.match(subject[:_LONGEST])
    return found is not None and _SUBJECT_NO.match(found[1]) is not None


def asks_for_silence(text: str) -> bool:
    """Whether a sentence of a text's own words, such as "please don't write back", asks for silence."""
    return _SILENCE.search(without_marked(text[:_READ])) is not None
