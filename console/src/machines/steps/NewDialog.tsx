/** A dialogue that makes something on the way, and says at its fields why it cannot. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, type SyntheticEvent, useId } from "react";

import { fieldSentences, problemIn } from "../../api/problem";

interface Props {
  title: string;
  canMake: boolean;
  make: () => Promise<void>;
  onClose: () => void;
  /** The fields, given what is wrong with them by pointer. */
  children: (sentences: Map<string, string>) => ReactNode;
}

export function NewDialog({ title, canMake, make, onClose, children }: Props) {
  const form = useId();
  const making = useMutation({ mutationFn: make });
  const sentences = fieldSentences(making.error);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (canMake) making.mutate();
  };
  return (
    <Modal
      visible
      header={title}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" formAction="none" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" form={form} disabled={!canMake} loading={making.isPending}>
              Create
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form id={form} onSubmit={submit} noValidate>
        <SpaceBetween size="l">
          {making.error && !sentences.size && <Alert type="error">{problemIn(making.error).detail}</Alert>}
          {children(sentences)}
        </SpaceBetween>
      </form>
    </Modal>
  );
}
