// Receipts, as store/openpgp/receipts.py has them: words, what comes of them, and the key that they open.
"use strict";

ombud.receipts = (() => {
  const { desk, hex } = ombud;
  const same = { "\u0629": "\u0647", "\u0649": "\u064a", "\u0640": "", "\u0621": "" };

  /** Words as they count: without accents, in small letters, with one space in between. */
  function canonical(words) {
    return words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
      .replace(/[\u0629\u0649\u0640\u0621]/g, (letter) => same[letter])
      .replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  }

  /** A number below another one, each as likely. */
  function random(below) {
    const most = Math.floor(2 ** 32 / below) * below;
    for (;;) {
      const [drawn] = crypto.getRandomValues(new Uint32Array(1));
      if (drawn < most) {
        return drawn % below;
      }
    }
  }

  /** The words of a new receipt. */
  async function newWords() {
    const answer = await fetch(desk.words, { credentials: "omit" }).catch(() => { throw new Error("network"); });
    const words = answer.ok ? await answer.json().catch(() => null) : null;
    if (!Array.isArray(words) || words.length < 500 || !words.every((word) => typeof word === "string" && word)) {
      throw new Error("network");
    }
    return Array.from({ length: desk.count }, () => words[random(words.length)]).join(" ");
  }

  /** What words come to: a look-up value and a password (Argon2id, RFC 9106). */
  async function read(words) {
    const made = await hashwasm.argon2id({
      password: new TextEncoder().encode(canonical(words)), salt: Uint8Array.from(desk.salt.match(/../g), (two) => parseInt(two, 16)),
      parallelism: 1, iterations: 3, memorySize: 65536, hashLength: 64, outputType: "binary",
    });
    return { lookup: hex(made.slice(0, 32)), password: hex(made.slice(32)) };
  }

  /** The address that stands for whoever has a receipt. */
  async function addressOf(lookup) {
    const octets = new TextEncoder().encode(`ombud letterbox ${lookup}`);
    return `${hex(new Uint8Array(await crypto.subtle.digest("SHA-256", octets))).slice(0, 32)}@form.invalid`;
  }

  /** A key for a receipt: the certificate, and the secret key under the receipt's password, both in base64. */
  async function newKey(receipt) {
    const email = await addressOf(receipt.lookup);
    const { privateKey, publicKey } = await openpgp.generateKey({
      type: "ecc", curve: "ed25519Legacy", userIDs: [{ email }], format: "object",
      // Clocks of telephones go wrong; a key of tomorrow could not be sealed to today.
      date: new Date(Date.now() - 86400000),
    });
    const locked = await openpgp.encrypt({
      message: await openpgp.createMessage({ binary: privateKey.write() }), passwords: [receipt.password], format: "binary",
    });
    return { key: ombud.base64(publicKey.write()), locked: ombud.base64(locked) };
  }

  /** The secret key under a receipt's password; nothing when it does not open. */
  async function unlock(locked, receipt) {
    const message = await openpgp.readMessage({ binaryMessage: ombud.octets(locked) });
    const { data } = await openpgp.decrypt({ message, passwords: [receipt.password], format: "binary" });
    return openpgp.readKey({ binaryKey: data });
  }

  /** What was sealed to a receipt's key: subject, text, files, and whether the desk signed it. */
  async function openLetter(sealed, secret) {
    const message = await openpgp.readMessage({ binaryMessage: ombud.octets(sealed) });
    const { data, signatures } = await openpgp.decrypt({
      message, decryptionKeys: secret, verificationKeys: await ombud.key(), format: "binary",
    });
    const signed = await Promise.any(signatures.map((item) => item.verified)).catch(() => false);
    return { ...JSON.parse(new TextDecoder().decode(data)), signed };
  }

  return { canonical, newWords, read, addressOf, newKey, unlock, openLetter };
})();
