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
            here = client.organization(tenant.organization)
            suffix = new_id().hex[-8:]
            role = here.roles.create(f"deployer_{suffix}", ["compute.vm.*"], description="It deploys.")
            role = here.roles.update(role.id, permissions=["compute.vm.read"])
            assert role in list(here.roles.list())
            group = here.groups.create(f"developers-{suffix}")
            member = here.group_members.create(group.id, friend.user.email)
            assert list(here.group_members.list(group.id)) == [member]
            until = datetime(2099, 1, 1, tzinfo=UTC)
            binding = here.role_bindings.create(role.name, group=group.name, project_id=tenant.project, expires_at=until)
            assert (binding.group_id, binding.role, binding.expires_at) == (group.id, role.name, until)

            said = theirs.common.access.check("compute.vm.read", project_id=tenant.project)
            assert said.allowed
            assert said.through is not None
            assert said.through.group_name == group.name
            said = client.common.access.check("compute.vm.create", project_id=tenant.project, subject=friend.user.email)
            assert (said.allowed, said.code) == (False, "forbidden")

            here.role_bindings.delete(binding.id)
            here.group_members.delete(group.id, member.user_id)
            assert here.groups.delete(group.id) == group
            assert here.roles.delete(role.id) == role

            account = here.service_accounts.create(f"ci-{suffix}", project_id=tenant.project)
            here.role_bindings.create("viewer", service_account=account.id, project_id=tenant.project)
            assert here.service_accounts.disable(account.id).disabled_at is not None
            assert here.service_accounts.enable(account.id) in list(here.service_accounts.list())
            assert here.service_accounts.delete(account.id) == account

            invitation = here.invitations.create(friend.user.email, "viewer", expires_in_days=1)
            assert invitation.token is not None
            assert invitation.token not in repr(invitation)
            assert theirs.common.invitations.accept(invitation.token).status == "accepted"
            other = here.invitations.create(friend.user.email, "project_admin")
            assert here.invitations.delete(other.id).status == "revoked"
            assert {each.id for each in here.invitations.list()} >= {invitation.id, other.id}

    await asyncio.to_thread(run)


def _token(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")
