/** Reads a machine's console log, and goes on reading while it is followed. */

import { useEffect, useState } from "react";

import { apiFetch } from "../api/call";

export interface ConsoleLog {
  text: string;
  isReading: boolean;
  error: unknown;
  /** Whether the beginning was left out: of a long log, the end is kept. */
  isCut: boolean;
}

const PIECE = 1 << 20;
/** So much is kept, in characters. */
const KEPT = 2 << 20;
const AGAIN_MS = 1500;

export function useConsoleLog(path: string, isFollowed: boolean): ConsoleLog {
  const [log, setLog] = useState<ConsoleLog>({ text: "", isReading: true, error: null, isCut: false });
  const [reader] = useState(() => new Reader(path));
  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      try {
        if (document.visibilityState === "visible") await reader.read(ending.signal);
        setLog({ text: reader.text, isReading: false, error: null, isCut: reader.isCut });
      } catch (error) {
        if (ending.signal.aborted) return;
        setLog((before) => ({ ...before, isReading: false, error }));
      }
      if (isFollowed && !ending.signal.aborted) timer = setTimeout(() => void read(), AGAIN_MS);
    };
    void read();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [reader, isFollowed]);
  return log;
}

/** Remembers how far it has read. Each reading asks for the last byte again: where that is gone, the log began anew. */
class Reader {
  text = "";
  isCut = false;
  private offset = 0;
  private decoder = new TextDecoder();

  constructor(private readonly path: string) {}

  async read(signal: AbortSignal): Promise<void> {
    for (;;) {
      const overlap = this.offset > 0 ? 1 : 0;
      const bytes = await this.ask(this.offset - overlap, signal);
      if (overlap && !bytes.length) {
        this.begin();
        continue;
      }
      this.take(bytes.subarray(overlap));
      if (bytes.length < PIECE) return;
    }
  }

  private async ask(offset: number, signal: AbortSignal): Promise<Uint8Array> {
    const response = await apiFetch(new Request(`${this.path}?offset=${offset}&limit=${PIECE}`, { signal }));
    return new Uint8Array(await response.arrayBuffer());
  }

  private take(bytes: Uint8Array): void {
    this.offset += bytes.length;
    const all = this.text + this.decoder.decode(bytes, { stream: true });
    this.isCut ||= all.length > KEPT;
    this.text = all.slice(-KEPT);
  }

  private begin(): void {
    this.text = "";
    this.isCut = false;
    this.offset = 0;
    this.decoder = new TextDecoder();
  }
}
