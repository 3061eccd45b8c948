/** A new API key: what it is called, what it is good for and until when; and then its token, which is told once. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import Multiselect from "@cloudscape-design/components/multiselect";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { Code } from "../parts/Code";
import { FormDialog } from "../parts/FormDialog";
import { scopeOptions } from "./scopes";

type NewKey = components["schemas"]["NewApiKeyView"];

const DAYS = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "A year" },
  { value: "", label: "Never" },
];
const DAY_MS = 86_400_000;

interface Props {
  onMade: () => Promise<void>;
  onClose: () => void;
}

export function KeyDialog({ onMade, onClose }: Props) {
  const [made, setMade] = useState<NewKey | null>(null);
  if (made) return <Token made={made} onClose={onClose} />;
  return <Making onMade={(key) => onMade().then(() => setMade(key))} onClose={onClose} />;
}

function Making({ onMade, onClose }: { onMade: (key: NewKey) => Promise<void>; onClose: () => void }) {
  const [name, setName] = useState("");
  const [isLimited, setLimited] = useState(false);
  const [scopes, setScopes] = useState<string[]>([]);
  const [days, setDays] = useState("90");
  const permissions = useQuery({
    queryKey: ["permissions"],
    queryFn: ({ signal }) => answer(common.GET("/permissions", { signal })),
    staleTime: Infinity,
    refetchInterval: false,
  });
  const act = async () => {
    const body = {
      name: name.trim(),
      scopes: isLimited ? scopes : null,
      expires_at: days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null,
    };
    await onMade((await answer(common.POST("/me/api-keys", { body }))) as NewKey);
  };
  const isIncomplete = !name.trim() || (isLimited && !scopes.length);
  return (
    <FormDialog title="Make an API key" verb="Make it" disabled={isIncomplete} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="Name" description="What uses it, and where." errorText={fault("/name")}>
            <Input value={name} placeholder="backup on host-3" onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField label="What it is good for" errorText={fault("/scopes")}>
            <RadioGroup
              value={isLimited ? "some" : "all"}
              items={[
                { value: "all", label: "All that you may", description: "Today's roles and those to come." },
                {
                  value: "some",
                  label: "Some of it",
                  description: "At most what you may, and of that what you choose.",
                },
              ]}
              onChange={({ detail }) => setLimited(detail.value === "some")}
            />
          </FormField>
          {isLimited && (
            <FormField label="Scopes" errorText={fault("/scopes/0")}>
              <Multiselect
                filteringType="auto"
                filteringPlaceholder="Find a permission"
                placeholder="Choose permissions"
                statusType={permissions.isPending ? "loading" : permissions.error ? "error" : "finished"}
                errorText="The permissions could not be read."
                recoveryText="Try again"
                onLoadItems={() => permissions.error && void permissions.refetch()}
                selectedOptions={scopes.map((value) => ({ value, label: value }))}
                options={scopeOptions(permissions.data?.items ?? [])}
                deselectAriaLabel={({ label }) => `Remove ${label ?? ""}`}
                onChange={({ detail }) => setScopes(detail.selectedOptions.map(({ value }) => value ?? ""))}
              />
            </FormField>
          )}
          <FormField label="Expires in" errorText={fault("/expires_at")}>
            <Select
              selectedOption={DAYS.find(({ value }) => value === days) ?? null}
              options={DAYS}
              onChange={({ detail }) => setDays(detail.selectedOption.value ?? "")}
            />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}

function Token({ made, onClose }: { made: NewKey; onClose: () => void }) {
  return (
    <Modal visible header={`The key ${made.name}`} closeAriaLabel="Close" onDismiss={onClose}>
      <SpaceBetween size="m">
        <Alert type="info">This token is told only now. Keep it where secrets are kept.</Alert>
        <Code title="Token" text={made.token ?? ""} />
        <Button variant="primary" onClick={onClose}>
          I have kept it
        </Button>
      </SpaceBetween>
    </Modal>
  );
}
