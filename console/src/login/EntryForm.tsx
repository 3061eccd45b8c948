/** What the pages share that one sees before one is in: their frame, and a form whose refusal is told above its fields. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import Header from "@cloudscape-design/components/header";
import type { InputProps } from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, type SyntheticEvent, useEffect, useRef, useState } from "react";

import { type Problem, problemIn } from "../api/problem";
import { Mark } from "../parts/Mark";

export function EntryPage({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Groundplane`;
  }, [title]);
  return (
    <main className="login">
      <div className="login-card">
        <div className="login-name">
          <Mark size={40} />
          <Box variant="h1" fontSize="display-l" fontWeight="bold">
            Groundplane
          </Box>
        </div>
        {children}
      </div>
    </main>
  );
}

export interface Attempt {
  busy: boolean;
  problem: Problem | null;
  run: () => void;
}

/** One try to get in at a time; `onProblem` answers whether it dealt with the refusal. */
export function useAttempt(work: () => Promise<void>, onProblem: (problem: Problem) => boolean = () => false): Attempt {
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

export function EntryForm(props: {
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
              <Button variant="primary" loading={attempt.busy} loadingText="One moment">
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
export function useFocus() {
  const field = useRef<InputProps.Ref>(null);
  useEffect(() => field.current?.focus(), []);
  return field;
}
