/** Somebody without an account takes up an invitation: says who they are, chooses a password, and is in. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { call } from "../api/call";
import type { components } from "../api/common";
import { session } from "../api/session";
import { EntryForm, EntryPage, useAttempt, useFocus } from "./EntryForm";
import { invitationToken } from "./invitation";
import { LONGEST, SHORTEST, lengthOf } from "./passwords";

type Joined = components["schemas"]["JoinedView"];

export default function Join({ onKnown }: { onKnown: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [isTried, setTried] = useState(false);
  const isShort = lengthOf(password) < SHORTEST;
  const attempt = useAttempt(async () => {
    setTried(true);
    if (!name.trim() || isShort) throw new Error("Say who you are, and choose a password that is long enough.");
    const body: components["schemas"]["JoinByInvitation"] = { token: invitationToken(), name: name.trim(), password };
    const { user } = await call<Joined>("/api/common/v1/invitations/join", { method: "POST", body });
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
          constraintText={`${SHORTEST} to ${LONGEST} characters. A few words that nobody else would put together are best.`}
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
