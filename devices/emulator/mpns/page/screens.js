// What the phones of this service show. Everything from outside is set as text, never as markup.

import { animate } from "/script.js";

const TOAST_SECONDS = 10; // as long as the platform showed one

export const group = "phones";
export const template = "phone";
export const behaviours = "/emulator/behaviours";
export const address = ["/throttledthirdparty/01.00/", "queue-full-2", ".phone-7"];
export const samples = { toast: "Send a toast", tile: "Send a tile", raw: "Send a raw message" };

// Says what stands out about the whole service, "" when nothing does.
export function notice(state) {
  if (state.blocked) {
    return "This sender is blocked: it tried again within the hour after 406 or 412. Everything is answered with 401.";
  }
  return state.everyone ? `Every channel behaves as: ${state.everyone}` : "";
}

// Shows a phone on its screen; ``first`` when the screen has shown nothing yet.
export function show(box, phone, first) {
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

const SAMPLES = {
  toast: ["toast", 2, "<wp:Toast><wp:Text1>Hello</wp:Text1><wp:Text2>from the emulator’s own page</wp:Text2></wp:Toast>"],
  tile: ["token", 1, "<wp:Tile><wp:Count>7</wp:Count><wp:Title>Weather</wp:Title><wp:BackTitle>Tomorrow</wp:BackTitle><wp:BackContent>Sunny spells, 21°</wp:BackContent></wp:Tile>"],
  raw: ["", 3, '{"score": "2:1", "minute": 77}'],
};

const documented = (child) => `<?xml version="1.0" encoding="utf-8"?><wp:Notification xmlns:wp="WPNotification">${child}</wp:Notification>`;

// Pushes one of the samples to a phone of this page's own.
export async function send(kind) {
  const [target, batch, child] = SAMPLES[kind];
  const headers = { "Content-Type": "text/xml", "X-NotificationClass": String(batch) };
  if (target) headers["X-WindowsPhone-Target"] = target;
  const body = target ? documented(child) : child;
  await fetch("/throttledthirdparty/01.00/ok.my-first-phone", { method: "POST", headers, body });
}

// Returns a push as it is typed in a terminal.
export function example(url) {
  const body = documented("<wp:Toast><wp:Text1>Hello</wp:Text1><wp:Text2>World</wp:Text2></wp:Toast>");
  return [
    `curl -i ${url}/throttledthirdparty/01.00/ok.my-first-phone \\`,
    "  -H 'Content-Type: text/xml' -H 'X-WindowsPhone-Target: toast' -H 'X-NotificationClass: 2' \\",
    `  --data '${body}'`,
  ].join("\n");
}
