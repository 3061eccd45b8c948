/** Stands in for routes that are agreed on and not merged yet. Goes with them. */

import { call } from "./call";
import { type Kind } from "./catalog";
import { type Reach } from "./me";
import { problemIn } from "./problem";

export async function orRecorded<T>(asked: Promise<T>, recorded: () => Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (problemIn(error).status === 404) return recorded();
    throw error;
  }
}

export async function recordedKinds(): Promise<{ kinds: Kind[] }> {
  return (await import("./recorded.json")) as unknown as { kinds: Kind[] };
}

export async function recordedReach(): Promise<Reach> {
  interface Page {
    items: { id: string; name: string }[];
  }
  const organizations = (await call<Page>("/api/common/v1/organizations")).items;
  const pages = await Promise.all(
    organizations.map(async (organization) =>
      (await call<Page>(`/api/common/v1/organizations/${organization.id}/projects`)).items.map(({ id, name }) => ({
        id,
        name,
        organization_id: organization.id,
        organization_name: organization.name,
      })),
    ),
  );
  return { organizations, projects: pages.flat(), platform: true };
}

export async function recordedPermissions(): Promise<{ permissions: string[] }> {
  const { kinds } = await recordedKinds();
  return { permissions: kinds.flatMap((kind) => Object.values(kind.permissions)) };
}
