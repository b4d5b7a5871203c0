// What a receipt opens: the answers of the team, and a way to write more.
"use strict";

(() => {
  const { desk, receipts } = ombud;
  const ask = document.getElementById("ask");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const status = document.getElementById("status");
  let receipt = null;
  let prepared = null;

  function element(name, content, properties = {}) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...[content].flat());
    return made;
  }

  function say(sentence) {
    status.textContent = sentence;
  }

  function file(item) {
    const url = URL.createObjectURL(new Blob([ombud.octets(item.data)], { type: "application/octet-stream" }));
    return element("li", element("a", item.name, { href: url, download: item.name, dir: "auto" }));
  }

  /** One answer of the team. What is in it is text, whatever it looks like. */
  function letter(item) {
    const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long" }).format(new Date(item.at));
    const shown = element("article", [
      element("h3", item.read ? day : `${day} - ${desk.say.new}`),
      element("p", item.text, { className: "letter", dir: "auto" }),
    ]);
    if (item.files.length) {
      shown.append(element("ul", item.files.map(file)));
    }
    if (!item.signed) {
      shown.append(element("p", desk.say.unsigned, { className: "caution" }));
    }
    return shown;
  }

  async function open(event) {
    event.preventDefault();
    const words = ask.elements.words.value;
    if (!receipts.canonical(words)) {
      say(desk.say.words);
      ask.elements.words.focus();
      return;
    }
    const button = ask.querySelector("button");
    button.disabled = true;
    try {
      say(desk.say.opening);
      receipt = await receipts.read(words);
      const answer = await ombud.send("open", { lookup: receipt.lookup });
      if (!answer.found) {
        say(desk.say.nothing);
        return;
      }
      await show(answer);
      ask.reset();
      say("");
    } catch (error) {
      say(ombud.complaint(error));
    } finally {
      button.disabled = false;
    }
  }

  async function show(answer) {
    const secret = await receipts.unlock(answer.locked, receipt);
    const opened = await Promise.allSettled(answer.letters.map(async (item) => (
      { ...item, ...await receipts.openLetter(item.data, secret) }
    )));
    const letters = opened.filter((item) => item.status === "fulfilled").map((item) => item.value);
    document.getElementById("letters").replaceChildren(...letters.reverse().map(letter));
    document.getElementById("none").hidden = letters.length > 0;
    ask.hidden = true;
    found.hidden = false;
    found.querySelector("h2").focus();
  }

  async function add(event) {
    event.preventDefault();
    const result = document.getElementById("more-status");
    result.className = "";
    const said = [more.elements.text.value.trim()];
    const tell = more.elements.tell.value.trim();
    if (more.elements.tell_no.checked) {
      said.unshift("Tell me at: no");
    } else if (tell) {
      said.unshift(`Tell me at: ${tell}`);
    }
    if (tell && !more.elements.tell_no.checked && !/^[^\s@<>,;:"()\\]+@[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*$/u.test(tell)) {
      result.textContent = desk.say.address;
      more.elements.tell.focus();
      return;
    }
    if (!said.some(Boolean) && !more.elements.files.files.length) {
      result.textContent = desk.say.empty;
      return;
    }
    const button = more.querySelector("button");
    button.disabled = true;
    try {
      result.textContent = desk.say.sealing;
      const text = said.join("\n\n").replace(/\r\n?/g, "\n") + "\n";
      const files = await ombud.chosen(more.elements.files);
      const same = JSON.stringify([text, files.map((item) => [item.name, item.type, item.digest])]);
      if (prepared?.same !== same) {
        prepared = { same, message: await ombud.seal(text, files) };
      }
      await ombud.send("more", { lookup: receipt.lookup, message: prepared.message });
      prepared = null;
      more.reset();
      result.textContent = desk.say.added;
      result.className = "good";
    } catch (error) {
      result.textContent = ombud.complaint(error);
    } finally {
      button.disabled = false;
    }
  }

  if (ombud.able() && desk.api) {
    document.getElementById("unsealed")?.remove();
    document.getElementById("sealed-here").hidden = false;
    ask.addEventListener("submit", open);
    more.addEventListener("submit", add);
  }
})();
