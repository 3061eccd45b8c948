/**
 * From a JSON Schema to the fields of a form, and from what was typed to the request. Knows nothing of how fields are drawn.
 *
 * A draft is what a form holds: a value of the request's own shape, in which `undefined` stands for "not said".
 */

import type { Schema } from "../api/catalog";

interface Common {
  title: string;
  description: string;
  /** It may be left unsaid. */
  optional: boolean;
  /** What it is when it is not said; undefined if there is no such thing, or it is null. */
  preset: unknown;
}

export type Field = Common &
  (
    | { is: "text"; long: boolean; secret: boolean; suggestions: string[]; maxLength?: number }
    | { is: "number"; whole: boolean; minimum?: number; maximum?: number }
    | { is: "flag" }
    | { is: "choice"; options: unknown[] }
    | { is: "reference"; kind: string }
    | { is: "references"; kind: string; most?: number }
    | { is: "choices"; options: unknown[] }
    | { is: "list"; item: Field; most?: number }
    | { is: "group"; fields: Record<string, Field> }
    | { is: "union"; variants: Variant[]; tag?: string }
    | { is: "dictionary" }
  );

export interface Variant {
  title: string;
  field: Field;
  /** The discriminator's value that means this variant. */
  tag?: string;
}

/** What is longer than this is typed into a field of several lines. */
const LONG = 300;

/** The field of a schema. `root` is where `$ref` points into. */
export function fieldOf(schema: Schema, root: Schema = schema, required = true, name = ""): Field {
  const { core, nullable } = resolved(schema, root);
  const preset = core.default ?? undefined;
  const common: Common = {
    title: core.title ?? titleOf(name),
    description: core.description ?? "",
    optional: !required || nullable,
    preset,
  };
  return { ...common, ...shapeOf(core, root) };
}

type Shape<F = Field> = F extends Field ? Omit<F, keyof Common> : never;

function shapeOf(core: Schema, root: Schema): Shape {
  const variants = core.oneOf ?? core.anyOf;
  if (variants) return alternatives(variants, core, root);
  if (core["x-kind"]) return { is: "reference", kind: core["x-kind"] };
  const options = optionsOf(core);
  if (options) return { is: "choice", options };
  switch (core.type) {
    case "boolean":
      return { is: "flag" };
    case "integer":
    case "number":
      return { is: "number", whole: core.type === "integer", ...bounds(core) };
    case "array":
      return listOf(core, root);
    case "object":
      return groupOf(core, root);
    default:
      return textOf(core, []);
  }
}

function textOf(core: Schema, suggestions: string[]): Shape {
  const secret = core.format === "password" || core.writeOnly === true;
  const long = core.format === "multiline" || (core.maxLength ?? 0) > LONG;
  return {
    is: "text",
    long,
    secret,
    suggestions,
    ...(core.maxLength === undefined ? {} : { maxLength: core.maxLength }),
  };
}

function bounds(core: Schema): { minimum?: number; maximum?: number } {
  const minimum = core.minimum ?? (core.exclusiveMinimum === undefined ? undefined : core.exclusiveMinimum + 1);
  const maximum = core.maximum ?? (core.exclusiveMaximum === undefined ? undefined : core.exclusiveMaximum - 1);
  return { ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) };
}

function listOf(core: Schema, root: Schema): Shape {
  const item = fieldOf(core.items ?? { type: "string" }, root);
  const most = core.maxItems === undefined ? {} : { most: core.maxItems };
  if (item.is === "reference") return { is: "references", kind: item.kind, ...most };
  if (item.is === "choice") return { is: "choices", options: item.options };
  return { is: "list", item, ...most };
}

function groupOf(core: Schema, root: Schema): Shape {
  if (!core.properties) return { is: "dictionary" };
  const required = new Set(core.required ?? []);
  const fields = Object.entries(core.properties).map(([name, each]) => [
    name,
    fieldOf(each, root, required.has(name), name),
  ]);
  return { is: "group", fields: Object.fromEntries(fields) as Record<string, Field> };
}

