/** Sends a file to the API and tells how far it is: `fetch` cannot tell that. */

import { ProblemError, UNREACHABLE, problemOf } from "../api/problem";
import { session } from "../api/session";

export async function upload<T>(
  path: string,
  file: Blob,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<T> {
  const token = await session.accessToken();
  const response = await new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Idempotency-Key", crypto.randomUUID());
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => reject(new ProblemError(UNREACHABLE));
    request.onabort = () => reject(new Error("You stopped it. Nothing was kept."));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
  if (!response.ok) throw new ProblemError(await problemOf(response));
  return (await response.json()) as T;
}

/** A name that the API takes, out of a file's: "Debian 12 (x86).qcow2" → "debian-12-x86". */
export function nameOf(file: string): string {
  return file
    .toLowerCase()
    .replace(/\.[a-z0-9]+$/, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
}
