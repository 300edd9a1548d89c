"use strict";
// One record at a time: `mask` holds what is needed in white, `canvas` shows picture, mask and pointer.

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const view = canvas.getContext("2d", { willReadFrequently: true });
const mask = document.createElement("canvas");
const ink = mask.getContext("2d", { willReadFrequently: true });
const picture = new Image();
let record = null;
let tool = "";
let hidden = false;
let pointer = { x: 0, y: 0 };
let points = [];
let before = null; // the mask before the first click of points
let drawing = false;
let changed = false;
let busy = false;

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json()).error || answer.statusText);
  return answer.headers.get("Content-Type").startsWith("image/") ? answer.blob() : answer.json();
}

function wait(on) {
  busy = on;
  byId("stage").setAttribute("aria-busy", String(on));
}

async function doing(work) {
  if (busy) return;
  wait(true);
  byId("message").textContent = "";
  try { await work(); } catch (error) { byId("message").textContent = error.message; } finally { wait(false); }
}

function load(image, source) {
  return new Promise((done, failed) => {
    image.onload = done;
    image.onerror = () => failed(new Error("The picture cannot be shown"));
    image.src = source;
  });
}

async function putMask(source) {
  const image = new Image();
  await load(image, source);
  ink.globalCompositeOperation = "source-over";
  ink.drawImage(image, 0, 0);
}

async function show(state) {
  record = state.record;
  byId("progress").max = state.all;
  byId("progress").value = state.all - state.left;
  byId("count").textContent = `${state.left} of ${state.all} to decide`;
  points = [];
  before = null;
  changed = drawing = false;
  mark("");
  for (const id of Object.keys(buttons)) byId(id).disabled = !record && id !== "undo";
  if (!record) {
    byId("instruction").textContent = "All is decided.";
    byId("why").textContent = byId("about").textContent = "";
    resize(1, 1);
    byId("stage").setAttribute("aria-label", "No picture is left");
    return;
  }
  byId("instruction").textContent = record.instructions.join(" · ");
  byId("why").textContent = record.rejected ? `The run rejected it: ${record.rejected}` : "";
  const things = (record.about.things || []).map((thing) => `${thing.role}: ${thing.phrase}`).join(", ");
  byId("about").textContent = `${record.uuid}, weight ${record.weight.toFixed(2)}` +
    `${record.decided ? `, decided: ${record.decided}` : ""}. ${things}`;
  byId("stage").setAttribute("aria-label", `The picture with the mask of: ${record.instructions.join(", ")}`);
  resize(record.width, record.height);
  pointer = { x: record.width / 2, y: record.height / 2 };
  const path = `api/records/${record.place}`;
  await Promise.all([load(picture, `${path}/picture`), putMask(`${path}/mask`)]);
  paint();
}

function resize(width, height) {
  canvas.width = mask.width = width;
  canvas.height = mask.height = height;
  canvas.style.setProperty("--ratio", width / height);
  canvas.style.setProperty("--most", record ? `${Math.max(480, width)}px` : "1px");
}

function paint() {
  if (!record || !picture.complete || !picture.naturalWidth) return;
  view.globalCompositeOperation = "source-over";
  view.drawImage(picture, 0, 0);
  if (!hidden) {
    const pixels = view.getImageData(0, 0, canvas.width, canvas.height);
    const needed = ink.getImageData(0, 0, mask.width, mask.height).data;
    for (let i = 0; i < needed.length; i += 4) {
      if (needed[i] > 127) continue;
      const grey = (pixels.data[i] * 0.3 + pixels.data[i + 1] * 0.59 + pixels.data[i + 2] * 0.11) * 0.4;
      pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = grey;
    }
    view.putImageData(pixels, 0, 0);
  }
  for (const [x, y, there] of points) {
    view.fillStyle = there ? "#2c5" : "#e33";
    view.beginPath();
    view.arc(x, y, Math.max(3, canvas.width / 120), 0, 7);
    view.fill();
  }
  if (tool) {
    view.strokeStyle = "#fd0";
    view.lineWidth = Math.max(1, canvas.width / 400);
    view.beginPath();
    const radius = tool === "brush" || tool === "erase" ? Number(byId("size").value) : 4;
    view.arc(pointer.x, pointer.y, radius, 0, 7);
    view.stroke();
  }
}

