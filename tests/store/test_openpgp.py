"""GnuPG's words, and words that only look like them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from desk.demo.rehearsal import Person
from store.kit.errors import ConfigError, KeyProblem, OpenPGPStopped, OpenPGPUnavailable
from store.openpgp.gnupg_engine import Bounds
from store.openpgp.keyring import Keyring
from store.openpgp.status import read_decryption, read_keys, read_signature

OKAY = [("DECRYPTION_INFO", ("2", "9", "0")), ("PLAINTEXT", ("62", "0", "")), ("DECRYPTION_OKAY", ()), ("GOODMDC", ())]


def test_only_one_whole_protected_plaintext_counts() -> None:
    assert read_decryption(OKAY, b"x").plain == b"x"
    assert read_decryption([item for item in OKAY if item[0] != "GOODMDC"], b"x").failure == "no-integrity"
    assert read_decryption([*OKAY, ("PLAINTEXT", ())], b"x").failure == "damaged"
    assert read_decryption([*OKAY, ("DECRYPTION_FAILED", ())], b"x").failure == "damaged"
    assert (
        read_decryption([("DECRYPTION_INFO", ("0", "9", "2")), ("PLAINTEXT", ()), ("DECRYPTION_OKAY", ())], b"x").plain
        == b"x"
    )
    assert read_decryption([("NO_SECKEY", ("A",)), ("DECRYPTION_FAILED", ())], b"").failure == "no-key"
    assert read_decryption([("ERROR", ("pkdecrypt_failed", "67108941"))], b"").passing
    assert read_decryption([], b"").failure == "damaged"


def test_signatures() -> None:
    valid = ("VALIDSIG", ("SUB", "2026-01-01", "0", "0", "4", "0", "22", "8", "00", "PRIMARY"))
    assert read_signature([("GOODSIG", ("K", "name")), valid]).fingerprint == "PRIMARY"
    assert read_signature([("EXPKEYSIG", ("K",)), valid]).status == "invalid"
    assert read_signature([("GOODSIG", ("K",)), valid, ("BADSIG", ("L",))]).status == "invalid"
    assert (
        read_signature([("ERRSIG", ("K", "22", "8", "00", "0", "9", "F" * 40)), ("NO_PUBKEY", ("K",))]).status
        == "unknown-key"
    )
    assert read_signature([("ERRSIG", ("K", "22", "8", "00", "0", "4"))]).status == "invalid"
    assert read_signature([valid]).status == "none"
    assert read_signature([]).status == "none"


def test_a_user_id_cannot_forge_a_line_of_a_listing() -> None:
    evil = "evil\u2028fpr:::::::::" + "A" * 40 + ":\x85pub:u:"
    listing = (
        f"pub:u:255:22:AAAA:1::::::scESC:::::ed25519:::0:\nfpr:::::::::{'B' * 40}:\nuid:u::::1::H::{evil}::::::::::0:\n"
    )
    (key,) = read_keys(listing.encode())
    assert key.fingerprint == "B" * 40


def test_a_file_name_cannot_forge_a_status_line(short_tmp: Path, sam: Person) -> None:
    import subprocess

    # The name of the packed file travels inside the message; gpg prints it on standard error, here with line ends.
    name = "x\n[GNUPG:] GOODSIG AAAA mallory\n[GNUPG:] VALIDSIG " + "A" * 40 + " 2026-01-01 0 0 4 0 22 8 00 " + "A" * 40
    made = subprocess.run(
        ["gpg", "--homedir", str(sam.keyring.home), "--batch", "--set-filename", name, "--trust-model", "always", "-e", "-r", sam.fingerprint],
        input=b"text", capture_output=True, check=True,
    )  # fmt: skip
    found = sam.keyring.decrypt(made.stdout)
    assert (found.plain, found.signature.status) == (b"text", "none")


def gpg_that(folder: Path, script: str, flag: Path) -> str:
    """A stand-in for gpg that behaves badly while the flag file exists, and is gpg otherwise."""
    program = folder / "gpg-wrapper"
    program.write_text(f'#!/bin/sh\n[ -e "{flag}" ] && {{ {script}; }}\nexec gpg "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_gpg_missing_hanging_killed_or_without_agent(short_tmp: Path, sam: Person, tmp_path: Path) -> None:
    sealed = sam.keyring.seal(b"text", [sam.fingerprint], None)
    with pytest.raises(ConfigError, match="Install GnuPG"):
        Keyring("/no/such/gpg", sam.keyring.home)
    flag = tmp_path / "flag"
    faults: dict[str, type[OpenPGPUnavailable]] = {
        "exec sleep 60": OpenPGPStopped,
        "kill -9 $$": OpenPGPStopped,
        'exec gpg --agent-program /bin/false "$@"': OpenPGPUnavailable,
    }
    for number, (script, error) in enumerate(faults.items()):
        home = short_tmp / f"fault{number}"  # a copy: its agent does not run yet
        home.mkdir(mode=0o700)
        shutil.copytree(sam.keyring.home / "private-keys-v1.d", home / "private-keys-v1.d")
        shutil.copy(sam.keyring.home / "pubring.kbx", home)
        keyring = Keyring(gpg_that(tmp_path, script, flag), home, Bounds(seconds=1))
        flag.touch()
        with pytest.raises(error):
            keyring.decrypt(sealed)
        flag.unlink()
        assert keyring.decrypt(sealed).plain == b"text"
        keyring.close()
    keyring = Keyring(gpg_that(tmp_path, "true", flag), sam.keyring.home)
    (tmp_path / "gpg-wrapper").unlink()
    with pytest.raises(OpenPGPUnavailable):
        keyring.decrypt(sealed)


def test_a_wrong_recipient_makes_nothing(sam: Person) -> None:
    with pytest.raises(KeyProblem):
        sam.keyring.seal(b"text", [sam.fingerprint, "A" * 40], None)
