/** A text that the page has becomes a file, without asking anybody. */

export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const anchor = Object.assign(document.createElement("a"), { href: url, download: name });
  anchor.click();
  // The browser has taken it by then; sooner, some have not.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
