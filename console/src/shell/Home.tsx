/** `/console/`: leads to where one was last, and welcomes whoever can see nothing yet. */

import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { Navigate } from "react-router";

import { useReach } from "../api/me";
import { Splash } from "../login/Entrance";
import { beginningOf } from "./PlaceSwitcher";
import { useHeading } from "./heading";

export default function Home() {
  const reach = useReach();
  useHeading({ title: "Welcome" });
  if (reach.error) throw reach.error;
  if (!reach.data) return <Splash />;
  const beginning = beginningOf(reach.data);
  if (beginning) return <Navigate to={beginning} replace />;
  return (
    <Box textAlign="center" padding={{ vertical: "xxxl" }}>
      <SpaceBetween size="s">
        <Box variant="h1">Welcome</Box>
        <Box variant="p" color="text-body-secondary">
          You have no role in any project yet. Ask an owner of your organization for an invitation.
        </Box>
      </SpaceBetween>
    </Box>
  );
}
