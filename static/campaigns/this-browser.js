// "Send to this browser": subscribes the browser of whoever is signed in, and shows beside the button what came of it.

const channel = new BroadcastChannel("pushadmin");

class Refused extends Error {}

async function active(registration) {
  const worker = registration.active || registration.waiting || registration.installing;
  if (worker.state === "activated") return;
  await new Promise((done, fail) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") done();
      if (worker.state === "redundant") fail(new Error("redundant"));
    });
  });
}

async function subscribed(told) {
  const registration = await navigator.serviceWorker.register(told.worker);
  await active(registration);
  const { pushManager } = registration;
  const options = { userVisibleOnly: true, applicationServerKey: told.applicationKey };
  try {
    return await pushManager.subscribe(options);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    await (await pushManager.getSubscription())?.unsubscribe(); // it was made with a former key
    return pushManager.subscribe(options);
  }
}

function app(part) {
  const chosen = part.closest("form")?.elements.app?.value || document.getElementById("this-browser-app")?.value;
  return part.dataset.thisBrowser || chosen;
}

async function send(part, say) {
  const { unknown, denied, dismissed, away, lost, asking } = part.dataset;
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) throw new Refused(unknown);
  say(asking);
  const permission = await Notification.requestPermission();
  if (permission !== "granted") throw new Refused(permission === "denied" ? denied : dismissed);
  const address = part.dataset.at.replace("/0/", `/${app(part)}/`);
  const answered = await fetch(address).catch(() => null);
  if (!answered?.ok || answered.redirected) throw new Refused(lost);
  const told = await answered.json();
  if (told.refusal) throw new Refused(told.refusal);
  const soon = () => new Promise((done) => setTimeout(done, 1000)).then(() => subscribed(told));
  const subscription = await subscribed(told)
    .catch(soon) // a browser that comes back to its push service just now refuses once
    .catch(() => {
      throw new Refused(away);
    });
  const form = part.closest("form");
  const body = form ? new FormData(form) : new FormData();
  body.set("subscription", JSON.stringify(subscription));
  body.set("application_key", told.applicationKey);
  body.set("own_language", navigator.language);
  body.set("own_time_zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
  body.set("csrfmiddlewaretoken", part.querySelector("[name=csrfmiddlewaretoken]").value);
  if (part.dataset.campaign) body.set("campaign", part.dataset.campaign);
  const answer = await fetch(address, { method: "POST", body }).catch(() => null);
  if (!answer || answer.redirected || ![200, 422].includes(answer.status)) throw new Refused(lost);
  return new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes;
}

function keep(part) {
  const button = part.querySelector("button");
  const outcome = part.querySelector(".this-browser-outcome");
  const say = (text, classes = "muted") => {
    const line = document.createElement("p");
    line.className = classes;
    line.textContent = text;
    outcome.replaceChildren(line);
  };
  let shown = false;
  channel.addEventListener("message", ({ data }) => {
    if (data?.word !== "shown") return;
    shown = true;
    if (!button.disabled) tell();
  });
  const tell = () => {
    const line = document.createElement("p");
    line.textContent = part.dataset.shown;
    outcome.append(line);
    shown = false;
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    shown = false;
    try {
      outcome.replaceChildren(...(await send(part, say)));
    } catch (error) {
      say(error instanceof Refused ? error.message : part.dataset.lost, "notice tone-warn");
    }
    button.disabled = false;
    if (shown) tell();
  });
}

document.querySelectorAll("[data-this-browser]").forEach(keep);
