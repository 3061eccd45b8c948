/** Who asked for something; the platform itself, if nobody did. */

import { useSyncExternalStore } from "react";

import { session } from "../api/session";

export function Requester({ id, name }: { id: string | null; name: string | null }) {
  const state = useSyncExternalStore(session.subscribe, session.get);
  if (!id) return <>The platform</>;
  const isMe = state.is === "in" && state.user.id === id;
  return (
    <span className="word" title={id}>
      {isMe ? `You (${state.user.email})` : (name ?? id)}
    </span>
  );
}
