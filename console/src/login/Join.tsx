/** Somebody without an account takes up an invitation: says who they are, chooses a password, and is in. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import type { components } from "../api/common";
import { ProblemError, UNREACHABLE, problemOf } from "../api/problem";
import { session } from "../api/session";
import { EntryForm, EntryPage, useAttempt, useFocus } from "./EntryForm";
import { invitationToken } from "./invitation";

type Joined = components["schemas"]["JoinedView"];

const SHORTEST = 12;

export default function Join({ onKnown }: { onKnown: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [isTried, setTried] = useState(false);
  const isShort = Array.from(password).length < SHORTEST; // as people count, and as the API does
  const attempt = useAttempt(async () => {
    setTried(true);
    if (!name.trim() || isShort) throw new Error("Say who you are, and choose a password that is long enough.");
    const { user } = await join({ token: invitationToken(), name: name.trim(), password });
    history.replaceState(null, "", "/console/"); // the invitation is taken up: nothing is left to do here
    await session.logIn(user.email, password);
  });
  return (
    <EntryPage title="Join">
      <EntryForm title="You are invited" attempt={attempt} submit="Join">
        <Box color="text-body-secondary">
          Choose how you are called and your password. You log in with the e-mail address that was invited.
        </Box>
        <FormField label="Your name" errorText={isTried && !name.trim() ? "This is needed." : undefined}>
          <Input
            autoComplete="name"
            ref={useFocus()}
            value={name}
            disabled={attempt.busy}
            onChange={({ detail }) => setName(detail.value)}
          />
        </FormField>
        <FormField
          label="Password"
          constraintText="12 to 256 characters. A few words that nobody else would put together are best."
          errorText={isTried && isShort ? `At least ${SHORTEST} characters are needed.` : undefined}
        >
          <Input
            type="password"
            autoComplete="new-password"
            value={password}
            disabled={attempt.busy}
            onChange={({ detail }) => setPassword(detail.value)}
          />
        </FormField>
        <Button variant="inline-link" formAction="none" onClick={onKnown}>
          I have an account already
        </Button>
      </EntryForm>
    </EntryPage>
  );
}

async function join(body: components["schemas"]["JoinByInvitation"]): Promise<Joined> {
  const response = await fetch("/api/common/v1/invitations/join", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new ProblemError(UNREACHABLE);
  });
  if (!response.ok) throw new ProblemError(await problemOf(response));
  return (await response.json()) as Joined;
}
