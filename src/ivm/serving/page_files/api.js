// What the page asks the server. A session keeps the picture and its answers there, so a slider costs no question.

let key = sessionStorage.getItem("ivm-key") ?? "";

export function useKey(text) {
  key = text;
  sessionStorage.setItem("ivm-key", text);
}

export class Problem extends Error {
  constructor(status, message, wait) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

async function send(path, options) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer: is it still running?");
  }
  if (answer.ok) return answer;
  let message = `The server answered ${answer.status}`;
  try {
    message = (await answer.json()).error.message;
  } catch { /* no reason given */ }
  throw new Problem(answer.status, message, Number(answer.headers.get("Retry-After")) || 1);
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// A busy server says when there will be room; the page waits for it a few times.
async function patient(path, options, tell) {
  for (let left = 5; ; left -= 1) {
    try {
      return await send(path, options);
    } catch (error) {
      if (error.status !== 429 || left === 0) throw error;
      tell?.(`The server is busy: trying again in ${error.wait} s`);
      await pause(error.wait);
    }
  }
}

export async function modelName() {
  return (await (await send("healthz", {})).json()).model;
}

export class Session {
  constructor(blob, tell) {
    this.blob = blob;
    this.tell = tell;
    this.closed = false;
    this.opening = this.open();
  }

  async open() {
    const body = new FormData();
    body.append("image", this.blob, "picture");
    this.id = (await (await patient("v1/sessions", { method: "POST", body }, this.tell)).json()).id;
  }

  // question: instructions, threshold, ..., outputs. The answer is JSON, or a ZIP file as a blob.
  async ask(question, { signal, zip } = {}) {
    await this.opening;
    const headers = { "Content-Type": "application/json", Accept: zip ? "application/zip" : "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify(question), signal };
    const path = () => `v1/sessions/${this.id}/mask`;
    let answer;
    try {
      answer = await patient(path(), options, this.tell);
    } catch (error) {
      if (error.status !== 404) throw error;
      if (this.closed) throw new DOMException("The picture was replaced", "AbortError");
      await (this.opening = this.open()); // it ended for want of use: the page still has the picture
      answer = await patient(path(), options, this.tell);
    }
    return zip ? answer.blob() : (await answer.json()).results;
  }

  close() {
    this.closed = true;
    this.opening.then(() => send(`v1/sessions/${this.id}`, { method: "DELETE" })).catch(() => {});
  }
}
