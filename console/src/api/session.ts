/**
 * Who is logged in. The access token lives in this module's memory and nowhere else; the refresh token is in a cookie that
 * no script can read, and gets the next access token when the page is loaded and before one runs out.
 */

import type { components } from "./common";
import { type Problem, ProblemError, UNREACHABLE, problemOf } from "./problem";

type Login = components["schemas"]["LoginView"];
export type User = Login["user"];
export type State = { is: "unknown" } | { is: "out" } | { is: "in"; user: User; sessionId: string };

const AUTH = "/api/common/v1/auth";
/** How long before its end a token is replaced, so that a request under way never carries a dead one. */
const EARLY_MS = 30_000;

let token: { text: string; until: number } | null = null;
let state: State = { is: "unknown" };
let renewing: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

export const session = {
  get: (): State => state,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  logIn,
  confirm,
  logOut,
  renew,
  accessToken,
};

async function logIn(email: string, password: string): Promise<void> {
  keep(await post("/login", { email, password, cookie: true }));
}

/** The second step of a login that was answered `totp_required`; `challenge` came with that answer. */
async function confirm(challenge: string, code: string): Promise<void> {
  keep(await post("/totp", { challenge, code, cookie: true }));
}

async function logOut(): Promise<void> {
  const headers = token ? { Authorization: `Bearer ${token.text}` } : undefined;
  forget();
  // Whatever it answers: here, nobody is logged in any more.
  await post("/logout", undefined, headers).catch(() => undefined);
}

/** A token that is good for a while; null when nobody is logged in. */
async function accessToken(): Promise<string | null> {
  if (state.is === "out") return null;
  if (!token || token.until - Date.now() < EARLY_MS) await renew();
  return token?.text ?? null;
}

/** Get the next token by the cookie. False when that is over. One at a time, in all tabs: each refresh token is good once. */
function renew(): Promise<boolean> {
  renewing ??= alone(renewNow).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renewNow(): Promise<boolean> {
  try {
    keep(await post("/refresh", {}));
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status > 0 && error.problem.status < 500) {
      forget();
      return false;
    }
    throw error;
  }
}

/** Locks are there only on pages of https and of this machine, which are those that get the cookie. */
async function alone(work: () => Promise<boolean>): Promise<boolean> {
  return "locks" in navigator ? await navigator.locks.request("groundplane.refresh", work) : work();
}

async function post(path: string, body: unknown, headers?: Record<string, string>): Promise<Login> {
  const response = await fetch(AUTH + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Groundplane-Client": "console", ...headers },
    body: body === undefined ? null : JSON.stringify(body),
    // A page that is left must not lose the token that its answer brings.
    keepalive: true,
  }).catch(() => {
    throw new ProblemError(UNREACHABLE);
  });
  if (!response.ok) throw new ProblemError(await problemOf(response));
  return (await response.json()) as Login;
}

function keep(login: Login): void {
  token = { text: login.access_token, until: Date.now() + login.expires_in * 1000 };
  tell({ is: "in", user: login.user, sessionId: login.session_id });
}

function forget(): void {
  token = null;
  tell({ is: "out" });
}

function tell(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}

/** The challenge of the second factor, if that is what a login was answered. */
export function challengeIn(problem: Problem): string | null {
  const challenge = problem.code === "totp_required" ? problem.context?.["challenge"] : null;
  return typeof challenge === "string" ? challenge : null;
}
