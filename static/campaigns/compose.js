// Shows the fields of the chosen kind, and asks the server what the message weighs and how the phone shows it.

const form = document.querySelector("form.compose");
const side = document.getElementById("compose-side");
let timer = 0;
let asked = 0;

function showKind() {
  const chosen = form.querySelector('input[name="message"]:checked')?.value;
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== chosen;
}

function showTime() {
  const later = form.querySelector('input[name="when"]:checked')?.value === "later";
  form.querySelector(".when-at").hidden = !later;
}

async function ask() {
  const turn = ++asked;
  try {
    const answer = await fetch(form.dataset.render, { method: "POST", body: new FormData(form) });
    if (!answer.ok || turn !== asked) return;
    const open = [...side.querySelectorAll("details")].map((part) => part.open);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    side.replaceChildren(...fresh.childNodes);
    side.querySelectorAll("details").forEach((part, place) => (part.open = Boolean(open[place])));
  } catch {
    // The connection is away. What is typed stays, and the server judges it when it is saved.
  }
}

if (form) {
  document.documentElement.classList.add("has-js");
  form.addEventListener("input", () => {
    showKind();
    showTime();
    clearTimeout(timer);
    timer = setTimeout(ask, 250);
  });
  showKind();
  showTime();
}
