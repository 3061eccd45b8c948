/** What a machine writes to its serial console, as it does: followed, searched, copied, kept. */

import "./console.css";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TextFilter from "@cloudscape-design/components/text-filter";
import Toggle from "@cloudscape-design/components/toggle";
import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";

import { type Resource, apiPath, useCatalog } from "../api/catalog";
import { usePlace } from "../api/place";
import { Refusal } from "../parts/Refusal";
import { type Piece, cut, readable } from "./consoleText";
import { useConsoleLog } from "./useConsoleLog";

export default function ConsolePanel({ resource }: { resource: Resource }) {
  const place = usePlace();
  const kind = useCatalog().named("vm");
  return kind && <ConsoleLog name={resource.name} path={apiPath(kind, place, resource.id, "console-log")} />;
}

function ConsoleLog({ name, path }: { name: string; path: string }) {
  const [isFollowed, setFollowed] = useState(true);
  const log = useConsoleLog(path, isFollowed);
  const text = useMemo(() => readable(log.text), [log.text]);
  const [wanted, setWanted] = useState("");
  const searched = useDeferredValue(wanted);
  const pieces = useMemo(() => cut(text, searched), [text, searched]);
  const count = pieces.filter(({ match }) => match !== null).length;
  const [at, setAt] = useState(0);
  const current = count ? at % count : 0;
  const search = (next: string) => {
    setWanted(next);
    setAt(0);
    if (next) setFollowed(false);
  };
  const step = (by: number) => setAt((current + by + count) % count);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={log.isCut ? "The log is long: this is its end." : "The serial console since the first boot."}
          actions={
            <SpaceBetween direction="horizontal" size="s" alignItems="center">
              <Toggle checked={isFollowed} onChange={({ detail }) => setFollowed(detail.checked)}>
                Follow
              </Toggle>
              <CopyToClipboard
                textToCopy={text}
                copyButtonText="Copy"
                copySuccessText="Copied"
                copyErrorText="Copying failed"
              />
              <Button iconName="download" onClick={() => keep(`${name}-console.log`, text)}>
                Download
              </Button>
            </SpaceBetween>
          }
        >
          Console log
        </Header>
      }
    >
      <SpaceBetween size="s">
        <div className="console-search">
          <TextFilter
            filteringText={wanted}
            filteringPlaceholder="Find in the log"
            filteringAriaLabel="Find in the log"
            countText={searched ? (count ? `${current + 1} of ${count}` : "Nothing is found") : ""}
            onChange={({ detail }) => search(detail.filteringText)}
          />
          <Button iconName="angle-up" ariaLabel="The match before" disabled={!count} onClick={() => step(-1)} />
          <Button iconName="angle-down" ariaLabel="The next match" disabled={!count} onClick={() => step(1)} />
        </div>
        {log.error !== null && <Refusal error={log.error} />}
        <Screen pieces={pieces} current={current} isFollowed={isFollowed} onLeave={() => setFollowed(false)} />
        {!text && log.error === null && (
          <Box color="text-body-secondary">
            {log.isReading ? "Reading the log" : "The machine has written nothing yet."}
          </Box>
        )}
      </SpaceBetween>
    </Container>
  );
}

interface ScreenProps {
  pieces: Piece[];
  current: number;
  isFollowed: boolean;
  /** Called when somebody scrolls away from the end. */
  onLeave: () => void;
}

function Screen({ pieces, current, isFollowed, onLeave }: ScreenProps) {
  const box = useRef<HTMLPreElement>(null);
  const found = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isFollowed && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [isFollowed, pieces]);
  useEffect(() => {
    if (isFollowed || !box.current || !found.current) return;
    box.current.scrollTop = found.current.offsetTop - box.current.clientHeight / 2;
  }, [isFollowed, pieces, current]);
  const onWheelUp = (deltaY: number) => {
    if (isFollowed && deltaY < 0) onLeave();
  };
  return (
    <pre
      ref={box}
      className="console-screen"
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Console log"
      onWheel={(event) => onWheelUp(event.deltaY)}
      onKeyDown={(event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && onLeave()}
    >
      {pieces.map(({ text, match }, index) =>
        match === null ? (
          text
        ) : (
          <mark key={index} ref={match === current ? found : null} className={match === current ? "current" : ""}>
            {text}
          </mark>
        ),
      )}
    </pre>
  );
}

/** Hand a text to the browser as a file. */
function keep(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(address);
}
