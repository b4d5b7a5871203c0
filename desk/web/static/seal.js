// What the pages share: a desk's key, mails sealed to it, work as proof against floods, and what is sent.
// Nothing is kept in the browser, and nothing is asked of anybody but the desk.
"use strict";

const ombud = (() => {
  const desk = JSON.parse(document.getElementById("desk").textContent);
  const utf8 = new TextEncoder();
  const policy = window.trustedTypes?.createPolicy("ombud", { createScriptURL: (url) => url });

  /** Octets in base64, in lines of 76 characters. */
  function base64(octets) {
    let text = "";
    for (let at = 0; at < octets.length; at += 0x8000) {
      text += String.fromCharCode(...octets.subarray(at, at + 0x8000));
    }
    return btoa(text).replace(/.{76}(?=.)/g, "$&\r\n");
  }

  /** Base64 as octets. */
  function octets(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  /** Octets as hexadecimal digits. */
  function hex(some) {
    return Array.from(some, (octet) => octet.toString(16).padStart(2, "0")).join("");
  }

  /** At least 4096, then Padme (Nikitin et al., PETS 2019): a length tells little of what is in it. */
  function paddedLength(length) {
    if (length <= 4096) {
      return 4096;
    }
    const exponent = Math.floor(Math.log2(length));
    const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
    return Math.ceil(length / step) * step;
  }

  /** A text and files ({name, type, data}) as the mail that is sealed (RFC 2045), of a length that tells little. */
  function mail(text, files) {
    const boundary = `=_${hex(crypto.getRandomValues(new Uint8Array(16)))}`;
    const lines = [
      `Content-Type: multipart/mixed; boundary="${boundary}"`, "",
      `--${boundary}`, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "",
      base64(utf8.encode(text)),
    ];
    for (const file of files) {
      const type = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : "application/octet-stream";
      const name = encodeURIComponent(file.name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
      lines.push(
        `--${boundary}`, `Content-Type: ${type}`, "Content-Transfer-Encoding: base64",
        `Content-Disposition: attachment; filename*=UTF-8''${name}`, "",
        base64(file.data),
      );
    }
    lines.push(`--${boundary}--`, "");
    const made = lines.join("\r\n");
    return made + filling(paddedLength(made.length + 2) - made.length - 2) + "\r\n";
  }

  /** Lines of dots. */
  function filling(length) {
    const rest = length % 76;
    return `${".".repeat(74)}\r\n`.repeat((length - rest) / 76) + ".".repeat(rest);
  }

  let deskKey;

  /** The desk's key. */
  async function key() {
    deskKey ??= await openpgp.readKey({ armoredKey: desk.key });
    return deskKey;
  }

  /** A text and files, sealed to the desk; in armor. */
  async function seal(text, files) {
    const message = await openpgp.createMessage({ binary: utf8.encode(mail(text, files)) });
    return openpgp.encrypt({ message, encryptionKeys: await key() });
  }

  /** Files that somebody chose, with what is in them. Raises "size" when they are too large together. */
  async function chosen(input) {
    const files = Array.from(input.files);
    if (files.reduce((sum, file) => sum + file.size, 0) > desk.size_limit * 0.7) {
      throw new Error("size");
    }
    return Promise.all(files.map(async (file) => {
      const data = new Uint8Array(await file.arrayBuffer());
      return { name: file.name, type: file.type, data, digest: hex(new Uint8Array(await crypto.subtle.digest("SHA-256", data))) };
    }));
  }

  /** A solved challenge: it costs this browser a moment, and whoever floods a desk many of them. */
  async function work() {
    const challenge = await (await fetched("challenge")).json();
    const solution = await new Promise((resolve, reject) => {
      const worker = new Worker(policy ? policy.createScriptURL(desk.worker) : desk.worker);
      worker.onmessage = (message) => {
        worker.terminate();
        message.data?.derivedKey ? resolve(message.data) : reject(new Error("work"));
      };
      worker.onerror = () => reject(new Error("work"));
      worker.postMessage({ type: "work", challenge });
    });
    return btoa(JSON.stringify({ challenge, solution: { counter: solution.counter, derivedKey: solution.derivedKey } }));
  }

  async function fetched(path, body) {
    const method = body ? "POST" : "GET";
    try {
      return await fetch(desk.api + path, { method, body, credentials: "omit", redirect: "error", cache: "no-store" });
    } catch {
      throw new Error("network");
    }
  }

  /** Send fields to the desk; what it answers. Raises the word by which it says what is wrong. */
  async function send(path, fields) {
    for (let again = false; ; again = true) {
      // In the address: it is looked at before the rest is read.
      const solved = encodeURIComponent(await work());
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) {
        body.append(name, new Blob([value]), name);
      }
      const answer = await fetched(`${path}?work=${solved}`, body);
      const said = await answer.json().catch(() => ({ error: "network" }));
      if (answer.ok) {
        return said;
      }
      if (said.error !== "work" || again) {
        throw new Error(said.error);
      }
    }
  }

  /** What is said of something that went wrong. */
  function complaint(error) {
    return desk.say[error.message] ?? desk.say.wrong;
  }

  /** Whether this browser can do all that is needed. */
  function able() {
    return Boolean(window.openpgp && window.hashwasm && window.crypto?.subtle && window.WebAssembly && window.Worker);
  }

  // The way back does not lead here.
  document.querySelector(".leave a").addEventListener("click", (event) => {
    event.preventDefault();
    window.location.replace(event.currentTarget.href);
  });

  return { desk, base64, octets, hex, paddedLength, mail, key, seal, chosen, send, complaint, able };
})();
