/** A new API key: what it is called, what it is good for and until when; and then its token, which is told once. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import { useState } from "react";

import { call } from "../api/call";
import type { components } from "../api/common";
import { FormDialog } from "../parts/FormDialog";
import { PermissionPicker } from "../parts/PermissionPicker";
import { ToldOnce } from "../parts/ToldOnce";

type NewKey = components["schemas"]["NewApiKeyView"];

const DAYS = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "A year" },
  { value: "", label: "Never" },
];
const DAY_MS = 86_400_000;

interface Owner {
  /** Where the owner's keys are made in the API. */
  path: string;
  /** What a key without scopes is good for. */
  everything: string;
}

interface Props extends Owner {
  onMade: () => Promise<void>;
  onClose: () => void;
}

export function KeyDialog({ path, everything, onMade, onClose }: Props) {
  const [made, setMade] = useState<NewKey | null>(null);
  if (!made)
    return (
      <Making
        path={path}
        everything={everything}
        onMade={(key) => onMade().then(() => setMade(key))}
        onClose={onClose}
      />
    );
  return (
    <ToldOnce
      title={`The key ${made.name}`}
      sentence="This token is told only now. Keep it where secrets are kept."
      label="Token"
      secret={made.token ?? ""}
      onKept={onClose}
    />
  );
}

function Making(props: Owner & { onMade: (key: NewKey) => Promise<void>; onClose: () => void }) {
  const { path, everything, onMade, onClose } = props;
  const [name, setName] = useState("");
  const [isLimited, setLimited] = useState(false);
  const [scopes, setScopes] = useState<string[]>([]);
  const [days, setDays] = useState("90");
  const act = async () => {
    const body = {
      name: name.trim(),
      scopes: isLimited ? scopes : null,
      expires_at: days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null,
    };
    await onMade(await call<NewKey>(path, { method: "POST", body }));
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
                { value: "all", label: everything, description: "Today's roles and those to come." },
                {
                  value: "some",
                  label: "Some of it",
                  description: "At most that, and of it what you choose.",
                },
              ]}
              onChange={({ detail }) => setLimited(detail.value === "some")}
            />
          </FormField>
          {isLimited && (
            <FormField label="Scopes" errorText={fault("/scopes/0")}>
              <PermissionPicker chosen={scopes} onChange={setScopes} />
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
