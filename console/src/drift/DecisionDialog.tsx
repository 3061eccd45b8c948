/** A person's decision about a difference: have it corrected now, or let it be for a while. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import { useState } from "react";

import { answer, ops } from "../api/client";
import type { components } from "../api/ops";
import { PLATFORM } from "../api/place";
import { keys, queries } from "../api/queries";
import { FormDialog } from "../parts/FormDialog";
import { flash } from "../shell/flashes";

type Choice = components["schemas"]["DecideDrift"]["decision"];

const CHOICES: { value: Choice; label: string; description: string }[] = [
  { value: "correct", label: "Correct it now", description: "By an ordinary job, at once." },
  { value: "ignore", label: "Let it be", description: "It is neither corrected nor told to operators until then." },
];
const DAYS = [
  { value: "1", label: "For a day" },
  { value: "7", label: "For a week" },
  { value: "", label: "For ever" },
];

interface Props {
  drift: { id: string; resource_name: string | null; resource_id: string };
  onClose: () => void;
}

export function DecisionDialog({ drift, onClose }: Props) {
  const [decision, setDecision] = useState<Choice>("correct");
  const [days, setDays] = useState("7");
  const [reason, setReason] = useState("");
  const act = async () => {
    const until =
      decision === "ignore" && days ? { until: new Date(Date.now() + Number(days) * 86_400_000).toISOString() } : {};
    await answer(
      ops.POST("/drift/{drift_id}/decide", {
        params: { path: { drift_id: drift.id } },
        body: { decision, reason, ...until },
      }),
    );
    flash.done(decision === "correct" ? "It is corrected." : "It is left as it is.");
    await queries.invalidateQueries({ queryKey: keys.whole(PLATFORM, "drift") });
    onClose();
  };
  const name = drift.resource_name ?? drift.resource_id;
  return (
    <FormDialog title={`Decide about ${name}`} verb="Decide" disabled={!reason.trim()} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="What is to become of it" errorText={fault("/decision")}>
            <RadioGroup
              value={decision}
              items={CHOICES}
              onChange={({ detail }) => setDecision(detail.value as Choice)}
            />
          </FormField>
          {decision === "ignore" && (
            <FormField label="For how long" errorText={fault("/until")}>
              <Select
                selectedOption={DAYS.find(({ value }) => value === days) ?? null}
                options={DAYS}
                onChange={({ detail }) => setDays(detail.selectedOption.value ?? "")}
              />
            </FormField>
          )}
          <FormField
            label="Why"
            description="Stays with the difference, and in the audit trail."
            errorText={fault("/reason")}
          >
            <Input value={reason} onChange={({ detail }) => setReason(detail.value)} />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
