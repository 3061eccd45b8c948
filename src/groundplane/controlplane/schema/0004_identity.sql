-- Custom roles, groups, service accounts, bindings that expire, and invitations.

CREATE TABLE custom_role (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES resource (id),
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    permissions     text[] NOT NULL,                    -- patterns: compute.*.read
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT custom_role_name UNIQUE (organization_id, name)
);

CREATE TABLE user_group (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES resource (id),
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_group_name UNIQUE (organization_id, name)
);

CREATE TABLE group_member (
    group_id        uuid NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES user_account (id),
    organization_id uuid NOT NULL REFERENCES resource (id),
    added_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_of_user ON group_member (user_id, group_id);

CREATE TABLE service_account (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES resource (id),
    project_id      uuid REFERENCES resource (id),      -- may have roles in this project alone
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    disabled_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT service_account_name UNIQUE (organization_id, name)
);

-- A binding is of one subject and gives one role. An expired one gives nothing; it is kept until it is given again or taken away.
ALTER TABLE role_binding
    DROP CONSTRAINT role_binding_user_id_role_organization_id_project_id_key,
    ALTER COLUMN user_id DROP NOT NULL,
    ALTER COLUMN role DROP NOT NULL,
    ADD COLUMN group_id uuid REFERENCES user_group (id) ON DELETE CASCADE,
    ADD COLUMN service_account_id uuid REFERENCES service_account (id) ON DELETE CASCADE,
    ADD COLUMN custom_role_id uuid REFERENCES custom_role (id),
    ADD COLUMN expires_at timestamptz,
    ADD CONSTRAINT role_binding_of_one_subject CHECK (num_nonnulls(user_id, group_id, service_account_id) = 1),
    ADD CONSTRAINT role_binding_of_one_role CHECK (num_nonnulls(role, custom_role_id) = 1),
    ADD CONSTRAINT custom_role_in_organization CHECK (custom_role_id IS NULL OR organization_id IS NOT NULL),
    ADD CONSTRAINT role_binding_once UNIQUE NULLS NOT DISTINCT
        (user_id, group_id, service_account_id, role, custom_role_id, organization_id, project_id);
CREATE INDEX role_binding_of_group ON role_binding (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX role_binding_of_service_account ON role_binding (service_account_id) WHERE service_account_id IS NOT NULL;
CREATE INDEX role_binding_of_custom_role ON role_binding (custom_role_id) WHERE custom_role_id IS NOT NULL;
CREATE INDEX role_binding_of_organization ON role_binding (organization_id, id);

-- Who owned a single project administers it: owners are of organizations.
UPDATE role_binding SET role = 'project_admin' WHERE role = 'owner' AND project_id IS NOT NULL;

CREATE TABLE invitation (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES resource (id),
    project_id      uuid REFERENCES resource (id),
    email           text NOT NULL,
    role            text NOT NULL,                      -- a built-in one, or a custom one of the organization
    token_hash      bytea NOT NULL,                     -- SHA-256 of the token that was told once
    invited_by      uuid NOT NULL,
    invited_by_kind text NOT NULL,                      -- user, service_account
    expires_at      timestamptz NOT NULL,
    accepted_at     timestamptz,
    accepted_by     uuid REFERENCES user_account (id),
    revoked_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
CREATE INDEX invitation_of_organization ON invitation (organization_id, id);
