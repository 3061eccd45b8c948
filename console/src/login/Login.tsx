/** The login: e-mail and password, the second factor if the user has one, single sign-on if the installation has it. */

import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useEffect, useState } from "react";

import { challengeIn, session } from "../api/session";
import { comeBack } from "./comingBack";
import { EntryForm, EntryPage, useAttempt, useFocus } from "./EntryForm";

export default function Login() {
  const [challenge, setChallenge] = useState<string | null>(null);
  return (
    <EntryPage title="Log in">
      {challenge ? (
        <SecondFactor challenge={challenge} onBack={() => setChallenge(null)} />
      ) : (
        <Password onChallenge={setChallenge} />
      )}
    </EntryPage>
  );
}

function Password({ onChallenge }: { onChallenge: (challenge: string) => void }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const attempt = useAttempt(
    () => session.logIn(email, password),
    (problem) => {
      const challenge = challengeIn(problem);
      if (challenge) onChallenge(challenge);
      return challenge !== null;
    },
  );
  const sso = useSingleSignOn();
  return (
    <EntryForm title="Log in" attempt={attempt} submit="Log in">
      <FormField label="E-mail address">
        <Input
          type="email"
          inputMode="email"
          autoComplete="username"
          ref={useFocus()}
          value={email}
          disabled={attempt.busy}
          onChange={({ detail }) => setEmail(detail.value)}
        />
      </FormField>
      <FormField label="Password">
        <Input
          type="password"
          autoComplete="current-password"
          value={password}
          disabled={attempt.busy}
          onChange={({ detail }) => setPassword(detail.value)}
        />
      </FormField>
      {sso && (
        <Button fullWidth href="/api/common/v1/auth/sso/start" iconName="user-profile" onClick={comeBack}>
          Log in with {sso}
        </Button>
      )}
    </EntryForm>
  );
}

function SecondFactor({ challenge, onBack }: { challenge: string; onBack: () => void }) {
  const [code, setCode] = useState("");
  const attempt = useAttempt(() => session.confirm(challenge, code.trim()));
  return (
    <EntryForm title="Second factor" attempt={attempt} submit="Confirm" onBack={onBack}>
      <FormField label="Code" description="The six digits that your device shows, or one of your recovery codes.">
        <Input
          autoComplete="one-time-code"
          ref={useFocus()}
          value={code}
          disabled={attempt.busy}
          onChange={({ detail }) => setCode(detail.value)}
        />
      </FormField>
    </EntryForm>
  );
}

/** What single sign-on is called here; null if there is none. */
function useSingleSignOn(): string | null {
  const [name, setName] = useState<string | null>(null);
  useEffect(() => {
    const ending = new AbortController();
    fetch("/api/common/v1/auth/methods", { signal: ending.signal })
      .then((response) => (response.ok ? response.json() : null))
      .then((methods: { sso: { name: string } | null } | null) => setName(methods?.sso?.name ?? null))
      .catch(() => undefined); // without an answer, the password is the way
    return () => ending.abort();
  }, []);
  return name;
}
