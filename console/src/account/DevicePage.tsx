/** Where a person lets a program in that has no browser (RFC 8628): who asks is seen first, then approved or denied. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { useSearchParams } from "react-router";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { problemIn } from "../api/problem";
import { session } from "../api/session";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { useHeading } from "../shell/heading";
import { asCode, isCode } from "./userCode";
import { programText } from "./userAgent";
import "./account.css";

type Waiting = components["schemas"]["WaitingDeviceView"];
type Decision = "approve" | "deny";

export default function DevicePage() {
  useHeading({ title: "Let a device in" });
  const [search, setSearch] = useSearchParams();
  const code = asCode(search.get("user_code") ?? "");
  const show = (next: string) => setSearch(next ? { user_code: next } : {});
  return (
    <ContentLayout
      header={
        <Header variant="h1" description="A program without a browser, such as gp, wants to act as you.">
          Let a device in
        </Header>
      }
    >
      <div className="account-narrow">
        {isCode(code) ? (
          <Asked key={code} code={code} onOther={() => show("")} />
        ) : (
          <CodeForm before={code} onCode={show} />
        )}
      </div>
    </ContentLayout>
  );
}

/** Asks for the code that the device shows. */
function CodeForm({ before, onCode }: { before: string; onCode: (code: string) => void }) {
  const [text, setText] = useState(before);
  const [isTried, setTried] = useState(before !== "");
  const code = asCode(text);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (isCode(code)) onCode(code);
      }}
    >
      <Form actions={<Button variant="primary">Go on</Button>}>
        <Container>
          <FormField
            label="Code"
            description="The eight letters that the device shows. Case and hyphen do not matter."
            errorText={isTried && !isCode(code) && "A code is eight letters, as in BCDF-GHJK."}
          >
            <Input
              value={text}
              autoComplete={false}
              spellcheck={false}
              placeholder="BCDF-GHJK"
              onChange={({ detail }) => setText(detail.value)}
            />
          </FormField>
        </Container>
      </Form>
    </form>
  );
}

/** One code: who asks, and what was decided. It is asked for once, since wrong codes are counted. */
function Asked({ code, onOther }: { code: string; onOther: () => void }) {
  const waiting = useQuery({
    queryKey: ["device", code],
    queryFn: ({ signal }) =>
      answer(common.GET("/auth/device/waiting", { params: { query: { user_code: code } }, signal })),
    staleTime: Infinity,
    gcTime: 0,
    refetchInterval: false,
  });
  const decide = useMutation({
    mutationFn: (decision: Decision) =>
      decision === "approve"
        ? answer(common.POST("/auth/device/approve", { body: { user_code: code } }))
        : answer(common.POST("/auth/device/deny", { body: { user_code: code } })),
  });
  if (decide.isSuccess) return <Decided decision={decide.variables} onOther={onOther} />;
  const error = decide.error ?? waiting.error;
  if (problemIn(error).code === "user_code_not_found") return <Unknown code={code} onOther={onOther} />;
  if (waiting.error) return <Refusal error={waiting.error} onRetry={() => void waiting.refetch()} />;
  if (!waiting.data) return <Looking />;
  return (
    <SpaceBetween size="m">
      {decide.error && <Refusal error={decide.error} />}
      <Question
        code={code}
        device={waiting.data}
        busy={decide.isPending ? decide.variables : null}
        act={decide.mutate}
      />
    </SpaceBetween>
  );
}

function Looking() {
  return (
    <Container>
      <div role="status">
        <Spinner /> Looking who asks
      </div>
    </Container>
  );
}

interface QuestionProps {
  code: string;
  device: Waiting;
  busy: Decision | null;
  act: (decision: Decision) => void;
}

function Question({ code, device, busy, act }: QuestionProps) {
  const state = useSyncExternalStore(session.subscribe, session.get);
  return (
    <Container
      header={<Header variant="h2">Was it you who asked?</Header>}
      footer={
        <SpaceBetween direction="horizontal" size="xs">
          <Button
            variant="primary"
            loading={busy === "approve"}
            disabled={busy !== null}
            onClick={() => act("approve")}
          >
            Approve
          </Button>
          <Button loading={busy === "deny"} disabled={busy !== null} onClick={() => act("deny")}>
            Deny
          </Button>
        </SpaceBetween>
      }
    >
      <SpaceBetween size="l">
        <div>
          <Box variant="awsui-key-label">The device must show this code</Box>
          <div className="account-code">{code}</div>
        </div>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Program", value: programText(device.user_agent) },
            { label: "From the address", value: device.address ?? "Unknown" },
            { label: "Asked", value: <Time at={device.created_at} /> },
          ]}
        />
        <Alert type="warning" header="Approve only what you began yourself">
          Whoever holds the device can then do all that {state.is === "in" ? state.user.email : "you"} may do, until you
          end its session. If somebody sent you this code or this address, deny it.
        </Alert>
      </SpaceBetween>
    </Container>
  );
}

function Decided({ decision, onOther }: { decision: Decision; onOther: () => void }) {
  if (decision === "deny")
    return (
      <Alert type="info" header="Denied" action={<Button onClick={onOther}>Another code</Button>}>
        The device gets nothing. If you did not begin this, somebody may have tried to act as you: tell your operators.
      </Alert>
    );
  return (
    <Alert type="success" header="Approved" action={<Button href="/console/me?tab=sessions">Your sessions</Button>}>
      The device logs in within a few seconds; you may close this page. Its session is among yours, where you can end
      it.
    </Alert>
  );
}

function Unknown({ code, onOther }: { code: string; onOther: () => void }) {
  return (
    <Alert
      type="warning"
      header={`No device waits with the code ${code}`}
      action={<Button onClick={onOther}>Type a code</Button>}
    >
      Codes are good for ten minutes, and once. Compare it with what the device shows, or let the device begin again, as
      with <span className="word">gp login</span>.
    </Alert>
  );
}
