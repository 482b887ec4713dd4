// The box under the search field on pages other than the search itself: arrow keys choose, Enter goes, Escape closes.
// Pattern: ARIA Authoring Practices, editable combobox with list autocomplete.

const field = document.querySelector<HTMLInputElement>("#q[hx-get]");
const list = document.querySelector<HTMLElement>("#suggestions");

class SuggestionBox {
  private active = -1;

  constructor(
    private readonly field: HTMLInputElement,
    private readonly list: HTMLElement,
  ) {
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", list.id);
    field.addEventListener("keydown", (event) => this.press(event));
    field.addEventListener("focus", () => this.open());
    field.form?.addEventListener("focusout", (event) => {
      if (!field.form?.contains(event.relatedTarget as Node | null)) this.close();
    });
    // The pointer must not take the focus from the field before its click arrives.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    document.addEventListener("htmx:after:swap", () => this.open());
    this.close();
  }

  private options(): HTMLAnchorElement[] {
    return [...this.list.querySelectorAll<HTMLAnchorElement>("[role=option]")];
  }

  private open(): void {
    const isOpen = this.options().length > 0 && document.activeElement === this.field;
    this.list.hidden = !isOpen;
    this.field.setAttribute("aria-expanded", String(isOpen));
    this.mark(-1);
  }

  private close(): void {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.mark(-1);
  }

  private mark(index: number): void {
    this.active = index;
    const options = this.options();
    for (const [number, option] of options.entries()) option.setAttribute("aria-selected", String(number === index));
    const active = options[index];
    active?.scrollIntoView({ block: "nearest" });
    if (active) this.field.setAttribute("aria-activedescendant", active.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  private press(event: KeyboardEvent): void {
    // While a syllable is being composed its keys belong to the input method.
    if (event.isComposing) return;
    const count = this.options().length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count > 0) {
      event.preventDefault();
      if (this.list.hidden) this.open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      // One place more than there are options: the field itself.
      this.mark(((this.active + 1 + step + count + 1) % (count + 1)) - 1);
    } else if (event.key === "Enter" && !this.list.hidden && this.active >= 0) {
      event.preventDefault();
      this.options()[this.active]?.click();
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
    }
  }
}

if (field && list) new SuggestionBox(field, list);