function mark(name) {
  tool = name;
  for (const id of ["brush", "erase", "plus", "minus"]) byId(id).setAttribute("aria-pressed", String(tool === id));
}

function choose(name) {
  if (!record) return;
  mark(tool === name ? "" : name);
  if (tool) byId("stage").focus(); // so that the space bar draws, and presses no button
  paint();
}

function stamp(from) {
  if (!record || busy) return; // another record may be on its way, whose mask this is not
  ink.strokeStyle = ink.fillStyle = tool === "brush" ? "#fff" : "#000";
  ink.lineWidth = 2 * Number(byId("size").value);
  ink.lineCap = "round";
  ink.beginPath();
  ink.moveTo(from.x, from.y);
  ink.lineTo(pointer.x + 0.01, pointer.y);
  ink.stroke();
  changed = true;
  paint();
}

function use(from) {
  if (tool === "brush" || tool === "erase") stamp(from);
  else if (tool && record) doing(click);
}

async function click() {
  if (!before) before = mask.toDataURL("image/png");
  const x = Math.min(canvas.width - 1, Math.max(0, pointer.x));
  const y = Math.min(canvas.height - 1, Math.max(0, pointer.y));
  const asked = [...points, [x, y, tool === "plus"]];
  const answer = await ask(`api/records/${record.place}/points`, { points: asked, mask: before });
  points = asked;
  const url = URL.createObjectURL(answer);
  await putMask(url);
  URL.revokeObjectURL(url);
  changed = true;
  paint();
}

function decide(decision) {
  if (!record) return;
  const body = decision === "redraw" ? { decision, mask: mask.toDataURL("image/png") } : { decision };
  doing(async () => show(await ask(`api/records/${record.place}/decision`, body)));
}

const acts = {
  k: () => (changed ? decide("redraw") : decide("keep")),
  r: () => decide("reject"),
  l: () => record && doing(async () => show(await ask(`api/records/${record.next}`))),
  u: () => doing(async () => show(await ask("api/undo", {}))),
  m: () => { hidden = !hidden; byId("hide").setAttribute("aria-pressed", String(hidden)); paint(); },
  b: () => choose("brush"),
  e: () => choose("erase"),
  p: () => choose("plus"),
  n: () => choose("minus"),
  c: () => {
    if (!record || busy) return;
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, mask.width, mask.height);
    points = [];
    before = null;
    changed = true;
    paint();
  },
  "[": () => { byId("size").stepDown(3); paint(); },
  "]": () => { byId("size").stepUp(3); paint(); },
  enter: () => changed && decide("redraw"),
  escape: () => choose(""),
};
const buttons = {
  keep: "k", reject: "r", skip: "l", undo: "u", hide: "m", brush: "b", erase: "e", plus: "p", minus: "n", clear: "c",
  save: "enter",
};
for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", () => acts[key]());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // A button's own keys press it, and a slider's own keys move it.
  if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
  if (event.target.tagName === "INPUT" && event.key.startsWith("Arrow")) return;
  const step = event.shiftKey ? 20 : 4;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (tool && moves[event.key]) {
    const from = pointer;
    pointer = {
      x: Math.min(canvas.width - 1, Math.max(0, pointer.x + moves[event.key][0])),
      y: Math.min(canvas.height - 1, Math.max(0, pointer.y + moves[event.key][1])),
    };
    if (drawing) use(from); else paint();
    event.preventDefault();
  } else if (tool && event.key === " ") {
    use(pointer);
    event.preventDefault();
  } else if (acts[event.key.toLowerCase()]) {
    acts[event.key.toLowerCase()]();
    event.preventDefault();
  }
});

function place(event) {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width * canvas.width, y: (event.clientY - box.top) / box.height * canvas.height };
}
canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !record) return;
  pointer = place(event);
  drawing = tool === "brush" || tool === "erase";
  if (drawing) canvas.setPointerCapture(event.pointerId);
  use(pointer);
});
canvas.addEventListener("pointermove", (event) => {
  const from = pointer;
  pointer = place(event);
  if (drawing) stamp(from); else if (tool) paint();
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drawing = false; });
byId("size").addEventListener("input", paint);

doing(async () => show(await ask("api/next")));
