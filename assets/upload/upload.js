// Sends one file in chunks. Each chunk goes with its place and its SHA-256; the server says where to go on.
// What is under way lives beside the page, so that it goes on while the reader visits other pages of the app, and its
// name is kept in the browser, so that the same file goes on after a reload.

const NOTES = "genediff-uploads";
const FIRST_WAIT = 1000, LONGEST_WAIT = 30000, STALLED = 45000, RETRIES = 5;

export default function ({ parentElement, data, setTriggerValue }) {
  const sender = (window.genediffUpload ??= new Sender());
  sender.show(parentElement.querySelector(".upload"), data, (name) => setTriggerValue("done", name));
  return () => sender.hide();
}

class Sender {
  constructor() {
    this.phase = "idle"; // idle, checking, sending, waiting, paused, ending, done, failed
    this.pace = [];
    window.addEventListener("online", () => this.wake());
    setInterval(() => this.draw(), 500);
  }

  static plain(content) { // for tests
    return hex(plainSha256(content));
  }

  show(box, data, done) {
    this.settings = data;
    this.tell = done;
    if (this.box !== box) {
      this.box = box;
      this.spokenPhase = this.phase;
      box.querySelector("input").accept = data.endings.join(",");
      box.querySelector("input").onchange = (event) => this.choose(event.target);
      box.querySelector(".pause").onclick = () => (this.phase === "paused" ? this.resume() : this.pause());
      box.querySelector(".cancel").onclick = () => this.cancel();
      const drop = box.querySelector(".drop");
      drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
      drop.ondragleave = () => drop.classList.remove("over");
      drop.ondrop = (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        if (event.dataTransfer.files.length) this.start(event.dataTransfer.files[0]);
      };
      this.list();
    }
    this.wake(); // a new token may be what it waits for
    if (this.phase === "done") this.close();
    this.draw();
  }

  hide() {
    this.box = this.tell = null;
  }

  choose(input) {
    const file = input.files[0];
    input.value = ""; // so that the same file can be chosen again
    if (file) this.start(file);
  }

  async start(file) {
    const busy = ["checking", "sending", "waiting", "paused", "ending"].includes(this.phase);
    if (busy) return;
    const run = (this.run = {}); // what an older start still does is none of ours any more
    Object.assign(this, { file, id: null, offset: 0, sent: 0, chunk: 0, sums: [], problem: "", pace: [], why: "" });
    const name = file.name.toLowerCase();
    if (!this.settings.endings.some((ending) => name.endsWith(ending)))
      return this.fail(`${file.name} is of no format that is read here; give an .h5ad, 10x .h5, .loom, .h5mu, .csv or .tsv file.`);
    try {
      this.enter("checking");
      if (!(await this.find(run))) {
        const made = await this.ask("POST", "", { name: file.name, size: file.size });
        Object.assign(this, { id: made.id, chunk: made.chunk });
        note(file, { id: made.id, name: file.name, size: file.size });
      }
      await this.send(run);
    } catch (problem) {
      if (this.run === run && problem !== STOPPED) this.fail(problem.message);
    }
  }

  // Look whether this file was begun before, and whether what is there is its beginning.
  async find(run) {
    const known = notes()[mark(this.file)];
    if (!known) return false;
    let there;
    try {
      there = await this.ask("GET", `/${known.id}`);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      forget(this.file);
      return false;
    }
    Object.assign(this, { id: known.id, chunk: there.chunk });
    if (there.finished) { // only the last answer was lost
      Object.assign(this, { sums: there.checksums, offset: this.file.size, sent: this.file.size });
      return true;
    }
    for (const sum of there.checksums) {
      const own = await this.digest(this.sums.length * this.chunk);
      if (this.run !== run) throw STOPPED;
      if (own !== sum) { // the same name, size and date, and yet another file
        await this.ask("DELETE", `/${known.id}`);
        forget(this.file);
        Object.assign(this, { id: null, sums: [], offset: 0 });
        return false;
      }
      this.sums.push(sum);
      this.offset = this.sent = Math.min(this.sums.length * this.chunk, this.file.size);
    }
    return true;
  }

