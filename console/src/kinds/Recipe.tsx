/** A button that tells how to do the same by API and command line. */

import Button from "@cloudscape-design/components/button";
import Popover from "@cloudscape-design/components/popover";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Code } from "../parts/Code";

export function Recipe({ call, line }: { call: string; line: string }) {
  return (
    <Popover
      size="large"
      fixedWidth
      triggerType="custom"
      header="The same by API and command line"
      dismissAriaLabel="Close"
      content={
        <SpaceBetween size="m">
          <Code title="API" text={call} />
          <Code title="Command line" text={line} />
        </SpaceBetween>
      }
    >
      <Button iconName="command-prompt" variant="icon" ariaLabel="API call and command line" />
    </Popover>
  );
}
