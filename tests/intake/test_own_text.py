"""What of a member's mail goes to the reporter: their words, and nothing that their mail program puts around them."""

from __future__ import annotations

import pytest

from intake.reading.html import html_to_text
from intake.reading.quotes import own_text

DESK = ("Conduct Team", "conduct@desk.example")
QUOTE = "> Somebody shouted at me.\n> It was Bo.\n"


@pytest.mark.parametrize(
    "introduction",
    [
        "في 25\u200f/11\u200f/2026 23:01، كتب Conduct Team:",
        "W dniu 25.11.2026 o 23:01, Conduct Team pisze:",
        "25.11.2026 23:01, Conduct Team пишет:",
        "Il 25/11/26 23:01, Conduct Team ha scritto:",
        "25.11.2026 23:01 tarihinde Conduct Team yazdı:",
        "在 2026/11/25 23:01, Conduct Team 写道：",
        "2026年11月25日(水) 23:01 Conduct Team <conduct@desk.example>:",
        "Conduct Team escreveu em 25/11/2026:",
        "Conduct Team <conduct@desk.example> skrev:",
        "Conduct Team kirjoitti:",
        "2026. 11. 25. 23:01 keltezéssel, Conduct Team írta:",
        "Dne 25. 11. 26 v 23:01 Conduct Team napsal(a):",
        "Quoting Conduct Team <conduct@desk.example>:",
        "W dniu 25.11.2026 o 23:01, Conduct Team\n<conduct@desk.example> pisze:",
        "Am Mittwoch, dem 25.11.2026 um 23:01 +0000 schrieb\nConduct Team:",
        "On Wed, Nov 25, 2026 at 11:01 PM Conduct\nTeam <conduct@desk.example> wrote:",
        "El mié, 25 nov 2026 a las 23:01, Conduct Team (<conduct@desk.example>)\nescribió:",
        "2026/11/25 Conduct Team <conduct@desk.example>",
        "*Conduct Team* écrivait :",
    ],
)
def test_the_line_that_introduces_a_quote_is_dropped_in_any_language(introduction: str) -> None:
    for between in ("\n", "\n\n"):
        assert own_text(f"We are here for you.\n\n{introduction}{between}{QUOTE}", DESK) == "We are here for you."
        assert own_text(f"{introduction}{between}{QUOTE}\nWe are here for you.", DESK) == "We are here for you."


@pytest.mark.parametrize(
    "line", ["What do you mean by this:", "I answer piece by piece.", "We meet on 25.11.2026 at 10:00."]
)
def test_ones_own_line_above_a_quote_stays(line: str) -> None:
    assert own_text(f"Hello.\n\n{line}\n\n{QUOTE}\nThat.", DESK) == f"Hello.\n\n{line}\n\nThat."


@pytest.mark.parametrize(
    "below",
    [
        "-- \nAda Q.\n+44 7700 900123",
        "--\nAda Q.",
        "__________\nA. Widgets Ltd\n+44 7700 900123",
        "\u2014\nAda",
        "Sent from my iPhone",
        "Sent with Proton Mail secure email.",
        "Sent from my desk\nMobile +44 7700 900123\nAcme Widgets Ltd, Leeds",
        "Sent from Outlook for iOS",
        "Get Outlook for Android",
        "Von meinem iPhone gesendet",
        "Gesendet mit der GMX Mail App",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Envoyé de mon iPhone",
        "Envoyé à partir de Outlook pour Android",
        "أُرسلت من الـ iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Wysłane z iPhone'a",
        "Отправлено с iPhone",
        "发自我的iPhone",
        "iPhoneから送信",
        "iPhone'umdan gönderildi",
    ],
)
def test_the_block_that_a_mail_program_adds_is_not_sent(below: str) -> None:
    for text in (
        f"We are here for you.\n\n{below}\n",
        f"We are here for you.\n\n{below}\n\nOn 25/11/2026 23:01, Conduct Team wrote:\n{QUOTE}",
    ):
        assert own_text(text, DESK) == "We are here for you."
    assert own_text(f"One.\n\n{below}\n\n{QUOTE}\nTwo.", DESK) == "One.\n\nTwo."


@pytest.mark.parametrize(
    "text",
    [
        "Sent from the hotel was a letter\nthat I kept.\n\nIt was long, and it said far more than a hundred letters of what nobody should ever have to read at all.",
        "He was\nsent from the room.",
        "First.\n\n----\n\nThis is a long paragraph below a rule that goes on and on, so that it cannot be a signature of anybody at all.",
    ],
)
def test_what_only_looks_a_little_like_a_signature_stays(text: str) -> None:
    assert own_text(text, DESK) == text


@pytest.mark.parametrize(
    "block",
    [
        '<pre class="moz-signature" cols="72">Mobile 0700</pre>',
        '<div class="moz-signature">Mobile 0700<br></div>',
        '<span class="gmail_signature_prefix">-- </span><br><div dir="ltr" class="gmail_signature">Mobile 0700</div>',
        '<div dir="ltr" class="x_gmail_signature" data-smartmail="gmail_signature">call me at<br>Mobile 0700</div>',
        '<div class="protonmail_signature_block"><div class="protonmail_signature_block-user">Mobile 0700</div></div>',
        '<div id="Signature"><p>Mobile 0700</p></div>',
        '<div id="ms-outlook-mobile-signature">Mobile 0700</div>',
        '<div id="AppleMailSignature">Mobile 0700</div>',
        '<div class="fairemail_signature">Mobile 0700</div>',
        '<div id="_rc_sig">Mobile 0700</div>',
    ],
)  # fmt: skip
def test_a_signature_block_of_an_html_mail_is_not_sent(block: str) -> None:
    quote = '<div class="moz-cite-prefix">On 25/11/2026 23:01, Conduct Team wrote:<br></div><blockquote type="cite">x</blockquote>'
    for html in (f"<p>My words.</p>{block}{quote}", f"<p>My words.</p>{quote}{block}", f"<p>My words.</p>{block}"):
        text = html_to_text(f"<html><body>{html}</body></html>") or ""
        assert own_text(text, DESK) == "My words.", text
        assert "Mobile 0700" in text, "what a reporter's mail says is shown whole"


def test_an_indented_piece_of_html_is_no_quote() -> None:
    indented = '<blockquote style="margin:0 0 0 40px;border:none;padding:0px">Exclude: Bo<blockquote type="cite">Reply: no</blockquote></blockquote>'
    assert [line.strip() for line in (html_to_text(f"<p>x</p>{indented}") or "").split("\n") if line] == [
        "x",
        "Exclude: Bo",
        "> Reply: no",
    ]
    outlook = '<blockquote style="border:none; border-left:solid #CCC 1.0pt;padding:0">Exclude: Bo</blockquote>'
    assert (html_to_text(f"<p>x</p>{outlook}") or "").split("\n")[-2] == "> Exclude: Bo"
