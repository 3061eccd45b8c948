/** A secret that is shown now and never again: to be copied, and kept where secrets are kept. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Code } from "./Code";

interface Props {
  title: string;
  sentence: string;
  /** What the secret is: "Token". */
  label: string;
  secret: string;
  onKept: () => void;
}

export function ToldOnce({ title, sentence, label, secret, onKept }: Props) {
  return (
    <Modal visible header={title} closeAriaLabel="Close" onDismiss={onKept}>
      <SpaceBetween size="m">
        <Alert type="info">{sentence}</Alert>
        <Code title={label} text={secret} />
        <Button variant="primary" onClick={onKept}>
          I have kept it
        </Button>
      </SpaceBetween>
    </Modal>
  );
}
