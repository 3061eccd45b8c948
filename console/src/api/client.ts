/**
 * Clients of the three namespaces, typed from the OpenAPI documents (`npm run generate`). For hand-made pages:
 *
 *     const quota = await answer(tenant.GET("/projects/{project_id}/quota", { params: { path: { project_id } } }));
 */

import createClient from "openapi-fetch";

import { apiFetch } from "./call";
import type { paths as Common } from "./common";
import type { paths as Ops } from "./ops";
import type { paths as Tenant } from "./tenant";

export const tenant = createClient<Tenant>({ baseUrl: "/api/tenant/v1", fetch: apiFetch });
export const ops = createClient<Ops>({ baseUrl: "/api/ops/v1", fetch: apiFetch });
export const common = createClient<Common>({ baseUrl: "/api/common/v1", fetch: apiFetch });

/** What was answered. A refusal was thrown as ProblemError before. */
export async function answer<T>(exchange: Promise<{ data?: T }>): Promise<T> {
  return (await exchange).data as T;
}
