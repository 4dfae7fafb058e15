// "Send to this browser": subscribes the browser of whoever is signed in, and shows beside the button what came of it.

const channel = new BroadcastChannel("pushadmin");
const PATIENCE = 10_000; // milliseconds for a service worker to start

class Refused extends Error {}

const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function started(told) {
  const registration = await navigator.serviceWorker.register(told.worker);
  const end = Date.now() + PATIENCE;
  while (!registration.active) {
    if (Date.now() > end) throw new Error("not started");
    await later(50);
  }
  return registration.pushManager;
}

async function subscribed(pushManager, told, anew) {
  const options = { userVisibleOnly: true, applicationServerKey: told.applicationKey };
  if (anew) await (await pushManager.getSubscription())?.unsubscribe();
  try {
    return await pushManager.subscribe(options);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    await (await pushManager.getSubscription())?.unsubscribe(); // it was made with a former key
    return pushManager.subscribe(options);
  }
}

// Returns what the service says of one push to this browser, as nodes to show.
async function push(part, told, pushManager, anew) {
  const again = () => later(1000).then(() => subscribed(pushManager, told, anew));
  const subscription = await subscribed(pushManager, told, anew)
    .catch(again) // a browser that comes back to its push service just now refuses once
    .catch(() => {
      throw new Refused(part.dataset.away);
    });
  const form = part.closest("form");
  const body = form ? new FormData(form) : new FormData();
  body.set("subscription", JSON.stringify(subscription));
  body.set("application_key", told.applicationKey);
  body.set("own_language", navigator.language);
  body.set("own_time_zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
  body.set("csrfmiddlewaretoken", part.querySelector("[name=csrfmiddlewaretoken]").value);
  if (part.dataset.campaign) body.set("campaign", part.dataset.campaign);
  const answer = await asked(part, told.address, { method: "POST", body });
  return new DOMParser().parseFromString(await answer.text(), "text/html").body;
}

async function asked(part, address, options) {
  const answer = await fetch(address, options).catch(() => null);
  if (answer?.redirected) throw new Refused(part.dataset.over);
  if (!answer || ![200, 422].includes(answer.status)) throw new Refused(part.dataset.lost);
  return answer;
}

async function send(part, say) {
  const { unknown, denied, dismissed, broken, none, asking } = part.dataset;
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) throw new Refused(unknown);
  const app =
    part.dataset.thisBrowser ||
    (part.closest("form")?.elements.app || document.getElementById("this-browser-app"))?.value;
  if (!app) throw new Refused(none);
  say(asking);
  const permission = await Notification.requestPermission();
  if (permission !== "granted") throw new Refused(permission === "denied" ? denied : dismissed);
  const address = part.dataset.at.replace("/0/", `/${app}/`);
  const told = { address, ...(await (await asked(part, address)).json()) };
  if (told.refusal) throw new Refused(told.refusal);
  const pushManager = await started(told).catch(() => {
    throw new Refused(broken);
  });
  const page = await push(part, told, pushManager, false);
  const gone = page.querySelector("[data-outcome=gone]"); // a subscription that has ended: once more with a new one
  return gone ? push(part, told, pushManager, true) : page;
}

function keep(part) {
  const button = part.querySelector("button");
  const outcome = part.querySelector(".this-browser-outcome");
  const seen = new Set(); // what was shown before its answer came
  const say = (text, classes = "muted") => {
    const line = document.createElement("p");
    line.className = classes;
    line.textContent = text;
    outcome.replaceChildren(line);
  };
  const tell = () => {
    const trial = outcome.querySelector("[data-trial]");
    if (!trial || !seen.delete(trial.dataset.trial)) return;
    const line = document.createElement("p");
    line.textContent = part.dataset.shown;
    outcome.append(line);
  };
  channel.addEventListener("message", ({ data }) => {
    if (data?.word !== "shown") return;
    seen.add(data.id);
    tell();
  });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      outcome.replaceChildren(...(await send(part, say)).childNodes);
      tell();
    } catch (error) {
      say(error instanceof Refused ? error.message : part.dataset.lost, "notice tone-warn");
    }
    button.disabled = false;
  });
}

document.querySelectorAll("[data-this-browser]").forEach(keep);
