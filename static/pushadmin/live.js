// Keeps a part of the page fresh: <section data-live="url" data-live-every="2000">. See docs/pages.md.

const voice = document.createElement("div");
voice.className = "visually-hidden";
voice.setAttribute("role", "status");
document.body.append(voice);

function say(before, after) {
  if (after && after !== before) voice.textContent = after;
}

// Who takes over the focus: the control itself, or the one that took its place (data-live-place), or the part.
function refocus(part, id, place) {
  const heir = place && part.querySelector(`[data-live-place="${place}"]`);
  const next = (id && document.getElementById(id)) || heir || part;
  if (next === part) part.tabIndex = -1;
  next.focus({ preventScroll: true });
}

// Replaces only those children that changed: a button that is being pressed, or a detail that is open, stays.
function swap(part, html, last) {
  const fresh = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const texts = fresh.map((child) => child.outerHTML);
  const said = part.querySelector("[data-live-say]")?.textContent.trim();
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const shown = [...part.children];
  if (shown.length === fresh.length) {
    fresh.forEach((child, place) => texts[place] !== last.texts[place] && shown[place].replaceWith(child));
  } else {
    part.replaceChildren(...fresh);
  }
  last.texts = texts;
  if (focused && !part.contains(document.activeElement)) refocus(part, focused.id, focused.dataset.livePlace);
  say(said, part.querySelector("[data-live-say]")?.textContent.trim());
}

// Returns whether to go on asking.
async function refresh(part, last) {
  if (document.hidden) return true;
  try {
    const answer = await fetch(part.dataset.live, { headers: { "X-Requested-With": "fetch" } });
    if (answer.redirected || !answer.ok) throw new Error(answer.statusText);
    part.classList.remove("live-lost");
    if (answer.status === 204) return false;
    const html = await answer.text();
    if (html !== last.html) swap(part, html, last);
    last.html = html;
    if (part.querySelector("[data-live-over]")) return false;
  } catch {
    part.classList.add("live-lost");
  }
  return true;
}

function keep(part) {
  const last = { html: "", texts: [...part.children].map((child) => child.outerHTML) };
  const every = Number(part.dataset.liveEvery) || 2000;
  const step = async () => {
    if (await refresh(part, last)) setTimeout(step, every);
  };
  setTimeout(step, every);
}

// A button that sends a form brings the whole page anew: there, too, the focus goes to what took its place.
const PRESSED = "live-pressed";

document.addEventListener("submit", ({ submitter }) => {
  const place = submitter?.dataset.livePlace;
  if (place) sessionStorage.setItem(PRESSED, JSON.stringify({ path: location.pathname, place }));
});

function resume() {
  const pressed = JSON.parse(sessionStorage.getItem(PRESSED) || "{}");
  sessionStorage.removeItem(PRESSED);
  if (pressed.path !== location.pathname) return;
  document.querySelector(`[data-live-place="${pressed.place}"]`)?.focus({ preventScroll: true });
}

resume();
document.querySelectorAll("[data-live]").forEach(keep);
