/** One service account: whether it may act, and the API keys by which it does. */

import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { usePermissions } from "../api/me";
import { placePath } from "../api/place";
import { KeysPanel } from "../keys/KeysPanel";
import { Splash } from "../login/Entrance";
import { Confirm } from "../parts/FormDialog";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { useHeading } from "../shell/heading";
import { type Organization, accessKey, changed, useOrganization } from "./places";

export type ServiceAccount = components["schemas"]["ServiceAccountView"];

export function Standing({ account }: { account: ServiceAccount }) {
  return account.disabled_at ? (
    <StatusIndicator type="stopped">Disabled</StatusIndicator>
  ) : (
    <StatusIndicator type="success">May act</StatusIndicator>
  );
}

export default function ServiceAccountPage() {
  const organization = useOrganization();
  const { id = "" } = useParams();
  const account = useQuery({
    queryKey: accessKey(organization, "service-accounts", id),
    queryFn: () =>
      answer(
        common.GET("/organizations/{organization_id}/service-accounts/{service_account_id}", {
          params: { path: { organization_id: organization.id, service_account_id: id } },
        }),
      ),
  });
  const list = `${placePath(organization.place)}/service-accounts`;
  useHeading({
    title: account.data?.name ?? "Service account",
    trail: [{ text: "Service accounts", href: list }],
  });
  if (account.error && !account.data) return <Refusal error={account.error} onRetry={() => void account.refetch()} />;
  return account.data ? <Shown organization={organization} account={account.data} list={list} /> : <Splash />;
}

type Question = "disable" | "enable" | "delete";

const QUESTIONS: Record<Question, { verb: string; sentence: string; done: string }> = {
  disable: {
    verb: "Disable",
    sentence: "Its keys are refused within seconds, until it is enabled again.",
    done: "disabled",
  },
  enable: { verb: "Enable", sentence: "Its keys are good again.", done: "enabled" },
  delete: { verb: "Delete", sentence: "Its roles and keys go with it. It cannot be taken back.", done: "deleted" },
};

function Shown(props: { organization: Organization; account: ServiceAccount; list: string }) {
  const { organization, account, list } = props;
  const navigate = useNavigate();
  const may = usePermissions(organization.place);
  const [asked, setAsked] = useState<Question | null>(null);
  const toggle: Question = account.disabled_at ? "enable" : "disable";
  const act = async (question: Question) => {
    await carryOut(organization, account, question);
    if (question === "delete") await navigate(list);
    await changed(organization, `The service account ${account.name} is ${QUESTIONS[question].done}.`);
    setAsked(null);
  };
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description={account.description}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            {may(`identity.service_account.${toggle}`) && (
              <Button onClick={() => setAsked(toggle)}>{QUESTIONS[toggle].verb}</Button>
            )}
            {may("identity.service_account.delete") && <Button onClick={() => setAsked("delete")}>Delete</Button>}
          </SpaceBetween>
        }
      >
        {account.name}
      </Header>
      <Container>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "State", value: <Standing account={account} /> },
            { label: "Id", value: <span className="word">{account.id}</span> },
            { label: "Made", value: <Time at={account.created_at} /> },
          ]}
        />
      </Container>
      {may("identity.api_key.list") && (
        <KeysPanel
          path={`${organization.path}/service-accounts/${account.id}/api-keys`}
          queryKey={accessKey(organization, "service-accounts", account.id, "keys")}
          description="A program that has one acts as this service account, within its scopes."
          everything="All that the service account may"
          mayMake={may("identity.api_key.create")}
          mayRevoke={may("identity.api_key.delete")}
        />
      )}
      {asked && (
        <Confirm
          title={`${QUESTIONS[asked].verb} ${account.name}`}
          verb={QUESTIONS[asked].verb}
          act={() => act(asked)}
          onClose={() => setAsked(null)}
        >
          {QUESTIONS[asked].sentence}
        </Confirm>
      )}
    </SpaceBetween>
  );
}

async function carryOut({ id }: Organization, account: ServiceAccount, question: Question): Promise<void> {
  const params = { path: { organization_id: id, service_account_id: account.id } };
  const base = "/organizations/{organization_id}/service-accounts/{service_account_id}" as const;
  if (question === "delete") await answer(common.DELETE(base, { params }));
  else await answer(common.POST(`${base}/${question}`, { params }));
}
