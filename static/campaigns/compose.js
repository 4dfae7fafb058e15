// Shows the fields of the chosen kind, and asks the server what the message weighs, how the phone shows it and whom
// it reaches.

const form = document.querySelector("form.compose");

function chosen(name) {
  return form.querySelector(`input[name="${name}"]:checked`)?.value;
}

function show() {
  const kind = chosen("message");
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind;
  for (const one of form.querySelectorAll("[data-only]")) one.hidden = !one.dataset.only.split(" ").includes(kind);
  form.querySelector(".when-at").hidden = chosen("when") !== "later";
}

// Returns a function that fills `part` with what `ask` fetches; of several answers only the last one counts.
function filler(part, ask) {
  let asked = 0;
  return async () => {
    const turn = ++asked;
    try {
      const answer = await ask();
      const html = await answer.text();
      if (!answer.ok || answer.redirected || turn !== asked) return;
      const open = [...part.querySelectorAll("details")].map((detail) => detail.open);
      part.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      part.querySelectorAll("details").forEach((detail, place) => (detail.open = Boolean(open[place])));
    } catch {
      // The connection is away. What is typed stays, and the server judges it when it is saved.
    }
  };
}

if (form) {
  const reach = document.getElementById("compose-reach");
  const fillSide = filler(document.getElementById("compose-side"), () =>
    fetch(form.dataset.render, { method: "POST", body: new FormData(form) }),
  );
  const fillReach = filler(reach, () => {
    const { app, segment } = form.elements;
    const choice = new URLSearchParams({ app: app.value, segment: segment.value, message: chosen("message") ?? "" });
    return fetch(`${reach.dataset.reach}?${choice}`);
  });
  let timer = 0;
  document.documentElement.classList.add("has-js");
  form.addEventListener("input", (event) => {
    show();
    if (["app", "segment", "message"].includes(event.target.name)) fillReach();
    clearTimeout(timer);
    timer = setTimeout(fillSide, 250);
  });
  show();
}
