/** Keys and values: labels, and whatever else is a dictionary. */

import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

type Pair = [key: string, value: string];

interface Props {
  pairs: Record<string, string>;
  noun: string;
  most?: number;
  onChange: (pairs: Record<string, string>) => void;
}

export function PairsEditor({ pairs, noun, most = 64, onChange }: Props) {
  // While somebody types, a key may be empty or there twice: what is shown is kept apart from what is meant.
  const [shown, setShown] = useState<Pair[]>(() => Object.entries(pairs));
  const change = (next: Pair[]) => {
    setShown(next);
    onChange(Object.fromEntries(next.filter(([key]) => key !== "")));
  };
  const set = (index: number, pair: Pair) => change(shown.map((each, at) => (at === index ? pair : each)));
  return (
    <AttributeEditor
      items={shown}
      isItemRemovable={() => true}
      addButtonText={`Add ${noun}`}
      removeButtonText="Remove"
      removeButtonAriaLabel={([key]) => `Remove ${noun} ${key}`}
      disableAddButton={shown.length >= most}
      empty={`No ${noun} yet.`}
      definition={[
        {
          label: "Key",
          control: ([key, value], index) => (
            <Input
              ariaLabel={`Key of ${noun} ${index + 1}`}
              value={key}
              onChange={({ detail }) => set(index, [detail.value, value])}
            />
          ),
        },
        {
          label: "Value",
          control: ([key, value], index) => (
            <Input
              ariaLabel={`Value of ${noun} ${index + 1}`}
              value={value}
              onChange={({ detail }) => set(index, [key, detail.value])}
            />
          ),
        },
      ]}
      onAddButtonClick={() => change([...shown, ["", ""]])}
      onRemoveButtonClick={({ detail }) => change(shown.filter((_, index) => index !== detail.itemIndex))}
    />
  );
}
