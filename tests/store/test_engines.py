"""Both OpenPGP engines against one contract, against each other, and against what is made to break them."""

from __future__ import annotations

import base64
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.demo.rehearsal import Person
from store.kit.errors import KeyProblem
from store.openpgp.armor import armor, dearmored
from store.openpgp.certificates import CertificateFolder, read_certificates
from store.openpgp.gnupg_engine import Bounds, GnuPG
from store.openpgp.keyring import Keyring
from store.openpgp.message import outside
from store.openpgp.sequoia_engine import SecretKey, Sequoia
from store.openpgp.values import Decryption, PublicKey
from tests.conftest import Desk

ADDRESS = "desk@desk.example"


def gpg(home: Path, *arguments: str, data: bytes = b"") -> bytes:
    """One call of gpg, made by hand."""
    line = ["gpg", "--homedir", str(home), "--batch", "--no-options", "--trust-model", "always", "--pinentry-mode", "loopback",
            "--passphrase", "", *arguments]  # fmt: skip
    done = subprocess.run(line, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def home(short_tmp: Path) -> Iterator[Path]:
    """A GnuPG folder with a key that has two sub-keys for encryption, and two signers."""
    folder = Path(tempfile.mkdtemp(prefix="en", dir=short_tmp))
    gpg(folder, "--quick-gen-key", f"Desk <{ADDRESS}>", "ed25519", "sign", "0")
    gpg(folder, "--quick-gen-key", "Ann <ann@signer.example>", "rsa2048", "sign", "0")
    gpg(folder, "--quick-gen-key", "Ben <ben@signer.example>", "ed25519", "sign", "0")
    desk = fingerprint(folder, ADDRESS)
    gpg(folder, "--quick-add-key", desk, "cv25519", "encr")
    gpg(folder, "--quick-add-key", desk, "cv25519", "encr")
    yield folder
    subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "gpg-agent"], check=False)


def fingerprint(home: Path, who: str) -> str:
    lines = gpg(home, "--list-keys", "--with-colons", who).decode().splitlines()
    return next(line.split(":")[9] for line in lines if line.startswith("fpr"))


def engines(home: Path) -> tuple[GnuPG, Sequoia, Keyring]:
    """Both with all keys of a folder, and the keyring that asks both."""
    from pysequoia import Cert

    gnupg = GnuPG("gpg", home, Bounds())
    secrets = [SecretKey(gnupg.export_secret(key.fingerprint)) for key in gnupg.secret_keys()]
    certificates = [Cert.from_bytes(gnupg.export(key.fingerprint, armored=False)) for key in gnupg.public_keys()]
    return gnupg, Sequoia(lambda: secrets, tuple, lambda _: certificates), Keyring("gpg", home)


def opened(sequoia: Sequoia, message: bytes) -> Decryption | None:
    around = outside(dearmored(message))
    return sequoia.decrypt(around.message, around.recipients) if around.data.startswith("seipd") else None


# One contract.


@pytest.mark.parametrize("engine", ["gnupg", "sequoia"])
@pytest.mark.parametrize("signed", [False, True])
def test_what_one_seals_any_opens_and_nobody_else(engine: str, signed: bool, home: Path, stranger: Person) -> None:
    gnupg, sequoia, keyring = engines(home)
    desk, key = fingerprint(home, ADDRESS), gnupg.export(fingerprint(home, ADDRESS), armored=False)
    signer = desk if signed else None
    made = gnupg.seal_to_key(b"text", key, signer) if engine == "gnupg" else sequoia.seal(b"text", key, signer)
    for found in (gnupg.decrypt(made), opened(sequoia, made), keyring.decrypt(made), keyring.decrypt(armor(made))):
        assert found is not None
        assert found.plain == b"text"
    status = "valid" if signed else "none"
    assert gnupg.decrypt(made).signature.status == status
    assert keyring.decrypt(made).signature.status == status
    assert (gnupg.decrypt(made).signature.fingerprint == desk) is signed
    other = Keyring("gpg", stranger.keyring.home)
    assert other.decrypt(made).failure == "no-key"
    for position in (len(made) - 30, len(made) - 1):
        broken = made[:position] + bytes([made[position] ^ 1]) + made[position + 1 :]
        assert opened(sequoia, broken) is None
        assert keyring.decrypt(broken).plain is None
        assert keyring.decrypt(broken[:-5]).plain is None


