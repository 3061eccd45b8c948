/** The limits that operators set: of an organization, of a project, and the defaults of all that have none of their own. */

import type { Call } from "../api/call";
import type { Quota } from "./DimensionTable";

export type Limits = Record<string, number | null>;
/** What a limit may be: so much, what the platform's default says, or none. */
export type Choice = "amount" | "default" | "none";

/** Where limits are read and set in the API. */
export const limitsPath = {
  organization: (id: string): string => `/api/ops/v1/organizations/${id}/quota`,
  project: (id: string): string => `/api/ops/v1/projects/${id}/quota`,
  defaults: (of: "projects" | "organizations"): string => `/api/ops/v1/quota-defaults/${of}`,
};

/**
 * The request that sets one limit. That one follows the default again is said by leaving it out of all that are set: `own` are those
 * of before.
 */
export function requestFor(dimension: string, choice: Choice, amount: string, own: Limits): Call {
  if (choice === "default") {
    const kept = Object.entries(own).filter(([name]) => name !== dimension);
    return { method: "PUT", body: Object.fromEntries(kept) };
  }
  return { method: "PATCH", body: { [dimension]: choice === "none" ? null : Number(amount) } };
}

/** Those that were set for it, and are no defaults. */
export function ownLimits({ dimensions }: Quota): Limits {
  const own = Object.entries(dimensions).filter(([, dimension]) => dimension.own);
  return Object.fromEntries(own.map(([name, { limit }]) => [name, limit]));
}
