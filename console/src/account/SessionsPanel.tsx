/** One's own sessions: where one is logged in, and the end of that. */

import Badge from "@cloudscape-design/components/badge";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
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
import { programText } from "./userAgent";

type Session = components["schemas"]["SessionView"];

const METHODS = [
  { value: "password", label: "Password" },
  { value: "totp", label: "Password and code" },
  { value: "device", label: "Device flow" },
  { value: "sso", label: "Single sign-on" },
];

export function SessionsPanel() {
  const [doomed, setDoomed] = useState<Session | "others" | null>(null);
  const close = () => setDoomed(null);
  return (
    <>
      <RecordTable<Session>
        variant="container"
        title="Sessions"
        description="Where you are logged in. End what you do not know, and change your password then."
        noun="session"
        path="/api/common/v1/me/sessions"
        queryKey={(query) => ["me", "sessions", query]}
        filters={[filter("method", "Began by", METHODS)]}
        columns={columnsOf(setDoomed)}
        actions={<Button onClick={() => setDoomed("others")}>End all others</Button>}
        empty="No sessions"
      />
      {doomed === "others" && (
        <Confirm title="End all other sessions" verb="End them" onClose={close} act={() => endOthers().then(close)}>
          You stay logged in here, and nowhere else. API keys stay good.
        </Confirm>
      )}
      {doomed && doomed !== "others" && (
        <Confirm title="End the session" verb="End it" onClose={close} act={() => end(doomed).then(close)}>
          {programText(doomed.user_agent)} at {doomed.address ?? "an unknown address"} is logged out within seconds.
        </Confirm>
      )}
    </>
  );
}

async function end({ id }: Session): Promise<void> {
  await answer(common.DELETE("/me/sessions/{session_id}", { params: { path: { session_id: id } } }));
  await ended("The session is ended.");
}

async function endOthers(): Promise<void> {
  const done = await answer(common.DELETE("/me/sessions"));
  const count = "ended" in done ? done.ended : 0;
  await ended(count === 1 ? "One other session is ended." : `${count} other sessions are ended.`);
}

async function ended(text: string): Promise<void> {
  flash.done(text);
  await queries.invalidateQueries({ queryKey: ["me", "sessions"] });
}

function columnsOf(onEnd: (session: Session) => void): TableProps.ColumnDefinition<Session>[] {
  return [
    {
      id: "device",
      header: "Device",
      isRowHeader: true,
      width: 240,
      cell: ({ user_agent: text, current }) => (
        <SpaceBetween direction="horizontal" size="xs">
          <span title={text}>{programText(text)}</span>
          {current && <Badge color="green">This one</Badge>}
        </SpaceBetween>
      ),
    },
    { id: "address", header: "Address", width: 160, cell: ({ address }) => address ?? "Unknown" },
    { id: "used", header: "Last used", width: 150, cell: ({ last_used_at: at }) => <Time at={at} /> },
    {
      id: "method",
      header: "Began by",
      width: 170,
      cell: ({ method }) => METHODS.find(({ value }) => value === method)?.label ?? method,
    },
    { id: "created", header: "Began", width: 140, cell: ({ created_at: at }) => <Time at={at} /> },
    { id: "until", header: "Ends by itself", width: 140, cell: ({ expires_at: at }) => <Time at={at} /> },
    {
      id: "actions",
      header: "Actions",
      width: 100,
      cell: (session) =>
        !session.current && (
          <Button
            variant="inline-link"
            ariaLabel={`End the session of ${programText(session.user_agent)} at ${session.address ?? "an unknown address"}`}
            onClick={() => onEnd(session)}
          >
            End
          </Button>
        ),
    },
  ];
}