  async send(run) {
    let damaged = 0;
    while (this.offset < this.file.size) {
      await this.allowed(run);
      this.enter("sending");
      const place = this.offset;
      const sum = await this.digest(place);
      if (this.run !== run) throw STOPPED;
      if (this.paused) continue;
      try {
        this.offset = await this.put(place, sum);
        this.sums[place / this.chunk] = sum;
        this.sums.length = Math.ceil(this.offset / this.chunk);
        damaged = 0;
      } catch (problem) {
        if (this.run !== run) throw STOPPED;
        if (problem.status === 409 && problem.offset != null) await this.goOnAt(problem.offset, run);
        else if (problem.status === 460 && ++damaged < RETRIES) continue;
        else if (problem.status && ![401, 429].includes(problem.status) && problem.status < 500) throw problem;
        else if (problem.status === 507) throw problem;
        else if (!this.paused) await this.lost(run, problem);
      }
      this.sent = this.offset;
    }
    this.enter("ending");
    const all = new Uint8Array(32 * this.sums.length);
    this.sums.forEach((sum, i) => all.set(sum.match(/../g).map((pair) => parseInt(pair, 16)), 32 * i));
    const { name } = await this.ask("POST", `/${this.id}/finish`, { checksum: await sha256(all) });
    if (this.run !== run) throw STOPPED;
    forget(this.file);
    this.arrived = name;
    this.enter("done");
    this.close();
  }

  // The server has more or less than we thought: another window sent it, or an answer was lost.
  async goOnAt(offset, run) {
    this.sums.length = Math.min(this.sums.length, Math.ceil(offset / this.chunk));
    while (this.sums.length < Math.ceil(offset / this.chunk)) {
      this.sums.push(await this.digest(this.sums.length * this.chunk));
      if (this.run !== run) throw STOPPED;
    }
    this.offset = offset;
  }

  put(place, sum) {
    return new Promise((resolve, reject) => {
      const request = (this.request = new XMLHttpRequest());
      let last = Date.now();
      const watch = setInterval(() => Date.now() - last > STALLED && request.abort(), 1000);
      request.open("PATCH", `${this.settings.url}/${this.id}`);
      request.setRequestHeader("X-GeneDiff-Token", this.settings.token);
      request.setRequestHeader("Upload-Offset", place);
      request.setRequestHeader("Upload-Checksum", `sha256 ${sum}`);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => {
        last = Date.now();
        this.sent = place + event.loaded;
        this.pace.push([last, this.sent]);
        while (this.pace.length > 2 && last - this.pace[0][0] > 15000) this.pace.shift();
      };
      request.onloadend = () => {
        clearInterval(watch);
        this.request = null;
        if (request.status === 204) {
          this.failures = 0;
          resolve(Number(request.getResponseHeader("Upload-Offset")));
        } else reject(trouble(request.status, request.responseText, request.getResponseHeader("Upload-Offset")));
      };
      request.send(this.file.slice(place, place + this.chunk));
    });
  }

  // A short question; while the server cannot be reached it is asked again and again.
  async ask(method, path, content) {
    const run = this.run;
    for (;;) {
      let problem;
      try {
        const answer = await fetch(this.settings.url + path, {
          method,
          cache: "no-store",
          headers: { "X-GeneDiff-Token": this.settings.token, "Content-Type": "application/json" },
          body: content && JSON.stringify(content),
        });
        if (answer.ok) return answer.status === 204 ? null : await answer.json();
        problem = trouble(answer.status, await answer.text(), answer.headers.get("Upload-Offset"));
      } catch {
        problem = trouble(0, "");
      }
      if (this.run !== run) throw STOPPED;
      const passing = !problem.status || problem.status === 401 || (problem.status >= 500 && problem.status !== 507);
      if (!passing) throw problem;
      await this.lost(run, problem);
    }
  }

