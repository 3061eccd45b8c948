/** The kinds, as the API describes them (`GET /kinds`). All generic pages are made from this. */

import { useSuspenseQuery } from "@tanstack/react-query";

import { call } from "./call";
import type { components } from "./common";
import { type Place, type Scope, placePath } from "./place";
import { keys } from "./queries";

/** A JSON Schema, as far as our models use it. `x-kind`: the field names a resource of that kind. */
export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  discriminator?: { propertyName: string; mapping?: Record<string, string> };
  writeOnly?: boolean;
  $ref?: string;
  $defs?: Record<string, Schema>;
  "x-kind"?: string;
  "x-unit"?: string;
}

type KindView = components["schemas"]["KindView"];
/** A kind, with what the OpenAPI document leaves open: its schemas are schemas. */
export type Kind = Omit<KindView, "create" | "update" | "spec" | "observed"> & {
  create: Schema | null;
  update: Schema | null;
  spec: Schema;
  observed: Schema;
};
export type Column = Kind["columns"][number];

/** What all resources have in common, and the kind's own `spec` and `observed`. */
export interface Resource {
  id: string;
  kind: string;
  organization_id: string | null;
  project_id: string | null;
  name: string;
  status: "creating" | "active" | "updating" | "deleting" | "deleted" | "error";
  wanted: "present" | "absent";
  labels: Record<string, string>;
  provider_reference: string | null;
  cluster_id?: string | null;
  host_id?: string | null;
  generation: number;
  observed_generation: number;
  revision: number;
  created_at: string;
  updated_at: string;
  job?: JobReference | null;
  spec: Record<string, unknown>;
  observed: Record<string, unknown>;
}

export interface JobReference {
  id: string;
  state: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED";
  href: string;
}

export class Catalog {
  private readonly byName: Map<string, Kind>;

  constructor(readonly kinds: Kind[]) {
    this.byName = new Map(kinds.map((kind) => [kind.name, kind]));
  }

  named(name: string): Kind | undefined {
    return this.byName.get(name);
  }

  /** The kind whose ids look like this one: `vm_01k…`. */
  ofId(id: string): Kind | undefined {
    return this.kinds.find((kind) => id.startsWith(`${kind.prefix}_`));
  }

  /** The kind whose collection the address names: `vms`. */
  at(scope: Scope, plural: string): Kind | undefined {
    return this.kinds.find((kind) => kind.plural === plural && kind.scope === scope);
  }
}

/** The kinds. Suspends until they are known; the shell asks first, so pages have them. */
export function useCatalog(): Catalog {
  return useSuspenseQuery({
    queryKey: keys.catalog,
    queryFn: ({ signal }) =>
      call<{ kinds: Kind[] }>("/api/common/v1/kinds", { signal }).then((body) => new Catalog(body.kinds)),
    staleTime: Infinity, // it changes with the installation's version only
    refetchInterval: false,
  }).data;
}

/** The whole path of a kind's collection, or of a resource of it, in the API. */
export function apiPath(kind: Kind, place: Place, reference?: string, ...more: string[]): string {
  const collection = kind.collection.replace(/\{(project|organization)_id\}/, place.id ?? "");
  return [`/api/${kind.namespace}/v1${collection}`, ...(reference ? [reference, ...more] : [])].join("/");
}

/** The address of a kind's table, or of a resource's page, in the console. */
export function kindPath(kind: Kind, place: Place, ...more: string[]): string {
  return [placePath(place), kind.plural, ...more].join("/");
}
