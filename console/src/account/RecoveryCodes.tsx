/** Recovery codes, told once: whoever has lost the device logs in by one of them, once each. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Code } from "../parts/Code";
import { download } from "./download";

export function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  const text = codes.join("\n");
  return (
    <SpaceBetween size="m">
      <Alert type="success" header="The second factor is on">
        Keep these recovery codes where your device is not: each of them logs you in once when the device is lost. They
        are told only now.
      </Alert>
      <Code title="Recovery codes" text={text} />
      <SpaceBetween direction="horizontal" size="xs">
        <Button iconName="download" onClick={() => download("groundplane-recovery-codes.txt", `${text}\n`)}>
          Download
        </Button>
        <Button variant="primary" onClick={onKept}>
          I have kept them
        </Button>
      </SpaceBetween>
    </SpaceBetween>
  );
}