  async lost(run, problem) {
    const wait = Math.min(FIRST_WAIT * 2 ** (this.failures ?? 0), LONGEST_WAIT);
    this.failures = (this.failures ?? 0) + 1;
    this.pace = [];
    this.why = problem.status ? problem.message : "The connection is lost.";
    this.until = Date.now() + wait;
    this.enter("waiting");
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wakeUp = () => { clearTimeout(timer); resolve(); };
    });
    this.wakeUp = null;
    if (this.run !== run) throw STOPPED;
  }

  wake() {
    this.wakeUp?.();
  }

  async allowed(run) {
    if (this.paused) {
      this.enter("paused");
      await new Promise((resolve) => (this.goOn = resolve));
    }
    if (this.run !== run) throw STOPPED;
  }

  pause() {
    this.paused = true;
    this.request?.abort();
    this.wake();
    this.enter("paused");
  }

  resume() {
    this.paused = false;
    this.pace = [];
    this.enter("sending");
    this.goOn?.();
  }

  async cancel() {
    const { id, file } = this;
    this.run = null;
    this.paused = false;
    this.request?.abort();
    this.wake();
    this.goOn?.();
    this.enter("idle");
    if (file) forget(file);
    if (id) await this.drop(id);
    this.list();
  }

  async drop(id) {
    try {
      await fetch(`${this.settings.url}/${id}`, { method: "DELETE", headers: { "X-GeneDiff-Token": this.settings.token } });
    } catch { /* the server removes it after a week */ }
  }

  close() {
    if (!this.tell || this.phase !== "done") return;
    this.tell(this.arrived);
    this.phase = "idle";
  }

  fail(sentence) {
    this.problem = sentence;
    this.enter("failed");
    this.list();
  }

  digest(place) {
    return this.file.slice(place, place + this.chunk).arrayBuffer().then((bytes) => sha256(new Uint8Array(bytes)));
  }

  enter(phase) {
    this.phase = phase;
    this.draw();
  }

  draw() {
    if (!this.box) return;
    const part = (name) => this.box.querySelector(name);
    const busy = !["idle", "failed", "done"].includes(this.phase);
    part(".drop").hidden = busy;
    part(".work").hidden = !busy;
    part(".waiting").hidden = busy;
    part(".problem").hidden = this.phase !== "failed";
    part(".problem").textContent = this.phase === "failed" ? this.problem : "";
    if (busy) {
      const share = this.file.size ? this.sent / this.file.size : 0;
      part(".name").textContent = this.file.name;
      part(".share").textContent = `${Math.floor(100 * share)} % of ${bytes(this.file.size)}`;
      part("progress").value = share;
      part(".detail").textContent = this.words();
      part(".pause").hidden = !["sending", "waiting", "paused"].includes(this.phase);
      part(".pause").textContent = this.phase === "paused" ? "Go on" : "Pause";
    }
    if (this.spokenPhase !== this.phase) {
      this.spokenPhase = this.phase;
      part(".spoken").textContent = busy ? `${this.file.name}: ${this.words()}` : "";
    }
  }

  words() {
    switch (this.phase) {
      case "checking": return this.sent ? "Checking the part that is on the server already …" : "Asking the server …";
      case "paused": return `Paused at ${bytes(this.offset)}. What was sent is kept for a week.`;
      case "ending": return "Checking the whole file …";
      case "waiting": {
        const left = Math.max(0, Math.ceil((this.until - Date.now()) / 1000));
        return `${this.why} ${bytes(this.offset)} are safe; trying again${left ? ` in ${left} s` : ""} …`;
      }
      default: {
        const [first, last] = [this.pace[0], this.pace.at(-1)];
        const rate = first && last[0] > first[0] ? (1000 * (last[1] - first[1])) / (last[0] - first[0]) : 0;
        const left = rate > 0 ? ` · ${bytes(rate)}/s · ${time((this.file.size - this.sent) / rate)} left` : "";
        return `${bytes(this.sent)} sent${left}`;
      }
    }
  }

  // What an earlier visit has begun: it goes on when the same file is chosen again.
  async list() {
    const list = this.box?.querySelector(".waiting");
    if (!list) return;
    list.replaceChildren();
    for (const [key, known] of Object.entries(notes())) {
      let there;
      try {
        const answer = await fetch(`${this.settings.url}/${known.id}`, {
          method: "HEAD", cache: "no-store", headers: { "X-GeneDiff-Token": this.settings.token },
        });
        if (answer.status === 404) forgetKey(key);
        if (!answer.ok) continue;
        there = Number(answer.headers.get("Upload-Offset"));
      } catch { continue; }
      const line = document.createElement("li");
      const text = document.createElement("span");
      const share = Math.floor((100 * there) / known.size);
      text.textContent = `${known.name}: ${share} % of ${bytes(known.size)} are here. Choose the same file again to go on.`;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Discard";
      button.setAttribute("aria-label", `Discard ${known.name}`);
      button.onclick = async () => { forgetKey(key); line.remove(); await this.drop(known.id); };
      line.append(text, button);
      list.append(line);
    }
  }
}

