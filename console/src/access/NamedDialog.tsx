/** Something that has a name and a description is made: a group, a service account. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { FormDialog } from "../parts/FormDialog";

export interface Named {
  name: string;
  description: string;
}

interface Props {
  title: string;
  /** What a name looks like. */
  example?: string;
  make: (named: Named) => Promise<void>;
  onClose: () => void;
}

export function NamedDialog({ title, example = "", make, onClose }: Props) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const act = async () => {
    await make({ name: name.trim(), description });
    onClose();
  };
  return (
    <FormDialog title={title} verb="Make it" disabled={!name.trim()} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="Name" constraintText="Lower-case letters, digits and hyphens." errorText={fault("/name")}>
            <Input value={name} placeholder={example} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField label="Description" errorText={fault("/description")}>
            <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
