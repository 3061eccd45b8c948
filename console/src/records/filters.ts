/** What a list of records can be filtered by: the API's parameters, the address's, and the tokens of the filter field. */

import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";

export interface Filter {
  /** Its name in the API and in the address. */
  parameter: string;
  /** Parameters of one property differ by operator: created after, created before. */
  property: string;
  title: string;
  operator: "=" | ">=" | "<";
  values?: { value: string; label?: string }[];
}

export function filter(
  parameter: string,
  title: string,
  values: (string | { value: string; label: string })[] = [],
): Filter {
  return {
    parameter,
    property: parameter,
    title,
    operator: "=",
    values: values.map((each) => (typeof each === "string" ? { value: each } : each)),
  };
}

/** Since when, until when. */
export const MOMENTS: Filter[] = [
  { parameter: "created_after", property: "created", title: "When", operator: ">=" },
  { parameter: "created_before", property: "created", title: "When", operator: "<" },
];

/** What the address says, or its presets. A parameter that is there and empty takes a preset away. */
export function filtersIn(
  search: URLSearchParams,
  filters: Filter[],
  presets: Record<string, string>,
): Record<string, string> {
  const said = filters.map(({ parameter }) => [parameter, search.get(parameter) ?? presets[parameter] ?? ""] as const);
  return Object.fromEntries(said.filter(([, value]) => value !== ""));
}

export function tokensOf(said: Record<string, string>, filters: Filter[]): PropertyFilterProps.Token[] {
  return filters.flatMap(({ parameter, property, operator }) => {
    const value = said[parameter];
    return value === undefined ? [] : [{ propertyKey: property, operator, value }];
  });
}

/** The parameter that a token says. A day means its beginning. */
export function readToken(token: PropertyFilterProps.Token, filters: Filter[]): [string, string][] {
  const found = filters.find(
    ({ property, operator }) => property === token.propertyKey && operator === (token.operator || "="),
  );
  if (!found) return [];
  const text = String(token.value).trim();
  const isDay = found.property === "created" && /^\d{4}-\d\d-\d\d$/.test(text);
  return [[found.parameter, isDay ? `${text}T00:00:00Z` : text]];
}
