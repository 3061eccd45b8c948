/** A device learns the secret, by a picture or by typing, and proves with its first code that it has. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { QRCodeSVG } from "qrcode.react";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { fieldSentences, problemIn } from "../api/problem";
import { Code } from "../parts/Code";

type NewDevice = components["schemas"]["EnrolmentView"];
type Recovery = components["schemas"]["RecoveryView"];

interface Props {
  device: NewDevice;
  onConfirmed: (recoveryCodes: string[]) => void;
  onCancel: () => void;
}

export function Enrolment({ device, onConfirmed, onCancel }: Props) {
  const [code, setCode] = useState("");
  const typed = code.replaceAll(/\s/g, "");
  const confirm = useMutation({
    mutationFn: async () => (await answer(common.POST("/me/totp/confirm", { body: { code: typed } }))) as Recovery,
    onSuccess: ({ recovery_codes: codes }) => onConfirmed(codes ?? []),
    gcTime: 0,
  });
  const fault = confirm.error
    ? (fieldSentences(confirm.error).get("/code") ?? problemIn(confirm.error).detail)
    : undefined;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (typed && !confirm.isPending) confirm.mutate();
      }}
    >
      <Form
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={onCancel}>
              Cancel
            </Button>
            <Button variant="primary" disabled={!typed} loading={confirm.isPending}>
              Confirm
            </Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <ColumnLayout columns={2}>
            <SpaceBetween size="xs">
              <Box variant="strong">1. Scan this with an app that shows codes</Box>
              <div className="account-qr">
                <QRCodeSVG value={device.uri ?? ""} size={220} level="M" title="The secret, as a QR code" role="img" />
              </div>
            </SpaceBetween>
            <SpaceBetween size="xs">
              <Box variant="strong">Or type it there</Box>
              <Code title="Secret" text={device.secret ?? ""} />
              <Box color="text-body-secondary">
                Six digits, a new code every 30 seconds (TOTP). It is told only now.
              </Box>
            </SpaceBetween>
          </ColumnLayout>
          <FormField
            label="2. The code that the app shows"
            description="Nothing changes until it is confirmed."
            errorText={fault}
          >
            <Input
              inputMode="numeric"
              autoComplete="one-time-code"
              value={code}
              onChange={({ detail }) => {
                confirm.reset();
                setCode(detail.value);
              }}
            />
          </FormField>
        </SpaceBetween>
      </Form>
    </form>
  );
}