@pytest.mark.parametrize("engine", ["gnupg", "sequoia"])
def test_a_signature_of_either_is_checked_by_either(engine: str, home: Path) -> None:
    gnupg, sequoia, keyring = engines(home)
    desk = fingerprint(home, ADDRESS)
    before = int(time.time())
    signature, micalg = (gnupg if engine == "gnupg" else sequoia).sign(b"text", desk)
    assert micalg in ("pgp-sha256", "pgp-sha512")
    for found in (
        gnupg.verify(b"text", signature),
        sequoia.verify(b"text", signature),
        keyring.verify(b"text", signature),
    ):
        assert found is not None
        assert (found.status, found.fingerprint) == ("valid", desk)
        assert before <= found.made <= time.time()
    for found in (
        gnupg.verify(b"texT", signature),
        sequoia.verify(b"texT", signature),
        keyring.verify(b"texT", signature),
    ):
        assert found is not None
        assert found.status == "invalid"
    for junk in (b"", b"-----BEGIN PGP SIGNATURE-----", b"\x89\x01", signature[:60]):
        assert keyring.verify(b"text", junk).status in ("none", "invalid")


def test_who_is_not_known_is_not_known_to_both(home: Path, short_tmp: Path, stranger: Person) -> None:
    _, _, keyring = engines(home)
    signature, _ = stranger.keyring.sign(b"text", stranger.fingerprint)
    assert keyring.verify(b"text", signature).status == "unknown-key"
    sealed = stranger.keyring.seal_to_key(
        b"text", keyring.export(fingerprint(home, ADDRESS), armored=False), stranger.fingerprint
    )
    found = keyring.decrypt(sealed)
    assert (found.plain, found.signature.status) == (b"text", "unknown-key")


def test_a_key_that_is_not_here_seals_nothing(home: Path) -> None:
    gnupg, sequoia, keyring = engines(home)
    ann = gnupg.export(fingerprint(home, "ann@signer.example"), armored=False)  # it only signs
    for seal in (gnupg.seal_to_key, sequoia.seal, keyring.seal_to_key):
        for key in (ann, b"", b"junk"):
            with pytest.raises(KeyProblem):
                seal(b"text", key, None)
    with pytest.raises(KeyProblem):
        sequoia.sign(b"text", "A" * 40)
    assert keyring.seal_each(b"text", ["A" * 40, fingerprint(home, "ann@signer.example")], None) == {}


# Against each other: the same text and the same status, or a difference that this table explains.

BZIP2 = "packed with bzip2, which PySequoia is built without"
OLD_CIPHER = "an old cipher: Sequoia's policy has none of them, GnuPG opens them"
CHECKED_BY_GNUPG = "signed, then compressed: Sequoia does not check such signatures, and leaves it to GnuPG"
OCB = "GnuPG's own format of version 2.4 (tag 20), which is in no standard: GnuPG opens it"
TEXT_MODE = "\n"  # how GnuPG ends lines of a text then; Sequoia leaves them as they travelled
NO_INTEGRITY = "no integrity protection: nothing is opened"

MADE_BY_GNUPG: dict[tuple[str, ...], str] = {
    (): "",
    ("-z", "0"): "",
    ("--compress-algo", "zlib"): "",
    ("--compress-algo", "bzip2"): BZIP2,
    ("--throw-keyids",): "",
    ("--cipher-algo", "AES"): "",
    ("--cipher-algo", "AES192"): "",
    ("--cipher-algo", "CAMELLIA256"): "",
    ("--cipher-algo", "TWOFISH"): "",
    ("--cipher-algo", "3DES"): OLD_CIPHER,
    ("--cipher-algo", "CAST5"): OLD_CIPHER,
    ("--cipher-algo", "BLOWFISH"): OLD_CIPHER,
    ("-s", "-u", "ann@signer.example"): CHECKED_BY_GNUPG,
    ("-z", "0", "-s", "-u", "ann@signer.example"): "",
    ("-z", "0", "-s", "-u", "ann@signer.example", "-u", "ben@signer.example"): "",
    ("-z", "0", "--digest-algo", "SHA512", "-s", "-u", "ben@signer.example"): "",
    ("-z", "0", "--textmode", "-s", "-u", "ben@signer.example"): "",
    ("--force-ocb",): OCB,
    ("--rfc2440",): NO_INTEGRITY,
}


