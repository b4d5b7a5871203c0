"""The lines of a report that fill fields of the record, such as `When: last Friday`. Pure. None of them is required."""

from __future__ import annotations

import re

from store.cases.fields import LONGEST
from store.kit.kinds import mail_address

# In the languages that reporters are answered in, as the web form asks in them and as people write them.
_LABELS = {
    "contact": "contact|how to reach me|reach me at|kontakt|so erreichen sie mich|contacto|cómo contactarme|contactez-moi|me joindre|"
    "contato|como falar comigo|للتواصل|التواصل",
    "when": "when|when did it happen|when it happened|wann|wann ist es passiert|cuándo|cuando|cuándo ocurrió|quand|quand cela s'est passé|"
    "quando|quando aconteceu|متى|متى حدث",
    "where": "where|where did it happen|where it happened|wo|wo ist es passiert|dónde|donde|dónde ocurrió|où|où cela s'est passé|"
    "onde|onde aconteceu|أين|أين حدث",
    "ongoing": "ongoing|still going on|is it ongoing|does it go on|"
    "dauert an|dauert es an|geht es weiter|andauernd|noch im gange|sigue ocurriendo|continúa|continua|en curso|sigue pasando|"
    "en cours|toujours en cours|ça continue|cela continue|ainda acontece|em andamento|ainda continua|"
    "مستمر|هل ما زال مستمرا|هل هو مستمر|ما زال مستمرا",
    "what": "what|what happened|was ist passiert|qué ocurrió|qué pasó|que s'est-il passé|ce qui s'est passé|o que aconteceu|ماذا حدث",
    "reported": "who|reported|reported person|who is it about|who did it|wer|wer war es|um wen geht es|quién|quién lo hizo|"
    "qui|qui l'a fait|quem|quem fez isso|من فعل ذلك|من فعلها",
    "witnesses": "witness|witnesses|who saw it|zeugen|wer hat es gesehen|testigos|quién lo vio|témoins|qui l'a vu|testemunhas|quem viu|الشهود|من رأى ذلك",
    "harmed": "harmed|who was harmed|harmed person|target|wem ist es passiert|wer wurde verletzt|betroffene person|betroffen|persona afectada|"
    "a quién le ocurrió|quién fue afectado|personne touchée|à qui est-ce arrivé|qui a été touché|pessoa afetada|quem foi afetado|com quem aconteceu|"
    "المتضرر|من تضرر|لمن حدث ذلك",
    "circumstances": "circumstances|background|context|umstände|hintergrund|circunstancias|contexto|circonstances|contexte|circunstâncias|"
    "الظروف|الخلفية",
    "confidentiality": "confidential|confidentiality|keep secret|keep private|vertraulich|geheim halten|confidencial|confidentiel|à garder secret|"
    "em segredo|سري|يبقى سرا",
    "wishes": "wishes|wish|what i wish|what i want|what would help|wünsche|was mir helfen würde|was würde helfen|deseos|qué me ayudaría|"
    "souhaits|ce qui m'aiderait|desejos|o que me ajudaria|ما أريده|ما يساعدني",
}
# By the web form alone: where it is told that an answer waits, or that it is not to be told any more.
TELL_LABEL, TELL_NOWHERE = "Tell me at", "no"
_TELL = re.compile(rf"^[ \t]*{TELL_LABEL}[ \t]*:[ \t]*(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_NAMES = {label: name for name, labels in _LABELS.items() for label in labels.split("|")}
_LINE = re.compile(
    r"[ \t*_#\-\u2022\u00bf]*([^\W\d_](?:[^\W\d_]|[ '\u2019-]){1,29}?)[?\u061f]?[ \t*_]*[:\uff1a][ \t*_]*(.*)$"
)
_MOST_LINES = 400
_LOOKED_AT = 20_000


def told_at(text: str) -> str:
    """The mail address that is to hear that an answer waits; `no` for no more of that, empty when nothing usable is said of it."""
    found = _TELL.search(text[:_LOOKED_AT])
    if found and found[1].casefold() == TELL_NOWHERE:
        return TELL_NOWHERE
    try:
        return mail_address(found[1]) if found else ""
    except ValueError:
        return ""


def _plain(label: str) -> str:
    return " ".join(label.casefold().replace("\u2019", "'").split())


def read_form(text: str) -> dict[str, str]:
    """The fields that a report fills. A value goes on until a blank line or the next label; the first one counts."""
    found: dict[str, list[str]] = {}
    name: str | None = None
    for line in text.split("\n")[:_MOST_LINES]:
        label = _LINE.match(line)
        known = _NAMES.get(_plain(label[1])) if label else None
        if known is not None and label is not None:
            name = None if known in found else known
            if name:
                found[name] = [label[2].strip(" \t*_")]
        elif not line.strip() or line.startswith(">"):
            # A label alone on its line is answered below it.
            name = name if name and not any(found[name]) and not line.startswith(">") else None
        elif name:
            found[name].append(line.strip())
    joined = {name: "\n".join(filter(None, lines))[:LONGEST] for name, lines in found.items()}
    return {name: value for name, value in joined.items() if value}
