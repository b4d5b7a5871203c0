"""Words beside names, greetings, titles, those that are names and words alike, and which words of a name stand for its bearer. All folded."""

from __future__ import annotations

from collections.abc import Sequence

# Words of a greeting line, folded, in the languages that the templates speak and a few neighbours.
GREETING = frozenset(
    """
    hi hello hey dear good morning afternoon evening day greetings all everyone everybody team folks friends there
    and to the of or
    hallo liebe lieber liebes guten tag morgen abend sehr geehrte geehrter damen herren moin servus und an das
    hola buenos buenas dias tardes noches querida querido queridas queridos estimada estimado estimadas estimados
    y equipo a bonjour bonsoir salut cher chere chers cheres madame monsieur et equipe
    ola oi bom boa dia tarde noite prezada prezado prezados cara caro e equipa
    ciao buongiorno gentile beste dag hej hei kara kaera czesc mrhba ahla salam alaykm alslam
    """.split()
)

# Pieces of names that are no names.
PARTICLES = frozenset(
    """
    al ap bar bat bin da das de del den der di do dos du e el ibn la las le les li lo los mac mc o of san st und van vd ver
    von y zu zum zur ter ten
    """.split()
)

# The same, and names that are words as well: with a capital they begin sentences and months.
NO_NAME = PARTICLES | frozenset(
    """
    ben angel april art august autumn banks bell best bill black bloom brown chance chase church cook dale dawn day dean drew
    early east ernest eve fair faith field fields ford frank free friend gay good grace grant gray green grey guy hall hand
    hill holly home honor hope hunter iris ivy jack jade jan jasmine joy june king lane law lily little long love mark marsh
    mars mai may mayo mercy miles mr mrs ms miss new noble north oak olive page park pat pearl penny price prince queen rain
    ray read rich rob robin rock rose ruby rule sage sky small snow south star stone storm summer sue sunny temple tom town
    trust vale violet wall ward waters way west white wild will wise wish wolf wood woods worth young
    """.split()
)  # fmt: skip
# What stands in front of somebody who is described and not named.
NO_NAMES_BEFORE = frozenset(
    """
    the an my our your his her their some someone somebody nobody no one two three several all both this that those these people person
    der die das den dem ein eine einer einem einen mein meine unser unsere jemand niemand zwei drei alle
    el la los las un una mi mis nuestro nuestra alguien nadie dos tres todos
    le les une des mon ma mes notre quelqu personne deux trois tous
    os as um uma meu minha nosso nossa alguem ninguem dois duas todos
    """.split()
)
# Words that have a capital wherever they stand.
MONTHS = frozenset("april august june mai may mayo mars marz juni juli summer".split())
# What stands in front of a surname, folded.
TITLES = frozenset(
    """
    mr mrs ms mx miss dr prof professor sir madam herr frau hr fr monsieur madame mademoiselle m mme mlle senor senora senorita
    sr sra srta don dona senhor senhora signor signora signorina sig fru froken pan pani gospodin gospozha tov meneer mevrouw
    """.split()
)
# What stands above a name at the end of a letter, folded.
CLOSING = frozenset(
    """
    best regards kind warm thanks thank you many thx cheers sincerely yours faithfully respectfully love take care bye hugs all the with and in advance very much
    lg vg mfg gruss grusse gruesse viele liebe beste herzliche mit freundlichen freundlichem danke vielen dank schone
    saludos saludo un cordial cordiales atentamente gracias muchas abrazo abrazos besos
    cordialement bien a vous amicalement salutations sinceres merci bises bonne journee
    abracos abraco atenciosamente obrigado obrigada cumprimentos melhores com os
    tahiati tahyati mea m shkra shukran
    """.split()
)  # fmt: skip


def single_words(parts: Sequence[str]) -> set[str]:
    """The words of a name (folded, in order) each of which may stand for its bearer. A particle is none, unless it is the first or last word."""
    return {word for word in parts if len(word) > 1 and (word not in PARTICLES or word in (parts[0], parts[-1]))}
