// Call pushadmin.subscribe() when a visitor clicks, with what you know: {tags: ["news"], attributes: {plan: "pro"}}.
const pushadmin = {
  async call(method, subscription, more) {
    const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
    const own = { language: navigator.language || locale, time_zone: timeZone, application_key: PUSHADMIN.applicationKey };
    const headers = { Authorization: `Bearer ${PUSHADMIN.key}`, "Content-Type": "application/json" };
    const body = JSON.stringify(method === "POST" ? { subscription, ...own, ...more } : { subscription });
    const answer = await fetch(`${PUSHADMIN.url}/browsers`, { method, headers, body, credentials: "omit" });
    if (!answer.ok) throw new Error((await answer.json()).detail);
  },
  async subscribe(more) {
    if (!("PushManager" in window)) throw new Error("This browser knows no Web Push.");
    if ((await Notification.requestPermission()) !== "granted") throw new Error("Notifications are not allowed here.");
    await navigator.serviceWorker.register(PUSHADMIN.worker);
    const { pushManager } = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: PUSHADMIN.applicationKey };
    const renew = async () => (await (await pushManager.getSubscription())?.unsubscribe(), pushManager.subscribe(options));
    await this.call("POST", await pushManager.subscribe(options).catch(renew), more); // renewed when the key is another
  },
  async unsubscribe() {
    const subscription = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
    if (subscription) await this.call("DELETE", subscription).finally(() => subscription.unsubscribe());
  },
};
// Subscriptions change silently: a visitor who has one tells of it again on every visit.
if (window.Notification?.permission === "granted") pushadmin.subscribe().catch(console.error);
