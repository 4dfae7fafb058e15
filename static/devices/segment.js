// Counts the devices of the rule that is being typed, shows how a value looks, and offers one empty row at a time.

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

function used(row) {
  return row.querySelector("select").value !== "" || row.querySelector("input").value !== "";
}

function rows() {
  return [...form.querySelectorAll(".condition")];
}

function another() {
  const all = rows();
  const hidden = all.find((row) => row.hidden);
  if (hidden) {
    hidden.hidden = false;
    return hidden;
  }
  const last = all.at(-1);
  const fresh = last.cloneNode(true);
  for (const control of fresh.querySelectorAll("select, input")) {
    control.name = control.name.replace(/[0-9]+/, all.length);
    control.value = "";
  }
  last.after(fresh);
  return fresh;
}

if (form) {
  const most = Number(form.dataset.most);
  const more = form.querySelector(".more");
  let spare = 1; // the first empty row stays
  for (const row of rows()) {
    hint(row.querySelector("select"));
    if (!used(row)) row.hidden = spare-- <= 0;
  }
  more.hidden = false;
  more.addEventListener("click", () => {
    const row = another();
    hint(row.querySelector("select"));
    row.querySelector("select").focus();
    more.disabled = rows().length >= most && !rows().some((one) => one.hidden);
  });
  form.addEventListener("input", (event) => {
    if (event.target.matches(".condition select")) hint(event.target);
    clearTimeout(timer);
    timer = setTimeout(count, 300);
  });
}
