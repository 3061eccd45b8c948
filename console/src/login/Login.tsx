/** The login: e-mail and password, the second factor if the user has one, single sign-on if the installation has it. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input, { type InputProps } from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, type SyntheticEvent, useEffect, useRef, useState } from "react";

import { type Problem, problemIn } from "../api/problem";
import { challengeIn, session } from "../api/session";
import { Mark } from "../parts/Mark";
import { comeBack } from "./comingBack";

export default function Login() {
  const [challenge, setChallenge] = useState<string | null>(null);
  useEffect(() => {
    document.title = "Log in · Groundplane";
  }, []);
  return (
    <main className="login">
      <div className="login-card">
        <div className="login-name">
          <Mark size={40} />
          <Box variant="h1" fontSize="display-l" fontWeight="bold">
            Groundplane
          </Box>
        </div>
        {challenge ? (
          <SecondFactor challenge={challenge} onBack={() => setChallenge(null)} />
        ) : (
          <Password onChallenge={setChallenge} />
        )}
      </div>
    </main>
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
    <LoginForm title="Log in" attempt={attempt} submit="Log in">
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
    </LoginForm>
  );
}

function SecondFactor({ challenge, onBack }: { challenge: string; onBack: () => void }) {
  const [code, setCode] = useState("");
  const attempt = useAttempt(() => session.confirm(challenge, code.trim()));
  return (
    <LoginForm title="Second factor" attempt={attempt} submit="Confirm" onBack={onBack}>
      <FormField label="Code" description="The six digits that your device shows, or one of your recovery codes.">
        <Input
          autoComplete="one-time-code"
          ref={useFocus()}
          value={code}
          disabled={attempt.busy}
          onChange={({ detail }) => setCode(detail.value)}
        />
      </FormField>
    </LoginForm>
  );
}

interface Attempt {
  busy: boolean;
  problem: Problem | null;
  run: () => void;
}

/** One try to get in at a time; `onProblem` answers whether it dealt with the refusal. */
function useAttempt(work: () => Promise<void>, onProblem: (problem: Problem) => boolean = () => false): Attempt {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = () => {
    setBusy(true);
    setProblem(null);
    work().catch((error: unknown) => {
      const refusal = problemIn(error);
      setBusy(false);
      if (!onProblem(refusal)) setProblem(refusal);
    });
  };
  return { busy, problem, run };
}

function LoginForm(props: {
  title: string;
  submit: string;
  attempt: Attempt;
  onBack?: () => void;
  children: ReactNode;
}) {
  const { attempt, onBack } = props;
  const onSubmit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!attempt.busy) attempt.run();
  };
  return (
    <form onSubmit={onSubmit} noValidate>
      <Container header={<Header variant="h2">{props.title}</Header>}>
        <Form
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {onBack && (
                <Button formAction="none" variant="link" onClick={onBack}>
                  Back
                </Button>
              )}
              <Button variant="primary" loading={attempt.busy} loadingText="Logging in">
                {props.submit}
              </Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="m">
            {attempt.problem && (
              <div role="alert">
                <Alert type="error" header={attempt.problem.title}>
                  {attempt.problem.errors?.length
                    ? attempt.problem.errors.map((each) => each.detail).join(" ")
                    : attempt.problem.detail}
                </Alert>
              </div>
            )}
            {props.children}
          </SpaceBetween>
        </Form>
      </Container>
    </form>
  );
}

/** The first field has the keyboard at once. */
function useFocus() {
  const field = useRef<InputProps.Ref>(null);
  useEffect(() => field.current?.focus(), []);
  return field;
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
