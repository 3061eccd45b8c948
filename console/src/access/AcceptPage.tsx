/** Somebody who is logged in takes up an invitation. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { useNavigate } from "react-router";

import { answer, common } from "../api/client";
import { queries } from "../api/queries";
import { session } from "../api/session";
import { invitationToken } from "../login/invitation";
import { Refusal } from "../parts/Refusal";
import { flash } from "../shell/flashes";
import { useHeading } from "../shell/heading";

export default function AcceptPage() {
  useHeading({ title: "Invitation" });
  const navigate = useNavigate();
  const state = useSyncExternalStore(session.subscribe, session.get);
  const accept = useMutation({
    mutationFn: () => answer(common.POST("/invitations/accept", { body: { token: invitationToken() } })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["me"] });
      flash.done("The invitation is accepted: what it gives you is yours from now on.");
      await navigate("/console/");
    },
  });
  return (
    <Container
      header={
        <Header
          variant="h1"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button onClick={() => void session.logOut()}>Log in as somebody else</Button>
              <Button variant="primary" loading={accept.isPending} onClick={() => accept.mutate()}>
                Accept
              </Button>
            </SpaceBetween>
          }
        >
          You are invited
        </Header>
      }
    >
      <SpaceBetween size="m">
        {accept.error && <Refusal error={accept.error} />}
        <Box>
          Accept it as {state.is === "in" ? state.user.email : "who you are"}. An invitation is for the e-mail address
          that was invited.
        </Box>
      </SpaceBetween>
    </Container>
  );
}
