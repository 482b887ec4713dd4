// The search page while it is being used. The form #find asks, the server answers the region #browse; the address is the
// whole state. The box lies outside the region, so Hangul that is still being composed is searched and never disturbed.

import type { HtmxRequestCtx } from "htmx.org";

const find = document.querySelector<HTMLFormElement>("#find[hx-get]");

type HtmxEvent = CustomEvent<{ ctx: HtmxRequestCtx }>;

/** What a blank field, the usual order and the first page say is nothing: it stays out of the address. */
function prune(ctx: HtmxRequestCtx): void {
  const body = ctx.request.body as FormData;
  for (const [name, value] of [...body]) {
    if (value === "" || (name === "sort" && value === "relevance")) body.delete(name);
  }
}

function configure(ctx: HtmxRequestCtx): void {
  prune(ctx);
  // "As it is written" was said of the words before.
  if (ctx.sourceEvent?.type === "input") (ctx.request.body as FormData).delete("literal");
}

/** Typing goes on in one entry of the history; a choice is a step that "back" takes back. */
function enterHistory(ctx: HtmxRequestCtx): void {
  const isStep = ctx.sourceEvent?.type !== "input" && ctx.request.action !== location.pathname + location.search;
  [ctx.push, ctx.replace] = isStep ? ["true", "false"] : ["false", "true"];
}

/** A swap sets attributes; what was ticked by hand has to be told apart from them. */
function followAttributes(region: Element): void {
  for (const field of region.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[form=find]")) {
    if (field instanceof HTMLSelectElement) for (const option of field.options) option.selected = option.defaultSelected;
    else if (field.type === "checkbox" || field.type === "radio") field.checked = field.defaultChecked;
    else if (field !== document.activeElement) field.value = field.defaultValue;
  }
}

/** The switch of languages leads to this search, not to the one that the page was loaded with. */
function followAddress(): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>(".language")) link.search = location.search;
}

if (find) {
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = (event as HtmxEvent).detail;
    if (ctx.sourceElement === find) configure(ctx);
  });
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = (event as HtmxEvent).detail;
    if (ctx.sourceElement === find) enterHistory(ctx);
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const region = document.querySelector("#browse");
    if (!region) return;
    followAttributes(region);
    followAddress();
    const { ctx } = (event as HtmxEvent).detail;
    if (ctx.sourceEvent?.type === "click") document.querySelector<HTMLElement>("#results-title")?.focus({ preventScroll: true });
  });
  // Where no part can be had (the server is away or fails), the browser asks for the page and shows what comes.
  for (const name of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(name, (event) => {
      const ctx = (event as HtmxEvent).detail.ctx;
      const isRefused = ctx?.response && ctx.response.status < 500;
      if (ctx && !isRefused && ctx.sourceEvent?.type !== "input") location.assign(ctx.request.action);
    });
  }
}
