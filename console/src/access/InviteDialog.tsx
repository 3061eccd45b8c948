/** Somebody is invited by e-mail address to a role; the link by which they join is told once, to be passed on. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { invitationLink } from "../login/invitation";
import { FormDialog } from "../parts/FormDialog";
import { ToldOnce } from "../parts/ToldOnce";
import { type Organization, changed } from "./places";
import { type Grant, RoleField } from "./RoleField";

type Invitation = components["schemas"]["NewInvitationView"];

const DAYS = [1, 7, 30, 90].map((days) => ({ value: String(days), label: days === 1 ? "A day" : `${days} days` }));

interface Props {
  organization: Organization;
  onClose: () => void;
}

export function InviteDialog({ organization, onClose }: Props) {
  const [made, setMade] = useState<Invitation | null>(null);
  if (!made) return <Inviting organization={organization} onMade={setMade} onClose={onClose} />;
  return (
    <ToldOnce
      title={`${made.email} is invited`}
      sentence={`Pass this link on to ${made.email}, and to nobody else: whoever opens it first can join under that address. It is told only now.`}
      label="Link"
      secret={invitationLink(made.token)}
      onKept={onClose}
    />
  );
}

function Inviting({ organization, onMade, onClose }: Props & { onMade: (made: Invitation) => void }) {
  const [email, setEmail] = useState("");
  const [grant, setGrant] = useState<Grant>({ role: "", project: "" });
  const [days, setDays] = useState("7");
  const act = async () => {
    const body = {
      email: email.trim(),
      role: grant.role,
      project_id: grant.project || null,
      expires_in_days: Number(days),
    };
    const path = { organization_id: organization.id };
    const made = await answer(common.POST("/organizations/{organization_id}/invitations", { params: { path }, body }));
    await changed(organization, `${body.email} is invited.`);
    onMade(made as Invitation);
  };
  return (
    <FormDialog
      title="Invite somebody"
      verb="Invite"
      disabled={!email.includes("@") || !grant.role}
      act={act}
      onClose={onClose}
    >
      {(fault) => (
        <>
          <FormField label="E-mail address" errorText={fault("/email")}>
            <Input type="email" value={email} onChange={({ detail }) => setEmail(detail.value)} />
          </FormField>
          <RoleField organization={organization} grant={grant} onChange={setGrant} fault={fault} />
          <FormField label="The invitation is good for" errorText={fault("/expires_in_days")}>
            <Select
              selectedOption={DAYS.find(({ value }) => value === days) ?? null}
              options={DAYS}
              onChange={({ detail }) => setDays(detail.selectedOption.value ?? "7")}
            />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
