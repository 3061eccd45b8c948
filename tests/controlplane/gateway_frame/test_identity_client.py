"""The SDK's view of roles, groups, service accounts and invitations, against the real api behind a socket."""

import asyncio
from datetime import UTC, datetime

from tests.controlplane.gateway_frame.conftest import MakeUser, Tenant

from groundplane.kernel.ids import new_id
from groundplane.sdk import Client


async def test_an_owner_runs_an_organization_by_the_sdk(server: str, make_user: MakeUser, tenant: Tenant) -> None:
    owner, friend = await make_user("owner", tenant.organization_id), await make_user()

    def run() -> None:
        with Client(server, _token(owner.headers)) as client, Client(server, _token(friend.headers)) as theirs:
            common, here = client.common, tenant.organization
            suffix = new_id().hex[-8:]
            role = common.roles(here).create(f"deployer_{suffix}", ["compute.vm.*"], "It deploys.")
            role = common.roles(here).update(role.id, ["compute.vm.read"])
            assert role in list(common.roles(here).list())
            group = common.groups(here).create(f"developers-{suffix}")
            member = common.groups(here).add(group.id, friend.user.email)
            assert list(common.groups(here).members(group.id)) == [member]
            until = datetime(2099, 1, 1, tzinfo=UTC)
            binding = common.role_bindings(here).create_for_group(group.name, role.name, tenant.project, expires_at=until)
            assert (binding.group_id, binding.role, binding.expires_at) == (group.id, role.name, until)

            said = theirs.common.check("compute.vm.read", project_id=tenant.project)
            assert said.allowed
            assert said.through is not None
            assert said.through["group_name"] == group.name
            said = common.check("compute.vm.create", project_id=tenant.project, subject=friend.user.email)
            assert (said.allowed, said.code) == (False, "forbidden")

            common.role_bindings(here).delete(binding.id)
            common.groups(here).remove(group.id, member.user_id)
            assert common.groups(here).delete(group.id) == group
            assert common.roles(here).delete(role.id) == role

            account = common.service_accounts(here).create(f"ci-{suffix}", project_id=tenant.project)
            common.role_bindings(here).create_for_service_account(account.id, "viewer", tenant.project)
            assert common.service_accounts(here).disable(account.id).disabled_at is not None
            assert common.service_accounts(here).enable(account.id) in list(common.service_accounts(here).list())
            assert common.service_accounts(here).delete(account.id) == account

            invitation = common.invitations(here).create(friend.user.email, "viewer", days=1)
            assert invitation.token is not None
            assert invitation.token not in repr(invitation)
            assert theirs.common.accept(invitation.token).status == "accepted"
            other = common.invitations(here).create(friend.user.email, "project_admin")
            assert common.invitations(here).revoke(other.id).status == "revoked"
            assert {each.id for each in common.invitations(here).list()} >= {invitation.id, other.id}

    await asyncio.to_thread(run)


def _token(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")
