/** A page for those who may: others are told what they lack, before they fill in anything. The API decides anyway. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";

import { useIsAllowed } from "../api/me";
import { type Place, placePath } from "../api/place";
import { Splash } from "../login/Entrance";
import { useHeading } from "./heading";

interface Props {
  place: Place;
  permission: string | undefined;
  children: ReactNode;
}

export function Allowed({ place, permission, children }: Props) {
  const isAllowed = useIsAllowed(place, permission);
  if (isAllowed === undefined) return <Splash />;
  return isAllowed ? children : <NotAllowed place={place} permission={permission ?? ""} />;
}

function NotAllowed({ place, permission }: { place: Place; permission: string }) {
  useHeading({ title: "Not allowed" });
  return (
    <Box textAlign="center" padding={{ vertical: "xxxl" }}>
      <SpaceBetween size="m">
        <Box variant="h1">You may not do this here</Box>
        <Box variant="p" color="text-body-secondary">
          It needs a role with the permission <Box variant="code">{permission}</Box>. Whoever gives roles here can help.
        </Box>
        <Button href={placePath(place)}>Back to the overview</Button>
      </SpaceBetween>
    </Box>
  );
}
