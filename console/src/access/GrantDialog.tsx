/** A role is given to a user, a group or a service account. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { call } from "../api/call";
import { answer, common } from "../api/client";
import { FormDialog } from "../parts/FormDialog";
import { LASTING, inDays } from "./expiry";
import { type Organization, accessKey, changed } from "./places";
import { type Grant, RoleField } from "./RoleField";
import { roleTitle } from "./roles";

type Subject = "user" | "group" | "service_account";

const SUBJECTS: { value: Subject; label: string; description?: string }[] = [
  { value: "user", label: "A user", description: "Who has an account already. Invite those who have none." },
  { value: "group", label: "A group" },
  { value: "service_account", label: "A service account" },
];

export function GrantDialog({ organization, onClose }: { organization: Organization; onClose: () => void }) {
  const [kind, setKind] = useState<Subject>("user");
  const [who, setWho] = useState("");
  const [grant, setGrant] = useState<Grant>({ role: "", project: "" });
  const [days, setDays] = useState("");
  const act = async () => {
    const body = {
      [kind]: who.trim(),
      role: grant.role,
      project_id: grant.project || null,
      expires_at: inDays(days),
    };
    const path = { organization_id: organization.id };
    await answer(common.POST("/organizations/{organization_id}/role-bindings", { params: { path }, body }));
    await changed(organization, `${roleTitle(grant.role)}: the role is given.`);
    onClose();
  };
  return (
    <FormDialog title="Give a role" verb="Give it" disabled={!who.trim() || !grant.role} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="To whom">
            <RadioGroup
              value={kind}
              items={SUBJECTS}
              onChange={({ detail }) => {
                setKind(detail.value as Subject);
                setWho("");
              }}
            />
          </FormField>
          {kind === "user" ? (
            <FormField label="E-mail address" errorText={fault("/user")}>
              <Input type="email" value={who} onChange={({ detail }) => setWho(detail.value)} />
            </FormField>
          ) : (
            <Named organization={organization} kind={kind} value={who} fault={fault(`/${kind}`)} onChange={setWho} />
          )}
          <RoleField organization={organization} grant={grant} onChange={setGrant} fault={fault} />
          <FormField label="For how long" errorText={fault("/expires_at")}>
            <Select
              selectedOption={LASTING.find(({ value }) => value === days) ?? null}
              options={LASTING}
              onChange={({ detail }) => setDays(detail.selectedOption.value ?? "")}
            />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}

const LISTS = {
  group: { label: "Group", list: "groups" },
  service_account: { label: "Service account", list: "service-accounts" },
};
const MOST = 200;

function Named(props: {
  organization: Organization;
  kind: "group" | "service_account";
  value: string;
  fault: string | undefined;
  onChange: (id: string) => void;
}) {
  const { organization, value } = props;
  const { label, list } = LISTS[props.kind];
  const found = useQuery({
    queryKey: accessKey(organization, list, "all"),
    queryFn: ({ signal }) =>
      call<{ items: { id: string; name: string }[] }>(`${organization.path}/${list}`, {
        query: { limit: MOST },
        signal,
      }),
  });
  const options = (found.data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }));
  return (
    <FormField label={label} errorText={props.fault}>
      <Select
        filteringType={options.length > 8 ? "auto" : "none"}
        placeholder="Choose one"
        empty="There is none yet."
        statusType={found.isPending ? "loading" : found.error ? "error" : "finished"}
        errorText="They could not be read."
        selectedOption={options.find((option) => option.value === value) ?? null}
        options={options}
        onChange={({ detail }) => props.onChange(detail.selectedOption.value ?? "")}
      />
    </FormField>
  );
}
