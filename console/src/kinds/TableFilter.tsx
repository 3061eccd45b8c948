/** The filter above a table: properties that the API filters by, all of which must hold. */

import PropertyFilter, { type PropertyFilterProps } from "@cloudscape-design/components/property-filter";

import type { Kind } from "../api/catalog";
import { type Token, propertiesOf, tokenOf } from "./filters";
import { inSentence } from "../parts/words";

interface Props {
  kind: Kind;
  tokens: Token[];
  onChange: (tokens: Token[]) => void;
}

export function TableFilter({ kind, tokens, onChange }: Props) {
  const properties = propertiesOf(kind);
  return (
    <PropertyFilter
      hideOperations
      disableFreeTextFiltering={false}
      freeTextFiltering={{ operators: ["^"], defaultOperator: "^" }}
      query={{
        operation: "and",
        tokens: tokens.map(({ property, operator, value }) => ({ propertyKey: property, operator, value })),
      }}
      filteringProperties={properties.map(propertyOf)}
      filteringOptions={properties.flatMap(({ key, values }) => values.map((value) => ({ propertyKey: key, value })))}
      filteringPlaceholder="Filter by name, status, label"
      filteringAriaLabel={`Filter ${inSentence(kind.title_plural)}`}
      filteringEmpty="Type the beginning of a name, or a label as key=value."
      onChange={({ detail }) => onChange(detail.tokens.map(readToken))}
    />
  );
}

function propertyOf({
  key,
  title,
  operators,
}: ReturnType<typeof propertiesOf>[number]): PropertyFilterProps.FilteringProperty {
  return {
    key,
    propertyLabel: title,
    groupValuesLabel: `${title} values`,
    operators,
    defaultOperator: operators[0] ?? "=",
  };
}

function readToken({ propertyKey, operator, value }: PropertyFilterProps.Token): Token {
  const text = String(value).trim();
  if (propertyKey === undefined) return tokenOf(text);
  // A day means its beginning.
  const said = propertyKey === "created" && /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
  return { property: propertyKey, operator, value: said };
}
