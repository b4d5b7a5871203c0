"""Whether what stands after `Reply:` is a clear yes. Anything else is silence: a wrong answer can be read by the wrong person. Pure."""

from __future__ import annotations

import re
import unicodedata

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


def is_clear_yes(said: str) -> bool:
    """Whether a reporter says yes, and nothing that takes any of it back."""
    if len(said) > _LONGEST:
        return False
    words = _TOKEN.findall(unicodedata.normalize("NFC", said).casefold())
    return any(word in _YES for word in words) and all(word in _YES or word in _HARMLESS for word in words)
