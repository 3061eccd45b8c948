/** Faults on order, and what people do behind the platform's back, in the simulated engine of the installation under test. */

import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";

/** What `Injection` takes (groundplane.dataplane.providers.simulated.injections); strikes one call that ensures. */
type Fault =
  | { kind: string; fault_class: "transient" | "permanent"; code: string; message: string }
  | { kind: string; effect: "hang"; seconds: number };

const PYTHON = process.env["GROUNDPLANE_PYTHON"] ?? "../.venv/bin/python";
const ENGINE = join(dirname(process.env["GROUNDPLANE_ADMIN"] ?? "admin.json"), "simulated.sqlite");
const ORDER = `
import json, random, sqlite3, sys
from groundplane.dataplane.providers.simulated.injections import Injection, Injections
with sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10) as database:
    database.row_factory = sqlite3.Row
    Injections(database, random.Random()).add(Injection(**{"effect": "error", "verb": "ensure", "count": 1, **json.loads(sys.argv[2])}))
`;

export function order(fault: Fault): void {
  execFileSync(PYTHON, ["-c", ORDER, ENGINE, JSON.stringify(fault)]);
}

const LOSS = `
import sys
from pathlib import Path
from groundplane.dataplane.providers.simulated.engine import SimulatedEngine
from groundplane.kernel.ids import parse_id
engine = SimulatedEngine(Path(sys.argv[1]))
engine.outside_delete(sys.argv[2], parse_id(sys.argv[3].partition("_")[0], sys.argv[3]))
engine.close()
`;

/** A person deletes a resource on its host, past the platform. */
export function lose(kind: string, id: string): void {
  execFileSync(PYTHON, ["-c", LOSS, ENGINE, kind, id]);
}
