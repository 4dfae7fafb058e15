// What the browsers of this service show. Everything from outside is set as text, never as markup.

import { animate } from "/script.js";

export const group = "browsers";
export const template = "browser";
export const behaviours = "/emulator/webpush/behaviours";
export const address = ["/wpush/v2/", "429-5", ".browser-7"];
export const samples = {}; // a message has to be encrypted and signed: that takes a sender

// Says what stands out about the whole service, "" when nothing does.
export function notice(state) {
  const { everyone, dead_attempts: dead } = state.webpush;
  const down = everyone ? `Every browser behaves as: ${everyone}.` : "";
  const late = dead ? `Pushes to endpoints that had answered 404 or 410: ${dead}.` : "";
  return [down, late].filter(Boolean).join(" ");
}

// Shows a browser on its screen.
export function show(box, browser) {
  box.dataset.vendor = browser.vendor;
  box.querySelector(".vendor").textContent = browser.browser;
  const list = box.querySelector(".notes");
  list.replaceChildren(...browser.notifications.toReversed().map(note));
  animate(list.firstElementChild, "new");
}

function note({ title, body, url }) {
  const made = document.createElement("li");
  for (const [tag, text] of [["b", title], ["span", body], ["small", host(url)]]) {
    const line = document.createElement(tag);
    line.textContent = text;
    if (text) made.append(line);
  }
  return made;
}

// Returns where a click would lead, as a browser would name it.
function host(url) {
  return URL.canParse(url) ? new URL(url).host || url : url;
}
