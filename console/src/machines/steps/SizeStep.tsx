/** Second: processors and memory, from sizes that are usual, or as one likes. */

import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";
import { useState } from "react";

import type { StepProps } from "../CreateVmPage";
import { sizeText } from "../size";

const SIZES = [
  { name: "Tiny", vcpus: 1, memoryMib: 512 },
  { name: "Small", vcpus: 1, memoryMib: 1024 },
  { name: "Medium", vcpus: 2, memoryMib: 4096 },
  { name: "Large", vcpus: 4, memoryMib: 8192 },
  { name: "Huge", vcpus: 8, memoryMib: 32768 },
];
const OWN = "own";

export function SizeStep({ draft, change, sentences }: StepProps) {
  const usual = SIZES.find(({ vcpus, memoryMib }) => vcpus === draft.vcpus && memoryMib === draft.memoryMib);
  const [isOwn, setOwn] = useState(!usual);
  const choose = (name: string) => {
    setOwn(name === OWN);
    const size = SIZES.find((each) => each.name === name);
    if (size) change({ vcpus: size.vcpus, memoryMib: size.memoryMib });
  };
  return (
    <Container header={<Header variant="h2">Size</Header>}>
      <SpaceBetween size="l">
        <Tiles
          ariaLabel="Size"
          columns={3}
          value={isOwn ? OWN : (usual?.name ?? OWN)}
          onChange={({ detail }) => choose(detail.value)}
          items={[
            ...SIZES.map(({ name, vcpus, memoryMib }) => ({
              value: name,
              label: name,
              description: sizeText(vcpus, memoryMib),
            })),
            { value: OWN, label: "Other", description: "Say how many and how much." },
          ]}
        />
        {isOwn && (
          <ColumnLayout columns={2}>
            <FormField label="vCPUs" constraintText="1 to 256." errorText={sentences.get("/spec/vcpus")}>
              <NumberInput value={draft.vcpus} onChange={(vcpus) => change({ vcpus })} />
            </FormField>
            <FormField label="Memory (MiB)" constraintText="At least 64." errorText={sentences.get("/spec/memory_mib")}>
              <NumberInput value={draft.memoryMib} onChange={(memoryMib) => change({ memoryMib })} />
            </FormField>
          </ColumnLayout>
        )}
      </SpaceBetween>
    </Container>
  );
}

export function NumberInput({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  return (
    <Input
      type="number"
      inputMode="numeric"
      value={Number.isNaN(value) ? "" : String(value)}
      onChange={({ detail }) => onChange(detail.value === "" ? NaN : Number(detail.value))}
    />
  );
}
