/** One's own API keys: what programs of one's own authenticate with. */

import Button from "@cloudscape-design/components/button";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { queries } from "../api/queries";
import { Confirm } from "../parts/FormDialog";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { flash } from "../shell/flashes";
import { KeyDialog } from "./KeyDialog";

type Key = components["schemas"]["ApiKeyView"];

export function KeysPanel() {
  const [isMaking, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<Key | null>(null);
  return (
    <>
      <RecordTable<Key>
        variant="container"
        title="API keys"
        description="A program that has one acts as you, within its scopes. For what does not depend on you, use a service account of the organization."
        noun="key"
        path="/api/common/v1/me/api-keys"
        queryKey={(query) => ["me", "api-keys", query]}
        filters={[filter("name", "Name")]}
        columns={columnsOf(setDoomed)}
        actions={
          <Button variant="primary" onClick={() => setMaking(true)}>
            Make a key
          </Button>
        }
        empty="No keys yet"
      />
      {isMaking && <KeyDialog onMade={changed} onClose={() => setMaking(false)} />}
      {doomed && (
        <Confirm
          title={`Revoke the key ${doomed.name}`}
          verb="Revoke"
          onClose={() => setDoomed(null)}
          act={() => revoke(doomed).then(() => setDoomed(null))}
        >
          Programs that use it are refused within seconds. It cannot be taken back.
        </Confirm>
      )}
    </>
  );
}

async function revoke({ id, name }: Key): Promise<void> {
  await answer(common.DELETE("/me/api-keys/{key_id}", { params: { path: { key_id: id } } }));
  flash.done(`The key ${name} is revoked.`);
  await changed();
}

function changed(): Promise<void> {
  return queries.invalidateQueries({ queryKey: ["me", "api-keys"] });
}

function isOver({ expires_at: expires }: Key): boolean {
  return expires !== null && Date.parse(expires) <= Date.now();
}

function columnsOf(onRevoke: (key: Key) => void): TableProps.ColumnDefinition<Key>[] {
  return [
    { id: "name", header: "Name", isRowHeader: true, width: 200, cell: ({ name }) => name },
    { id: "state", header: "State", width: 120, cell: (key) => <State of={key} /> },
    {
      id: "scopes",
      header: "Scopes",
      width: 240,
      cell: ({ scopes }) => <span className="word">{scopes?.join(", ") ?? "All that you may"}</span>,
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