@pytest.mark.parametrize("options", list(MADE_BY_GNUPG), ids=" ".join)
@pytest.mark.parametrize("text", [b"", b"text\r\n", b"many lines\r\n" * 7_000], ids=["nothing", "little", "much"])
def test_both_open_what_gnupg_makes_alike(options: tuple[str, ...], text: bytes, home: Path) -> None:
    gnupg, sequoia, keyring = engines(home)
    why = MADE_BY_GNUPG[options]
    newer = gnupg.version >= "2.4"
    if "--force-ocb" in options and not newer:
        return  # it does not know it
    old = ("--allow-old-cipher-algos",) if why == OLD_CIPHER and newer else ()
    made = gpg(home, *old, *options, "-e", "-r", ADDRESS, data=text)
    first, second, both = gnupg.decrypt(made), opened(sequoia, made), keyring.decrypt(made)
    assert (both.plain, both.signature) == (first.plain, first.signature), "nothing is lost by asking both"
    if why == NO_INTEGRITY:
        assert (first.failure, both.failure, second) == ("no-integrity", "no-integrity", None)
    elif why in (OLD_CIPHER, BZIP2, OCB):
        assert first.plain == text
        assert second is None
    else:
        assert second is not None
        lines = TEXT_MODE if "--textmode" in options else "\r\n"
        assert first.plain == text.replace(b"\r\n", lines.encode())
        assert second.plain == text
        assert first.signature.status == ("valid" if "-s" in options else "none")
        if why != CHECKED_BY_GNUPG:
            assert second.signature.status == first.signature.status
            assert len(second.issuers) == options.count("-u")


@pytest.mark.parametrize(
    "suite", ["Cv25519", "P256", "P384", "P521", "RSA2k", "Cv448", "MLDSA65_Ed25519", "MLDSA87_Ed448"]
)
@pytest.mark.parametrize("profile", ["RFC4880", "RFC9580"])
def test_sequoia_opens_what_its_own_keys_of_all_kinds_make(suite: str, profile: str, home: Path) -> None:
    from pysequoia import CipherSuite, Profile, Tsk

    if suite.startswith("MLDSA") and profile == "RFC4880":
        return  # there are none
    made = Tsk.generate("X <x@x.example>", profile=getattr(Profile, profile), cipher_suite=getattr(CipherSuite, suite))
    certificate = bytes(made.extract_certificate())
    (key,) = read_certificates(certificate)
    assert (key.addresses, key.can_encrypt, key.trouble, key.secret) == (("x@x.example",), True, "", False)
    assert read_certificates(bytes(made))[0].secret
    assert read_certificates(str(made.extract_certificate()).encode()) == [key]
    own = Sequoia(lambda: [SecretKey(bytes(made))], tuple, lambda _: [made.extract_certificate()])
    sealed = own.seal(b"text", certificate, key.fingerprint)
    found = opened(own, sealed)
    assert found is not None
    assert (found.plain, found.signature.status, found.signature.fingerprint) == (b"text", "valid", key.fingerprint)
    assert set(outside(sealed).recipients) <= set(key.subkey_ids)
    signature, _ = own.sign(b"text", key.fingerprint)
    checked = own.verify(b"text", signature)
    assert checked is not None
    assert checked.status == "valid"
    assert checked.made > 0
    _, sequoia, keyring = engines(home)
    assert opened(sequoia, sealed) is None
    assert keyring.decrypt(sealed).failure == "no-key"


# The examples of RFC 9580 (appendix A) and of the draft on post-quantum algorithms, as Sequoia has them in its tests.

