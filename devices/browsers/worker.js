// Shows notifications, opens what is tapped, and says back what became of them. It needs nothing but this file.
"use strict";

const absolute = (address) => {
  try {
    return address ? new URL(address, self.location.origin).href : undefined;
  } catch {
    return undefined; // no address at all: rather a notification without it than none
  }
};

// Tells what became of a notification. Nothing waits for it, and nothing is wrong when it fails.
const report = (data, word, button = 0) =>
  data?.report
    ? fetch(`${PUSHADMIN.url}/reports`, {
        method: "POST",
        mode: "no-cors",
        credentials: "omit",
        keepalive: true,
        headers: { "Content-Type": "text/plain" },
        body: JSON.stringify({ report: data.report, word, button }),
      }).catch(() => undefined)
    : Promise.resolve();

// Lets an open page of this site know, such as the one a test was sent from.
const channel = new BroadcastChannel("pushadmin");

// Whose end is no dismissal: they were clicked, or another notification took their place.
const ended = new Set();

const read = (event) => {
  try {
    return event.data.json();
  } catch {
    return { title: event.data?.text() || "…" };
  }
};

async function show(said) {
  const options = {
    body: said.body || "",
    icon: absolute(said.icon),
    image: absolute(said.image),
    badge: absolute(said.badge),
    tag: said.tag || said.id, // a second copy of the same push takes the place of the first
    requireInteraction: Boolean(said.stays),
    silent: said.silent ? true : undefined,
    actions: (said.buttons || []).map((button, place) => ({ action: String(place + 1), title: button.title })),
    data: said,
  };
  for (const before of await self.registration.getNotifications({ tag: options.tag })) ended.add(before.data?.report);
  await self.registration.showNotification(said.title || "", options);
}

async function open(address) {
  const url = absolute(address) || self.location.origin + "/";
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = pages.find((page) => page.url === url);
  return there ? there.focus() : self.clients.openWindow(url);
}

self.addEventListener("push", (event) => {
  const said = read(event);
  event.waitUntil(
    show(said).then(() => {
      channel.postMessage({ word: "shown", id: said.id });
      return report(said, "shown");
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  const said = event.notification.data || {};
  const button = Number(event.action) || 0;
  const address = button ? said.buttons?.[button - 1]?.url || said.url : said.url;
  ended.add(said.report);
  event.notification.close();
  event.waitUntil(Promise.all([open(address), report(said, "clicked", button)]));
});

self.addEventListener("notificationclose", (event) => {
  const said = event.notification.data;
  if (!ended.has(said?.report)) event.waitUntil(report(said, "dismissed"));
});

// The browser made a new subscription by itself: the old one's secret proves that both are the same browser's.
self.addEventListener("pushsubscriptionchange", (event) => {
  const renew = async () => {
    const options = { userVisibleOnly: true, applicationServerKey: PUSHADMIN.applicationKey };
    const now = await self.registration.pushManager.subscribe(options); // the one it made, if it did
    const old = event.oldSubscription?.toJSON();
    const former = old?.keys ? { endpoint: old.endpoint, auth: old.keys.auth } : undefined;
    await fetch(`${PUSHADMIN.url}/browsers`, {
      method: "POST",
      credentials: "omit",
      headers: { Authorization: `Bearer ${PUSHADMIN.key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ subscription: now, former, application_key: PUSHADMIN.applicationKey }),
    });
  };
  if (PUSHADMIN.key) event.waitUntil(renew());
});

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
