/** Third: how large the disk is that it boots from, and which volumes it gets besides. */

import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { ReferencePicker } from "../../kinds/form/ReferencePicker";
import type { StepProps } from "../CreateVmPage";
import { NumberInput } from "./SizeStep";

export function DisksStep({ draft, change, sentences, place }: StepProps) {
  return (
    <Container header={<Header variant="h2">Disks</Header>}>
      <SpaceBetween size="l">
        {draft.root === "image" && (
          <FormField
            label="Size of the disk (GiB)"
            description="It begins as a copy of the image, so it is at least as large as that."
            errorText={sentences.get("/spec/root_volume/size_gib")}
          >
            <NumberInput value={draft.rootGib} onChange={(rootGib) => change({ rootGib })} />
          </FormField>
        )}
        <FormField
          label={
            <>
              Further volumes <i>(optional)</i>
            </>
          }
          description="Volumes that are there and that no machine uses. They stay when the machine is deleted."
          constraintText="At most 16. A volume is one machine's at a time, so many machines at once cannot share them."
          errorText={sentenceBelow(sentences, "/spec/volumes")}
        >
          <ReferencePicker
            kind="volume"
            place={place}
            chosen={draft.volumes}
            isMany
            onChange={(volumes) => change({ volumes })}
          />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}

/** What is wrong with a list, or with one of its entries. */
export function sentenceBelow(sentences: ReadonlyMap<string, string>, pointer: string): string | undefined {
  return [...sentences].find(([each]) => each === pointer || each.startsWith(`${pointer}/`))?.[1];
}
