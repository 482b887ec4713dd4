// Small helps: printing, and "/" for the search box.

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
  if (event.key !== "/" || event.isComposing || isTyping) return;
  event.preventDefault();
  document.querySelector<HTMLInputElement>("#q")?.focus();
});
