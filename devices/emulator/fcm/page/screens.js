// What the Android phones of this service show. Everything from outside is set as text, never as markup.

import { animate } from "/script.js";

export const group = "androids";
export const template = "android";
export const behaviours = "/emulator/fcm/behaviours";
export const address = ["", "unavailable-5", ".android-7"];
export const samples = {}; // a message has to be sent with an access token: that takes a sender

// Says what stands out about the whole service, "" when nothing does.
export function notice(state) {
  return state.fcm.everyone ? `Every Android phone behaves as: ${state.fcm.everyone}.` : "";
}

// Shows a phone on its screen, the newest notification on top.
export function show(box, phone) {
  const list = box.querySelector(".shade");
  list.replaceChildren(...phone.notifications.toReversed().map(note));
  animate(list.firstElementChild, "new");
}

function note(message) {
  const made = document.createElement("li");
  const app = message.silent ? "handed to the app" : message.channel_id || "app";
  const lines = [
    ["small", message.count > 1 ? `${app} · ${message.count}` : app, "app"],
    ["b", message.title, ""],
    ["span", message.silent ? message.pairs || "no pairs" : message.body, message.silent ? "pairs" : ""],
    ["small", message.image && `picture: ${message.image}`, "picture"],
    ["small", message.click_action && `opens ${message.click_action}`, "opens"],
  ];
  for (const [tag, text, kind] of lines) {
    if (!text) continue;
    const line = document.createElement(tag);
    line.textContent = text;
    if (kind) line.className = kind;
    made.append(line);
  }
  if (/^#[0-9a-f]{6}$/i.test(message.color)) made.style.setProperty("--tint", message.color);
  return made;
}
