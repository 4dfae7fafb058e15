// Asks the emulator once a second what changed and shows it. Everything from outside is set as text, never as markup.

const ACCENTS = 14;
const TOAST_SECONDS = 10; // as long as the platform showed one

// Which answers belong under which word. Labels are "200 Received", "503", or "" when no valid answer was given.
const GROUPS = [
  ["Accepted", (label) => label === "200 Received"],
  ["Queue full", (label) => label === "200 QueueFull"],
  ["Suppressed", (label) => label === "200 Suppressed"],
  ["Expired", (label) => label.startsWith("404")],
  ["Throttled", (label) => label.startsWith("406")],
  ["Unreachable", (label) => label.startsWith("412")],
  ["Unavailable", (label) => /^5/.test(label)],
  ["Refused", (label) => /^4/.test(label)],
  ["No answer", (label) => label === ""],
  ["Other", () => true],
];

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en").replaceAll(",", "\u2009");
const wall = { epoch: 0, seq: 0, phones: new Map() };

async function get(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// counts

function showAnswers(answers) {
  const sums = new Map(GROUPS.map(([name]) => [name, 0]));
  for (const [label, count] of Object.entries(answers)) {
    const [name] = GROUPS.find(([, fits]) => fits(label));
    sums.set(name, sums.get(name) + count);
  }
  const list = byId("answers");
  if (!list.children.length) for (const name of sums.keys()) list.append(definition(name, ""));
  for (const cell of list.children) {
    const count = sums.get(cell.dataset.name);
    cell.querySelector("dd").textContent = number(count);
    cell.toggleAttribute("data-zero", count === 0);
    cell.hidden = count === 0 && cell.dataset.name === "Other";
  }
}

function definition(name, text) {
  const cell = document.createElement("div");
  cell.dataset.name = name;
  cell.append(element("dt", name), element("dd", text));
  return cell;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function showCurve(history) {
  const most = Math.max(...history, 1);
  const points = history.map((count, second) => `${second * 10},${(98 - (count / most) * 90).toFixed(1)}`);
  byId("curve-line").setAttribute("d", `M${points.join("L")}`);
  byId("curve-area").setAttribute("d", `M0,100L${points.join("L")}L${(history.length - 1) * 10},100Z`);
}

function showState(state) {
  byId("pushes").textContent = number(state.pushes);
  byId("rate").textContent = number(state.history.at(-1));
  showCurve(state.history);
  showAnswers(state.answers);
  const everyone = byId("everyone");
  everyone.hidden = !state.everyone && !state.blocked;
  everyone.textContent = state.blocked
    ? "This sender is blocked: it tried again within the hour after 406 or 412. Everything is answered with 401."
    : `Every channel behaves as: ${state.everyone}`;
  showNotes(state);
  byId("empty").hidden = state.pushes > 0;
  byId("example").textContent = example(state.url);
}

function showNotes(state) {
  const lines = [
    ...state.violation_notes.map((note) => `${note.channel}: tried ${Math.ceil(note.seconds_early / 60)} min before its hour was over`),
    ...state.refusal_notes.map((note) => `${note.channel}: ${note.why}`),
  ];
  const trap = state.trap_hits ? [`A redirect was followed ${state.trap_hits} times: senders must not`] : [];
  const notes = byId("notes");
  notes.hidden = !lines.length && !trap.length;
  byId("notes-title").textContent = `What senders did wrong (${number(lines.length + trap.length)})`;
  if (!notes.open && byId("notes-list").children.length) return;
  byId("notes-list").replaceChildren(...[...trap, ...lines.slice(-50).reverse()].map((line) => element("li", line)));
}

// phones

function accent(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return sum % ACCENTS;
}

function place(phone) {
  const known = wall.phones.get(phone.slot);
  if (known?.dataset.channel === phone.channel) return known;
  const fresh = byId("phone").content.firstElementChild.cloneNode(true);
  fresh.dataset.channel = phone.channel;
  fresh.dataset.accent = accent(phone.channel);
  if (known) known.replaceWith(fresh);
  else byId("wall").append(fresh);
  wall.phones.set(phone.slot, fresh);
  return fresh;
}

function showPhone(phone) {
  const box = place(phone);
  const first = !box.dataset.received;
  box.dataset.received = phone.received;
  const prefix = `${phone.behaviour}.`;
  const name = phone.name.startsWith(prefix) ? phone.name.slice(prefix.length) : phone.name;
  box.querySelector(".caption strong").textContent = name;
  box.querySelector(".caption strong").title = phone.channel;
  const behaviour = box.querySelector(".behaviour");
  behaviour.textContent = phone.behaviour;
  behaviour.hidden = phone.behaviour === "ok";
  box.querySelector("time").textContent = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (phone.toasts.length) showToast(box, phone.toasts.at(-1), phone.latest === "toast" || first);
  showTile(box, phone);
  if (phone.latest === "raw" || (first && phone.raw)) {
    box.querySelector(".raw").hidden = false;
    box.querySelector(".raw code").textContent = phone.raw;
  }
}

function showToast(box, values, fresh) {
  const toast = box.querySelector(".toast");
  toast.hidden = false;
  toast.querySelector("b").textContent = values.Text1 ?? "";
  toast.querySelector("span").textContent = values.Text2 ?? "";
  if (!fresh) return;
  animate(toast, "new");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => toast.classList.remove("new"), TOAST_SECONDS * 1000);
}

// Starts the animation of a class from its beginning, even if the element has the class already.
function animate(box, name) {
  box.classList.remove(name);
  void box.offsetWidth;
  box.classList.add(name);
}

function showTile(box, phone) {
  const tile = phone.tiles[phone.latest_tile];
  const front = box.querySelector(".front");
  if (!tile) return;
  const values = tile.values;
  const count = Math.min(parseInt(values.Count, 10) || 0, 99);
  const lines = [values.WideContent1, values.WideContent2, values.WideContent3].filter(Boolean).join("\n");
  front.querySelector(".lines").textContent = lines;
  front.querySelector(".name").textContent = values.Title ?? "";
  front.querySelector(".count").textContent = count;
  front.querySelector(".count").hidden = count < 1;
  const back = box.querySelector(".back");
  const backText = values.WideBackContent || values.BackContent || "";
  back.querySelector(".lines").textContent = backText;
  back.querySelector(".name").textContent = values.BackTitle ?? "";
  const shape = box.querySelector(".tile");
  shape.classList.toggle("written", Boolean(lines));
  shape.classList.toggle("two-sided", Boolean(backText || values.BackTitle));
  if (phone.latest === "tile") animate(shape, "changed");
  paint(front, values.BackgroundColor);
}

// BackgroundColor is #AARRGGBB; dark text where the colour is light.
function paint(face, colour) {
  const parts = /^#?([0-9a-f]{2})?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour ?? "");
  const [red, green, blue] = parts ? parts.slice(2).map((part) => parseInt(part, 16)) : [];
  face.style.backgroundColor = parts ? `rgb(${red} ${green} ${blue})` : "";
  const light = parts && red * 0.299 + green * 0.587 + blue * 0.114 > 150;
  face.style.color = light ? "#000" : "";
  face.querySelector(".glyph").style.fill = light ? "#000" : "";
}

function showWall(answer) {
  if (answer.epoch !== wall.epoch) {
    wall.phones.clear();
    byId("wall").replaceChildren();
  }
  wall.epoch = answer.epoch;
  wall.seq = answer.seq;
  byId("held").hidden = !answer.held_back;
  byId("held").textContent = ` · ${number(answer.held_back)} held back by their class`;
  for (const phone of answer.phones.sort((one, other) => one.slot - other.slot)) showPhone(phone);
}

// trying it out

const SAMPLES = {
  toast: ["toast", 2, "<wp:Toast><wp:Text1>Hello</wp:Text1><wp:Text2>from the emulator’s own page</wp:Text2></wp:Toast>"],
  tile: ["token", 1, "<wp:Tile><wp:Count>7</wp:Count><wp:Title>Weather</wp:Title><wp:BackTitle>Tomorrow</wp:BackTitle><wp:BackContent>Sunny spells, 21°</wp:BackContent></wp:Tile>"],
  raw: ["", 3, '{"score": "2:1", "minute": 77}'],
};

const documented = (child) => `<?xml version="1.0" encoding="utf-8"?><wp:Notification xmlns:wp="WPNotification">${child}</wp:Notification>`;

async function send(kind) {
  const [target, batch, child] = SAMPLES[kind];
  const headers = { "Content-Type": "text/xml", "X-NotificationClass": String(batch) };
  if (target) headers["X-WindowsPhone-Target"] = target;
  const body = target ? documented(child) : child;
  await fetch("/throttledthirdparty/01.00/ok.my-first-phone", { method: "POST", headers, body });
  await poll();
}

function example(url) {
  const body = documented("<wp:Toast><wp:Text1>Hello</wp:Text1><wp:Text2>World</wp:Text2></wp:Toast>");
  return [
    `curl -i ${url}/throttledthirdparty/01.00/ok.my-first-phone \\`,
    "  -H 'Content-Type: text/xml' -H 'X-WindowsPhone-Target: toast' -H 'X-NotificationClass: 2' \\",
    `  --data '${body}'`,
  ].join("\n");
}

async function poll() {
  const link = byId("link");
  try {
    const state = await get("/emulator/state");
    let answer = await get(`/emulator/phones?since=${wall.seq}`);
    if (answer.epoch !== wall.epoch && wall.seq) answer = await get("/emulator/phones?since=0");
    showState(state);
    showWall(answer);
    link.dataset.state = "live";
    byId("link-word").textContent = "live";
  } catch {
    link.dataset.state = "gone";
    byId("link-word").textContent = "the emulator does not answer";
  }
}

async function run() {
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => send(button.dataset.sample));
  }
  await poll();
  for (const { name, means } of await get("/emulator/behaviours")) {
    byId("behaviours").append(element("dt", name), element("dd", means));
  }
  setInterval(() => document.hidden || poll(), 1000);
}

run();
