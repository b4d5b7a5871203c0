"""GnuPG at the edge: open, verify, sign and seal, each call bounded in time, size (`store.openpgp.process`) and number.

As many calls run at a time as there are cores: more make all of them slower. Keys that came with a mail are never
imported: they are handed to gpg as an anonymous in-memory file.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from store.kit.errors import ConfigError, KeyProblem, OpenPGPStopped, OpenPGPUnavailable
from store.kit.files import modified
from store.kit.kinds import is_fingerprint
from store.openpgp.memory_files import memory_file, path_of
from store.openpgp.process import Program
from store.openpgp.status import StatusLine, read_decryption, read_keys, read_signature
from store.openpgp.values import Decryption, PublicKey, Signature

_KEY_AGE_SECONDS = 10
_NO_AGENT = "GnuPG could not reach its agent. Run 'ombud check'; the mail is taken again later."


@dataclass(frozen=True)
class Bounds:
    """The bounds of one call: seconds, and octets that come out of it."""

    seconds: float = 60
    unpacked: int = 100_000_000


class GnuPG:
    """GnuPG with a home folder: its secret keys, and the certificates in it. Safe to share between threads."""

    def __init__(
        self,
        program: str,
        home: Path,
        bounds: Bounds,
        passphrase: str | None = None,
    ) -> None:
        """Open a GNUPGHOME. Raises ConfigError when the folder or the program is missing."""
        self.home = home
        self._rings = str(home / "pubring.kbx"), str(home / "pubring.gpg")
        self._private = str(home / "private-keys-v1.d")
        self._seconds = bounds.seconds
        self._passphrase = passphrase
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)
        try:
            self._gpg = Program(program, home, bounds.seconds, bounds.unpacked)
        except OSError:
            raise ConfigError(
                f"gnupg.program: '{program}' cannot be started. Install GnuPG (Debian: apt-get install gnupg)."
            ) from None
        except ValueError:
            raise ConfigError(
                f"gnupg.home: {home} is not a usable GnuPG folder. Run 'ombud init', or correct the path."
            ) from None

    @property
    def version(self) -> str:
        """GnuPG's version, such as `2.2.40`."""
        return ".".join(str(part) for part in self._gpg.version or ())

    def decrypt(self, message: bytes) -> Decryption:
        """Open an OpenPGP message with any secret key of the folder.

        Raises OpenPGPUnavailable when gpg could not do its work; a message that does not open is a value.
        """
        plain, lines, code = self._run(["--decrypt"], message)
        found = read_decryption(lines, plain)
        if not lines and code not in (0, 2):
            raise OpenPGPUnavailable(_NO_AGENT)
        if found.passing or found.failure == "no-key":
            return self._for_nobody_here(found, {args[0] for word, args in lines if word == "ENC_TO" and args})
        return found

    def _for_nobody_here(self, found: Decryption, named: set[str]) -> Decryption:
        """A message that no key here opens; raises OpenPGPUnavailable when one should.

        gpg says "no secret key" as well when its agent is away; and where the secret is gone it says, from version 2.4 on, that it
        has no card reader.
        """
        ours = {key_id for key in self.secret_keys() for key_id in key.subkey_ids if key_id not in key.stubs}
        if not ours or (found.passing and (ours & named or not named)):
            raise OpenPGPUnavailable(_NO_AGENT)
        if ours & named:
            raise OpenPGPStopped(_NO_AGENT)
        return Decryption(None, "no-key")

    def verify(self, signed: bytes, signature: bytes) -> Signature:
        """Check a detached signature over exact octets (RFC 3156 section 5)."""
        with memory_file(signature) as number:
            _, lines, _ = self._run(["--verify", path_of(number), "-"], signed, number)
        return read_signature(lines)

    def verify_clear(self, data: bytes) -> tuple[bytes | None, Signature]:
        """Read a message that is signed but not encrypted (RFC 9580 section 7): its text, or None, and the signature."""
        plain, lines, _ = self._run(["--decrypt"], data)
        intact = sum(word == "PLAINTEXT" for word, _ in lines) == 1
        return (plain if intact else None), read_signature(lines)

    def unwrap(self, message: bytes) -> bytes:
        """An encrypted message without its encryption, as its signer made it: what is left can be verified by anybody. Empty when it does
        not open."""
        plain, lines, _ = self._run(["--unwrap"], message)
        return plain if any(word == "DECRYPTION_OKAY" for word, _ in lines) else b""

    def sign(self, data: bytes, fingerprint: str) -> tuple[bytes, str]:
        """A detached armored signature and the `micalg` that names its hash (RFC 3156 section 5)."""
        made, lines, _ = self._run(["--detach-sign", "--armor", "--local-user", fingerprint], data)
        for word, args in lines:
            if word == "SIG_CREATED" and len(args) > 2:
                return made, _MICALG.get(args[2], "pgp-sha256")
        raise KeyProblem(f"The desk key {fingerprint} cannot sign. Look at 'gpg -K' in the desk's GnuPG folder.")

    def seal(self, data: bytes, recipients: Sequence[str], signer: str | None) -> bytes:
        """Encrypt (and sign) to certificates of the folder by full fingerprint; the unarmored message.

        Raises KeyProblem when one of them cannot be used; then nothing was made.
        """
        chosen = [part for fingerprint in recipients for part in ("--recipient", fingerprint)]
        return self._encrypt(data, chosen, signer)

    def seal_to_key(self, data: bytes, key: bytes, signer: str | None) -> bytes:
        """Encrypt to a certificate that came with a mail, without importing it; the unarmored message."""
        with memory_file(key) as number:
            return self._encrypt(data, ["--recipient-file", path_of(number)], signer, number)

    def _encrypt(self, data: bytes, recipients: list[str], signer: str | None, *files: int) -> bytes:
        signing = ["--sign", "--local-user", signer] if signer else []
        # No compression: together with padding, the length then tells little of what is inside.
        made, lines, code = self._run(["--encrypt", "-z", "0", *signing, *recipients], data, *files)
        words = {word for word, _ in lines}
        if "END_ENCRYPTION" not in words or words & {"INV_RECP", "INV_SGNR"} or code != 0:
            if words & {"INV_RECP", "INV_SGNR", "FAILURE"} or code == 2:
                raise KeyProblem("GnuPG cannot use one of the keys for encryption.")
            raise OpenPGPUnavailable("GnuPG stopped half way. It is tried again.")
        return made

    def read_key_data(self, data: bytes) -> list[PublicKey]:
        """The certificates in key material, without importing it."""
        # In a folder without a trust database, which it does not make with the model "always", GnuPG 2.2 dies of a key
        # that has expired. The model changes nothing else in a listing.
        listing, _, _ = self._run(
            ["--trust-model", "direct", "--dry-run", "--import-options", "import-show", "--import"], data
        )
        return read_keys(listing)

    def add_public(self, data: bytes) -> None:
        """Import public key material of the team."""
        self._run(["--import-options", "import-clean", "--import"], data)

    def public_keys(self, fingerprints: Sequence[str] = ()) -> list[PublicKey]:
        """Certificates of the folder; all when none is named."""
        listing, _, _ = self._run(["--list-keys", "--", *map(_fingerprint, fingerprints)], b"")
        return read_keys(listing)

    def stamp(self) -> object:
        """What changes when a certificate of the folder does."""
        return modified(self._rings[0]), modified(self._rings[1])

    def secrets_stamp(self) -> object:
        """What changes when a secret key is added or taken away."""
        return modified(self._private)

    def export_secret(self, fingerprint: str) -> bytes:
        """A secret key, under the passphrase of the folder if it has one; empty when it cannot be had."""
        made, _, _ = self._run(
            ["--export-options", "export-minimal", "--export-secret-keys", "--", _fingerprint(fingerprint)], b""
        )
        return made

    def secret_keys(self) -> list[PublicKey]:
        """The keys that can open mail here."""
        listing, _, _ = self._run(["--list-secret-keys"], b"")
        return read_keys(listing)

    def export(self, fingerprint: str, *, armored: bool) -> bytes:
        """A certificate of the folder, without other people's certifications. Raises KeyProblem."""
        armor = ["--armor"] if armored else []
        made, _, _ = self._run(
            ["--export-options", "export-minimal", *armor, "--export", "--", _fingerprint(fingerprint)], b""
        )
        if not made:
            raise KeyProblem(f"There is no key {fingerprint} in the desk's GnuPG folder.")
        return made

    def create(self, name: str, address: str) -> str:
        """Make an ed25519/cv25519 key without expiry; its fingerprint. Raises KeyProblem."""
        # A little old, for gpg waits for the next second before it signs a key again, as `extend` has it do below.
        created = int(time.time()) - _KEY_AGE_SECONDS
        protection = [f"Passphrase: {self._passphrase}"] if self._passphrase else ["%no-protection"]
        script = "\n".join(
            [
                "Key-Type: EDDSA", "Key-Curve: ed25519", "Key-Usage: sign,cert",
                "Subkey-Type: ECDH", "Subkey-Curve: cv25519", "Subkey-Usage: encrypt",
                f"Name-Real: {' '.join(name.split())}", f"Name-Email: {address}", "Expire-Date: 0", f"Creation-Date: seconds={created}",
                *protection, "%commit", "",
            ]
        )  # fmt: skip
        _, lines, _ = self._run(["--generate-key"], script.encode(), secret=False)
        for word, args in lines:
            if word == "KEY_CREATED":
                # A key that is written again keeps with it that its own signatures were checked, as an imported one
                # does. gpg would otherwise check them in each call: 2 to 4 ms.
                self.extend(args[1], None)
                return args[1]
        raise KeyProblem("GnuPG could not make a key. Check that the folder is writable and the disk is not full.")

    def extend(self, fingerprint: str, until: date | None) -> None:
        """Give a secret key and its sub-keys a new last day, or none. Raises KeyProblem."""
        end = until.isoformat() if until else "0"
        for subkeys in ([], ["*"]):
            _, _, code = self._run(["--quick-set-expire", fingerprint, end, *subkeys], b"")
            if code != 0:
                raise KeyProblem(f"GnuPG did not extend {fingerprint}: is the day to come, and the secret key there?")

    def close(self) -> None:
        """End the agent that gpg started for this folder."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "gpg-agent"], check=False, capture_output=True
        )

    def _run(
        self, args: list[str], data: bytes, *files: int, secret: bool = True
    ) -> tuple[bytes, list[StatusLine], int]:
        passphrase = self._passphrase if secret else None
        with self._slots:
            try:
                done = self._gpg.call(args, data, passphrase, files)
            except OSError:
                raise OpenPGPUnavailable(
                    "GnuPG cannot be started. Install it, or correct gnupg.program; the mail is taken again later."
                ) from None
        if done.too_large:
            return b"", [*done.lines, ("TOO_LARGE", ())], 2
        if done.late or done.code < 0:
            why = f"took longer than {self._seconds:g} s" if done.late else "was killed"
            raise OpenPGPStopped(f"GnuPG {why}. It is tried again.")
        return done.output, done.lines, done.code


_MICALG = {
    "1": "pgp-md5",
    "2": "pgp-sha1",
    "8": "pgp-sha256",
    "9": "pgp-sha384",
    "10": "pgp-sha512",
    "11": "pgp-sha224",
}


def _fingerprint(written: str) -> str:
    """A fingerprint as an argument: nothing else is one, for what comes from outside must not be an option, nor a name that several keys
    have. Raises KeyProblem."""
    if not is_fingerprint(written):
        raise KeyProblem("What stands for a key is no fingerprint.")
    return written
