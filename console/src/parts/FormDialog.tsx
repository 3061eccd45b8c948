/** A question in a dialog: a form, what was refused of it, and the answer. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Form from "@cloudscape-design/components/form";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { Children, Fragment, type ReactNode, isValidElement } from "react";

import { fieldSentences, problemIn } from "../api/problem";

interface Props {
  title: string;
  /** What the button says that does it. */
  verb: string;
  disabled?: boolean;
  act: () => Promise<void>;
  onClose: () => void;
  /** The fields; `fault("/name")` is what was refused of one. */
  children: (fault: (pointer: string) => string | undefined) => ReactNode;
}

export function FormDialog({ title, verb, disabled = false, act, onClose, children }: Props) {
  const doing = useMutation({ mutationFn: act });
  const sentences = fieldSentences(doing.error);
  const { title: header, detail } = problemIn(doing.error);
  return (
    <Modal visible header={title} onDismiss={onClose} closeAriaLabel="Close">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled) doing.mutate();
        }}
      >
        <Form
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button formAction="none" variant="link" onClick={onClose}>
                Cancel
              </Button>
              <Button variant="primary" disabled={disabled} loading={doing.isPending}>
                {verb}
              </Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="l">
            {doing.error && (
              <Alert type="error" header={header}>
                {detail}
              </Alert>
            )}
            {fieldsOf(children((pointer) => sentences.get(pointer)))}
          </SpaceBetween>
        </Form>
      </form>
    </Modal>
  );
}

/** Fields one by one: SpaceBetween puts space between its own children, and looks into no fragment of theirs. */
function fieldsOf(fields: ReactNode): ReactNode {
  const isFragment = isValidElement<{ children?: ReactNode }>(fields) && fields.type === Fragment;
  return Children.toArray(isFragment ? fields.props.children : fields);
}

interface ConfirmProps {
  title: string;
  verb: string;
  act: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}

/** A question that is answered by yes or not at all. */
export function Confirm({ title, verb, act, onClose, children }: ConfirmProps) {
  return (
    <FormDialog title={title} verb={verb} act={act} onClose={onClose}>
      {() => <Box>{children}</Box>}
    </FormDialog>
  );
}
