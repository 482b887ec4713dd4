// Progress of a round: server-sent events, else polling.

const pollMilliseconds = 10_000;

function replaceProgress(shown: HTMLElement, html: string): void {
  // Parsed as a document, so nothing in it runs; only a fragment of ours is taken over.
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".progress");
  if (fresh && fresh.innerHTML !== shown.querySelector(".progress")?.innerHTML) shown.replaceChildren(fresh);
}

class Following {
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly shown: HTMLElement) {
    this.start();
  }

  start(): void {
    this.source = new EventSource(this.shown.dataset.events ?? "");
    this.source.addEventListener("progress", (event) => replaceProgress(this.shown, event.data));
    this.source.addEventListener("state", () => location.reload());
    this.source.onopen = () => this.stopPolling();
    this.source.onerror = () => (this.timer ??= setInterval(() => void this.fetch(), pollMilliseconds));
  }

  stop(): void {
    this.source?.close();
    this.stopPolling();
  }

  async fetch(): Promise<void> {
    try {
      const answer = await fetch(this.shown.dataset.progress ?? "", { headers: { Accept: "text/html" } });
      if (answer.ok) replaceProgress(this.shown, await answer.text());
    } catch {
      // The next poll tries again.
    }
  }

  private stopPolling(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

const shown = document.querySelector<HTMLElement>("#progress[data-events]");
if (shown) {
  const following = new Following(shown);
  const button = document.querySelector<HTMLButtonElement>("[data-pause]");
  const line = button?.closest("p");
  if (button && line) {
    const pauseText = button.textContent;
    let paused = false;
    line.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      if (paused) following.stop();
      else {
        following.start();
        void following.fetch();
      }
      button.textContent = paused ? (button.dataset.textResume ?? null) : pauseText;
    });
  }
}
