// Keeps a part of the page fresh: <section data-live="url" data-live-every="2000">. See docs/pages.md.

const voice = document.createElement("div");
voice.className = "visually-hidden";
voice.setAttribute("role", "status");
document.body.append(voice);

function say(before, after) {
  if (after && after !== before) voice.textContent = after;
}

// Replaces only those children that changed: a button that is being pressed, or a detail that is open, stays.
function swap(part, html, last) {
  const fresh = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const texts = fresh.map((child) => child.outerHTML);
  const said = part.querySelector("[data-live-say]")?.textContent.trim();
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const shown = [...part.children];
  if (shown.length === fresh.length) {
    fresh.forEach((child, place) => texts[place] !== last.texts[place] && shown[place].replaceWith(child));
  } else {
    part.replaceChildren(...fresh);
  }
  last.texts = texts;
  if (focused) document.getElementById(focused)?.focus();
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

document.querySelectorAll("[data-live]").forEach(keep);
