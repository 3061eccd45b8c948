-- What simulated engines hold. Text and JSON, so that an operator reads and injects with any SQLite client.

-- A resource, or (present = 0) the tombstone of one. `scope` is a host's id, or a cluster's for its networks;
-- `pool` is empty but for images and volumes. `boots` counts the starts and reboots of a machine.
CREATE TABLE IF NOT EXISTS resource (
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    pool       TEXT    NOT NULL,
    fence      INTEGER NOT NULL,
    present    INTEGER NOT NULL,
    spec       TEXT    NOT NULL,
    observed   TEXT    NOT NULL,
    boots      INTEGER NOT NULL,
    changed_at REAL    NOT NULL,
    PRIMARY KEY (kind, id, scope, pool)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS resource_scope ON resource (scope, present, kind);

-- Images whose bytes were fetched and found right once. A thousand simulated hosts do not fetch them a thousand times.
CREATE TABLE IF NOT EXISTS checked_image (
    sha256     TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (sha256, size_bytes)
) WITHOUT ROWID;

-- The ports that a running machine's card sits on, also while the port itself is away.
CREATE TABLE IF NOT EXISTS card (
    port_id TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What every serving agent is told of changes that no agent asked for.
CREATE TABLE IF NOT EXISTS event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    scope    TEXT NOT NULL,
    state    TEXT NOT NULL
);

-- Faults to come; see Injection. NULL in verb, kind, scope or resource_id matches all; NULL in remaining never ends.
CREATE TABLE IF NOT EXISTS injection (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    effect      TEXT NOT NULL,
    verb        TEXT,
    kind        TEXT,
    scope       TEXT,
    resource_id TEXT,
    probability REAL NOT NULL DEFAULT 1.0,
    remaining   INTEGER,
    code        TEXT NOT NULL DEFAULT 'simulated_fault',
    fault_class TEXT NOT NULL DEFAULT 'transient',
    message     TEXT NOT NULL DEFAULT 'The simulated engine was told to fail.',
    seconds     REAL NOT NULL DEFAULT 0.0,
    sigma       REAL NOT NULL DEFAULT 0.0
);
