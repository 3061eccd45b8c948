/** A moment, as long ago as it is; the exact time on pointing at it. */

import { useEffect, useState } from "react";

import { ago, moment } from "./words";

const TICK_MS = 30_000;

export function Time({ at }: { at: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(at, now)}
    </time>
  );
}
