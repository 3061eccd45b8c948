/** There is no such page. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { useHeading } from "./heading";

export default function NotFound() {
  useHeading({ title: "Not found" });
  return (
    <Box textAlign="center" padding={{ vertical: "xxxl" }}>
      <SpaceBetween size="m">
        <Box variant="h1">There is no such page</Box>
        <Box variant="p" color="text-body-secondary">
          Nothing is at this address, or it is not for you to see.
        </Box>
        <Button href="/console/">To the beginning</Button>
      </SpaceBetween>
    </Box>
  );
}
