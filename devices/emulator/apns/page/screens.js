// What the phones of this service show. Everything from outside is set as text, never as markup.

import { animate } from "/script.js";

export const group = "iphones";
export const template = "iphone";
export const behaviours = "/emulator/apns/behaviours";
export const address = ["/3/device/ hex of ", "unavailable-2", ".iphone-7"];
export const samples = {}; // a message has to be signed: that takes a sender

// Says what stands out about the whole service, "" when nothing does.
export function notice(state) {
  const { everyone, dead_attempts: dead } = state.apns;
  const down = everyone ? `Every iPhone behaves as: ${everyone}.` : "";
  const late = dead ? `Pushes to device tokens that were dead: ${dead}.` : "";
  return [down, late].filter(Boolean).join(" ");
}

// Shows a phone on its screen.
export function show(box, phone) {
  const badge = box.querySelector(".badge");
  badge.textContent = phone.badge > 99 ? "99+" : phone.badge;
  badge.hidden = phone.badge < 1;
  box.querySelector(".app b").textContent = phone.app.split(".").at(-1);
  box.querySelector(".app b").title = phone.app;
  box.querySelector(".quiet").textContent = phone.quiet;
  const list = box.querySelector(".notes");
  list.replaceChildren(...phone.notifications.toReversed().map(note));
  if (phone.latest === "alert" && list.firstElementChild) animate(list.firstElementChild, "new");
}

function note({ title, subtitle, body }) {
  const made = document.createElement("li");
  for (const [tag, text] of [["b", title], ["i", subtitle], ["span", body]]) {
    const line = document.createElement(tag);
    line.textContent = text;
    if (text) made.append(line);
  }
  return made;
}
