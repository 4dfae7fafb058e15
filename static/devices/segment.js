// Counts the devices of the rule that is being typed, and shows how a value looks.

const form = document.querySelector("form.segment");
const place = document.getElementById("segment-count");
let timer = 0;
let asked = 0;

function hint(select) {
  const chosen = select.selectedOptions[0];
  select.parentElement.querySelector("input").placeholder = chosen?.dataset.hint || "";
}

async function count() {
  const turn = ++asked;
  try {
    const answer = await fetch(form.dataset.count, { method: "POST", body: new FormData(form) });
    if (!answer.ok || turn !== asked) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    place.replaceChildren(...fresh.childNodes);
  } catch {
    // The connection is away; saving judges the rule anyway.
  }
}

if (form) {
  const selects = form.querySelectorAll(".condition select");
  selects.forEach(hint);
  form.addEventListener("input", (event) => {
    if (event.target.matches(".condition select")) hint(event.target);
    clearTimeout(timer);
    timer = setTimeout(count, 300);
  });
}
