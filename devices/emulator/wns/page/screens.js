// What the PCs of this service show. Everything from outside is set as text, never as markup.

import { animate } from "/script.js";

export const group = "computers";
export const template = "computer";
export const behaviours = "/emulator/wns/behaviours";
export const address = ["/?token=", "busy-5", ".pc-7"];
export const samples = {}; // a push has to bring an access token: that takes a sender

const GLYPHS = {
  activity: "↻", alarm: "⏰", alert: "!", attention: "✱", available: "●", away: "◐", busy: "●", error: "✕",
  newMessage: "✉", paused: "❚❚", playing: "▶", unavailable: "●",
};

// Says what stands out about the whole service, "" when nothing does.
export function notice(state) {
  return state.wns.everyone ? `Every PC behaves as: ${state.wns.everyone}.` : "";
}

// Shows a PC on its screen.
export function show(box, computer, first) {
  showTile(box.querySelector(".live"), computer);
  if (computer.toast) {
    const banner = box.querySelector(".banner");
    banner.hidden = false;
    banner.replaceChildren(...toast(computer.toast));
    if (computer.latest === "toast" || first) animate(banner, "new");
  }
  box.querySelector(".app-raw").hidden = !computer.raw;
  box.querySelector(".app-raw code").textContent = computer.raw;
}

function line(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function toast({ texts, attribution, buttons, images }) {
  const lines = texts.map((text, number) => line(number ? "span" : "b", text, ""));
  if (images.length) lines.push(line("small", `picture: ${images.join(", ")}`, "picture"));
  if (attribution) lines.push(line("small", attribution, "attribution"));
  if (buttons.length) {
    const row = line("p", "", "actions");
    row.append(...buttons.map((text) => line("i", text, "")));
    lines.push(row);
  }
  return lines;
}

function showTile(tile, { tile: content, badge, latest }) {
  const texts = content?.texts ?? [];
  tile.querySelector(".texts").replaceChildren(...texts.map((text) => line("span", text, "")));
  const branding = content?.branding ?? "";
  const named = ["name", "nameAndLogo"].includes(branding);
  tile.querySelector(".brand").textContent = named ? content.name || "App" : "";
  tile.classList.toggle("logo", !texts.length || ["logo", "nameAndLogo"].includes(branding));
  tile.classList.toggle("written", texts.length > 0);
  const mark = tile.querySelector(".mark");
  mark.hidden = !badge;
  mark.textContent = GLYPHS[badge] ?? badge;
  mark.dataset.glyph = badge;
  if (latest === "tile" || latest === "badge") animate(tile, "changed");
}
