-- Secrets lie here only hashed (SHA-256 of at least 80 random bits) or sealed.

-- Sessions -----------------------------------------------------------------------------------------------------------

CREATE TABLE session (
    id             uuid PRIMARY KEY,
    user_id        uuid NOT NULL REFERENCES user_account (id),
    method         text NOT NULL CHECK (method IN ('password', 'totp', 'device', 'sso')),
    address        text,
    user_agent     text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX session_of_user ON session (user_id, id) WHERE revoked_at IS NULL;
CREATE INDEX session_revoked ON session (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX session_expiry ON session (expires_at);

-- Each use of a refresh token makes its successor. `successor` is sealed with a key made from the used token itself, so that
-- whoever holds that one can be answered again.
CREATE TABLE refresh_token (
    hash       bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at    timestamptz,
    successor  bytea
);
CREATE INDEX refresh_token_of_session ON refresh_token (session_id);

-- Whoever writes it: a user that is disabled has no sessions.
CREATE FUNCTION end_sessions_of_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE session SET revoked_at = clock_timestamp(), revoked_reason = 'user_disabled'
    WHERE user_id = NEW.id AND revoked_at IS NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER user_disabled AFTER UPDATE OF disabled_at ON user_account FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION end_sessions_of_disabled();

-- Lock-out -----------------------------------------------------------------------------------------------------------

CREATE TABLE login_failure (
    subject       bytea PRIMARY KEY,         -- SHA-256 of what is tried: an account, an address, a user's device codes
    failures      int NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);
CREATE INDEX login_failure_age ON login_failure (last_at);

-- The second factor --------------------------------------------------------------------------------------------------

CREATE TABLE totp (
    user_id      uuid PRIMARY KEY REFERENCES user_account (id),
    envelope     bytea NOT NULL,
    last_step    bigint NOT NULL DEFAULT 0,  -- the time step of the last code that was taken: no code is taken twice
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz
);

CREATE TABLE recovery_code (
    user_id uuid NOT NULL REFERENCES totp (user_id) ON DELETE CASCADE,
    hash    bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, hash)
);

-- API keys -----------------------------------------------------------------------------------------------------------

CREATE TABLE api_key (
    id                 uuid PRIMARY KEY,
    organization_id    uuid,                 -- of the service account; NULL for a user's key
    user_id            uuid REFERENCES user_account (id),
    service_account_id uuid REFERENCES service_account (id) ON DELETE CASCADE,
    name               text NOT NULL,
    secret_hash        bytea NOT NULL,
    scopes             text[],               -- patterns of permissions; NULL: whatever the owner may do
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by         uuid,
    expires_at         timestamptz,
    last_used_at       timestamptz,
    revoked_at         timestamptz,
    CHECK (num_nonnulls(user_id, service_account_id) = 1),
    CHECK ((service_account_id IS NULL) = (organization_id IS NULL))
);
CREATE INDEX api_key_of_user ON api_key (user_id, id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_of_service_account ON api_key (service_account_id, id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_revoked ON api_key (revoked_at) WHERE revoked_at IS NOT NULL;

-- The device flow (RFC 8628) -----------------------------------------------------------------------------------------

CREATE TABLE device_authorization (
    id             uuid PRIMARY KEY,
    device_hash    bytea NOT NULL UNIQUE,
    user_code      text NOT NULL UNIQUE,
    state          text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    user_id        uuid REFERENCES user_account (id),
    address        text,
    user_agent     text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz NOT NULL,
    interval_seconds int NOT NULL,
    polled_at      timestamptz
);
CREATE INDEX device_authorization_expiry ON device_authorization (expires_at);

-- Single sign-on -----------------------------------------------------------------------------------------------------

CREATE TABLE sso_attempt (
    state_hash bytea PRIMARY KEY,
    nonce      text NOT NULL,
    verifier   bytea NOT NULL,               -- sealed: the code verifier of PKCE
    expires_at timestamptz NOT NULL
);

CREATE TABLE external_identity (
    issuer        text NOT NULL,
    subject       text NOT NULL,
    user_id       uuid NOT NULL REFERENCES user_account (id),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_login_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX external_identity_of_user ON external_identity (user_id);

-- Which role bindings a provider's groups gave: each login makes them what the groups say.
CREATE TABLE external_binding (
    binding_id uuid PRIMARY KEY REFERENCES role_binding (id) ON DELETE CASCADE,
    issuer     text NOT NULL
);
