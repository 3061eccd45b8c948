/** What a resource is: what all have in common, what should be, what is. */

import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs, { type KeyValuePairsProps } from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import type { Resource, Schema } from "../../api/catalog";
import { type Place, placePath } from "../../api/place";
import { Labels } from "../../parts/Labels";
import { ResourceLink } from "../../parts/ResourceLink";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Value, titleIn } from "../../parts/Value";
import { isRecord, resolved } from "../schema";
import type { About } from "./about";

export function Overview({ kind, place, item }: About) {
  const isAsWanted = item.generation === item.observed_generation;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">{kind.title}</Header>}>
        <KeyValuePairs columns={4} items={commonOf(item, place)} />
      </Container>
      <Attributes
        title="What should be"
        description="The specification, with everything decided."
        schema={kind.spec}
        values={item.spec}
        place={place}
      />
      <Attributes
        title="What is"
        description={
          isAsWanted ? "As the engine said last." : "As the engine said last: what should be is not reached yet."
        }
        schema={kind.observed}
        values={item.observed}
        place={place}
      />
    </SpaceBetween>
  );
}

function commonOf(item: Resource, place: Place): KeyValuePairsProps.Item[] {
  const placed = [
    { label: "Cluster", id: item.cluster_id },
    { label: "Host", id: item.host_id },
  ].flatMap(({ label, id }) => (id ? [{ label, value: <ResourceLink id={id} place={place} /> }] : []));
  return [
    { label: "Status", value: <Status value={item.status} /> },
    {
      label: "Id",
      value: (
        <CopyToClipboard
          variant="inline"
          textToCopy={item.id}
          copyButtonAriaLabel="Copy the id"
          copySuccessText="Copied"
          copyErrorText="Copying failed"
        />
      ),
    },
    { label: "Created", value: <Time at={item.created_at} /> },
    { label: "Changed", value: <Time at={item.updated_at} /> },
    { label: "Labels", value: <Labels labels={item.labels} /> },
    ...placed,
    ...(item.provider_reference ? [{ label: "Known to the engine as", value: item.provider_reference }] : []),
    ...(item.job
      ? [
          {
            label: "Job under way",
            value: <Link href={`${placePath(place)}/jobs/${item.job.id}`}>{item.job.state.toLowerCase()}</Link>,
          },
        ]
      : []),
  ];
}

interface AttributesProps {
  title: string;
  description: string;
  schema: Schema;
  values: Record<string, unknown>;
  place: Place;
}

/** Plain values beside each other, below them a table for each list of things. */
function Attributes({ title, description, schema, values, place }: AttributesProps) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  const tables = entries.filter((entry): entry is [string, Record<string, unknown>[]] => isTable(entry[1]));
  const plain = entries.filter(([, value]) => !isTable(value));
  return (
    <Container
      header={
        <Header variant="h2" description={description}>
          {title}
        </Header>
      }
    >
      <SpaceBetween size="l">
        {plain.length > 0 && (
          <KeyValuePairs
            columns={4}
            items={plain.map(([name, value]) => ({
              label: titleIn(schema, name),
              value: <Value value={value} schema={schema.properties?.[name]} root={schema} place={place} />,
            }))}
          />
        )}
        {tables.map(([name, rows]) => (
          <Rows
            key={name}
            title={titleIn(schema, name)}
            schema={itemSchema(schema, name)}
            root={schema}
            rows={rows}
            place={place}
          />
        ))}
      </SpaceBetween>
    </Container>
  );
}

function isTable(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isRecord);
}

function itemSchema(schema: Schema, name: string): Schema {
  const list = resolved(schema.properties?.[name] ?? {}, schema).core;
  return resolved(list.items ?? {}, schema).core;
}

interface RowsProps {
  title: string;
  schema: Schema;
  root: Schema;
  rows: Record<string, unknown>[];
  place: Place;
}

function Rows({ title, schema, root, rows, place }: RowsProps) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <ColumnLayout>
      <Table<Record<string, unknown>>
        variant="embedded"
        header={
          <Header variant="h3" counter={`(${rows.length})`}>
            {title}
          </Header>
        }
        ariaLabels={{ tableLabel: title }}
        items={rows}
        columnDefinitions={names.map((name) => ({
          id: name,
          header: titleIn(schema, name),
          cell: (row) => <Value value={row[name]} schema={schema.properties?.[name]} root={root} place={place} />,
        }))}
      />
    </ColumnLayout>
  );
}
