/** The console for whoever is logged in: the routes, made of the page table, inside of the shell. */

import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect } from "react";
import { RouterProvider, createBrowserRouter } from "react-router";

import { queries } from "../api/queries";
import { Splash } from "../login/Entrance";
import { goBack } from "../login/comingBack";
import { type Page, pages } from "../pages";
import { Failure } from "./Failure";
import { Shell } from "./Shell";

goBack();
const router = createBrowserRouter([
  {
    path: "/console",
    element: <Shell />,
    HydrateFallback: Splash,
    errorElement: <Failure />,
    children: [{ errorElement: <Failure />, children: pages.map(route) }],
  },
]);

function route({ path, load }: Page) {
  return { path, lazy: async () => ({ Component: (await load()).default }) };
}

export default function Console() {
  // What one user saw is not for the next.
  useEffect(() => () => queries.clear(), []);
  return (
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
