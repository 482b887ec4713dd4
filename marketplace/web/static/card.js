// Registers a card: confirms Stripe's SetupIntent in the browser, then posts its id. Card numbers never reach us.

const form = document.querySelector("#card-form");
const message = document.querySelector("#card-error");
const button = form.querySelector("button");

function show(text) {
  message.textContent = text;
  message.hidden = !text;
}

function ready() {
  const { key, apiBase } = form.dataset;
  // The demo's payment stand-in on the loopback is told its own address; Stripe itself needs none.
  const stripe = window.Stripe(key, apiBase ? { apiBase } : {});
  const card = stripe.elements().create("card", { hidePostalCode: true });
  card.mount("#card-element");
  card.on?.("change", (event) => show(event?.error?.message ?? ""));
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    register(stripe, card);
  });
}

async function register(stripe, card) {
  button.disabled = true;
  show("");
  try {
    const { setupIntent, error } = await stripe.confirmCardSetup(form.dataset.secret, { payment_method: { card } });
    if (error) throw new Error(error.message);
    form.elements.setup_intent.value = setupIntent.id;
    form.submit();
  } catch (error) {
    show(error.message);
    button.disabled = false;
  }
}

if (window.Stripe) ready();
else show(form.dataset.textMissing);
