/** Faults on order, in the simulated engine of the installation under test. */

import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";

/** What `Injection` takes (groundplane.dataplane.providers.simulated.injections); strikes one call. */
interface Fault {
  kind: string;
  fault_class: "transient" | "permanent";
  code: string;
  message: string;
}

const PYTHON = process.env["GROUNDPLANE_PYTHON"] ?? "../.venv/bin/python";
const ENGINE = join(dirname(process.env["GROUNDPLANE_ADMIN"] ?? "admin.json"), "simulated.sqlite");
const ORDER = `
import json, random, sqlite3, sys
from groundplane.dataplane.providers.simulated.injections import Injection, Injections
with sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10) as database:
    database.row_factory = sqlite3.Row
    Injections(database, random.Random()).add(Injection(effect="error", verb="ensure", count=1, **json.loads(sys.argv[2])))
`;

export function order(fault: Fault): void {
  execFileSync(PYTHON, ["-c", ORDER, ENGINE, JSON.stringify(fault)]);
}
