// The page: one picture, the instructions about it, and how the answers look.

import { modelName, Problem, Session, useKey } from "./api.js";
import { Card, SHOWN } from "./cards.js";
import { closeCamera, fromClipboard, fromFile, fromVideo, openCamera, openVideo, seek } from "./media.js";
import * as settings from "./settings.js";

const at = (id) => document.getElementById(id);
const [preview, video, cardsAt] = [at("preview"), at("video"), at("cards")];
const cards = new Map();
let session = null;
let example = null;
let rendering = null;
let pictureNumber = 0;
const narrow = matchMedia("(max-width: 56rem)"); // then the results are below all else

function say(text) {
  at("status").textContent = text;
}

function complain(error) {
  if (error.name === "AbortError") return;
  for (const card of cards.values()) card.busy(false);
  if (error instanceof Problem && error.status === 401) at("key-section").hidden = false;
  say("");
  at("problem").textContent = error.message;
}

// Runs what a button starts; what goes wrong is told in words.
const tried = (action) => async (event) => {
  at("problem").textContent = "";
  try {
    await action(event);
  } catch (error) {
    complain(error);
  }
};

function refresh() {
  const some = cards.size > 0;
  at("empty").hidden = some;
  at("download").disabled = !(some && session);
}

async function show(list, outputs, signal) {
  const instructions = list.map((card) => card.instruction);
  const question = { instructions, ...settings.asQuestion(), outputs, format: "webp" };
  const asked = session;
  const results = await asked.ask(question, { signal });
  if (asked !== session) return; // of a picture that was replaced in the meantime
  results.forEach((result, number) => list[number].show(result));
}

// Sixteen instructions are the most that one request takes.
function grouped(list) {
  const groups = [];
  for (let first = 0; first < list.length; first += 16) groups.push(list.slice(first, first + 16));
  return groups;
}

async function askAll(list) {
  if (!session || list.length === 0) return;
  say(list.length === 1 ? "Looking…" : `Looking for ${list.length} instructions…`);
  for (const card of list) card.busy(true);
  for (const group of grouped(list)) await show(group, SHOWN.map(([name]) => name));
  say("Done");
  refresh();
}

// The heatmap stays as it is, so only what follows from it is rendered; a newer setting overtakes an older one.
const restyle = tried(async () => {
  if (!session || cards.size === 0) return;
  rendering?.abort();
  rendering = new AbortController();
  const { signal } = rendering;
  await new Promise((done) => setTimeout(done, 60));
  if (signal.aborted) return;
  for (const group of grouped([...cards.values()])) {
    await show(group, SHOWN.map(([name]) => name).filter((name) => name !== "heatmap"), signal);
  }
});

async function usePicture(blob, name = null, { preview: seen = true } = {}) {
  pictureNumber += 1;
  const own = pictureNumber;
  rendering?.abort();
  session?.close();
  example = name;
  session = new Session(blob, say);
  if (seen) {
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(blob);
  }
  preview.hidden = !seen;
  say("Reading the picture…");
  try {
    await session.opening;
  } catch (error) {
    if (own === pictureNumber) {
      session = null;
      preview.hidden = true;
      refresh();
    }
    throw error;
  }
  if (own !== pictureNumber) return;
  say(cards.size ? "" : "Ready: say what to keep");
  refresh();
  await askAll([...cards.values()]);
}

function leaveVideo() {
  closeCamera(video);
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  for (const id of ["video", "video-controls", "camera-controls"]) at(id).hidden = true;
}

async function useFile(file) {
  leaveVideo();
  if (!file.type.startsWith("video/")) {
    await usePicture(await fromFile(file));
    return;
  }
  preview.hidden = true;
  video.hidden = false;
  await openVideo(video, file);
  Object.assign(at("moment"), { max: String(Math.max(0.1, Math.floor(video.duration * 10) / 10 || 0.1)), value: "0" });
  at("moment-value").textContent = "0.0 s";
  at("video-controls").hidden = false;
  await usePicture(await fromVideo(video), null, { preview: false });
}

