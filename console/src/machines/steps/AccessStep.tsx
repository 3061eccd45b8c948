/** Fifth: whose keys are let in, what the guest is called, what it does at its first boot. */

import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { answer, tenant } from "../../api/client";
import { usePermissions } from "../../api/me";
import type { Place } from "../../api/place";
import { keys, queries } from "../../api/queries";
import { ReferencePicker } from "../../kinds/form/ReferencePicker";
import type { StepProps } from "../CreateVmPage";
import { sentenceBelow } from "./DisksStep";
import { NewDialog } from "./NewDialog";

export function AccessStep({ draft, change, sentences, place }: StepProps) {
  const may = usePermissions(place);
  const [isMaking, setMaking] = useState(false);
  return (
    <Container header={<Header variant="h2">Access</Header>}>
      <SpaceBetween size="l">
        <FormField
          label={
            <>
              SSH keys <i>(optional)</i>
            </>
          }
          description="Whoever has one of them is let in."
          errorText={sentenceBelow(sentences, "/spec/ssh_keys")}
          secondaryControl={
            may("compute.ssh_key.create") ? (
              <Button iconName="add-plus" onClick={() => setMaking(true)}>
                New SSH key
              </Button>
            ) : undefined
          }
        >
          <ReferencePicker
            kind="ssh_key"
            place={place}
            chosen={draft.sshKeys}
            isMany
            onChange={(sshKeys) => change({ sshKeys })}
          />
        </FormField>
        <FormField
          label={
            <>
              Hostname <i>(optional)</i>
            </>
          }
          description="What the guest calls itself: its name, if not said."
          errorText={sentences.get("/spec/hostname")}
        >
          <Input
            value={draft.hostname}
            placeholder={draft.name}
            spellcheck={false}
            onChange={({ detail }) => change({ hostname: detail.value })}
          />
        </FormField>
        <FormField
          label={
            <>
              User data <i>(optional)</i>
            </>
          }
          description="What cloud-init is handed in the guest. It is kept as a secret and never shown again."
          constraintText="At most 64 KiB."
          errorText={sentences.get("/spec/user_data")}
          stretch
        >
          <Textarea
            value={draft.userData}
            rows={8}
            spellcheck={false}
            placeholder={"#cloud-config\npackages: [nginx]"}
            onChange={({ detail }) => change({ userData: detail.value })}
          />
        </FormField>
      </SpaceBetween>
      {isMaking && (
        <NewKey
          place={place}
          onClose={() => setMaking(false)}
          onMade={(id) => {
            setMaking(false);
            change({ sshKeys: [...draft.sshKeys, id] });
          }}
        />
      )}
    </Container>
  );
}

interface NewKeyProps {
  place: Place;
  onMade: (id: string) => void;
  onClose: () => void;
}

function NewKey({ place, onMade, onClose }: NewKeyProps) {
  const [name, setName] = useState("");
  const [publicKey, setPublicKey] = useState("");
  const make = async () => {
    const made = await answer(
      tenant.POST("/projects/{project_id}/ssh-keys", {
        params: { path: { project_id: place.id ?? "" } },
        body: { name, labels: {}, spec: { public_key: publicKey.trim() } },
      }),
    );
    await queries.invalidateQueries({ queryKey: keys.list(place, "ssh_key") });
    if ("id" in made) onMade(made.id);
  };
  return (
    <NewDialog title="New SSH key" canMake={name !== "" && publicKey !== ""} make={make} onClose={onClose}>
      {(sentences) => (
        <>
          <FormField label="Name" errorText={sentences.get("/name")}>
            <Input value={name} spellcheck={false} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField
            label="Public key"
            description="The one line of a .pub file: ssh-ed25519 AAAA… you@there"
            errorText={sentences.get("/spec/public_key")}
            stretch
          >
            <Textarea
              value={publicKey}
              rows={4}
              spellcheck={false}
              onChange={({ detail }) => setPublicKey(detail.value)}
            />
          </FormField>
        </>
      )}
    </NewDialog>
  );
}
