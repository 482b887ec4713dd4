// Counts down what the server wrote: "3일 4시간 남음".

const english = document.documentElement.lang === "en";
const nouns = english ? [" day", " hour", " minute"] : ["일", "시간", "분"];

function remainingText(until: number): string {
  const minutes = Math.floor((until - Date.now()) / 60_000);
  if (until <= Date.now()) return english ? "Closed" : "마감됨";
  if (minutes === 0) return english ? "Less than a minute left" : "1분 미만 남음";
  const parts = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  const first = parts.findIndex((value) => value > 0);
  const text = parts
    .map((value, index) => ({ value, words: `${value}${nouns[index]}${english && value !== 1 ? "s" : ""}` }))
    .slice(first, first + 2)
    .filter(({ value }) => value > 0)
    .map(({ words }) => words)
    .join(" ");
  return english ? `${text} left` : `${text} 남음`;
}

function tick(): void {
  for (const time of document.querySelectorAll<HTMLElement>("time[data-until]")) {
    const target = time.querySelector(".remaining");
    const text = remainingText(Date.parse(time.dataset.until ?? ""));
    if (target && target.textContent !== text) target.textContent = text;
  }
}

tick();
setInterval(tick, 10_000);
