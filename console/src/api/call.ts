/** One request of the public API: with the token, with an idempotency key if it changes something, a problem if it is refused. */

import { ProblemError, UNREACHABLE, problemOf } from "./problem";
import { session } from "./session";

const REFUSED_TOKEN = new Set(["unauthenticated", "token_expired", "session_ended"]);

/** `fetch` for the API. Throws ProblemError; a token that ran out is replaced once. */
export async function apiFetch(request: Request): Promise<Response> {
  if (request.method !== "GET" && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", randomKey());
  }
  const again = request.clone();
  let response = await send(request);
  if ((await refusesToken(response)) && (await session.renew())) response = await send(again);
  if (response.ok || response.status === 304) return response;
  throw new ProblemError(await problemOf(response));
}

/** Whether it is the token that was refused, not a code or a password that was typed: those are not tried twice. */
async function refusesToken(response: Response): Promise<boolean> {
  if (response.status !== 401) return false;
  return REFUSED_TOKEN.has((await problemOf(response.clone())).code);
}

async function send(request: Request): Promise<Response> {
  const token = await session.accessToken();
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  try {
    return await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ProblemError(UNREACHABLE);
  }
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** For paths that are known at run time only: those of kinds. `path` is the whole path, as in `/api/tenant/v1/projects/…`. */
export async function call<T>(path: string, { method = "GET", query, body, headers, signal }: Call = {}): Promise<T> {
  const response = await apiFetch(
    new Request(path + queryText(query), {
      method,
      headers: body === undefined ? (headers ?? {}) : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    }),
  );
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** `?a=b`, or nothing. What is undefined or empty is left out. */
export function queryText(query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return pairs.length ? `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}` : "";
}

function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
