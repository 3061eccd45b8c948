/** One limit is set: to so much, to the platform's default, or to none. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import { useState } from "react";

import { call } from "../api/call";
import { PLATFORM } from "../api/place";
import { keys, queries } from "../api/queries";
import { FormDialog } from "../parts/FormDialog";
import { flash } from "../shell/flashes";
import { amountOf, titleOfDimension, unitOfDimension } from "./dimensions";
import { type Choice, type Limits, requestFor } from "./limits";

interface Props {
  path: string;
  dimension: string;
  limit: number | null;
  /** What is used now; a limit below it stops what is new, and takes nothing away. */
  used?: number;
  /** The limits that were set before; null for defaults, which follow nothing. */
  own: Limits | null;
  onClose: () => void;
}

const CHOICES: { value: Choice; label: string }[] = [
  { value: "amount", label: "So much" },
  { value: "default", label: "The platform's default" },
  { value: "none", label: "No limit" },
];

export function LimitDialog({ path, dimension, limit, used, own, onClose }: Props) {
  const [choice, setChoice] = useState<Choice>(limit === null ? "none" : "amount");
  const [amount, setAmount] = useState(limit === null ? "" : String(limit));
  const title = titleOfDimension(dimension);
  const unit = unitOfDimension(dimension);
  const act = async () => {
    await call(path, requestFor(dimension, choice, amount, own ?? {}));
    flash.done(`The limit of ${title} is set.`);
    await queries.invalidateQueries({ queryKey: keys.whole(PLATFORM, "limits") });
    onClose();
  };
  return (
    <FormDialog
      title={`The limit of ${title}`}
      verb="Set it"
      disabled={choice === "amount" && !amount.trim()}
      act={act}
      onClose={onClose}
    >
      {(fault) => (
        <>
          <FormField label="It may be">
            <RadioGroup
              value={choice}
              items={CHOICES.filter(({ value }) => own !== null || value !== "default")}
              onChange={({ detail }) => setChoice(detail.value as Choice)}
            />
          </FormField>
          {choice === "amount" && (
            <FormField
              label={unit ? `At most, in ${unit}` : "At most"}
              constraintText={used === undefined ? undefined : `${amountOf(dimension, used)} used now.`}
              errorText={fault(`/${dimension}`)}
            >
              <Input type="number" value={amount} onChange={({ detail }) => setAmount(detail.value)} />
            </FormField>
          )}
        </>
      )}
    </FormDialog>
  );
}
