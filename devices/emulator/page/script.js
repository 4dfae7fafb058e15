// Asks the emulator once a second what changed and shows it. Everything from outside is set as text, never as markup.

const ACCENTS = 14;

let services = []; // each one's part of the wall, see /services.js

// Which answers belong under which word. Labels are "200 Received", "503", or "" when no valid answer was given.
const GROUPS = [
  ["Accepted", (label) => label === "200 Received" || /^20[0124]$/.test(label)],
  ["Queue full", (label) => label === "200 QueueFull"],
  ["Suppressed", (label) => label === "200 Suppressed"],
  ["Expired", (label) => /^(404|410)/.test(label)],
  ["Throttled", (label) => /^(406|429)/.test(label)],
  ["Unreachable", (label) => label.startsWith("412")],
  ["Unavailable", (label) => /^5/.test(label)],
  ["Refused", (label) => /^4/.test(label)],
  ["No answer", (label) => label === ""],
  ["Other", () => true],
];

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en").replaceAll(",", "\u2009");
const wall = { epoch: 0, seq: 0, screens: new Map() };

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
  everyone.textContent = services.map((service) => service.notice(state)).filter(Boolean).join(" ");
  everyone.hidden = !everyone.textContent;
  showNotes(state);
  byId("empty").hidden = state.pushes > 0;
  byId("example").textContent = services.find((service) => service.example).example(state.url);
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

// screens

function accent(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return sum % ACCENTS;
}

function place(service, screen) {
  const known = wall.screens.get(screen.slot);
  if (known?.dataset.channel === screen.channel) return known;
  const fresh = byId(service.template).content.firstElementChild.cloneNode(true);
  fresh.dataset.channel = screen.channel;
  fresh.dataset.accent = accent(screen.channel);
  if (known) known.replaceWith(fresh);
  else byId("wall").append(fresh);
  wall.screens.set(screen.slot, fresh);
  return fresh;
}

function showScreen(service, screen) {
  const box = place(service, screen);
  const first = !box.dataset.received;
  box.dataset.received = screen.received;
  const prefix = `${screen.behaviour}.`;
  const name = screen.name.startsWith(prefix) ? screen.name.slice(prefix.length) : screen.name;
  box.querySelector(".caption strong").textContent = name;
  box.querySelector(".caption strong").title = screen.channel;
  const behaviour = box.querySelector(".behaviour");
  behaviour.textContent = screen.behaviour;
  behaviour.hidden = screen.behaviour === "ok";
  box.querySelector("time").textContent = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  service.show(box, screen, first);
}

// Starts the animation of a class from its beginning, even if the element has the class already.
export function animate(box, name) {
  box.classList.remove(name);
  void box.offsetWidth;
  box.classList.add(name);
}

function showWall(answer) {
  if (answer.epoch !== wall.epoch) {
    wall.screens.clear();
    byId("wall").replaceChildren();
  }
  wall.epoch = answer.epoch;
  wall.seq = answer.seq;
  byId("held").hidden = !answer.held_back;
  byId("held").textContent = ` · ${number(answer.held_back)} held back by their class`;
  const changed = services.flatMap((service) => answer[service.group].map((screen) => [service, screen]));
  changed.sort(([, one], [, other]) => one.slot - other.slot);
  for (const [service, screen] of changed) showScreen(service, screen);
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

async function showBehaviours(service) {
  const [before, name, after] = service.address;
  const form = element("code", before);
  form.append(element("b", name), after);
  const list = document.createElement("dl");
  list.className = "behaviours";
  for (const row of await get(service.behaviours)) list.append(element("dt", row.name), element("dd", row.means));
  const line = element("p", "The behaviour stands at the beginning of the id: ");
  line.append(form);
  byId("behaviours").append(line, list);
}

async function run() {
  services = (await import("/services.js")).default; // late: they import from this module
  for (const service of services) {
    for (const [kind, label] of Object.entries(service.samples)) {
      const button = element("button", label);
      button.type = "button";
      button.addEventListener("click", () => service.send(kind).then(poll));
      byId("samples").append(button);
    }
  }
  await poll();
  for (const service of services) await showBehaviours(service);
  setInterval(() => document.hidden || poll(), 1000);
}

run();
