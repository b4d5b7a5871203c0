// The form: what is filled in becomes one text, which is sealed here, before it leaves.
"use strict";

(() => {
  const { desk, receipts } = ombud;
  const form = document.getElementById("report");
  const status = document.getElementById("status");
  let prepared = null;

  /** A value without blank lines in it, which would end it. */
  function joined(value) {
    return value.replace(/\r\n?/g, "\n").split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
  }

  function lines(name) {
    return joined(form.elements[name]?.value ?? "").split("\n").filter(Boolean);
  }

  /** The text of a report, as desk/web/reports.py composes it. */
  function text() {
    const checked = Array.from(form.querySelectorAll("input[name=exclude]:checked"), (box) => box.value);
    const asked = [
      ...[...checked, ...lines("exclude_others")].map((name) => `Exclude: ${name}`),
      ...lines("only").map((name) => `Only: ${name}`),
      ...(form.elements.no_reply.checked ? ["Reply: no"] : []),
    ];
    const told = Array.from(form.querySelectorAll("[data-label]"))
      .filter((field) => field.type !== "radio" || field.checked)
      .map((field) => [field.dataset.label, joined(field.value)])
      .filter(([, value]) => value)
      .map(([label, value]) => `${label}: ${value}`);
    const said = form.elements.what.value.replace(/\r\n?/g, "\n").trim();
    return [asked, told, [said]].map((part) => part.join("\n")).filter(Boolean).join("\n\n") + "\n";
  }

  function isEmpty() {
    const written = Array.from(form.querySelectorAll("textarea, input[type=text]")).some((field) => field.value.trim());
    return !written && form.elements.files.files.length === 0;
  }

  function say(sentence) {
    status.textContent = sentence;
  }

  /** Sealed once for the same report: what is sent again is the same mail, under the same receipt. */
  async function sealedReport() {
    const said = text();
    const files = await ombud.chosen(form.elements.files);
    const same = JSON.stringify([said, files.map((file) => [file.name, file.type, file.digest])]);
    if (prepared?.same !== same) {
      const message = await ombud.seal(said, files);
      prepared = { same, message };
      if (desk.api) {
        const words = await receipts.newWords();
        const receipt = await receipts.read(words);
        Object.assign(prepared, { words, lookup: receipt.lookup, ...await receipts.newKey(receipt) });
      }
    }
    return prepared;
  }

  function showReceipt(words) {
    document.getElementById("words").textContent = words;
    reveal("done");
  }

  function showSealed(message) {
    document.getElementById("sealed").value = message;
    reveal("by-mail");
  }

  /** Show what comes after the form, in its place; nothing of it is left on the page. */
  function reveal(id) {
    form.reset();
    prepared = null;
    document.getElementById("before").remove();
    const section = document.getElementById(id);
    section.hidden = false;
    section.querySelector("h1").focus();
    window.scrollTo(0, 0);
  }

  async function submit(event) {
    event.preventDefault();
    if (isEmpty()) {
      say(desk.say.empty);
      form.elements.what.focus();
      return;
    }
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      say(desk.say.sealing);
      const { words, message, lookup, key, locked } = await sealedReport();
      if (!desk.api) {
        showSealed(message);
        return;
      }
      say(desk.say.sending);
      await ombud.send("sealed", { lookup, key, locked, message });
      showReceipt(words);
    } catch (error) {
      say(ombud.complaint(error));
    } finally {
      button.disabled = false;
    }
  }

  if (ombud.able()) {
    document.getElementById("unsealed")?.remove();
    document.getElementById("sealed-here").hidden = false;
    form.elements.receipt?.remove();
    form.addEventListener("submit", submit);
  }
})();
