/** The second factor: set up with a device that shows codes (TOTP, RFC 6238), confirmed by its first, switched off with proof. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { problemIn } from "../api/problem";
import { queries } from "../api/queries";
import { FormDialog } from "../parts/FormDialog";
import { Refusal } from "../parts/Refusal";
import { flash } from "../shell/flashes";
import { Enrolment } from "./Enrolment";
import { RecoveryCodes } from "./RecoveryCodes";

type Totp = components["schemas"]["TotpView"];
type NewDevice = components["schemas"]["EnrolmentView"];

const KEY = ["me", "totp"];
const FEW = 3;

export function SecondFactor() {
  const [codes, setCodes] = useState<string[] | null>(null);
  const totp = useQuery({ queryKey: KEY, queryFn: ({ signal }) => answer(common.GET("/me/totp", { signal })) });
  const begin = useMutation({
    mutationFn: async () => (await answer(common.POST("/me/totp"))) as NewDevice,
    gcTime: 0,
  });
  const confirmed = (told: string[]) => {
    setCodes(told);
    begin.reset();
    void queries.invalidateQueries({ queryKey: KEY });
  };
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="A login then also needs a code of a device of yours: who learns your password has no use for it."
        >
          Second factor
        </Header>
      }
    >
      {codes ? (
        <RecoveryCodes codes={codes} onKept={() => setCodes(null)} />
      ) : begin.data ? (
        <Enrolment device={begin.data} onConfirmed={confirmed} onCancel={() => begin.reset()} />
      ) : totp.data?.enabled ? (
        <On totp={totp.data} />
      ) : totp.data ? (
        <SpaceBetween size="m">
          {begin.error && <Refusal error={begin.error} />}
          <StatusIndicator type="stopped">Off</StatusIndicator>
          <Button loading={begin.isPending} onClick={() => begin.mutate()}>
            Set it up
          </Button>
        </SpaceBetween>
      ) : totp.error ? (
        <Refusal error={totp.error} onRetry={() => void totp.refetch()} />
      ) : (
        <div role="status">
          <Spinner /> Loading
        </div>
      )}
    </Container>
  );
}

function On({ totp }: { totp: Totp }) {
  const [isLeaving, setLeaving] = useState(false);
  const left = totp.recovery_codes_left;
  return (
    <SpaceBetween size="m">
      <StatusIndicator type="success">On</StatusIndicator>
      {left <= FEW ? (
        <Alert type="warning" header={left === 1 ? "One recovery code is left" : `${left} recovery codes are left`}>
          Without any, a lost device means that an administrator has to let you in. Switch the second factor off and set
          it up again: that makes new ones.
        </Alert>
      ) : (
        <Box color="text-body-secondary">{left} recovery codes are left.</Box>
      )}
      <Button onClick={() => setLeaving(true)}>Switch it off</Button>
      {isLeaving && <SwitchingOff onClose={() => setLeaving(false)} />}
    </SpaceBetween>
  );
}

type Proof = "password" | "code";

function SwitchingOff({ onClose }: { onClose: () => void }) {
  const [by, setBy] = useState<Proof>("password");
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string>();
  const act = async () => {
    try {
      const body = by === "password" ? { password: text } : { code: text.replaceAll(/\s/g, "").toLowerCase() };
      await answer(common.POST("/me/totp/disable", { body }));
    } catch (error) {
      if (problemIn(error).code !== "wrong_proof") throw error;
      setWrong(by === "password" ? "This is not your password." : "The code is not right, or was used before.");
      return;
    }
    flash.done("The second factor is off: your password alone logs you in.");
    await queries.invalidateQueries({ queryKey: KEY });
    onClose();
  };
  return (
    <FormDialog title="Switch the second factor off" verb="Switch it off" disabled={!text} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <Box>Your password alone then logs you in. The recovery codes are void.</Box>
          <FormField label="Prove that it is you by">
            <RadioGroup
              value={by}
              items={[
                { value: "password", label: "Your password" },
                { value: "code", label: "A code of your device, or a recovery code" },
              ]}
              onChange={({ detail }) => {
                setBy(detail.value as Proof);
                setText("");
                setWrong(undefined);
              }}
            />
          </FormField>
          <FormField label={by === "password" ? "Password" : "Code"} errorText={wrong ?? fault(`/${by}`)}>
            <Input
              key={by}
              type={by === "password" ? "password" : "text"}
              autoComplete={by === "password" ? "current-password" : "one-time-code"}
              value={text}
              onChange={({ detail }) => {
                setText(detail.value);
                setWrong(undefined);
              }}
            />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