const STOPPED = new Error("stopped");

function trouble(status, text, offset) {
  let sentence = "";
  try { sentence = JSON.parse(text).problem; } catch { /* not an answer of ours */ }
  const problem = new Error(sentence || (status ? `The server answered with error ${status}.` : "The connection is lost."));
  return Object.assign(problem, { status, offset: offset == null ? null : Number(offset) });
}

// --- what the browser remembers -------------------------------------------------------------------------------------

function mark(file) {
  return `${file.name}|${file.size}|${file.lastModified}`;
}

function notes() {
  try { return JSON.parse(localStorage.getItem(NOTES)) ?? {}; } catch { return {}; }
}

function keep(all) {
  try { localStorage.setItem(NOTES, JSON.stringify(all)); } catch { /* private windows remember nothing */ }
}

function note(file, known) {
  keep({ ...notes(), [mark(file)]: known });
}

function forget(file) {
  forgetKey(mark(file));
}

function forgetKey(key) {
  const all = notes();
  delete all[key];
  keep(all);
}

// --- words ----------------------------------------------------------------------------------------------------------

function bytes(n) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) { n /= 1000; unit += 1; }
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

function time(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// --- SHA-256 --------------------------------------------------------------------------------------------------------

// Browsers have it built in on localhost and https only; on a plain http address the second way takes its place.
async function sha256(content) {
  if (window.crypto?.subtle) return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", content)));
  return hex(plainSha256(content));
}

function hex(content) {
  return Array.from(content, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function plainSha256(content) {
  const [start, rounds] = constants();
  const length = Math.ceil((content.length + 9) / 64) * 64;
  const padded = new Uint8Array(length);
  padded.set(content);
  padded[content.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(length - 8, Math.floor(content.length / 2 ** 29));
  view.setUint32(length - 4, content.length << 3);
  const state = Int32Array.from(start);
  const words = new Int32Array(64);
  const turn = (x, by) => (x >>> by) | (x << (32 - by));
  for (let place = 0; place < length; place += 64) {
    for (let i = 0; i < 16; i += 1) words[i] = view.getInt32(place + 4 * i);
    for (let i = 16; i < 64; i += 1) {
      const a = words[i - 15], b = words[i - 2];
      const low = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3), high = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      words[i] = (words[i - 16] + low + words[i - 7] + high) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i += 1) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + rounds[i] + words[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = (state[i] + value) | 0));
  }
  const found = new DataView(new ArrayBuffer(32));
  state.forEach((value, i) => found.setInt32(4 * i, value));
  return new Uint8Array(found.buffer);
}

// The first 32 bits of the fractions of the roots of the first primes, as the standard defines its constants.
function constants() {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  return [primes.slice(0, 8).map((p) => fraction(Math.sqrt(p))), primes.map((p) => fraction(Math.cbrt(p)))];
}