/** Several ways to be valid: words among which one chooses, words beside free text, or variants of which one is filled in. */
function alternatives(variants: Schema[], core: Schema, root: Schema): Shape {
  const all = variants.map((each) => resolved(each, root).core);
  const words = all.map(optionsOf);
  if (words.every((each) => each !== null)) return { is: "choice", options: words.flat() };
  const free = all.filter((_, index) => words[index] === null);
  if (free.length === 1 && free[0]?.type === "string" && words.some((each) => each !== null)) {
    return textOf(
      free[0],
      words.flat().filter((each): each is string => typeof each === "string"),
    );
  }
  const tag = core.discriminator?.propertyName;
  return { is: "union", variants: all.map((each) => variantOf(each, root, tag)), ...(tag ? { tag } : {}) };
}

function variantOf(core: Schema, root: Schema, tag: string | undefined): Variant {
  const tagged = tag ? core.properties?.[tag] : undefined;
  const value = tagged && optionsOf(resolved(tagged, root).core)?.[0];
  const shown = tagged && core.properties ? { ...core, properties: without(core.properties, tag ?? "") } : core;
  const field = fieldOf(shown, root);
  return {
    title: typeof value === "string" ? titleOf(value) : field.title,
    field,
    ...(typeof value === "string" ? { tag: value } : {}),
  };
}

function without<T>(record: Record<string, T>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([each]) => each !== name));
}

/** The schema itself: references followed, a lone alternative and `null` taken out of `anyOf`. What is said outside wins. */
export function resolved(schema: Schema, root: Schema): { core: Schema; nullable: boolean } {
  if (schema.$ref) {
    const { $ref, ...outside } = schema;
    const target = root.$defs?.[$ref.replace("#/$defs/", "")] ?? {};
    return resolved({ ...target, ...outside }, root);
  }
  const only = schema.allOf?.length === 1 ? schema.allOf[0] : undefined;
  if (only) {
    const { allOf: _, ...outside } = schema;
    return resolved({ ...only, ...outside }, root);
  }
  const variants = schema.anyOf ?? schema.oneOf;
  if (!variants) return { core: schema, nullable: schema.type === "null" };
  const rest = variants.filter((each) => each.type !== "null");
  const nullable = rest.length < variants.length;
  const { anyOf: _anyOf, oneOf: _oneOf, ...outside } = schema;
  if (rest.length === 1 && rest[0]) {
    const inner = resolved(rest[0], root);
    return { core: { ...inner.core, ...outside }, nullable: nullable || inner.nullable };
  }
  return { core: { ...outside, anyOf: rest }, nullable };
}

function optionsOf(core: Schema): unknown[] | null {
  if (core.const !== undefined) return [core.const];
  return core.enum ?? null;
}

