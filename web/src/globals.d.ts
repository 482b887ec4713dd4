// What the card page finds in the window: the payment provider's own script, and only the parts that are used.

interface StripeCard {
  mount(selector: string): void;
  on?(name: "change", listener: (event: { error?: { message: string } } | undefined) => void): void;
}

interface StripeAnswer {
  setupIntent?: { id: string };
  paymentIntent?: { id: string };
  error?: { message: string };
}

/** A card that is being typed, or the id of a saved one. */
type StripeMethod = string | { card: StripeCard };

interface StripeClient {
  elements(): { create(kind: "card", options: { hidePostalCode: boolean }): StripeCard };
  confirmCardSetup(secret: string, data: { payment_method: StripeMethod }): Promise<StripeAnswer>;
  confirmCardPayment(secret: string, data: { payment_method: StripeMethod }): Promise<StripeAnswer>;
}

interface Window {
  Stripe?: (key: string, options: { apiBase?: string }) => StripeClient;
}
