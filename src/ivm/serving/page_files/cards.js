// One row of pictures for each instruction.

export const SHOWN = [
  ["heatmap", "Heatmap"],
  ["highlight", "Highlight"],
  ["blur", "Blur"],
  ["crop", "Crop"],
  ["cutout", "Cut-out"],
];

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export class Card {
  constructor(instruction, onRemove) {
    this.instruction = instruction;
    this.figures = new Map();
    this.note = made("p", { className: "faint" });
    const remove = made("button", { type: "button", textContent: "Remove", onclick: onRemove });
    remove.setAttribute("aria-label", `Remove “${instruction}”`);
    const head = made("div", { className: "card-head" }, made("h3", { textContent: instruction }), remove);
    const pictures = made("div", { className: "pictures" });
    for (const [name, title] of SHOWN) {
      const picture = made("img", { alt: `${title} for “${instruction}”` });
      const save = made("a", { textContent: "Save" });
      save.setAttribute("aria-label", `Save ${title.toLowerCase()} for “${instruction}”`);
      const figure = made("figure", { hidden: true }, picture, made("figcaption", {}, made("span", { textContent: title }), save));
      if (name === "cutout") figure.className = "through";
      this.figures.set(name, { figure, picture, save });
      pictures.append(figure);
    }
    this.element = made("article", { className: "card" }, head, this.note, pictures);
    this.element.setAttribute("aria-label", instruction);
  }

  busy(is) {
    this.element.classList.toggle("busy", is);
    this.element.setAttribute("aria-busy", String(is));
  }

  show(result) {
    const words = result.instruction.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 40);
    for (const [name, address] of Object.entries(result.pictures)) {
      const { figure, picture, save } = this.figures.get(name);
      picture.src = address;
      save.href = address;
      save.download = `${words}-${name}.webp`;
      figure.hidden = false;
    }
    this.note.textContent = told(result);
    this.busy(false);
  }
}

export function told(result) {
  const found = result.found === null ? "" : `found with probability ${result.found.toFixed(2)}`;
  if (!result.kept_whole) {
    const share = (result.coverage * 100).toFixed(1);
    return `${found}${found && ", "}${share} % of the picture is above the threshold`;
  }
  if (result.found !== null && result.found < 0.5) return `not found (probability ${result.found.toFixed(2)}): the whole picture is kept`;
  return `${found}${found && ", "}nothing is above the threshold: the whole picture is kept`;
}
