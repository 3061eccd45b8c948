/** A value of a resource as people read it: links for references, units, words for yes and no. */

import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";

import type { Schema } from "../api/catalog";
import type { Place } from "../api/place";
import { isRecord, resolved, titleOf } from "../kinds/schema";
import { Labels } from "./Labels";
import { ResourceLink } from "./ResourceLink";
import { Status, hasSign } from "./Status";
import { Time } from "./Time";
import { amount } from "./words";

interface Props {
  value: unknown;
  place: Place;
  schema?: Schema | undefined;
  /** What `$ref` in the schema points into. */
  root?: Schema | undefined;
  unit?: string | null | undefined;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

export function Value({ value, place, schema = {}, root = schema, unit }: Props): ReactNode {
  const { core } = resolved(schema, root);
  if (value === null || value === undefined || value === "") return <Box color="text-status-inactive">–</Box>;
  if (Array.isArray(value)) return <Several values={value} place={place} schema={core.items} root={root} />;
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return amount(value, unit ?? unitOf(core));
  if (typeof value !== "string")
    return <Parts record={value as Record<string, unknown>} place={place} schema={core} root={root} />;
  if (core["x-kind"]) return <ResourceLink id={value} place={place} />;
  if (core.format === "date-time" || TIME.test(value)) return <Time at={value} />;
  if (hasSign(value)) return <Status value={value} />;
  return <span className="word">{value}</span>;
}

function Several({
  values,
  place,
  schema,
  root,
}: {
  values: unknown[];
  place: Place;
  schema: Schema | undefined;
  root: Schema;
}) {
  if (!values.length) return <Box color="text-status-inactive">None</Box>;
  return (
    <SpaceBetween size="xxs">
      {values.map((each, index) => (
        <div key={index}>
          <Value value={each} place={place} schema={schema} root={root} />
        </div>
      ))}
    </SpaceBetween>
  );
}

function Parts({
  record,
  place,
  schema,
  root,
}: {
  record: Record<string, unknown>;
  place: Place;
  schema: Schema;
  root: Schema;
}) {
  if (!schema.properties && Object.values(record).every((each) => typeof each === "string")) {
    return <Labels labels={record as Record<string, string>} />;
  }
  const said = Object.entries(record).filter(([, each]) => each !== null && each !== undefined && each !== "");
  return (
    <SpaceBetween size="xs" direction="horizontal">
      {said.map(([name, each]) => (
        <span key={name}>
          <Box variant="span" color="text-body-secondary">
            {titleIn(schema, name)}{" "}
          </Box>
          <Value value={each} place={place} schema={schema.properties?.[name]} root={root} />
        </span>
      ))}
    </SpaceBetween>
  );
}

export function titleIn(schema: Schema, name: string): string {
  return schema.properties?.[name]?.title ?? titleOf(name);
}

/** A unit that the title names, as in "Memory (MiB)". */
function unitOf(core: Schema): string | undefined {
  return core["x-unit"] ?? /\(([^)]+)\)$/.exec(core.title ?? "")?.[1];
}

/** What is at a path such as `spec.root.size`, with its schema. */
export function at(
  path: string,
  value: unknown,
  schemas: Record<string, Schema>,
): { value: unknown; schema: Schema; root: Schema } {
  const [first = "", ...rest] = path.split(".");
  const root = schemas[first] ?? {};
  let found: { value: unknown; schema: Schema } = { value: isRecord(value) ? value[first] : undefined, schema: root };
  for (const name of rest) {
    found = {
      value: isRecord(found.value) ? found.value[name] : undefined,
      schema: resolved(found.schema, root).core.properties?.[name] ?? {},
    };
  }
  return { ...found, root };
}
