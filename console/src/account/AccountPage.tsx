/** One's own account: who one is, and with what one proves it. The open tab stands in the address. */

import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tabs from "@cloudscape-design/components/tabs";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";

import { answer, common } from "../api/client";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { OwnKeys } from "./OwnKeys";
import { PasswordForm } from "./PasswordForm";
import { ProfilePanel } from "./ProfilePanel";
import { SecondFactor } from "./SecondFactor";
import { SessionsPanel } from "./SessionsPanel";
import "./account.css";

export default function AccountPage() {
  useHeading({ title: "Your account" });
  const me = useQuery({
    queryKey: ["me", "who"],
    queryFn: ({ signal }) => answer(common.GET("/me", { signal })),
    refetchInterval: false,
  });
  const [search, setSearch] = useSearchParams();
  if (me.error && !me.data) return <Refusal error={me.error} onRetry={() => void me.refetch()} />;
  const user = me.data?.user;
  if (!me.data || !user) return <Splash />;
  const tabs = [
    { id: "profile", label: "You", content: <ProfilePanel user={user} bindings={me.data.role_bindings} /> },
    {
      id: "login",
      label: "Password and second factor",
      content: (
        <div className="account-narrow">
          <SpaceBetween size="l">
            <PasswordForm email={user.email} />
            <SecondFactor />
          </SpaceBetween>
        </div>
      ),
    },
    { id: "sessions", label: "Sessions", content: <SessionsPanel /> },
    { id: "keys", label: "API keys", content: <OwnKeys /> },
  ];
  const asked = search.get("tab") ?? "";
  return (
    <ContentLayout header={<Header variant="h1">Your account</Header>}>
      <Tabs
        ariaLabel="Your account"
        tabs={tabs}
        activeTabId={tabs.some(({ id }) => id === asked) ? asked : "profile"}
        onChange={({ detail }) => setSearch(detail.activeTabId === "profile" ? {} : { tab: detail.activeTabId })}
      />
    </ContentLayout>
  );
}
