/** The API keys of a user or a service account: what their programs authenticate with. */

import Button from "@cloudscape-design/components/button";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import type { QueryKey } from "@tanstack/react-query";
import { useState } from "react";

import { call } from "../api/call";
import type { components } from "../api/common";
import { queries } from "../api/queries";
import { Confirm } from "../parts/FormDialog";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { flash } from "../shell/flashes";
import { KeyDialog } from "./KeyDialog";

type Key = components["schemas"]["ApiKeyView"];

interface Props {
  /** The owner's keys in the API. */
  path: string;
  queryKey: QueryKey;
  description: string;
  /** What a key without scopes is good for. */
  everything: string;
  mayMake: boolean;
  mayRevoke: boolean;
}

export function KeysPanel({ path, queryKey, description, everything, mayMake, mayRevoke }: Props) {
  const [isMaking, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<Key | null>(null);
  const changed = () => queries.invalidateQueries({ queryKey });
  const revoke = async ({ id, name }: Key) => {
    await call(`${path}/${id}`, { method: "DELETE" });
    flash.done(`The key ${name} is revoked.`);
    await changed();
    setDoomed(null);
  };
  return (
    <>
      <RecordTable<Key>
        variant="container"
        title="API keys"
        description={description}
        noun="key"
        path={path}
        queryKey={(query) => [...queryKey, query]}
        filters={[filter("name", "Name")]}
        columns={columnsOf(everything, mayRevoke ? setDoomed : null)}
        actions={
          mayMake && (
            <Button variant="primary" onClick={() => setMaking(true)}>
              Make a key
            </Button>
          )
        }
        empty="No keys yet"
      />
      {isMaking && <KeyDialog path={path} everything={everything} onMade={changed} onClose={() => setMaking(false)} />}
      {doomed && (
        <Confirm
          title={`Revoke the key ${doomed.name}`}
          verb="Revoke"
          onClose={() => setDoomed(null)}
          act={() => revoke(doomed)}
        >
          Programs that use it are refused within seconds. It cannot be taken back.
        </Confirm>
      )}
    </>
  );
}

function isOver({ expires_at: expires }: Key): boolean {
  return expires !== null && Date.parse(expires) <= Date.now();
}

function columnsOf(everything: string, onRevoke: ((key: Key) => void) | null): TableProps.ColumnDefinition<Key>[] {
  return [
    { id: "name", header: "Name", isRowHeader: true, width: 200, cell: ({ name }) => name },
    { id: "state", header: "State", width: 120, cell: (key) => <State of={key} /> },
    {
      id: "scopes",
      header: "Scopes",
      width: 240,
      cell: ({ scopes }) => <span className="word">{scopes?.join(", ") ?? everything}</span>,
    },
    {
      id: "used",
      header: "Last used",
      width: 140,
      cell: ({ last_used_at: at }) => (at ? <Time at={at} /> : "Never"),
    },
    { id: "made", header: "Made", width: 140, cell: ({ created_at: at }) => <Time at={at} /> },
    {
      id: "expires",
      header: "Expires",
      width: 140,
      cell: ({ expires_at: at }) => (at ? <Time at={at} /> : "Never"),
    },
    {
      id: "actions",
      header: "Actions",
      width: 110,
      cell: (key) =>
        onRevoke &&
        !isOver(key) && (
          <Button variant="inline-link" ariaLabel={`Revoke ${key.name}`} onClick={() => onRevoke(key)}>
            Revoke
          </Button>
        ),
    },
  ];
}

function State({ of }: { of: Key }) {
  return isOver(of) ? (
    <StatusIndicator type="warning">Expired</StatusIndicator>
  ) : (
    <StatusIndicator type="success">Good</StatusIndicator>
  );
}
