/** A quota: of each dimension what is used, what may be, and where the limit comes from. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table, { type TableProps } from "@cloudscape-design/components/table";

import type { components } from "../api/tenant";
import { QuotaBar } from "./QuotaBar";
import { inOrder, shareOf, titleOfDimension } from "./dimensions";

export type Quota = components["schemas"]["QuotaView"];

interface Props {
  title: string;
  /** While it is not known, it loads. */
  quota: Quota | undefined;
  /** For whoever may set limits. */
  onChange?: ((dimension: string) => void) | undefined;
}

type Row = Quota["dimensions"][string] & { name: string };

export function DimensionTable({ title, quota, onChange }: Props) {
  const items: Row[] = inOrder(quota?.dimensions ?? {}).map(([name, use]) => ({ name, ...use }));
  return (
    <Table
      variant="container"
      loading={!quota}
      loadingText="Loading the quota"
      items={items}
      trackBy="name"
      ariaLabels={{ tableLabel: title }}
      header={<Header variant="h2">{title}</Header>}
      columnDefinitions={[...COLUMNS, ...(onChange ? [changing(onChange)] : [])]}
    />
  );
}

const COLUMNS: TableProps.ColumnDefinition<Row>[] = [
  { id: "name", header: "Of", isRowHeader: true, cell: ({ name }) => titleOfDimension(name), width: 200 },
  { id: "bar", header: "Used", cell: ({ name, ...use }) => <QuotaBar name={name} use={use} />, minWidth: 240 },
  { id: "left", header: "Standing", cell: (use) => <Standing share={shareOf(use)} />, width: 160 },
  {
    id: "own",
    header: "The limit",
    cell: ({ own, limit }) => (limit === null ? "None" : own ? "Set for it" : "The platform's default"),
    width: 200,
  },
];

function changing(onChange: (dimension: string) => void): TableProps.ColumnDefinition<Row> {
  return {
    id: "change",
    header: "Actions",
    width: 120,
    cell: ({ name }) => (
      <Button
        variant="inline-link"
        ariaLabel={`Change the limit of ${titleOfDimension(name)}`}
        onClick={() => onChange(name)}
      >
        Change
      </Button>
    ),
  };
}

function Standing({ share }: { share: number | null }) {
  if (share === null || share < 0.8) return <StatusIndicator type="success">Room enough</StatusIndicator>;
  if (share < 1) return <StatusIndicator type="warning">Nearly used up</StatusIndicator>;
  return <StatusIndicator type="error">Used up</StatusIndicator>;
}
