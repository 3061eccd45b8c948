/** Who is not logged in sees the login, at whatever address: after it, one is where one wanted to be. */

import Spinner from "@cloudscape-design/components/spinner";
import { Suspense, lazy, useEffect, useState, useSyncExternalStore } from "react";

import { ProblemError } from "../api/problem";
import { session } from "../api/session";
import { isInvited } from "./invitation";

const Login = lazy(() => import("./Login"));
const Join = lazy(() => import("./Join"));
const Console = lazy(() => import("../shell/Console"));

const AGAIN_MS = 2_000;

export function Entrance() {
  const state = useSyncExternalStore(session.subscribe, session.get);
  return (
    <Suspense fallback={<Splash />}>
      {state.is === "unknown" ? <Waiting /> : state.is === "out" ? <Outside /> : <Console key={state.sessionId} />}
    </Suspense>
  );
}

/** Who is invited joins, unless they have an account already. */
function Outside() {
  const [isKnown, setKnown] = useState(!isInvited());
  return isKnown ? <Login /> : <Join onKnown={() => setKnown(true)} />;
}

export function Splash({ sentence }: { sentence?: string | undefined }) {
  return (
    <main className="splash" aria-busy="true">
      <div role="status">
        <Spinner size="large" /> {sentence ?? <span className="unseen">Loading</span>}
      </div>
    </main>
  );
}

/** Until it is known whether there is a session: asked again for as long as nobody answers. */
function Waiting() {
  const [sentence, setSentence] = useState<string>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const ask = () =>
      session.renew().catch((error: unknown) => {
        setSentence(error instanceof ProblemError ? error.problem.detail : String(error));
        timer = setTimeout(() => void ask(), AGAIN_MS);
      });
    void ask();
    return () => clearTimeout(timer);
  }, []);
  return <Splash sentence={sentence} />;
}
