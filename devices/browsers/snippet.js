// Call pushadmin.subscribe() when a visitor clicks, with what you know: {tags: ["news"], attributes: {plan: "pro"}}.
const pushadmin = {
  kept: () => JSON.parse(localStorage.getItem(PUSHADMIN.scope) || "{}"), // what we told last
  async call(method, subscription, more) {
    const { endpoint, auth } = this.kept();
    const former = endpoint && endpoint !== subscription.endpoint ? { endpoint, auth } : undefined;
    const own = { language: navigator.language, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone, former };
    const said = method === "POST" ? { application_key: PUSHADMIN.applicationKey, ...own, ...more } : {};
    const headers = { Authorization: `Bearer ${PUSHADMIN.key}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ subscription, ...said });
    const answer = await fetch(`${PUSHADMIN.url}/browsers`, { method, headers, body, credentials: "omit" });
    const refusal = answer.ok ? "" : (await answer.json().catch(() => ({}))).detail || `Not registered (${answer.status}).`;
    if (refusal) throw new Error(refusal);
    const now = { endpoint: subscription.endpoint, auth: subscription.toJSON().keys.auth, more, day: Date.now() / 864e5 };
    localStorage.setItem(PUSHADMIN.scope, JSON.stringify(method === "POST" ? now : {}));
  },
  async registration() { // of our worker and of no other one that the site may have
    const scope = new URL(PUSHADMIN.scope, location).href;
    return (await navigator.serviceWorker?.getRegistrations())?.find((one) => one.scope === scope);
  },
  ours({ options }) { // whether a subscription was made with our present key: with another one nothing reaches it
    const key = btoa(String.fromCharCode(...new Uint8Array(options.applicationServerKey)));
    return key.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === PUSHADMIN.applicationKey;
  },
  async subscribe(more = this.kept().more) {
    if (!("PushManager" in window)) throw new Error("This browser knows no Web Push.");
    if ((await Notification.requestPermission()) !== "granted") throw new Error("Notifications are not allowed here.");
    const registration = await navigator.serviceWorker.register(PUSHADMIN.worker, { scope: PUSHADMIN.scope });
    for (let wait = 0; !registration.active && wait < 100; wait++) await new Promise((next) => setTimeout(next, 100));
    const { pushManager } = registration;
    const found = await pushManager.getSubscription();
    if (found && !this.ours(found)) await found.unsubscribe();
    const options = { userVisibleOnly: true, applicationServerKey: PUSHADMIN.applicationKey };
    await this.call("POST", await pushManager.subscribe(options), more);
  },
  async unsubscribe() {
    const subscription = await (await this.registration())?.pushManager.getSubscription();
    if (subscription) await this.call("DELETE", subscription).finally(() => subscription.unsubscribe());
  },
  async visit() { // subscriptions change silently: who has one tells of it again, when it is another one or after a day
    const found = await (await this.registration())?.pushManager.getSubscription();
    const { endpoint, day } = this.kept();
    const news = found && (found.endpoint !== endpoint || !this.ours(found) || Date.now() / 864e5 - day > 1);
    if (news && Notification.permission === "granted") await this.subscribe();
  },
};
pushadmin.visit().catch(console.error);
