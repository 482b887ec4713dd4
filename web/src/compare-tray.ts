// The tray of things to compare, kept in this browser for all pages and tabs.

interface Item {
  code: string;
  name: string;
}

const trayKey = "compare";
const tray = document.querySelector<HTMLFormElement>("#compare-form");

function boxes(): NodeListOf<HTMLInputElement> {
  return document.querySelectorAll<HTMLInputElement>(".compare-box input");
}

function isItem(value: unknown): value is Item {
  const item = value as Partial<Item> | null;
  return typeof item?.code === "string" && typeof item.name === "string" && item.code !== "";
}

function readTray(itemsMax: number): Item[] {
  try {
    const items: unknown = JSON.parse(localStorage.getItem(trayKey) ?? "[]");
    return Array.isArray(items) ? items.filter(isItem).slice(0, itemsMax) : [];
  } catch {
    return [];
  }
}

class CompareTray {
  private readonly itemsMax: number;

  constructor(private readonly form: HTMLFormElement) {
    this.itemsMax = Number(form.dataset.max);
    form.querySelector("[data-clear]")?.addEventListener("click", () => this.write([]));
    document.addEventListener("change", (event) => this.choose(event.target));
    // The same shelf for all tabs, for a page that comes back from the history, and for rows that were swapped in.
    window.addEventListener("storage", () => this.refresh());
    window.addEventListener("pageshow", () => this.refresh());
    document.addEventListener("htmx:after:swap", () => this.refresh());
  }

  refresh(): void {
    this.show(readTray(this.itemsMax));
  }

  private choose(box: EventTarget | null): void {
    if (!(box instanceof HTMLInputElement) || !box.matches(".compare-box input")) return;
    const others = readTray(this.itemsMax).filter((item) => item.code !== box.value);
    this.write(box.checked ? [...others, { code: box.value, name: box.dataset.name ?? box.value }] : others);
  }

  private write(items: Item[]): void {
    try {
      localStorage.setItem(trayKey, JSON.stringify(items));
    } catch {
      // Storage may be switched off; the boxes of this page still work as a plain form.
    }
    this.show(items);
  }

  private show(items: Item[]): void {
    const codes = new Set(items.map((item) => item.code));
    for (const box of boxes()) {
      box.checked = codes.has(box.value);
      box.disabled = !box.checked && items.length >= this.itemsMax;
      const label = box.closest("label");
      if (label) label.title = box.disabled ? (this.form.dataset.textFull ?? "") : "";
    }
    this.form.querySelector("ul")?.replaceChildren(...items.map((item) => this.entry(item)));
    this.form.hidden = items.length === 0;
    document.body.classList.toggle("has-tray", items.length > 0);
  }

  private entry({ code, name }: Item): HTMLLIElement {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", `${this.form.dataset.textRemove}: ${name}`);
    button.addEventListener("click", () => this.write(readTray(this.itemsMax).filter((item) => item.code !== code)));
    entry.append(name, button);
    if (![...boxes()].some((box) => box.value === code)) {
      const hidden = document.createElement("input");
      Object.assign(hidden, { type: "hidden", name: "id", value: code });
      entry.append(hidden);
    }
    return entry;
  }
}

if (tray) new CompareTray(tray).refresh();