/** `size_gib` → "Size gib": where a model gives no title. */
export function titleOf(name: string): string {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a form begins with. `known` is what is there already, when something is changed. */
export function draftOf(field: Field, known?: unknown): unknown {
  if (field.is === "group") {
    const values = isRecord(known) ? known : {};
    const entries = Object.entries(field.fields).map(([name, each]) => [name, draftOf(each, values[name])]);
    return Object.fromEntries(entries) as Record<string, unknown>;
  }
  if (known !== undefined && known !== null) return known;
  if (field.preset !== undefined) return field.preset;
  if (field.is === "references" || field.is === "choices" || field.is === "list") return [];
  if (field.is === "dictionary") return {};
  if (field.is === "union" && !field.optional) return { variant: 0, value: draftOf(firstOf(field.variants).field) };
  if (field.is === "choice" && !field.optional && field.options.length === 1) return field.options[0];
  return undefined;
}

/** A union's draft: which variant is being filled in. */
export interface UnionDraft {
  variant: number;
  value: unknown;
}

function firstOf(variants: Variant[]): Variant {
  const [first] = variants;
  if (!first) throw new Error("a union without variants");
  return first;
}

/** The part of the request that a draft says; undefined for nothing. What is as it is anyway is not said. */
export function requestOf(field: Field, draft: unknown): unknown {
  if (draft === undefined || draft === "" || (draft === null && field.is !== "group")) return undefined;
  switch (field.is) {
    case "group":
      return groupRequest(field.fields, draft, field.optional);
    case "list":
      return listRequest(field.item, draft as unknown[], field.optional);
    case "references":
    case "choices":
      return (draft as unknown[]).length || !field.optional ? draft : undefined;
    case "dictionary":
      return Object.keys(draft as object).length || !field.optional ? draft : undefined;
    case "union":
      return unionRequest(field.variants, field.tag, draft as UnionDraft);
    default:
      return draft;
  }
}

function groupRequest(fields: Record<string, Field>, draft: unknown, optional: boolean): unknown {
  const values = isRecord(draft) ? draft : {};
  const said = Object.entries(fields)
    .map(([name, each]) => [name, requestOf(each, values[name])] as const)
    .filter(([name, value]) => value !== undefined && !(fields[name]?.optional && equal(value, fields[name].preset)));
  return said.length || !optional ? Object.fromEntries(said) : undefined;
}

function listRequest(item: Field, drafts: unknown[], optional: boolean): unknown {
  const said = drafts.map((draft) => requestOf(item, draft) ?? (item.is === "group" ? {} : undefined));
  const full = said.filter((each) => each !== undefined);
  return full.length || !optional ? full : undefined;
}

function unionRequest(variants: Variant[], tag: string | undefined, { variant, value }: UnionDraft): unknown {
  const chosen = variants[variant];
  if (!chosen) return undefined;
  const said = requestOf(chosen.field, value);
  return tag && chosen.tag !== undefined ? { [tag]: chosen.tag, ...(isRecord(said) ? said : {}) } : said;
}

/** What of a changed draft is to be sent: what differs from the beginning, and what must always be said. Undefined: nothing. */
export function changeOf(field: Field, before: unknown, after: unknown): unknown {
  if (field.is !== "group") return equal(before, after) ? undefined : (requestOf(field, after) ?? null);
  const one = isRecord(before) ? before : {};
  const other = isRecord(after) ? after : {};
  const changed = Object.entries(field.fields).filter(([name]) => !equal(one[name], other[name]));
  if (!changed.length) return undefined;
  const needed = Object.entries(field.fields).filter(
    ([name, each]) => !each.optional || changed.some(([other]) => other === name),
  );
  return Object.fromEntries(
    needed.map(([name, each]) => [name, saidOf(each, other[name])] as const).filter(([, value]) => value !== undefined),
  );
}

/** A list that was emptied is said to be empty. */
function saidOf(field: Field, draft: unknown): unknown {
  return requestOf({ ...field, optional: false }, draft);
}

export function equal(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first required field that says nothing, as a pointer below `pointer` and a sentence; empty when all is said. */
export function missing(field: Field, draft: unknown, pointer: string): Map<string, string> {
  const found = new Map<string, string>();
  look(field, draft, pointer, found);
  return found;
}

function look(field: Field, draft: unknown, pointer: string, found: Map<string, string>): void {
  if (field.is === "group") {
    if (field.optional && requestOf(field, draft) === undefined) return;
    const values = isRecord(draft) ? draft : {};
    for (const [name, each] of Object.entries(field.fields)) look(each, values[name], `${pointer}/${name}`, found);
  } else if (field.is === "list") {
    for (const [index, each] of ((draft as unknown[] | undefined) ?? []).entries())
      look(field.item, each, `${pointer}/${index}`, found);
  } else if (!field.optional && field.preset === undefined && (draft === undefined || draft === "")) {
    found.set(pointer, `${field.title} is needed.`);
  }
}