async function addInstruction(text) {
  if (cards.has(text)) {
    say(`“${text}” is there already`);
    return;
  }
  const card = new Card(text, () => {
    cards.delete(text);
    card.element.remove();
    refresh();
    say(`“${text}” removed`);
    at("instruction").focus();
  });
  cards.set(text, card);
  cardsAt.prepend(card.element);
  refresh();
  if (narrow.matches) at("results").scrollIntoView();
  try {
    await askAll([card]);
  } catch (error) {
    cards.delete(text);
    card.element.remove();
    refresh();
    throw error;
  }
  if (!session) say("Now choose a picture");
}

async function useExample(name, instruction) {
  leaveVideo();
  const answer = await fetch(`page/${encodeURIComponent(name)}.jpg`);
  if (!answer.ok) throw new Error(`There is no example called ${name}`);
  await usePicture(await answer.blob(), name);
  if (instruction) await addInstruction(instruction);
}

function saveAs(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

at("file").addEventListener("change", tried(async ({ target }) => {
  const [file] = target.files;
  target.value = ""; // so that the same file can be chosen again
  if (file) await useFile(file);
}));
at("paste").addEventListener("click", tried(async () => {
  const blob = await fromClipboard().catch(() => null);
  if (!blob) throw new Error("There is no picture in the clipboard, or the browser keeps it back: press Ctrl+V instead");
  await useFile(blob);
}));
document.addEventListener("paste", tried(async (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => /^(image|video)\//.test(type));
  if (!file) return;
  event.preventDefault();
  await useFile(file);
}));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
}
document.addEventListener("drop", tried(async (event) => {
  const [file] = event.dataTransfer.files;
  if (file) await useFile(file);
}));
at("camera").addEventListener("click", tried(async () => {
  leaveVideo();
  await openCamera(video);
  preview.hidden = true;
  video.hidden = false;
  at("camera-controls").hidden = false;
  at("shoot").focus();
}));
at("shoot").addEventListener("click", tried(async () => {
  const blob = await fromVideo(video);
  leaveVideo();
  await usePicture(blob);
}));
at("camera-off").addEventListener("click", () => {
  leaveVideo();
  preview.hidden = !session;
});

let seeking = Promise.resolve();
let wanted = null;
at("moment").addEventListener("input", () => {
  const seconds = Number(at("moment").value);
  at("moment-value").textContent = `${seconds.toFixed(1)} s`;
  wanted = seconds;
  // One moment after the other; those that were passed over in the meantime are not asked about.
  seeking = seeking.then(tried(async () => {
    if (wanted === null) return;
    const moment = wanted;
    wanted = null;
    await seek(video, moment);
    await usePicture(await fromVideo(video), null, { preview: false });
  }));
});

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("instruction").value.trim();
  if (!text) {
    complain(new Error("Say what to keep, for example: the red cup"));
    at("instruction").focus();
    return;
  }
  at("instruction").select();
  tried(() => addInstruction(text))();
});
for (const button of document.querySelectorAll(".example")) {
  button.addEventListener("click", tried(() => useExample(button.dataset.example, button.dataset.instruction)));
}
at("reset").addEventListener("click", () => {
  settings.reset();
  restyle();
});
at("link").addEventListener("click", tried(async () => {
  location.hash = settings.toHash([...cards.keys()], example);
  await navigator.clipboard.writeText(location.href).catch(() => {
    throw new Error("The browser does not let the page copy: take the link from the address line");
  });
  say("The link is in the clipboard; a picture of your own is not part of it");
}));
at("download").addEventListener("click", tried(async () => {
  say("Packing…");
  const outputs = ["heatmap", "highlight", "blur", "crop", "crop-blur", "alpha", "cutout", "gray", "soft", "hard", "sheet"];
  const groups = grouped([...cards.keys()]);
  for (const [number, instructions] of groups.entries()) {
    const question = { instructions, ...settings.asQuestion(), outputs, format: "png" };
    saveAs(await session.ask(question, { zip: true }), groups.length > 1 ? `ivm-${number + 1}.zip` : "ivm.zip");
  }
  say("Saved");
}));
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value.trim());
  at("key-section").hidden = true;
  at("problem").textContent = "";
  say("Now try again");
});

at("look").open = !narrow.matches;
settings.watch(restyle);
modelName().then((name) => (at("model").textContent = `with ${name}`), complain);
tried(async () => {
  const link = settings.fromHash(location.hash);
  for (const text of link.instructions) await addInstruction(text);
  if (link.example) await useExample(link.example);
})();
