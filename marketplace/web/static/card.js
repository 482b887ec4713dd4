// Registers a card, or pays (data-pays): confirms Stripe's SetupIntent or PaymentIntent in the browser, then posts.
// Card numbers never reach us. data-method: a saved card that only wants its owner; then no card is typed.
// The one script that a page cannot do without, so it lies here in plain and also works when nothing was bundled.

const form = /** @type {HTMLFormElement} */ (document.querySelector("#card-form"));
const message = /** @type {HTMLElement} */ (document.querySelector("#card-error"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));

/** @param {string} text */
function show(text) {
  message.textContent = text;
  message.hidden = !text;
}

/** @param {NonNullable<Window["Stripe"]>} Stripe */
function ready(Stripe) {
  const { key = "", apiBase } = form.dataset;
  // The demo's payment stand-in on the loopback is told its own address; Stripe itself needs none.
  const stripe = Stripe(key, apiBase ? { apiBase } : {});
  /** @type {StripeMethod} */
  let method = form.dataset.method ?? "";
  if (!method) {
    const card = stripe.elements().create("card", { hidePostalCode: true });
    card.mount("#card-element");
    card.on?.("change", (event) => show(event?.error?.message ?? ""));
    method = { card };
  }
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    finish(stripe, method);
  });
}

/**
 * @param {StripeClient} stripe
 * @param {StripeMethod} method
 */
async function finish(stripe, method) {
  button.disabled = true;
  show("");
  const { secret = "", pays } = form.dataset;
  try {
    const data = { payment_method: method };
    const answer = await (pays ? stripe.confirmCardPayment(secret, data) : stripe.confirmCardSetup(secret, data));
    const done = answer.setupIntent ?? answer.paymentIntent;
    if (answer.error || !done) throw new Error(answer.error?.message);
    /** @type {HTMLInputElement} */ (form.elements.namedItem("setup_intent")).value = done.id;
    form.submit();
  } catch (error) {
    show(error instanceof Error ? error.message : String(error));
    button.disabled = false;
  }
}

if (window.Stripe) ready(window.Stripe);
else show(form.dataset.textMissing ?? "");
