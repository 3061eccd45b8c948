/** The bar at the top: the way home, search, light or dark, the user. */

import TopNavigation from "@cloudscape-design/components/top-navigation";
import { useSyncExternalStore } from "react";
import { useNavigate } from "react-router";

import type { Place } from "../api/place";
import { session } from "../api/session";
import mark from "/mark.svg";
import { Search } from "./Search";
import { chooseTheme, useTheme } from "./theme";

export function TopBar({ place }: { place: Place }) {
  const theme = useTheme();
  const state = useSyncExternalStore(session.subscribe, session.get);
  const navigate = useNavigate();
  const other = theme === "dark" ? "light" : "dark";
  const act = (id: string) => {
    if (id === "theme") chooseTheme(other);
    if (id !== "logout") return;
    void navigate("/console/");
    void session.logOut();
  };
  return (
    <div id="top">
      <TopNavigation
        identity={{ href: "/console/", title: "Groundplane", logo: { src: mark, alt: "" } }}
        search={<Search place={place} />}
        utilities={[
          {
            type: "menu-dropdown",
            iconName: "user-profile",
            text: state.is === "in" ? state.user.email : "",
            items: [
              { id: "account", text: "Your account", href: "/console/me", iconName: "user-profile" },
              { id: "theme", text: `Use the ${other} theme`, iconName: other === "dark" ? "light-dark" : "light-dark" },
              {
                id: "api",
                text: "API reference",
                href: "/docs",
                external: true,
                externalIconAriaLabel: "opens in a new tab",
              },
              { id: "logout", text: "Log out" },
            ],
            onItemClick: ({ detail }) => act(detail.id),
          },
        ]}
        i18nStrings={{ searchIconAriaLabel: "Search", searchDismissIconAriaLabel: "Close the search" }}
      />
    </div>
  );
}
