// Registers a card: confirms Stripe's SetupIntent in the browser, then posts its id. Card numbers never reach us.
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
  const card = stripe.elements().create("card", { hidePostalCode: true });
  card.mount("#card-element");
  card.on?.("change", (event) => show(event?.error?.message ?? ""));
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    register(stripe, card);
  });
}

/**
 * @param {StripeClient} stripe
 * @param {StripeCard} card
 */
async function register(stripe, card) {
  button.disabled = true;
  show("");
  try {
    const { setupIntent, error } = await stripe.confirmCardSetup(form.dataset.secret ?? "", { payment_method: { card } });
    if (error || !setupIntent) throw new Error(error?.message);
    /** @type {HTMLInputElement} */ (form.elements.namedItem("setup_intent")).value = setupIntent.id;
    form.submit();
  } catch (error) {
    show(error instanceof Error ? error.message : String(error));
    button.disabled = false;
  }
}

if (window.Stripe) ready(window.Stripe);
else show(form.dataset.textMissing ?? "");
