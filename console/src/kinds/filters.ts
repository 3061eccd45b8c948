/**
 * A table's view as the address has it, as the API is asked for it, and as the filter field shows it. The names in the address
 * are the API's own: what stands there can be typed after `GET …?`.
 */

import type { Kind } from "../api/catalog";
import type { Query } from "../api/call";

export type Sort = "name" | "-name" | "created_at" | "-created_at";

export interface Token {
  property: string;
  operator: string;
  value: string;
}

export interface View {
  tokens: Token[];
  sort: Sort;
  /** Where the page begins; empty for the first. */
  cursor: string;
}

const SORTS = new Set<string>(["name", "-name", "created_at", "-created_at"]);
export const DEFAULT_SORT: Sort = "-created_at";

/** What can be filtered by: the property, its operator, the API's parameter. */
const PARAMETERS: { property: string; operator: string; parameter: string }[] = [
  { property: "name", operator: "^", parameter: "name_prefix" },
  { property: "name", operator: "=", parameter: "name" },
  { property: "status", operator: "=", parameter: "status" },
  { property: "created", operator: ">=", parameter: "created_after" },
  { property: "created", operator: "<", parameter: "created_before" },
  { property: "uses", operator: "=", parameter: "uses" },
  { property: "cluster", operator: "=", parameter: "cluster" },
  { property: "host", operator: "=", parameter: "host" },
];
const STATUSES = ["creating", "active", "updating", "deleting", "error"];

export interface Property {
  key: string;
  title: string;
  operators: string[];
  values: string[];
}

/** The properties that a kind's list can be filtered by. */
export function propertiesOf(kind: Kind): Property[] {
  const placed = [
    { key: "cluster", title: "Cluster (its id)", operators: ["="], values: [] },
    { key: "host", title: "Host (its id)", operators: ["="], values: [] },
  ];
  return [
    { key: "name", title: "Name", operators: ["^", "="], values: [] },
    { key: "status", title: "Status", operators: ["="], values: STATUSES },
    { key: "label", title: "Label", operators: ["=", "!="], values: [] },
    { key: "created", title: "Created", operators: [">=", "<"], values: [] },
    { key: "uses", title: "Uses (an id)", operators: ["="], values: [] },
    ...(kind.namespace === "ops" ? placed : []),
  ];
}

/** A label's token as a term of a selector: `env=prod`, `!env`. */
function termOf({ operator, value }: Token): string {
  if (operator === "=") return value;
  return value.includes("=") ? value.replace("=", "!=") : `!${value}`;
}

function labelToken(term: string): Token {
  if (term.startsWith("!")) return { property: "label", operator: "!=", value: term.slice(1) };
  const [, key, value] = /^([^=!]+)!=(.*)$/.exec(term) ?? [];
  if (key !== undefined) return { property: "label", operator: "!=", value: `${key}=${value ?? ""}` };
  return { property: "label", operator: "=", value: term };
}

/** Terms of a selector, cut at the commas that are not within parentheses. */
function terms(selector: string): string[] {
  return selector.match(/(?:[^,(]|\([^)]*\))+/g)?.map((term) => term.trim()) ?? [];
}

/** The API's parameters of some tokens; what is said last of one parameter holds. */
export function filterQuery(tokens: Token[]): Record<string, string> {
  const query: Record<string, string> = {};
  for (const token of tokens) {
    const found = PARAMETERS.find((each) => each.property === token.property && each.operator === token.operator);
    if (found) query[found.parameter] = token.value;
  }
  const labels = tokens.filter((token) => token.property === "label").map(termOf);
  return labels.length ? { ...query, label: labels.join(",") } : query;
}

/** What the list is asked for. */
export function listQuery({ tokens, sort, cursor }: View, limit: number): Query {
  return { ...filterQuery(tokens), sort, limit, cursor: cursor || undefined };
}

export function viewOf(search: URLSearchParams): View {
  const plain = PARAMETERS.flatMap(({ property, operator, parameter }) => {
    const value = search.get(parameter);
    return value ? [{ property, operator, value }] : [];
  });
  const labels = terms(search.get("label") ?? "").map(labelToken);
  const sort = search.get("sort") ?? "";
  return {
    tokens: [...plain, ...labels],
    sort: SORTS.has(sort) ? (sort as Sort) : DEFAULT_SORT,
    cursor: search.get("cursor") ?? "",
  };
}

export function searchOf({ tokens, sort, cursor }: View): URLSearchParams {
  const search = new URLSearchParams(filterQuery(tokens));
  if (sort !== DEFAULT_SORT) search.set("sort", sort);
  if (cursor) search.set("cursor", cursor);
  return search;
}

/** What was typed without a property: the beginning of a name or, with a `=`, a label. */
export function tokenOf(text: string): Token {
  return text.includes("=") ? labelToken(text) : { property: "name", operator: "^", value: text };
}