V6_CERTIFICATE = """-----BEGIN PGP PUBLIC KEY BLOCK-----

xioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laPCsQYf
GwoAAABCBYJjh3/jAwsJBwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxy
KwwfHifBilZwj2Ul7Ce62azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lw
gyU2kCcUmKfvBXbAf6rhRYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaE
QsiPlR4zxP/TP7mhfVEe7XWPxtnMUMtf15OyA51YBM4qBmOHf+MZAAAAIIaTJINn
+eUBXbki+PSAld2nhJh/LVmFsS+60WyvXkQ1wpsGGBsKAAAALAWCY4d/4wKbDCIh
BssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce62azJAAAAAAQBIKbpGG2dWTX8
j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDEM0g12vYxoWM8Y81W+bHBw805
I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUrk0mXubZvyl4GBg==
-----END PGP PUBLIC KEY BLOCK-----
"""
V6_CLEARTEXT = """-----BEGIN PGP SIGNED MESSAGE-----

What we need from the grocery store:

- - tofu
- - vegetables
- - noodles

-----BEGIN PGP SIGNATURE-----

wpgGARsKAAAAKQWCY5ijYyIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAGk2IHZJX1AhiJD39eLuPBgiUU9wUA9VHYblySHkBONKU/usJ9BvuAqo
/FvLFuGWMbKAdA+epq7V4HOtAPlBWmU8QOd6aud+aSunHQaaEJ+iTFjP2OMW0KBr
NK2ay45cX1IVAQ==
-----END PGP SIGNATURE-----
"""


def test_the_examples_of_the_standard(short_tmp: Path) -> None:
    folder = short_tmp / "en-rfc9580"
    folder.mkdir(mode=0o700)
    keyring = Keyring("gpg", folder)
    (key,) = keyring.read_key_data(V6_CERTIFICATE.encode())
    assert key.fingerprint == "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9"
    assert key.trouble == ""
    text, signature = keyring.verify_clear(V6_CLEARTEXT.encode())
    assert signature.status != "valid", "its key is not on the roster"
    keyring.add_public(V6_CERTIFICATE.encode())
    text, signature = keyring.verify_clear(V6_CLEARTEXT.encode())
    assert (signature.status, signature.fingerprint) == ("valid", key.fingerprint)
    assert text is not None
    assert b"- tofu" in text
    _, signature = keyring.verify_clear(V6_CLEARTEXT.replace("tofu", "beef").encode())
    assert signature.status != "valid"
    (sealed,) = keyring.seal_each(b"text", [key.fingerprint], None).values()
    assert outside(sealed).data == "seipd-2"
    assert outside(sealed).recipients == (key.subkey_ids[1],)
    keyring.close()


# What is made to break them.


def within(seconds: float, work: Callable[[], object]) -> object:
    """The outcome of work that takes no more time of the processor than that."""
    before = time.process_time()
    found = work()
    assert time.process_time() - before < seconds
    return found


def test_what_unpacks_to_gigabytes_stops_at_the_limit(home: Path) -> None:
    _, sequoia, _ = engines(home)
    bomb = gpg(home, "--compress-algo", "zlib", "-e", "-r", ADDRESS, data=b"\0" * 60_000_000)
    assert len(bomb) < 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, hard))
    try:
        found = opened(sequoia, bomb)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found is not None
    assert (found.plain, found.failure) == (None, "too-large")


def test_a_million_packets_and_recipients_are_looked_at_in_time(home: Path) -> None:
    _, _sequoia, keyring = engines(home)
    good = gpg(home, "-e", "-r", ADDRESS, data=b"text")
    marker = b"\xca\x03PGP"
    anybody = b"\xc1\x0e\x03" + bytes(8) + b"\x12" + bytes(4)
    assert within(20, lambda: keyring.decrypt(marker * 200_000 + good)) is not None
    found = within(5, lambda: keyring.decrypt(anybody * 200_000 + good))
    assert isinstance(found, Decryption)
    assert found.plain is None


