"""Whether a report cannot wait: what it describes goes on, or, where the desk wants that, it has words of danger. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from intake.reading.authorship import without_marked
from store.team.folding import fold

_READ = 20_000
_YES = re.compile(
    r"\W*(?:yes|yeah|yep|y|still|ongoing|true|ja|jawohl|noch immer|si|oui|sim|todavia|aun|toujours|encore|ainda|نعم|اجل|أجل|ما زال|مستمر)\b",
    re.IGNORECASE,
)
# Few words, each of which is rarely said of anything that can wait. In six languages, without accents.
_DANGER = re.compile(
    r"\b(?:suicid\w*|selbstmord\w*|"
    r"kill (?:me|myself|her|him|them|us)|hurt myself|has a (?:gun|knife|weapon)|with a (?:gun|knife)|following me (?:right )?now|outside my (?:door|room) (?:right )?now|"
    r"(?:mich|sie|ihn|uns) umbringen|umbringen will|bringe mich um|hat (?:eine|ein) (?:waffe|messer|pistole)|"
    r"matarme|matarla|matarlo|quitarme la vida|tiene (?:un arma|un cuchillo|una pistola)|"
    r"me tuer|la tuer|le tuer|m en finir|il a (?:une arme|un couteau)|elle a (?:une arme|un couteau)|"
    r"me matar|matar me|tirar a minha vida|tem (?:uma arma|uma faca))\b|"
    r"سيقتلني|يقتلني|انتحار|أنتحر|معه (?:سلاح|سكين|مسدس)",
    re.IGNORECASE,
)


def goes_on(fields: Mapping[str, str]) -> bool:
    """Whether the form says that it is still going on."""
    return _YES.match(fold(fields.get("ongoing", ""))) is not None or _YES.match(fields.get("ongoing", "")) is not None


def in_danger(text: str) -> bool:
    """Whether a text has, in its author's own lines, words of danger."""
    own = without_marked(text[:_READ])
    folded = re.sub(r"['\u2019`-]", " ", fold(own))
    return _DANGER.search(folded) is not None or _DANGER.search(own) is not None
