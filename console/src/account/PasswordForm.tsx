/** Another password: the rules are told before, and what is wrong at the field. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

import { answer, common } from "../api/client";
import { fieldSentences, problemIn } from "../api/problem";
import { queries } from "../api/queries";
import { flash } from "../shell/flashes";
import { type Entries, faultsOf } from "./passwords";

const NONE: Entries = { password: "", next: "", again: "" };

export function PasswordForm({ email }: { email: string }) {
  const [entries, setEntries] = useState(NONE);
  const [isTried, setTried] = useState(false);
  const change = useMutation({
    mutationFn: () =>
      answer(common.POST("/me/password", { body: { password: entries.password, new_password: entries.next } })),
    onSuccess: () => {
      setEntries(NONE);
      setTried(false);
      flash.done("Your password is changed. All your other sessions are ended; API keys stay good.");
      void queries.invalidateQueries({ queryKey: ["me", "sessions"] });
    },
  });
  const faults = faultsOf(entries);
  const refused = change.error && isTried ? refusals(change.error) : null;
  const put = (name: keyof Entries, value: string) => {
    change.reset();
    setEntries({ ...entries, [name]: value });
  };
  const field = (name: keyof Entries, label: string, complete: string, description?: ReactNode) => (
    <FormField
      label={label}
      description={description}
      errorText={refused?.fields[name] ?? (isTried ? faults[name] : undefined)}
    >
      <Input
        type="password"
        autoComplete={complete}
        value={entries[name]}
        onChange={({ detail }) => put(name, detail.value)}
      />
    </FormField>
  );
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (!Object.keys(faults).length && !change.isPending) change.mutate();
      }}
    >
      {/* Password managers see whose it is. */}
      <input type="email" autoComplete="username" value={email} readOnly hidden />
      <Container
        header={
          <Header
            variant="h2"
            description="Changing it ends all your sessions but this one. API keys stay good: revoke those that you do not need."
          >
            Password
          </Header>
        }
      >
        <Form actions={<Button loading={change.isPending}>Change the password</Button>}>
          <SpaceBetween size="m">
            {refused?.other && (
              <div role="alert">
                <Alert type="error">{refused.other}</Alert>
              </div>
            )}
            {field("password", "Password as it is", "current-password")}
            {field(
              "next",
              "New password",
              "new-password",
              "12 to 256 characters, any of them. A few random words do well.",
            )}
            {field("again", "New password again", "new-password")}
          </SpaceBetween>
        </Form>
      </Container>
    </form>
  );
}

/** What was refused, at the field that it is about. */
function refusals(error: unknown): { fields: Partial<Entries>; other?: string } {
  const { code, detail } = problemIn(error);
  if (code === "wrong_proof") return { fields: { password: "This is not your password." } };
  if (code === "weak_password") return { fields: { next: detail } };
  const sentences = fieldSentences(error);
  const password = sentences.get("/password");
  const next = sentences.get("/new_password");
  if (!password && !next) return { fields: {}, other: detail };
  return { fields: { ...(password ? { password } : {}), ...(next ? { next } : {}) } };
}
