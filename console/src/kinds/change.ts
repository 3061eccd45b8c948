/** Changes of a resource: each is one request, answered at once or by a job. */

import { type Query, call } from "../api/call";
import type { components } from "../api/tenant";
import { type JobReference, type Kind, type Resource, apiPath } from "../api/catalog";
import type { Place } from "../api/place";
import { keys, queries } from "../api/queries";
import { flash } from "../shell/flashes";

/** What a dry run says that would be done. */
export type Plan = components["schemas"]["DryRunView"];

export interface Order {
  method: "POST" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
}

export function deletion(kind: Kind, place: Place, item: Resource): Order {
  return { method: "DELETE", path: apiPath(kind, place, item.id) };
}

export function action(kind: Kind, place: Place, item: Resource, verb: string): Order {
  return { method: "POST", path: apiPath(kind, place, item.id, verb) };
}

/** What was answered: a resource, or several with the parent of their jobs. */
export type Done = Resource | { items: Resource[]; job: JobReference | null };

/** Do it, and notify. `what`: "Create volume data". */
export async function carryOut(order: Order, what: string, kind: Kind, place: Place): Promise<Done> {
  const done = await carryOutQuietly(order, kind, place);
  if (done.job) flash.job(what, done.job, place);
  else flash.done(`${what}: done.`);
  return done;
}

/** Do it; whoever asked shows what came of it. */
export async function carryOutQuietly(order: Order, kind: Kind, place: Place): Promise<Done> {
  const done = await send<Done>(order);
  // The stream tells too, but where there is none the page must not show for seconds what is no more.
  void queries.invalidateQueries({ queryKey: keys.list(place, kind.name) });
  if ("id" in done) void queries.invalidateQueries({ queryKey: keys.item(place, kind.name, done.id) });
  return done;
}

/** Only ask what would be done. Throws what it would be refused with. */
export function rehearse(order: Order): Promise<Plan> {
  return send<Plan>(order, { dry_run: true });
}

function send<T>({ method, path, body }: Order, query: Query = {}): Promise<T> {
  return call<T>(path, { method, body, query });
}
