// The sliders, and the link that brings them back.

const USUAL = { threshold: "0.5", dilate: "21", blur: "201", fill: "#ffffff", preset: "paper" };
const shown = { threshold: (v) => Number(v).toFixed(2), dilate: (v) => `${v} px`, blur: (v) => `${v} px` };
const field = (name) => document.getElementById(name);

export function label() {
  for (const [name, text] of Object.entries(shown)) field(`${name}-value`).textContent = text(field(name).value);
  field("dilate").disabled = field("preset").value === "v1";
}

export function watch(onChange) {
  for (const name of Object.keys(USUAL)) {
    field(name).addEventListener("input", () => {
      label();
      onChange();
    });
  }
}

export function reset() {
  for (const [name, value] of Object.entries(USUAL)) field(name).value = value;
  label();
}

// As the API takes them.
export function asQuestion() {
  const preset = field("preset").value;
  return {
    threshold: Number(field("threshold").value),
    preset,
    fill_color: field("fill").value,
    blur: Number(field("blur").value),
    ...(preset === "paper" ? { dilate: Number(field("dilate").value) } : {}),
  };
}

export function toHash(instructions, example) {
  const pairs = new URLSearchParams();
  for (const [name, usual] of Object.entries(USUAL)) if (field(name).value !== usual) pairs.set(name, field(name).value);
  for (const text of instructions) pairs.append("ask", text);
  if (example) pairs.set("example", example);
  return pairs.toString();
}

// Sets the sliders, and returns the instructions and the example that a link names. A range or list ignores what it does not have.
export function fromHash(hash) {
  const pairs = new URLSearchParams(hash.replace(/^#/, ""));
  for (const name of Object.keys(USUAL)) {
    if (!pairs.has(name) || (name === "fill" && !/^#[0-9a-f]{6}$/i.test(pairs.get(name)))) continue;
    field(name).value = pairs.get(name);
    if (!field(name).value) field(name).value = USUAL[name];
  }
  label();
  return { instructions: pairs.getAll("ask"), example: pairs.get("example") };
}