def test_a_key_with_more_subkeys_than_any_has_is_not_sealed_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be sealed to each of them, in the process that sends."""
    gnupg, _, keyring = engines(home)
    certificate = gnupg.export(fingerprint(home, ADDRESS), armored=False)
    assert keyring.read_key_data(certificate)[0].trouble == ""
    monkeypatch.setattr("store.openpgp.keyring._MOST_SUBKEYS", 2)
    assert Keyring("gpg", home).read_key_data(certificate)[0].trouble == "cannot-encrypt"


def test_a_certificate_with_ten_thousand_signatures_is_read_in_time(home: Path) -> None:
    gnupg, _, keyring = engines(home)
    packets = gnupg.export(fingerprint(home, "ben@signer.example"), armored=False)
    from pysequoia.packet import PacketPile, Tag

    pile = list(PacketPile.from_bytes(packets))
    signature = next(bytes(item) for item in pile if item.tag == Tag.Signature)
    crowded = packets + signature * 10_000
    assert within(20, lambda: keyring.read_key_data(crowded)) is not None
    assert within(20, lambda: read_certificates(crowded)) is not None


@settings(max_examples=60)
@given(st.data())
def test_no_change_of_a_message_opens_to_another_text(home: Path, data: st.DataObject) -> None:
    """Nor makes an engine fail in a way of its own."""
    _, sequoia, _ = engines_once(home)
    made = bytearray(data.draw(st.sampled_from(messages_once(home))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(made) - 1))
        made[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(made))) if data.draw(st.booleans()) else len(made)
    found = opened(sequoia, bytes(made[:cut]))
    assert found is None or found.plain in (b"text", None)


@settings(max_examples=60)
@given(st.data())
def test_no_change_of_a_certificate_breaks_its_reading(data: st.DataObject) -> None:
    made = bytearray(_V6)
    for _ in range(data.draw(st.integers(1, 3))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(made))) if data.draw(st.booleans()) else len(made)
    for key in read_certificates(bytes(made[:cut])):
        assert key.fingerprint


_V6 = base64.b64decode("".join(V6_CERTIFICATE.split("\n\n")[1].splitlines()[:-1]))
_once: dict[tuple[Path, str], object] = {}


def engines_once(home: Path) -> tuple[GnuPG, Sequoia, Keyring]:
    if (home, "engines") not in _once:
        _once[home, "engines"] = engines(home)
    return _once[home, "engines"]  # type: ignore[return-value]


def messages_once(home: Path) -> list[bytes]:
    if (home, "messages") not in _once:
        gnupg, sequoia, _ = engines_once(home)
        key = gnupg.export(fingerprint(home, ADDRESS), armored=False)
        _once[home, "messages"] = [
            sequoia.seal(b"text", key, fingerprint(home, ADDRESS)),
            gpg(home, "-e", "-r", ADDRESS, data=b"text"),
        ]
    return _once[home, "messages"]  # type: ignore[return-value]


# How keys come and go.


def test_a_signature_by_a_key_that_has_ended_since_does_not_count(home: Path) -> None:
    """Whoever has such a key can date a signature back."""
    from datetime import UTC, datetime, timedelta

    from pysequoia import Cert, Profile, Tsk
    from pysequoia.packet import PacketPile

    made = Tsk.generate("X <x@x.example>", profile=Profile.RFC9580)
    whole = made.extract_certificate()
    own = Sequoia(lambda: [SecretKey(bytes(made))], tuple, lambda _: [whole])
    signature, _ = own.sign(b"text", whole.fingerprint.upper())
    sealed = own.seal(b"text", bytes(whole), whole.fingerprint.upper())
    revocation = PacketPile.from_bytes(bytes(whole.revoke(made.certifier())))
    revoked = Cert.from_packets([*PacketPile.from_bytes(bytes(whole)), *revocation])
    ended = whole.set_expiration(datetime.now(UTC) + timedelta(seconds=1), made.certifier())
    time.sleep(1.5)
    for certificate, doubt in ((revoked, "key-revoked"), (ended, "key-expired")):
        checker = Sequoia(lambda: [SecretKey(bytes(made))], tuple, lambda _, c=certificate: [c])  # type: ignore[misc]
        found, inside = checker.verify(b"text", signature), opened(checker, sealed)
        assert found is not None
        assert inside is not None
        assert found.status == inside.signature.status == "invalid"
        assert inside.plain == b"text"
        assert {found.doubt, inside.signature.doubt} <= {doubt, ""}


def test_both_subkeys_open_also_an_old_one_that_has_expired(home: Path, short_tmp: Path) -> None:
    _gnupg, sequoia, keyring = engines(home)
    lines = gpg(home, "--list-keys", "--with-colons", ADDRESS).decode().splitlines()
    first, second = [line.split(":")[9] for line in lines if line.startswith("fpr")][1:3]
    for subkey in (first, second):
        made = gpg(home, "-e", "-r", f"{subkey}!", data=b"text")
        found = opened(sequoia, made)
        assert found is not None
        assert found.plain == keyring.decrypt(made).plain == b"text"
    copy = short_tmp / "en-expired"
    copy.mkdir(mode=0o700)
    shutil.copytree(home / "private-keys-v1.d", copy / "private-keys-v1.d")
    shutil.copy(home / "pubring.kbx", copy)
    made = gpg(home, "-e", "-r", f"{first}!", data=b"text")
    gpg(
        copy,
        "--faked-system-time",
        "20300101T000000",
        "--quick-set-expire",
        fingerprint(home, ADDRESS),
        "20310101T000000",
        first,
    )
    late = Keyring("gpg", copy)
    assert late.decrypt(made).plain == b"text"
    late.close()


def test_a_subkey_whose_secret_is_gone_is_no_reason_to_wait(home: Path, short_tmp: Path) -> None:
    lines = gpg(home, "--list-keys", "--with-colons", "--with-keygrip", ADDRESS).decode().splitlines()
    subkey = [line.split(":")[9] for line in lines if line.startswith("fpr")][1]
    grip = [line.split(":")[9] for line in lines if line.startswith("grp")][1]
    copy = short_tmp / "en-gone"
    copy.mkdir(mode=0o700)
    shutil.copytree(home / "private-keys-v1.d", copy / "private-keys-v1.d")
    shutil.copy(home / "pubring.kbx", copy)
    (copy / "private-keys-v1.d" / f"{grip}.key").unlink()
    keyring = Keyring("gpg", copy)
    assert keyring.decrypt(gpg(home, "-e", "-r", f"{subkey}!", data=b"text")).failure == "no-key"
    keyring.close()


def test_with_a_passphrase_and_with_the_agent_alone(short_tmp: Path) -> None:
    folder = short_tmp / "en-guarded"
    folder.mkdir(mode=0o700)
    keyring = Keyring("gpg", folder, passphrase="seven words")
    made = keyring.create("Desk", ADDRESS)
    newer = keyring.create_modern(f"Desk <{ADDRESS}>", made, post_quantum=True)
    sealed = keyring.seal_to_key(b"text", keyring.export(made, armored=False), made)
    to_newer = keyring.seal_to_key(b"text", keyring.export(newer, armored=False), None)
    for custody in ("process", "agent"):
        again = Keyring("gpg", folder, passphrase="seven words", custody=custody)
        # GnuPG 2.4 writes about half of the keys that have a passphrase in a way that Sequoia refuses: then it signs itself.
        assert custody == "process" or not again.signs_here(made)
        assert again.decrypt(sealed).plain == b"text"
        assert again.decrypt(to_newer).plain == b"text"
        signature, _ = again.sign(b"text", made)
        assert again.verify(b"text", signature).status == "valid"
    assert b"PRIVATE KEY" not in b"".join(file.read_bytes() for file in (folder / "modern").iterdir())
    wrong = Keyring("gpg", folder, passphrase="other words")
    assert not wrong.signs_here(made)
    keyring.close()


def test_a_revocation_stays_when_the_older_file_comes_again(tmp_path: Path) -> None:
    from pysequoia import Cert, Profile, Tsk
    from pysequoia.packet import PacketPile

    made = Tsk.generate("X <x@x.example>", profile=Profile.RFC9580)
    certificate = made.extract_certificate()
    revoked = Cert.from_packets(
        [
            *PacketPile.from_bytes(bytes(certificate)),
            *PacketPile.from_bytes(bytes(certificate.revoke(made.certifier()))),
        ]
    )
    folder = CertificateFolder(tmp_path / "certificates")
    folder.add(bytes(certificate))
    assert folder.public_keys()[0].trouble == ""
    folder.add(bytes(revoked))
    folder.add(bytes(certificate))
    assert folder.public_keys()[0].trouble == "revoked"
    assert read_certificates(bytes(revoked))[0].trouble == "revoked"


def test_keys_that_could_not_be_listed_just_then_are_asked_for_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent under load sometimes gives no list; the keys are not forgotten for that."""
    keyring = Keyring("gpg", desk.context.keyring.home)
    fingerprint = desk.context.config.desk[0].fingerprint
    listed, real = list[int](), GnuPG.secret_keys

    def sometimes(engine: GnuPG) -> list[PublicKey]:
        listed.append(1)
        return [] if len(listed) <= 2 else real(engine)

    monkeypatch.setattr(GnuPG, "secret_keys", sometimes)
    monkeypatch.setattr("store.openpgp.keyring._ASKED_AGAIN_SECONDS", 0.01)
    assert not keyring.signs_here(fingerprint)
    asked = len(listed)
    time.sleep(0.05)
    keyring.signs_here(fingerprint)
    assert len(listed) > asked
