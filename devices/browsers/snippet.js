// Call pushadmin.subscribe() when a visitor clicks, with what you know: {tags: ["news"], attributes: {plan: "pro"}}.
const pushadmin = {
  async call(method, subscription, more) {
    const own = { language: navigator.language, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
    const said = method === "POST" ? { application_key: PUSHADMIN.applicationKey, ...own, ...more } : {};
    const headers = { Authorization: `Bearer ${PUSHADMIN.key}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ subscription, ...said });
    const answer = await fetch(`${PUSHADMIN.url}/browsers`, { method, headers, body, credentials: "omit" });
    if (!answer.ok) throw new Error((await answer.json()).detail);
  },
  async subscription() {
    const worker = await navigator.serviceWorker?.getRegistration(PUSHADMIN.worker);
    return worker?.pushManager?.getSubscription();
  },
  ours({ options }) { // whether a subscription was made with our present key: with another one nothing reaches it
    const key = btoa(String.fromCharCode(...new Uint8Array(options.applicationServerKey)));
    return key.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === PUSHADMIN.applicationKey;
  },
  async subscribe(more) {
    if (!("PushManager" in window)) throw new Error("This browser knows no Web Push.");
    if ((await Notification.requestPermission()) !== "granted") throw new Error("Notifications are not allowed here.");
    await navigator.serviceWorker.register(PUSHADMIN.worker);
    const { pushManager } = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: PUSHADMIN.applicationKey };
    const found = await pushManager.getSubscription();
    if (found && !this.ours(found)) await found.unsubscribe();
    await this.call("POST", await pushManager.subscribe(options), more);
  },
  async unsubscribe() {
    const subscription = await this.subscription();
    if (subscription) await this.call("DELETE", subscription).finally(() => subscription.unsubscribe());
  },
};
// Subscriptions change silently: a visitor who has one tells of it again on every visit.
pushadmin.subscription().then((found) => found && pushadmin.subscribe()).catch(console.error);
