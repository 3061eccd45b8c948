/** The columns of a kind's table: what all resources have, and between them what the kind declares. */

import Link from "@cloudscape-design/components/link";
import type { TableProps } from "@cloudscape-design/components/table";

import { type Kind, type Resource, kindPath } from "../api/catalog";
import type { Place } from "../api/place";
import { Labels } from "../parts/Labels";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { Value, at } from "../parts/Value";

export interface Column extends TableProps.ColumnDefinition<Resource> {
  id: string;
  /** What the preferences call it. */
  label: string;
  /** Whether it is shown until somebody chooses. */
  visible: boolean;
}

export function columnsOf(kind: Kind, place: Place): Column[] {
  return [
    {
      id: "name",
      header: "Name",
      label: "Name",
      visible: true,
      sortingField: "name",
      isRowHeader: true,
      minWidth: 140,
      cell: (item) => <Link href={kindPath(kind, place, item.id)}>{item.name}</Link>,
    },
    {
      id: "status",
      header: "Status",
      label: "Status",
      visible: true,
      minWidth: 110,
      cell: (item) => <Status value={item.status} />,
    },
    ...kind.columns.map(({ path, title, unit }): Column => ({
      id: path,
      header: title,
      label: title,
      visible: true,
      minWidth: 100,
      cell: (item) => (
        <Value {...at(path, item, { spec: kind.spec, observed: kind.observed })} place={place} unit={unit} />
      ),
    })),
    {
      id: "labels",
      header: "Labels",
      label: "Labels",
      visible: true,
      minWidth: 120,
      cell: (item) => <Labels labels={item.labels} />,
    },
    {
      id: "created_at",
      header: "Created",
      label: "Created",
      visible: true,
      sortingField: "created_at",
      minWidth: 120,
      cell: (item) => <Time at={item.created_at} />,
    },
    {
      id: "updated_at",
      header: "Changed",
      label: "Changed",
      visible: false,
      minWidth: 120,
      cell: (item) => <Time at={item.updated_at} />,
    },
    { id: "id", header: "Id", label: "Id", visible: false, minWidth: 260, cell: (item) => item.id },
  ];
}
