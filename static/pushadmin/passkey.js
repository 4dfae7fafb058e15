// Adds a passkey, or shows one: <p data-passkey="add|prove|enter" data-passkey-question="url" hidden> inside a form.
// The browser's answer goes into the form's hidden field, and the form is sent.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (credentials) => (credentials ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function question(place, form) {
  const sent = new FormData();
  sent.set("wish", place.dataset.passkey);
  sent.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  const headers = { "X-Requested-With": "fetch" };
  const answer = await fetch(place.dataset.passkeyQuestion, { method: "POST", body: sent, headers });
  if (!answer.ok) throw new Error("This page is too old. Open it once more.");
  return (await answer.json()).publicKey;
}

async function create(asked) {
  const publicKey = {
    ...asked,
    challenge: bytes(asked.challenge),
    user: { ...asked.user, id: bytes(asked.user.id) },
    excludeCredentials: known(asked.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  return whole(made, {
    clientDataJSON: text(made.response.clientDataJSON),
    attestationObject: text(made.response.attestationObject),
  });
}

async function get(asked) {
  const publicKey = { ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials) };
  const shown = await navigator.credentials.get({ publicKey });
  return whole(shown, {
    clientDataJSON: text(shown.response.clientDataJSON),
    authenticatorData: text(shown.response.authenticatorData),
    signature: text(shown.response.signature),
  });
}

function whole(credential, response) {
  const clientExtensionResults = credential.getClientExtensionResults();
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults };
}

async function ask(place, form, status) {
  const adding = place.dataset.passkey === "add";
  status.textContent = "Waiting for your passkey …";
  try {
    const asked = await question(place, form);
    const answer = adding ? await create(asked) : await get(asked);
    form.elements[adding ? "passkey" : "proof_passkey"].value = JSON.stringify(answer);
    status.textContent = "";
    form.submit();
  } catch (error) {
    const told = { NotAllowedError: "It was not used. Try once more.", InvalidStateError: "This one is added already." };
    status.textContent = told[error.name] ?? error.message;
  }
}

for (const place of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const form = place.closest("form");
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => ask(place, form, place.querySelector("[role=status]")));
}
