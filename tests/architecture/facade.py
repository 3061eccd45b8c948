"""An import-linter contract: a service is entered by its front doors only.

Doors are the service's package itself, the packages of its kinds (`network.port`), and the modules that the contract names.
"""

from typing import Any

from importlinter import Contract, ContractCheck, fields, output


class FacadeContract(Contract):
    """No module outside of a service imports what is behind its doors. `container` holds the services."""

    container: Any = fields.StringField()
    doors: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        """Look at every module of every service for outsiders who import it."""
        del verbose
        leaks = []
        for service in graph.find_children(self.container):
            inside = {service} | graph.find_descendants(service)
            for module in sorted(inside):
                if not self._is_door(graph, service, module):
                    outsiders = graph.find_modules_that_directly_import(module) - inside
                    leaks += [f"{outsider} -> {module}" for outsider in sorted(outsiders) if self._bound(outsider)]
        return ContractCheck(kept=not leaks, metadata={"leaks": leaks})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print who came in by a window."""
        for leak in check.metadata["leaks"]:
            output.print_error(leak)

    def _is_door(self, graph: Any, service: str, module: str) -> bool:
        kind_package = module.rpartition(".")[0] == service and bool(graph.find_children(module))
        door = module.removeprefix(f"{self.container}.") in self.doors
        single_file_kind = module.rpartition(".")[0] == service and module.rsplit(".", 1)[-1] in self.doors
        return module == service or kind_package or door or single_file_kind

    def _bound(self, outsider: str) -> bool:
        """Composition roots put everything together, and so see everything."""
        return bool(outsider.startswith(f"{self.container}."))
